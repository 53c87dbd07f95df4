/**
 * The pipe to the supervisor that has started this process: messages of lines, each ended by an empty line.
 */
import { Socket } from "node:net"

/** Bytes that may wait for a supervisor that does not read. Beyond that it has stopped listening for good. */
const mostPending = 1_000_000

export class NotifyPipe {
  readonly #socket: Socket

  /** Throws when `fd` is no pipe. */
  constructor(fd: number) {
    // A write on the bare descriptor would wait for a reader that does not read. A Socket writes at once what fits, and keeps
    // the rest; and a message that has begun is finished before the next.
    this.#socket = new Socket({ fd, readable: false, writable: true }).unref()
    // A supervisor that is gone wants to know nothing.
    this.#socket.on("error", () => {})
  }

  send(lines: ReadonlyArray<string>): void {
    if (this.#socket.writable && this.#socket.writableLength < mostPending)
      this.#socket.write(`${lines.join("\n")}\n\n`)
  }
}
