/**
 * One direction of a connection through the fault proxy: what is read from one socket is written to the other, as the fault
 * of the moment has it. Bytes, end and reset keep their order, whatever happens in between.
 */
import type { Socket } from "node:net"
import type { Way } from "../Fault.ts"
import { reset } from "./faultReset.ts"

/** More than this is not kept on the way: the sender has to wait. */
const window = 256 * 1024

interface Piece {
  readonly what: Buffer | "end" | "reset"
  due: number
}

export class Flow {
  /** Something of it was thrown away, so that what comes after must never arrive. */
  torn = false
  readonly #from: Socket
  readonly #to: Socket
  #way: Way
  #pieces: Array<Piece> = []
  #bytes = 0
  #latest = 0
  #timer: NodeJS.Timeout | undefined

  constructor(from: Socket, to: Socket, way: Way) {
    this.#from = from
    this.#to = to
    this.#way = way
    from.on("data", (chunk: Buffer) => this.#take(chunk))
    from.on("end", () => this.#take("end"))
    from.on("error", () => this.#take("reset"))
    to.on("drain", () => this.#go())
    to.on("close", () => this.#drop())
    this.#regulate()
  }

  /** From now on. What was delayed arrives at once when nothing delays it any longer. */
  set(way: Way): void {
    this.#way = way
    if (way === "lose") {
      if (this.#pieces.length > 0) this.torn = true
      this.#drop()
    } else if (way !== "hold") for (const piece of this.#pieces) piece.due = 0
    this.#go()
  }

  #take(what: Piece["what"]): void {
    if (this.#way === "lose") {
      this.torn = true
      return
    }
    const delay = this.#way === "hold" ? undefined : this.#way.delay
    // Never before the piece that came before it.
    this.#latest = delay === undefined ? 0 : Math.max(this.#latest, performance.now() + delay())
    this.#pieces.push({ what, due: this.#latest })
    this.#bytes += sizeOf(what)
    this.#go()
  }

  #go(): void {
    clearTimeout(this.#timer)
    for (let piece = this.#pieces[0]; piece !== undefined; piece = this.#pieces[0]) {
      if (this.#way === "hold" || this.#to.writableNeedDrain) break
      const wait = piece.due - performance.now()
      if (wait > 0) {
        this.#timer = setTimeout(() => this.#go(), wait)
        break
      }
      this.#pieces.shift()
      this.#bytes -= sizeOf(piece.what)
      if (this.#to.destroyed) continue
      if (piece.what === "end") this.#to.end()
      else if (piece.what === "reset") reset(this.#to)
      else this.#to.write(piece.what)
    }
    this.#regulate()
  }

  #drop(): void {
    clearTimeout(this.#timer)
    this.#pieces = []
    this.#bytes = 0
  }

  #regulate(): void {
    if (this.#way === "hold" || this.#bytes >= window) this.#from.pause()
    else this.#from.resume()
  }
}

const sizeOf = (what: Piece["what"]): number => (typeof what === "string" ? 0 : what.length)
