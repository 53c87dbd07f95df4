/**
 * The cheapest load there is: keep-alive connections that write the same bytes again as soon as the answer, of known
 * length, is complete. node:http as a client would cost more than the servers that are measured.
 */
import { once } from "node:events"
import { connect, type Socket } from "node:net"

const ask = Buffer.from("GET / HTTP/1.1\r\nHost: bench\r\n\r\n")

export interface Measured {
  readonly requests: number
  readonly seconds: number
  /** Milliseconds, median and 99th percentile. */
  readonly p50: number
  readonly p99: number
}

export class Hammer {
  readonly #sockets: ReadonlyArray<Socket>
  readonly #length: number

  private constructor(sockets: ReadonlyArray<Socket>, length: number) {
    this.#sockets = sockets
    this.#length = length
  }

  static async connect(port: number, connections: number): Promise<Hammer> {
    const sockets = Array.from({ length: connections }, () => connect({ port, host: "127.0.0.1", noDelay: true }))
    await Promise.all(sockets.map((socket) => once(socket, "connect")))
    const [first] = sockets
    if (first === undefined) throw new Error("at least one connection")
    first.write(ask)
    const [answer] = (await once(first, "data")) as [Buffer]
    return new Hammer(sockets, answer.length)
  }

  async run(requests: number): Promise<Measured> {
    const times: Array<number> = []
    let sent = 0
    const began = performance.now()
    await Promise.all(
      this.#sockets.map(
        (socket) =>
          new Promise<void>((resolve) => {
            let missing = 0
            let at = 0
            const next = () => {
              if (sent >= requests) {
                socket.removeAllListeners("data")
                return resolve()
              }
              sent++
              missing = this.#length
              at = performance.now()
              socket.write(ask)
            }
            socket.on("data", (chunk: Buffer) => {
              missing -= chunk.length
              if (missing > 0) return
              times.push(performance.now() - at)
              next()
            })
            next()
          })
      )
    )
    const seconds = (performance.now() - began) / 1000
    times.sort((a, b) => a - b)
    const at = (part: number) => times[Math.floor(times.length * part)] ?? Number.NaN
    return { requests: times.length, seconds, p50: at(0.5), p99: at(0.99) }
  }

  close(): void {
    for (const socket of this.#sockets) socket.destroy()
  }
}
