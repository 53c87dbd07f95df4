/**
 * Waiting as sockets need it. Real sockets keep real time, so these waits do not run under TestClock.
 */
import * as Effect from "effect/Effect"

/** Waits for so many milliseconds. */
export const wait = (millis: number): Effect.Effect<void> =>
  Effect.callback<void>((resume) => {
    const timer = setTimeout(() => resume(Effect.void), millis)
    return Effect.sync(() => clearTimeout(timer))
  })

/** Waits until the event loop has looked at the network: what is left of this turn may be past that, so a whole one. */
export const turn: Effect.Effect<void> = Effect.callback<void>((resume) => {
  let immediate = setImmediate(() => {
    immediate = setImmediate(() => resume(Effect.void))
  })
  return Effect.sync(() => clearImmediate(immediate))
})
