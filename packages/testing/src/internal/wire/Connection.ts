/** One connection in memory: a flow for each direction, and what each of its two sides can do. */
import type * as Pull from "effect/Pull"
import * as Effect from "effect/Effect"
import type { HttpClientRequest } from "effect/http/HttpClientRequest"
import type { HttpServerResponse } from "effect/http/HttpServerResponse"
import { isPassing, type Ways } from "../Fault.ts"
import { Flow, type WireError } from "./Flow.ts"

/** What one side of a connection can do. */
export interface Side {
  readonly connection: Connection
  readonly pull: Pull.Pull<readonly [Uint8Array, ...Array<Uint8Array>], WireError>
  readonly write: (chunks: ReadonlyArray<Uint8Array>) => Effect.Effect<void, WireError>
  /** Nothing more will be written. */
  readonly end: Effect.Effect<void>
  /** What was written still arrives; nothing more is read. */
  readonly close: Effect.Effect<void>
  /** The same, but the other side does not take it for the end. */
  readonly abort: Effect.Effect<void>
  readonly isClosed: () => boolean
  /** Runs when this side hears that the other one reads no more. */
  readonly whenGone: (run: () => void) => void
}

export class Connection {
  /** The head of an HTTP message travels as a value; an empty piece says where it is on the way. */
  request: HttpClientRequest | undefined
  response: HttpServerResponse | undefined
  /** Kept as long as the connection is. */
  held: unknown
  readonly client: Side
  readonly target: Side
  readonly #toTarget: Flow
  readonly #toClient: Flow
  readonly #accept: (connection: Connection) => void
  readonly #left: (connection: Connection) => void
  #ways: Ways
  #accepted = false
  #isReset = false

  constructor(
    address: string,
    ways: Ways,
    hooks: { readonly accept: (connection: Connection) => void; readonly left: (connection: Connection) => void }
  ) {
    this.#accept = hooks.accept
    this.#left = hooks.left
    this.#ways = ways
    this.#toTarget = new Flow(address)
    this.#toClient = new Flow(address)
    this.client = this.#side(this.#toClient, this.#toTarget, () => isPassing(this.#ways.toTarget))
    this.target = this.#side(this.#toTarget, this.#toClient, () => isPassing(this.#ways.toClient))
  }

  /** A stream with a hole in it never goes on: it is reset as soon as anything could get through again. */
  set(ways: Ways): void {
    this.#ways = ways
    const toTarget = isPassing(ways.toTarget)
    const toClient = isPassing(ways.toClient)
    if ((this.#toTarget.torn && toTarget) || (this.#toClient.torn && toClient)) return this.reset()
    this.#toTarget.set(ways.toTarget)
    this.#toClient.set(ways.toClient)
    // Nobody hears of a client whose every word is swallowed.
    if (!this.#accepted && (toTarget || toClient)) {
      this.#accepted = true
      this.#accept(this)
    }
    if (this.#toTarget.abandoned) this.#toTarget.abandon(toClient)
    if (this.#toClient.abandoned) this.#toClient.abandon(toTarget)
  }

  reset(): void {
    this.#isReset = true
    this.#toTarget.reset()
    this.#toClient.reset()
    this.#left(this)
  }

  /** Both sides have left. */
  get isOver(): boolean {
    return this.#isReset || (this.client.isClosed() && this.target.isClosed())
  }

  /** The target has accepted it and not left. */
  get isServed(): boolean {
    return this.#accepted && !this.#isReset && !this.target.isClosed()
  }

  #side(incoming: Flow, outgoing: Flow, isHeard: () => boolean): Side {
    const leave = Effect.sync(() => {
      if (incoming.abandoned) return
      incoming.abandon(isHeard())
      this.#left(this)
    })
    return {
      connection: this,
      pull: incoming.pull,
      write: (chunks) => outgoing.write(chunks),
      end: outgoing.end("end"),
      close: Effect.andThen(outgoing.end("end"), leave),
      abort: Effect.andThen(outgoing.end("reset"), leave),
      isClosed: () => incoming.abandoned,
      whenGone: (run) => outgoing.whenGone(run)
    }
  }
}
