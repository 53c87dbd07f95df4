/** Whether an optional component that is up still works. Times are milliseconds. */
import type * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import { CheckTimeout } from "../Health.ts"
import type { OptionalGeneration } from "./OptionalGeneration.ts"

export interface OptionalCheck<S, R> {
  readonly effect: (service: S) => Effect.Effect<unknown, unknown, R>
  readonly every: number
  readonly timeout: number
  readonly failuresToFlip: number
}

/**
 * Runs the check again and again, until it has failed so many times in a row, and answers with what it failed. A run that
 * does not end is not started again on top of itself: it has failed again each time that it should have been.
 */
export const repeatCheck = <S, R>(
  name: string,
  { effect, every, failuresToFlip, timeout }: OptionalCheck<S, R>,
  generation: OptionalGeneration<S>,
  service: S
): Effect.Effect<Cause.Cause<unknown>, never, R> =>
  Effect.gen(function* () {
    const late = Exit.fail(new CheckTimeout({ check: `the check of ${name}`, millis: timeout }))
    let run: Fiber.Fiber<unknown, unknown> | undefined
    for (let failures = 0; ;) {
      yield* Effect.sleep(every)
      // Apart from the loop: one that ignores its interruption holds up nobody. It uses the service as anyone does.
      if (run === undefined || run.pollUnsafe() !== undefined)
        run = yield* Effect.forkDetach(generation.borrow(service, effect, Effect.fail), { startImmediately: true })
      const current = run
      const exit: Exit.Exit<unknown, unknown> = yield* Effect.raceFirst(
        Fiber.await(current),
        Effect.as(Effect.sleep(timeout), late)
      ).pipe(Effect.onExit(() => Effect.sync(() => current.interruptUnsafe())))
      failures = Exit.isSuccess(exit) ? 0 : failures + 1
      if (Exit.isFailure(exit) && failures >= failuresToFlip) return exit.cause
    }
  })
