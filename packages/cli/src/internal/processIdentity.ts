/**
 * Which process a pid means: pids are used again, so a process is known by the time of its start as well.
 */
import { spawnSync } from "node:child_process"
import { readFileSync } from "node:fs"

/** The same text as long as it is the same process; undefined when there is none, or only its zombie. */
export const processIdentity = (pid: number): string | undefined =>
  process.platform === "linux" ? fromProc(pid) : fromPs(pid)

const fromProc = (pid: number): string | undefined => {
  const stat = processStat(pid)
  if (stat === undefined || stat.state === "Z") return undefined
  return `${bootId()} ${stat.started}`
}

const bootId = (): string => readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim()

/** Whether the machine has been up since then; false where that is not known. */
export const isOfThisBoot = (identity: string): boolean =>
  process.platform === "linux" && identity.startsWith(`${bootId()} `)

export interface ProcessStat {
  readonly state: string | undefined
  readonly group: number
  /** In ticks since the machine was started. */
  readonly started: string | undefined
}

/** Of Linux; undefined when there is no such process. */
export const processStat = (pid: number): ProcessStat | undefined => {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8")
    // The name of the program, in parentheses, may contain anything.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ")
    return { state: fields[0], group: Number(fields[2]), started: fields[19] }
  } catch {
    return undefined
  }
}

const fromPs = (pid: number): string | undefined => {
  const { status, stdout } = spawnSync("ps", ["-o", "state=,lstart=", "-p", String(pid)], { encoding: "utf8" })
  const text = stdout.trim()
  return status !== 0 || text.startsWith("Z") ? undefined : text.slice(text.indexOf(" ")).trim()
}
