/**
 * A bare TCP client: what is on the wire, byte by byte.
 */
import { once } from "node:events"
import { connect, type Socket } from "node:net"

export class Wire {
  readonly socket: Socket
  text = ""
  /** Resolves with everything that was received, when the connection has ended, however it did. */
  readonly closed: Promise<string>
  error: string | undefined
  readonly #waiting: Array<() => void> = []

  private constructor(socket: Socket) {
    this.socket = socket
    socket.on("data", (chunk: Buffer) => {
      this.text += chunk.toString("latin1")
      for (const check of this.#waiting.splice(0)) check()
    })
    socket.on("error", (error: NodeJS.ErrnoException) => (this.error = error.code ?? error.message))
    this.closed = new Promise((resolve) =>
      socket.on("close", () => {
        for (const check of this.#waiting.splice(0)) check()
        resolve(this.text)
      })
    )
  }

  static async open(port: number, options: { readonly allowHalfOpen?: boolean } = {}): Promise<Wire> {
    const socket = connect({ port, host: "127.0.0.1", noDelay: true, ...options })
    const wire = new Wire(socket)
    await once(socket, "connect")
    return wire
  }

  send(text: string): void {
    this.socket.write(text, "latin1")
  }

  get(path: string, headers = ""): void {
    this.send(`GET ${path} HTTP/1.1\r\nHost: test\r\n${headers}\r\n`)
  }

  async received(part: string): Promise<void> {
    while (!this.text.includes(part)) {
      if (this.socket.destroyed) throw new Error(`closed before ${JSON.stringify(part)}: ${JSON.stringify(this.text)}`)
      await new Promise<void>((resolve) => this.#waiting.push(resolve))
    }
  }

  /** Forgets what was received, to look at what comes next. */
  take(): string {
    const { text } = this
    this.text = ""
    return text
  }

  destroy(): void {
    this.socket.destroy()
  }
}
