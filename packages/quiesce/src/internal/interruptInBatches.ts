/**
 * Interrupts very many fibers and lets the event loop live meanwhile.
 */
import * as Effect from "effect/Effect"

/** All at once they are one long block of the event loop; this many are a few milliseconds. */
const batch = 1000

/** Something that can be told to end, and does not have to be waited for. */
interface Interruptible {
  readonly interruptUnsafe: () => void
}

export const interruptInBatches = (all: ReadonlyArray<Interruptible>): Effect.Effect<void> =>
  Effect.gen(function* () {
    // To find so many took a turn by itself.
    if (all.length > batch) yield* Effect.yieldNow
    for (let from = 0; from < all.length; from += batch) {
      for (const one of all.slice(from, from + batch)) one.interruptUnsafe()
      yield* Effect.yieldNow
    }
  })
