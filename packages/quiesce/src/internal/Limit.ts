/**
 * The running time limit of one state: a schedule, plus the leases granted meanwhile, never past its cap.
 */
import * as Effect from "effect/Effect"
import type * as Schedule from "effect/Schedule"
import { between } from "./analysis.ts"

export class Limit {
  readonly #schedule: Schedule.Schedule<unknown>
  readonly #cap: () => number
  #lease = 0
  #isOver = false

  /** `cap` says how many milliseconds are left in any case. */
  constructor(schedule: Schedule.Schedule<unknown>, cap: () => number) {
    this.#schedule = schedule
    this.#cap = cap
  }

  /** Says whether there was still something to extend: between the end of the time and that of the state others have turns. */
  extend(millis: number): boolean {
    if (!this.#isOver) this.#lease += millis
    return !this.#isOver
  }

  readonly expired: Effect.Effect<void> = Effect.suspend(() =>
    Effect.raceFirst(Effect.andThen(Effect.repeat(Effect.void, this.#schedule), this.#spendLeases), this.#capReached)
  )

  readonly #spendLeases: Effect.Effect<void> = Effect.suspend(() => {
    if (this.#lease <= 0) {
      this.#isOver = true
      return Effect.void
    }
    const lease = this.#lease
    this.#lease = 0
    return Effect.andThen(Effect.sleep(lease), this.#spendLeases)
  })

  readonly #capReached: Effect.Effect<void> = Effect.suspend(() => {
    // What is less than a microsecond is noise, and some clocks do not move for it.
    const left = between(0, this.#cap())
    return left <= 0 ? Effect.void : Effect.andThen(Effect.sleep(left), this.#capReached)
  })
}
