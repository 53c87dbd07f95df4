/**
 * The running time limit of one state: a schedule, plus the leases granted meanwhile, never past its cap.
 */
import * as Effect from "effect/Effect"
import type * as Schedule from "effect/Schedule"

export class Limit {
  readonly #schedule: Schedule.Schedule<unknown>
  readonly #cap: () => number
  #lease = 0

  /** `cap` says how many milliseconds are left in any case. */
  constructor(schedule: Schedule.Schedule<unknown>, cap: () => number) {
    this.#schedule = schedule
    this.#cap = cap
  }

  extend(millis: number): void {
    this.#lease += millis
  }

  readonly expired: Effect.Effect<void> = Effect.suspend(() =>
    Effect.raceFirst(Effect.andThen(Effect.repeat(Effect.void, this.#schedule), this.#spendLeases), this.#capReached)
  )

  readonly #spendLeases: Effect.Effect<void> = Effect.suspend(() => {
    if (this.#lease <= 0) return Effect.void
    const lease = this.#lease
    this.#lease = 0
    return Effect.andThen(Effect.sleep(lease), this.#spendLeases)
  })

  readonly #capReached: Effect.Effect<void> = Effect.suspend(() => {
    const left = this.#cap()
    return left <= 0 ? Effect.void : Effect.andThen(Effect.sleep(left), this.#capReached)
  })
}
