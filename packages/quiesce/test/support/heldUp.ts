/** A clock that can be held up, as code that does not return holds up the event loop: time passes, and no timer rings. */
import * as Clock from "effect/Clock"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"

const nanos = 1_000_000n

class HeldUp implements Clock.Clock {
  readonly #clock: Clock.Clock
  #lost = 0n

  constructor(clock: Clock.Clock) {
    this.#clock = clock
  }

  /** So many milliseconds in which nothing else can run. */
  block(millis: number): void {
    this.#lost += BigInt(millis)
  }

  currentTimeMillisUnsafe(): number {
    return this.#clock.currentTimeMillisUnsafe() + Number(this.#lost)
  }

  currentTimeNanosUnsafe(): bigint {
    return this.#clock.currentTimeNanosUnsafe() + this.#lost * nanos
  }

  monotonicTimeNanosUnsafe(): bigint {
    return this.#clock.monotonicTimeNanosUnsafe() + this.#lost * nanos
  }

  readonly currentTimeMillis = Effect.sync(() => this.currentTimeMillisUnsafe())
  readonly currentTimeNanos = Effect.sync(() => this.currentTimeNanosUnsafe())
  readonly monotonicTimeNanos = Effect.sync(() => this.monotonicTimeNanosUnsafe())

  sleep(duration: Duration.Duration): Effect.Effect<void> {
    return this.#clock.sleep(duration)
  }
}

/** Over the clock of the test, whose timers are those of whatever runs with it. */
export const heldUp: Effect.Effect<HeldUp> = Effect.map(Effect.service(Clock.Clock), (clock) => new HeldUp(clock))
