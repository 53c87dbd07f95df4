/**
 * Starts a Postgres program apart from us: own session, other account if need be, clean environment, output to a file.
 *
 * Its own session keeps the terminal's Ctrl+C and hang-up away from it: an application that drains still needs its
 * database. In return nothing would end it when we are killed, so on Linux the kernel is asked to (`setpriv --pdeathsig`).
 */
import { type ChildProcess, execFileSync, spawn } from "node:child_process"
import type { Account } from "./account.ts"

export interface Launch {
  readonly file: string
  readonly args: ReadonlyArray<string>
  readonly account: Account | undefined
  /** File descriptor for stdout and stderr. */
  readonly output: number
  /** The signal that it gets when we die without stopping it. */
  readonly whenOrphaned: "INT" | "KILL"
}

export const launch = ({ file, args, account, output, whenOrphaned }: Launch): ChildProcess => {
  const [command, ...rest] = diesWithUs()
    ? ["setpriv", "--pdeathsig", whenOrphaned, "--", file, ...args]
    : [file, ...args]
  const child = spawn(command, rest, {
    ...account,
    cwd: "/",
    detached: true,
    env: environment(),
    stdio: ["ignore", output, output],
    windowsHide: true
  })
  // An application that has finished must be able to end; whoever waits for the child holds the process himself.
  child.unref()
  return child
}

/** Nothing of ours is Postgres' business, least of all secrets. C keeps its messages in English, for our eyes. */
const environment = (): Record<string, string> => {
  const kept = ["PATH", "TZ", "SystemRoot", "TEMP"].flatMap((name) => {
    const value = process.env[name]
    return value === undefined ? [] : [[name, value]]
  })
  return { ...Object.fromEntries(kept), LC_ALL: "C" }
}

let known: boolean | undefined

/** Whether util-linux' setpriv is here; busybox has one of the same name that cannot do this. */
const diesWithUs = (): boolean => {
  if (known !== undefined) return known
  if (process.platform !== "linux") return (known = false)
  try {
    execFileSync("setpriv", ["--pdeathsig", "INT", "--", "true"], { stdio: "ignore" })
    return (known = true)
  } catch {
    return (known = false)
  }
}
