/**
 * Who a process is: its pid alone says nothing, for pids are used again.
 */
import { execFileSync } from "node:child_process"
import { readFileSync } from "node:fs"

export interface Identity {
  readonly pid: number
  /** The kernel's mark of when it began: clock ticks since boot on Linux, a date elsewhere. Only equality means anything. */
  readonly startedAt: string
  /** Its command line; what a process makes of it later (as Postgres' backends do) shows here too. */
  readonly command: ReadonlyArray<string>
}

/** The running process with this pid; none for a zombie, which `kill(pid, 0)` would report as alive. */
export const identify = (pid: number): Identity | undefined => {
  if (!Number.isInteger(pid) || pid <= 0) return undefined
  try {
    return process.platform === "linux" ? fromProc(pid) : fromPs(pid)
  } catch {
    return undefined // it ended while we looked
  }
}

/** This very process. */
export const self = (): Identity =>
  identify(process.pid) ?? { pid: process.pid, startedAt: "unknown", command: process.argv }

/** Whether `identity` still runs, and is not another process with its pid. */
export const isAlive = (identity: Identity): boolean => identify(identity.pid)?.startedAt === identity.startedAt

const fromProc = (pid: number): Identity | undefined => {
  // The name in the second field may hold anything, blanks and parentheses too: count from its last parenthesis.
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8")
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ")
  const [state, startedAt] = [fields[0], fields[19]]
  if (startedAt === undefined || state === "Z" || state === "X") return undefined
  const command = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0").slice(0, -1)
  return { pid, startedAt, command }
}

/** Exported for its test on Linux, where its answers can be compared. */
export const fromPs = (pid: number): Identity | undefined => {
  const line = execFileSync("ps", ["-o", "stat=", "-o", "lstart=", "-o", "command=", "-p", String(pid)], {
    encoding: "utf8",
    env: { ...process.env, LC_ALL: "C" },
    stdio: ["ignore", "pipe", "ignore"]
  })
  const [state = "Z", ...words] = line.trim().split(/\s+/)
  if (state.startsWith("Z")) return undefined
  return { pid, startedAt: words.slice(0, 5).join(" "), command: words.slice(5) }
}
