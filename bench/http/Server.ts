/**
 * A server under comparison, in its own process.
 */
import { type ChildProcess, fork } from "node:child_process"
import { once } from "node:events"

export type Kind = "plain" | "app" | "quiesce"

export class Server {
  readonly port: number
  readonly exited: Promise<number | null>
  readonly #process: ChildProcess
  #stopAt = 0

  private constructor(process: ChildProcess, port: number) {
    this.#process = process
    this.port = port
    this.exited = once(process, "close").then(([code]) => code as number | null)
  }

  static async start(kind: Kind, options: object = {}): Promise<Server> {
    const process = fork(new URL("./servers.ts", import.meta.url), [kind, JSON.stringify(options)], {
      stdio: ["ignore", "ignore", "ignore", "ipc"]
    })
    const [{ port }] = (await once(process, "message")) as [{ port: number }]
    return new Server(process, port)
  }

  /** CPU time of the process so far, in microseconds. */
  async cpu(): Promise<number> {
    this.#process.send("cpu")
    const [{ cpu }] = (await once(this.#process, "message")) as [{ cpu: NodeJS.CpuUsage }]
    return cpu.user + cpu.system
  }

  stop(signal: NodeJS.Signals = "SIGTERM"): void {
    if (this.#stopAt === 0) this.#stopAt = performance.now()
    this.#process.kill(signal)
  }

  /** Milliseconds from the first signal to the exit; `undefined` when it had to be killed after `limit`. */
  async ended(limit = 30_000): Promise<number | undefined> {
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<"late">((resolve) => (timer = setTimeout(() => resolve("late"), limit)))
    const how = await Promise.race([this.exited, late])
    clearTimeout(timer)
    if (how === "late") {
      this.kill()
      await this.exited
      return undefined
    }
    return performance.now() - this.#stopAt
  }

  kill(): void {
    this.#process.kill("SIGKILL")
  }
}
