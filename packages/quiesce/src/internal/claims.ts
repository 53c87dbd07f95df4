/**
 * How a worker takes from what cannot give in one step: a claim is asked for, and answered later.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Semaphore from "effect/Semaphore"

/** A queue that is asked for a unit, such as a table of a database or a broker of messages. */
export interface Claims<out Unit, out E = never, out R = never> {
  /**
   * Asks once, and takes a unit if there is one. It is never interrupted, because its answer would be lost, and the unit with
   * it: a stop waits for it. Bound it where an answer may never come, or the stop is held up until its own limits. One is asked
   * at a time, however many units are handled.
   */
  readonly claim: Effect.Effect<Option.Option<Unit>, E, R>
  /** Waits until it makes sense to ask again, after there was none: for a hint, or a while. It is interrupted by a stop. */
  readonly wait: Effect.Effect<unknown, E, R>
}

/** For a fiber that cannot be interrupted; it is where this says so. It ends interrupted when nothing is to be taken any more. */
export const takeClaim = <Unit, E, R>(
  { claim, wait }: Claims<Unit, E, R>,
  turn: Semaphore.Semaphore,
  isOpen: () => boolean
): Effect.Effect<Unit, E, R> => {
  const next: Effect.Effect<Unit, E, R> = Effect.suspend(() =>
    isOpen()
      ? Effect.flatMap(claim, (found) =>
          Option.isSome(found) ? Effect.succeed(found.value) : Effect.andThen(Effect.interruptible(wait), next)
        )
      : Effect.interrupt
  )
  return Effect.andThen(Effect.interruptible(turn.take(1)), Effect.ensuring(next, turn.release(1)))
}
