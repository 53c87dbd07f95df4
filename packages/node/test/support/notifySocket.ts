/** A service manager's end: a real datagram socket, made by the C library, and what arrives there. */
import { rmSync } from "node:fs"
import koffi from "koffi"

const AF_UNIX = 1
const SOCK_DGRAM = 2
const SOCK_CLOEXEC = 0o2000000
const longest = 8192
const end = "END"

const libc = koffi.load(null)
const socket = libc.func("int socket(int, int, int)")
const bind = libc.func("int bind(int, const void *, uint32_t)")
const connect = libc.func("int connect(int, const void *, uint32_t)")
const send = libc.func("intptr_t send(int, const void *, size_t, int)")
const receive = libc.func("intptr_t recv(int, _Out_ void *, size_t, int)")
const close = libc.func("int close(int)")

const addressOf = (name: string): Buffer =>
  Buffer.concat([Buffer.from([AF_UNIX, 0]), Buffer.from(name.startsWith("@") ? `\0${name.slice(1)}` : `${name}\0`)])

export class NotifySocket {
  readonly name: string
  /** Each message's lines, in the order of their arrival. */
  readonly messages: Array<ReadonlyArray<string>> = []
  readonly #fd: number = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)
  #waiting: Array<() => void> = []

  /** `deaf`: it takes nothing until `listen`, and then what has come since. */
  constructor(name: string, hearing: "deaf" | "listening" = "listening") {
    this.name = name
    const address = addressOf(name)
    if (bind(this.#fd, address, address.length) !== 0) throw new Error(`cannot bind ${name}: ${koffi.errno()}`)
    if (hearing === "listening") this.listen()
  }

  get lines(): ReadonlyArray<string> {
    return this.messages.flat()
  }

  /** Waits for a line that begins with it, and returns that line; the `nth` of them. */
  async hears(beginning: string, nth = 1): Promise<string> {
    for (;;) {
      const line = this.lines.filter((each) => each.startsWith(beginning))[nth - 1]
      if (line !== undefined) return line
      await new Promise<void>((resolve) => this.#waiting.push(resolve))
    }
  }

  /** Ends the thread that waits for messages. */
  close(): void {
    const own: number = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)
    const address = addressOf(this.name)
    connect(own, address, address.length)
    send(own, Buffer.from(end), end.length, 0)
    close(own)
    if (!this.name.startsWith("@")) rmSync(this.name)
  }

  listen(): void {
    const buffer = Buffer.alloc(longest)
    receive.async(this.#fd, buffer, longest, 0, (error: unknown, length: number) => {
      const message = buffer.toString("utf8", 0, Math.max(length, 0))
      if (error !== null || length < 0 || message === end) return void close(this.#fd)
      // The barrier of systemd-notify is a file descriptor, which is closed by not being taken.
      if (message !== "BARRIER=1") this.messages.push(message.split("\n").filter((line) => line !== ""))
      const waiting = this.#waiting
      this.#waiting = []
      for (const resolve of waiting) resolve()
      this.listen()
    })
  }
}
