/**
 * The program under comparison, in a process of its own.
 */
import { type ChildProcess, fork } from "node:child_process"
import { once } from "node:events"
import type { Fault } from "../../packages/node/test/fixtures/faults.ts"

/** Plain effect, NodeApp, and NodeApp without its watchdog. */
export type Kind = "plain" | "quiesce" | "unwatched"

/** What the program's finalizer does. */
export type Work = "nothing" | Fault

/** Milliseconds of processor time so far, of all threads, and bytes of memory. */
export interface Usage {
  readonly cpu: number
  readonly rss: number
}

export class Program {
  /** Milliseconds from the start of the process to the first line of the application. */
  readonly startUp: number
  readonly #process: ChildProcess

  private constructor(process: ChildProcess, startUp: number) {
    this.#process = process
    this.startUp = startUp
  }

  static async start(kind: Kind, work: Work): Promise<Program> {
    const began = performance.now()
    const child = fork(new URL("./main.ts", import.meta.url), [kind, work], {
      stdio: ["ignore", "ignore", "ignore", "ipc"]
    })
    await once(child, "message")
    return new Program(child, performance.now() - began)
  }

  async usage(): Promise<Usage> {
    this.#process.send("usage")
    const [usage] = (await once(this.#process, "message")) as [Usage]
    return usage
  }

  /** Milliseconds from a SIGTERM to the end; `undefined` when it had to be killed after `limit`. */
  async stop(limit: number): Promise<number | undefined> {
    const began = performance.now()
    const ended = once(this.#process, "exit")
    const timer = setTimeout(() => this.#process.kill("SIGKILL"), limit)
    this.#process.kill("SIGTERM")
    await ended
    clearTimeout(timer)
    const took = performance.now() - began
    return took < limit ? took : undefined
  }
}
