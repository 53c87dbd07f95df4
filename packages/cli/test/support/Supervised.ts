/**
 * `quiesce run` as a process of its own, in a folder of its own. Nothing here sleeps: it waits for output, answers and exits.
 */
import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { mkdtempSync, rmSync } from "node:fs"
import { request } from "node:http"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { afterAll } from "vitest"
import type { Status } from "../../src/Control.ts"
import { exitCodeOf } from "../../src/internal/exitCode.ts"
import { processIdentity } from "../../src/internal/processIdentity.ts"

export const bin = fileURLToPath(new URL("../../src/internal/bin.ts", import.meta.url))

export interface RunOptions {
  readonly flags?: ReadonlyArray<string>
  readonly command: ReadonlyArray<string>
  readonly env?: Readonly<Record<string, string>>
  readonly cwd?: string
  /** Words before `node`, such as `unshare --pid --fork`. */
  readonly below?: ReadonlyArray<string>
  /** All words, in place of those that are made of the rest. */
  readonly whole?: ReadonlyArray<string>
  /** Whether its input is a pipe; see `type`. */
  readonly input?: boolean
  /** A file descriptor in place of its output, which then is not read here. */
  readonly output?: number
}

export interface Result {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** A script for `node -e`: it says that it is ready, and does nothing until it is told to leave. */
export const idle = `require("fs").writeSync(+process.env.QUIESCE_NOTIFY_FD, "READY=1\\n\\n"); setInterval(() => {}, 1e6);`

/** What nobody has closed: a test that fails, or has no time left, leaves no process behind. */
const open = new Set<Supervised>()
const running = new Set<ChildProcess>()
afterAll(async () => {
  for (const child of running) child.kill("SIGKILL")
  for (const one of open) await one.close()
})

export class Supervised {
  readonly cwd: string
  output = ""
  /** The exit code that a shell would see. */
  readonly exited: Promise<number>
  readonly #process: ChildProcess
  readonly #closed: Promise<unknown>
  readonly #ownFolder: boolean
  /** Whether the pids that it tells are those of a namespace, which ends with it. */
  readonly #isApart: boolean
  readonly #waiting: Array<() => void> = []

  constructor({ below = [], command, cwd, env = {}, flags = [], input = false, output, whole }: RunOptions) {
    this.#ownFolder = cwd === undefined
    this.cwd = cwd ?? mkdtempSync(join(tmpdir(), "quiesce-cli-"))
    const words = whole ?? [...below, process.execPath, bin, "run", ...flags, "--", ...command]
    const [program = "", ...args] = words
    this.#process = spawn(program, args, {
      cwd: this.cwd,
      env: { ...clean, ...env },
      stdio: [input ? "pipe" : "ignore", output ?? "pipe", output ?? "pipe"],
      // It leads a group, which can be ended as a whole.
      detached: true
    })
    this.#isApart = words.some((word) => word.includes("unshare"))
    open.add(this)
    for (const stream of [this.#process.stdout, this.#process.stderr]) {
      stream?.setEncoding("utf8").on("data", (text: string) => {
        this.output += text
        for (const check of this.#waiting.splice(0)) check()
      })
    }
    this.#closed = once(this.#process, "close")
    this.exited = once(this.#process, "exit").then(([code, signal]) => exitCodeOf({ code, signal }))
  }

  get pid(): number {
    return this.#process.pid ?? 0
  }

  /** Waits until the output contains this. */
  async says(text: string): Promise<void> {
    const closed = this.#closed.then(() => true)
    while (!this.output.includes(text)) {
      const isOver = await Promise.race([
        new Promise<false>((resolve) => this.#waiting.push(() => resolve(false))),
        closed
      ])
      if (isOver && !this.output.includes(text)) throw new Error(`ended before it said ${text}:\n${this.output}`)
    }
  }

  signal(signal: NodeJS.Signals): void {
    this.#process.kill(signal)
  }

  type(keys: string): void {
    this.#process.stdin?.write(keys)
  }

  /** Asks on the control socket. */
  ask(method: string, path: string): Promise<{ readonly status: number; readonly body: unknown }> {
    return new Promise((resolve, reject) => {
      const socketPath = join(this.cwd, ".quiesce/app.sock")
      const asking = request({ socketPath, method, path, agent: false }, (response) => {
        let text = ""
        response.setEncoding("utf8").on("data", (chunk: string) => (text += chunk))
        response.on("end", () => resolve({ status: response.statusCode ?? 0, body: JSON.parse(text) }))
      })
      asking.on("error", reject).end()
    })
  }

  async status(): Promise<Status> {
    return (await this.ask("GET", "/status")).body as Status
  }

  /** Asks until the status is so. */
  async until(what: (status: Status) => boolean): Promise<Status> {
    while (true) {
      const status = await this.status().catch(() => undefined)
      if (status !== undefined && what(status)) return status
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
  }

  /** Runs another command of the command line in the same folder. */
  quiesce(...args: ReadonlyArray<string>): Promise<Result> {
    return run([process.execPath, bin, ...args], this.cwd)
  }

  async close(): Promise<void> {
    open.delete(this)
    const isHere = this.#process.exitCode === null && this.#process.signalCode === null
    const status = isHere && !this.#isApart ? await this.status().catch(() => undefined) : undefined
    kill(this.pid)
    await this.exited
    for (const life of [status?.child, status?.next, ...(status?.leaving ?? [])]) kill(life?.pid)
    if (!this.#isApart) for (const [, pid] of this.output.matchAll(/\bpid (\d+)/g)) kill(Number(pid))
    if (this.#ownFolder) rmSync(this.cwd, { recursive: true, force: true })
  }
}

/** The group too, which it leads. */
const kill = (pid: number | undefined): void => {
  if (pid === undefined || pid <= 1) return
  try {
    process.kill(-pid, "SIGKILL")
  } catch {
    // Gone.
  }
}

/** What the test runner wishes for itself. */
const { FORCE_COLOR: _color, NODE_OPTIONS: _options, ...inherited } = process.env

/** Most of the time of these tests is the start of processes; a cache halves it. */
const clean = { ...inherited, NODE_COMPILE_CACHE: join(tmpdir(), "quiesce-cli-compile-cache") }

export const run = async (
  words: ReadonlyArray<string>,
  cwd: string,
  env: Readonly<Record<string, string>> = {}
): Promise<Result> => {
  const [program = "", ...args] = words
  const child = spawn(program, args, { cwd, env: { ...clean, ...env }, stdio: ["ignore", "pipe", "pipe"] })
  let stdout = ""
  let stderr = ""
  child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text))
  child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text))
  running.add(child)
  const [code] = await once(child, "close")
  running.delete(child)
  return { code, stdout, stderr }
}

/** Whether a process is there, and no zombie. */
export const isAlive = (pid: number): boolean => processIdentity(pid) !== undefined

/** Waits for the end of a process that is not ours to wait for. */
export const gone = async (pid: number): Promise<void> => {
  while (isAlive(pid)) await new Promise((resolve) => setTimeout(resolve, 10))
}
