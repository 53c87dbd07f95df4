/** Who waits for a place, and goes away when that takes too long. */
import * as Effect from "effect/Effect"

/** What has become of it: it has its place, or wants none any more. The latter is about to be interrupted. */
export interface Stage {
  isIn: boolean
  isGone: boolean
}

/** Interrupts it after so many milliseconds, unless it has its place by then. */
export const withPatience = <A, E, R>(
  asked: Effect.Effect<A, E, R>,
  patience: number | undefined,
  stage: Stage
): Effect.Effect<A | void, E, R> => {
  if (patience === undefined) return asked
  const loses = Effect.suspend(() => {
    if (stage.isIn) return Effect.never
    stage.isGone = true
    return Effect.void
  })
  return Effect.raceFirst(asked, Effect.andThen(Effect.sleep(patience), loses))
}
