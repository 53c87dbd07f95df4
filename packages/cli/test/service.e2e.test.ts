// `quiesce service`, with a service manager that only writes down what it is told: nothing here changes the machine.
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { afterEach, beforeEach, describe, expect, test } from "vitest"
import { bin, type Result, run } from "./support/Supervised.ts"

let cwd = ""
let unit = ""
beforeEach(() => {
  cwd = mkdtempSync(join(tmpdir(), "quiesce-cli-"))
  unit = join(cwd, "config/systemd/user/orders.service")
  mkdirSync(join(cwd, "bin"))
})
afterEach(() => rmSync(cwd, { recursive: true }))

const program = (name: string, script: string): void => {
  writeFileSync(join(cwd, "bin", name), `#!/bin/sh\n${script}\n`)
  chmodSync(join(cwd, "bin", name), 0o755)
}

const service = (...args: ReadonlyArray<string>): Promise<Result> =>
  run([process.execPath, bin, "service", ...args], cwd, {
    PATH: `${join(cwd, "bin")}:${process.env["PATH"]}`,
    XDG_CONFIG_HOME: join(cwd, "config")
  })

const told = (): ReadonlyArray<string> =>
  readFileSync(join(cwd, "told"), "utf8")
    .trimEnd()
    .split("\n")
    .filter((line) => line !== "--version")

describe.runIf(process.platform === "linux")("quiesce service", () => {
  beforeEach(() => program("systemctl", `echo "$@" >> ${join(cwd, "told")}; echo "systemd 255 (255.4)"`))

  test("install writes a unit whose times leave the application its grace period, and starts it", async () => {
    program("orders", "")
    const words = ["--user", "--name", "orders", "--grace", "40s", "--env", "PORT=3000", "--", "orders", "main.js"]
    expect(await service("install", ...words)).toEqual({
      code: 0,
      stdout: `wrote ${unit}, and started it\n`,
      stderr: ""
    })
    const text = readFileSync(unit, "utf8")
    expect(text).toContain(`ExecStart=${join(cwd, "bin/orders")} main.js\nWorkingDirectory=${cwd}\n`)
    expect(text).toContain("TimeoutStopSec=45\n")
    expect(text).toContain('Environment="PORT=3000"')
    expect(text).toContain("Type=notify\n")
    expect(told()).toEqual(["--user daemon-reload", "--user enable orders", "--user restart orders"])
  })

  test("a node that only a shell would find is found by what the service starts, too", async () => {
    const { stdout } = await service("install", "--user", "--name", "orders", "--print", "--", "true")
    const usual = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    const path = /^Environment="PATH=(.*)"$/m.exec(stdout)?.[1] ?? usual
    expect(path.split(":")).toContain(dirname(process.execPath))
    const given = await service(
      "install",
      "--user",
      "--name",
      "orders",
      "--print",
      "--env",
      "PATH=/a b:/c",
      "--",
      "true"
    )
    expect(given.stdout).toContain('Environment="PATH=/a b:/c"\n')
  })

  test("install knows that SIGHUP replaces what runs under a supervisor", async () => {
    program("quiesce", "")
    const { stdout } = await service(
      "install",
      "--user",
      "--name",
      "orders",
      "--print",
      "--",
      "quiesce",
      "run",
      "--",
      "x"
    )
    expect(stdout).toContain("Type=notify-reload\n")
    expect(existsSync(unit)).toBe(false)
  })

  test("uninstall stops it, and removes the unit that install has written", async () => {
    await service("install", "--user", "--name", "orders", "--", "true")
    rmSync(join(cwd, "told"))
    expect(await service("uninstall", "--user", "--name", "orders")).toMatchObject({ code: 0, stderr: "" })
    expect(existsSync(unit)).toBe(false)
    expect(told()).toEqual(["--user disable --now orders", "--user daemon-reload"])
    expect(await service("uninstall", "--user", "--name", "orders")).toMatchObject({
      code: 1,
      stderr: `quiesce: there is no service orders: ${unit} does not exist\n`
    })
  })

  test("a unit of somebody else is neither overwritten nor removed", async () => {
    mkdirSync(join(cwd, "config/systemd/user"), { recursive: true })
    writeFileSync(unit, "[Service]\n")
    for (const words of [
      ["install", "--user", "--name", "orders", "--", "true"],
      ["uninstall", "--user", "--name", "orders"]
    ]) {
      const { code, stderr } = await service(...words)
      expect(code).toBe(1)
      expect(stderr).toContain('is not one that "quiesce service" has written')
    }
    expect(readFileSync(unit, "utf8")).toBe("[Service]\n")
  })

  test("what the service manager says against it is told", async () => {
    program("systemctl", 'echo "Failed to connect to bus" >&2; exit 1')
    expect(await service("install", "--user", "--name", "orders", "--", "true")).toMatchObject({
      code: 1,
      stderr: 'quiesce: "systemctl --user daemon-reload" failed: Failed to connect to bus\n'
    })
  })
})
