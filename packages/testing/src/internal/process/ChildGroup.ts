/**
 * A process that leads a group of its own: the terminal's Ctrl+C stays away from it, and whatever it starts ends with it, as
 * long as that stays in the group.
 */
import { type ChildProcess, spawn } from "node:child_process"
import { readdirSync, readFileSync } from "node:fs"
import { Socket } from "node:net"

export interface Spawn {
  readonly command: string
  readonly args: ReadonlyArray<string>
  readonly cwd: string | undefined
  readonly env: NodeJS.ProcessEnv
}

/**
 * Outlives us, to clean up after a test run that was itself killed (Ctrl+C in the test runner): a word means that all is
 * done; the end of its input without a word means that we are gone.
 */
const guardScript = `trap "" INT TERM HUP; read -r word || { kill -9 -"$1"; rm -rf "$2"; }`

export class ChildGroup {
  readonly process: ChildProcess
  #guard: ChildProcess | undefined

  /** `folder` is the process's own, and goes with it when nobody else is left to remove it. */
  constructor({ args, command, cwd, env }: Spawn, folder: string) {
    this.process = spawn(command, args, { cwd, env, detached: true, stdio: ["ignore", "pipe", "pipe"] })
    const { pid } = this.process
    if (pid === undefined) return
    this.#guard = spawn("/bin/sh", ["-c", guardScript, "sh", String(pid), folder], {
      detached: true,
      stdio: ["pipe", "ignore", "ignore"]
    })
    this.#guard.on("error", () => {}) // no shell, no guard
    this.#guard.stdin?.on("error", () => {})
    this.#guard.unref()
    if (this.#guard.stdin instanceof Socket) this.#guard.stdin.unref()
    // When all are gone, the number may become another's: nobody is killed by it any more.
    this.process.once("exit", () => isAlive(pid) || this.#dismiss())
  }

  /** Kills all that is left of the group, and waits until it is gone. */
  async end(): Promise<void> {
    const { pid } = this.process
    if (pid === undefined || this.#guard === undefined) return
    kill(pid)
    // Only the leader's end is an event; for the others one has to look. SIGKILL needs no longer than the kernel does.
    for (let look = 0; look < looks && isAlive(pid); look++) {
      await new Promise((resolve) => setTimeout(resolve, lookMillis))
    }
    this.#dismiss()
  }

  #dismiss(): void {
    this.#guard?.stdin?.end("done\n")
    this.#guard = undefined
  }
}

const looks = 1000
const lookMillis = 5

const kill = (group: number): void => {
  try {
    process.kill(-group, "SIGKILL")
  } catch {
    // Nobody is left.
  }
}

const isAlive = (group: number): boolean => {
  try {
    process.kill(-group, 0)
  } catch {
    return false
  }
  // The dead that nobody has collected still count for kill(2): an orphan's new parent may never do it, in a container.
  return process.platform !== "linux" || readdirSync("/proc").some((entry) => isLivingMember(entry, group))
}

/** /proc/<pid>/stat is: pid (name) state parent group ...; the name may hold anything. */
const isLivingMember = (entry: string, group: number): boolean => {
  if (!/^\d+$/.test(entry)) return false
  try {
    const stat = readFileSync(`/proc/${entry}/stat`, "utf8")
    const [state, , itsGroup] = stat.slice(stat.lastIndexOf(")") + 2).split(" ")
    return Number(itsGroup) === group && state !== "Z" && state !== "X"
  } catch {
    return false // it has just ended
  }
}
