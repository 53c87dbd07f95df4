/**
 * A time limit that holds even when the loser ignores it.
 *
 * `Effect.timeout` waits for what it interrupts, and an interrupted query on a hung server takes 5 s to give up.
 */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"

/** The result of `effect`, or `None` after `limit`: then it is interrupted and left to end by itself. */
export const within = <A, E, R>(
  effect: Effect.Effect<A, E, R>,
  limit: Duration.Input
): Effect.Effect<Option.Option<A>, E, R> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.gen(function* () {
      const fiber = yield* Effect.forkDetach(effect, { startImmediately: true })
      const leave = Effect.sync(() => fiber.interruptUnsafe())
      const exit = yield* restore(Effect.timeoutOption(Fiber.await(fiber), limit)).pipe(Effect.onInterrupt(() => leave))
      if (Option.isSome(exit)) return Option.some(yield* exit.value)
      yield* leave
      return Option.none()
    })
  )
