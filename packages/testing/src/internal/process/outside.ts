/**
 * What the simulated world cannot see: promises. Before simulated time passes they get a turn of the real event loop, in which
 * every chain of promises that only wait for each other settles; and more turns while the platform tells that there is
 * something to wait for, such as a `setImmediate`, a file or the name of a host.
 */
import * as Effect from "effect/Effect"

/** Names of what ends by itself and soon: requests. Sockets and timers are not: who serves has some all the time. */
const soon = /^Immediate$|Req/

const isPending = (): boolean => process.getActiveResourcesInfo().some((resource) => soon.test(resource))

/** Turns that one life waits for in all, about a second. A read from a pipe that nobody writes to never ends. */
const patience = 500_000

/** Makes a wait for whatever may still come from outside. It ends when `isHeard` says that something has come. */
export const outside = (isHeard: () => boolean): Effect.Effect<void> => {
  let left = patience
  return Effect.gen(function* () {
    yield* Effect.yieldNow
    while (!isHeard() && left > 0 && isPending()) {
      left--
      yield* Effect.yieldNow
    }
  })
}
