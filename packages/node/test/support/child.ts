/** A real child process, its output line by line, and its end. It lives at most as long as the test, with what it has started. */
import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { join } from "node:path"
import { onTestFinished } from "vitest"

export interface Ended {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
  /** Milliseconds from the first signal that the test sent to the end. */
  readonly stopMillis: number
}

export class Child {
  readonly #process: ChildProcess
  readonly #ended: Promise<unknown>
  #stdout = ""
  #stderr = ""
  #waiting: Array<() => void> = []
  #firstSignal: number | undefined

  constructor(
    command: string,
    args: ReadonlyArray<string>,
    options: { readonly env?: Record<string, string>; readonly readStdout?: boolean; readonly stdin?: "pipe" } = {}
  ) {
    this.#process = spawn(command, args, {
      cwd: join(import.meta.dirname, "../fixtures"),
      env: { ...process.env, FORCE_COLOR: undefined, ...options.env },
      stdio: [options.stdin ?? "ignore", "pipe", "pipe"],
      // It leads a group, which can be ended as a whole.
      detached: true
    })
    onTestFinished(() => this.#killGroup())
    this.#ended = once(this.#process, "close")
    if (options.readStdout !== false)
      this.#process.stdout?.on("data", (data: Buffer) => this.#hear(() => (this.#stdout += data.toString())))
    this.#process.stderr?.on("data", (data: Buffer) => this.#hear(() => (this.#stderr += data.toString())))
    this.#process.on("close", () => this.#hear(() => {}))
  }

  static node(fixture: string, env: Record<string, string> = {}): Child {
    return new Child(process.execPath, [fixture], { env })
  }

  /** A whole program; it can import what the fixtures can. */
  static inline(program: string, env: Record<string, string> = {}): Child {
    return new Child(process.execPath, ["--input-type=module", "-e", program], { env })
  }

  get pid(): number {
    const { pid } = this.#process
    if (pid === undefined) throw new Error("it could not be started")
    return pid
  }

  get output(): string {
    return this.#stdout + this.#stderr
  }

  /** Waits until the output says it. */
  async says(text: string): Promise<this> {
    while (!this.output.includes(text)) {
      if (this.#process.exitCode !== null || this.#process.signalCode !== null)
        throw new Error(`ended without saying "${text}":\n${this.output}`)
      await new Promise<void>((resolve) => this.#waiting.push(resolve))
    }
    return this
  }

  signal(signal: NodeJS.Signals): this {
    this.#firstSignal ??= performance.now()
    this.#process.kill(signal)
    return this
  }

  closeStdin(): this {
    this.#firstSignal ??= performance.now()
    this.#process.stdin?.end()
    return this
  }

  closeStdout(): this {
    this.#process.stdout?.destroy()
    return this
  }

  async ended(): Promise<Ended> {
    // "close" waits for the pipes; a reader that never reads would keep it from coming.
    if (this.#process.exitCode === null && this.#process.signalCode === null) await once(this.#process, "exit")
    const stopMillis = performance.now() - (this.#firstSignal ?? performance.now())
    if (this.#process.stdout?.readableFlowing === true) await this.#ended
    return {
      code: this.#process.exitCode,
      signal: this.#process.signalCode,
      stdout: this.#stdout,
      stderr: this.#stderr,
      stopMillis
    }
  }

  #killGroup(): void {
    const { pid } = this.#process
    if (pid === undefined) return
    try {
      process.kill(-pid, "SIGKILL")
    } catch {
      // Gone, as it should be.
    }
  }

  #hear(what: () => void): void {
    what()
    const waiting = this.#waiting
    this.#waiting = []
    for (const resolve of waiting) resolve()
  }
}
