/** Parsers that are not ours, from Python's standard library. */
import { spawnSync } from "node:child_process"

export const noPython =
  spawnSync("python3", ["-c", "import plistlib, xml.dom.minidom"]).status === 0 ? undefined : "there is no python3"

/** The JSON that a program prints about its standard input. */
export const python = (program: string, input: string): unknown => {
  const { status, stderr, stdout } = spawnSync("python3", ["-c", program], { input, encoding: "utf8" })
  if (status !== 0) throw new Error(stderr)
  return JSON.parse(stdout)
}
