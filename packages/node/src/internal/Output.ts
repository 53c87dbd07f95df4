/**
 * The standard streams as the end of a process needs them: what was written arrives, and nobody who does not read keeps the
 * process from leaving.
 */
import { writeSync } from "node:fs"

export class Output {
  readonly isTerminal: boolean = process.stderr.isTTY
  readonly color = this.isTerminal && !process.env["NO_COLOR"] && process.env["TERM"] !== "dumb"
  #exiting = false

  constructor() {
    // A reader that has gone away is no reason to crash.
    for (const stream of [process.stdout, process.stderr]) stream.on("error", () => {})
  }

  get width(): number {
    // No terminal has none; one that does not know its size says 0.
    return process.stderr.columns || 80
  }

  /** To stderr, at once. */
  error(text: string): void {
    this.#write(`${text}\n`)
  }

  /** Without a line end, for the live line. */
  live(text: string): void {
    this.#write(text)
  }

  /**
   * Leaves the process. Streams to files and terminals are written at once; a pipe can have something pending, which is
   * waited for so many milliseconds.
   */
  exit(code: number, flushMillis: number): void {
    if (this.#exiting) return
    this.#exiting = true
    process.exitCode = code
    const pending = [process.stdout, process.stderr].filter((stream) => stream.writableLength > 0 && !stream.destroyed)
    if (pending.length === 0) this.#leave(code)
    let open = pending.length
    const flushed = (): void => {
      open--
      if (open === 0) this.#leave(code)
    }
    for (const stream of pending) stream.write("", flushed)
    setTimeout(() => this.#leave(code), flushMillis)
  }

  #leave(code: number): void {
    try {
      process.exit(code)
    } catch (error) {
      // An exit listener of the application; Node asks no other one after it.
      this.error(`an exit listener threw: ${error instanceof Error ? error.stack : String(error)}`)
      process.exit(code)
    }
  }

  #write(text: string): void {
    // What the stream has pending goes first, or the lines would change places.
    if (process.stderr.writableLength > 0) {
      process.stderr.write(text)
      return
    }
    const bytes = Buffer.from(text)
    for (let from = 0, tries = 0; from < bytes.length && tries < 1000;) {
      try {
        from += writeSync(2, bytes, from)
      } catch (error) {
        // A full pipe answers EAGAIN: the rest goes through the stream, and `exit` waits for it.
        if (isCode(error, "EAGAIN")) {
          process.stderr.write(bytes.subarray(from))
          return
        }
        if (!isCode(error, "EINTR")) return
        tries++
      }
    }
  }
}

const isCode = (error: unknown, code: string): boolean =>
  error instanceof Error && "code" in error && error.code === code
