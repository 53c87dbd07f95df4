/**
 * One direction of a connection in memory: what is written at one end is pulled at the other, as the fault of the moment has
 * it. Bytes and end keep their order. No fiber of its own: who pulls is who waits until a piece is due.
 */
import * as Cause from "effect/Cause"
import type * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type * as Pull from "effect/Pull"
import * as Schema from "effect/Schema"
import { healthy, type Way } from "../Fault.ts"

/** What the operating system would say of a wire: `code` is its word, as in the errors of `node:net`. */
export class WireError extends Schema.TaggedError<WireError>()("WireError", {
  code: Schema.Literals(["EADDRINUSE", "ECONNREFUSED", "ECONNRESET", "ECONNABORTED", "EPIPE"]),
  address: Schema.String
}) {
  override get message(): string {
    return `${this.code} ${this.address}: ${said[this.code]}`
  }
}

const said: Record<WireError["code"], string> = {
  EADDRINUSE: "somebody listens there already; give each server an address of its own",
  ECONNREFUSED: "nobody listens there; start its server before, or connect again",
  ECONNRESET: "the connection was reset; connect again",
  ECONNABORTED: "this side has closed the connection",
  EPIPE: "the other side has closed the connection"
}

/** More than so many bytes are not kept on the way: the writer has to wait. */
const window = 64 * 1024

interface Piece {
  readonly what: Uint8Array | "end" | "reset"
  due: number
}

export class Flow {
  /** Something of it was thrown away, so that what comes after must never arrive. */
  torn = false
  readonly #address: string
  #way: Way = healthy.toTarget
  #pieces: Array<Piece> = []
  #bytes = 0
  /** Written to its end, and read to it. */
  #ended = false
  #over = false
  /** Nobody reads any more. */
  #abandoned = false
  /** Whether the writer has heard of that. */
  #heard = false
  #reset = false
  #changed = Deferred.makeUnsafe<void>()
  #whenGone: () => void = () => {}

  constructor(address: string) {
    this.#address = address
  }

  /** From now on. What was delayed arrives at once when nothing delays it any longer. */
  set(way: Way): void {
    this.#way = way
    if (way === "lose") this.#drop()
    else if (way !== "hold") for (const piece of this.#pieces) piece.due = 0
    this.#tell()
  }

  /** Both ends fail from now on, and what was on the way is gone. */
  reset(): void {
    this.#reset = true
    this.#pieces = []
    this.#bytes = 0
    this.#gone()
  }

  /** The reader leaves; `heard` is whether the writer can know. */
  abandon(heard: boolean): void {
    this.#abandoned = true
    this.#heard ||= heard
    this.#pieces = []
    this.#bytes = 0
    if (this.#heard) this.#gone()
    else this.#tell()
  }

  get abandoned(): boolean {
    return this.#abandoned
  }

  /** Runs when the writer hears that nobody will read what it writes; at once when it has. */
  whenGone(run: () => void): void {
    this.#whenGone = run
    if (this.#reset || this.#heard) run()
  }

  /** Writes, and waits while there is too much on the way. */
  write(chunks: ReadonlyArray<Uint8Array>): Effect.Effect<void, WireError> {
    return Effect.clockWith((clock) => {
      const refusal = this.#refusal
      if (refusal !== undefined) return refusal
      for (const chunk of chunks) this.#push(chunk, clock)
      return this.#drained
    })
  }

  /** Nothing comes after this; a reset comes after what was written before, too. */
  end(how: "end" | "reset"): Effect.Effect<void> {
    return Effect.clockWith((clock) =>
      Effect.sync(() => {
        if (this.#refusal !== undefined) return
        this.#push(how, clock)
        this.#ended = true
      })
    )
  }

  /** Everything that has arrived; waits for the first piece. */
  readonly pull: Pull.Pull<readonly [Uint8Array, ...Array<Uint8Array>], WireError> = Effect.clockWith((clock) => {
    if (this.#reset) return this.#fail("ECONNRESET")
    if (this.#abandoned) return this.#fail("ECONNABORTED")
    if (this.#over) return Cause.done()
    const now = clock.currentTimeMillisUnsafe()
    const next = this.#way === "hold" ? undefined : this.#pieces[0]
    if (next !== undefined && next.due <= now) {
      if (typeof next.what !== "string") return Effect.succeed(this.#take(next.what, now))
      if (next.what === "reset") return this.#fail("ECONNRESET")
      this.#over = true
      return Cause.done()
    }
    const changed = Deferred.await(this.#changed)
    const waited = next === undefined ? changed : Effect.timeoutOption(changed, next.due - now)
    // Whoever is ready may be next: not before what has woken it goes on.
    return waited.pipe(Effect.andThen(Effect.yieldNow), Effect.andThen(this.pull))
  })

  get #refusal(): Effect.Effect<void, WireError> | undefined {
    if (this.#reset) return this.#fail("ECONNRESET")
    if (this.#ended) return this.#fail("EPIPE")
    if (!this.#abandoned) return undefined
    return this.#heard ? this.#fail("EPIPE") : Effect.void
  }

  readonly #drained: Effect.Effect<void, WireError> = Effect.suspend(() => {
    const refusal = this.#refusal
    if (refusal !== undefined) return refusal
    if (this.#bytes < window) return Effect.void
    return Deferred.await(this.#changed).pipe(Effect.andThen(Effect.yieldNow), Effect.andThen(this.#drained))
  })

  #fail(code: WireError["code"]): Effect.Effect<never, WireError> {
    return Effect.suspend(() => Effect.fail(new WireError({ code, address: this.#address })))
  }

  #push(what: Piece["what"], clock: Clock.Clock): void {
    if (this.#way === "lose") {
      this.torn = true
      return
    }
    const delay = this.#way === "hold" ? undefined : this.#way.delay
    // Whole milliseconds: clocks know no others. Who pulls never gets a piece before the one that came before it.
    const due = delay === undefined ? 0 : clock.currentTimeMillisUnsafe() + Math.ceil(delay())
    this.#pieces.push({ what, due })
    if (typeof what !== "string") this.#bytes += what.length
    this.#tell()
  }

  #take(first: Uint8Array, now: number): readonly [Uint8Array, ...Array<Uint8Array>] {
    const taken: [Uint8Array, ...Array<Uint8Array>] = [first]
    for (const { due, what } of this.#pieces.slice(1)) {
      if (typeof what === "string" || due > now) break
      taken.push(what)
    }
    this.#pieces.splice(0, taken.length)
    for (const { length } of taken) this.#bytes -= length
    this.#tell()
    return taken
  }

  #drop(): void {
    if (this.#pieces.length > 0 && !this.#over) this.torn = true
    this.#pieces = []
    this.#bytes = 0
  }

  #gone(): void {
    this.#tell()
    this.#whenGone()
  }

  #tell(): void {
    const changed = this.#changed
    this.#changed = Deferred.makeUnsafe()
    Deferred.doneUnsafe(changed, Effect.void)
  }
}
