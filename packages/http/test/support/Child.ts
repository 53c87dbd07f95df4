/**
 * A fixture as a process of its own. Nothing here sleeps: it waits for lines of output and for the exit.
 */
import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"
import type { FixtureOptions } from "../fixtures/app.ts"

export class Child {
  readonly lines: Array<string> = []
  stderr = ""
  readonly exited: Promise<number | null>
  #stopAt = 0
  readonly #process: ChildProcess
  readonly #waiting: Array<() => void> = []

  private constructor(process: ChildProcess) {
    this.#process = process
    process.stderr!.setEncoding("utf8").on("data", (text: string) => (this.stderr += text))
    createInterface({ input: process.stdout! }).on("line", (line) => {
      this.lines.push(line)
      for (const check of this.#waiting.splice(0)) check()
    })
    this.exited = once(process, "close").then(([code]) => code as number | null)
  }

  static async start(options: FixtureOptions = {}, fixture = "app.ts"): Promise<Child & { port: number }> {
    const path = fileURLToPath(new URL(`../fixtures/${fixture}`, import.meta.url))
    const child = new Child(
      spawn(process.execPath, [path], {
        env: { ...process.env, QUIESCE_TEST: JSON.stringify(options) },
        stdio: ["ignore", "pipe", "pipe"]
      })
    )
    const line = await child.line(/^listening (\d+)/)
    return Object.assign(child, { port: Number(line.split(" ")[1]) })
  }

  /** Waits for the nth line that matches. */
  async line(pattern: RegExp, nth = 1): Promise<string> {
    while (true) {
      const found = this.lines.filter((line) => pattern.test(line))[nth - 1]
      if (found !== undefined) return found
      await Promise.race([
        new Promise<void>((resolve) => this.#waiting.push(resolve)),
        this.exited.then((code) => {
          throw new Error(`exited with ${code} before ${pattern}\n${this.lines.join("\n")}\n${this.stderr}`)
        })
      ])
    }
  }

  stop(signal: NodeJS.Signals = "SIGTERM"): void {
    this.#stopAt = performance.now()
    this.#process.kill(signal)
  }

  /** Milliseconds from the stop to the exit, and the exit code. */
  async ended(): Promise<{ readonly code: number | null; readonly after: number }> {
    const code = await this.exited
    return { code, after: performance.now() - this.#stopAt }
  }

  kill(): void {
    this.#process.kill("SIGKILL")
  }
}
