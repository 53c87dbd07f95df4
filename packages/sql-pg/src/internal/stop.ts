/**
 * Ends the users of a pool, within the stop timeout, whatever they do.
 *
 * Components that use the pool have been released before it; what is open now was forked loose, ignores interruption, or
 * belongs to a component that was left behind. The timeout is spent in fifths, each of which ends early when nothing is
 * open any more:
 *
 * 1. finish: new work is refused, open work goes on by itself
 * 2. interrupt: fibers of queries and transactions are interrupted (cancel, rollback), other sessions are taken away
 * 3. cancel: the server is asked to cancel what still runs, and every session that can be is taken away
 * 4. close: the pool closes, or at half-time its sockets are destroyed; the server rolls back what it loses
 * 5. is never used, so that the component's own limit does not strike first
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import { type Lease, type Leases } from "./leases.ts"
import { cancelOf } from "./sockets.ts"
import { within } from "./within.ts"

/** Accepted work was cut by the stop. It is the failure of the component's release, so that the report names it. */
class CutShort extends Error {
  override readonly name = "CutShort"
}

/**
 * Never interrupts the calling fiber and never takes longer than `timeout`. Dies with `CutShort`, naming each, when it
 * had to end somebody's work.
 */
export const stop = Effect.fnUntraced(function* (
  component: string,
  leases: Leases,
  close: Effect.Effect<void>,
  timeout: Duration.Duration
) {
  const fifth = Duration.times(timeout, 1 / 5)
  const emptied = within(leases.emptied, fifth)

  leases.refuse()
  yield* emptied
  const cut = leases.open
  const now = yield* Clock.currentTimeMillis
  const names = cut.map((lease) => lease.describe(now)).join("; ")
  if (cut.length > 0) {
    yield* Effect.logWarning(`${component} stops while in use, so it interrupts and rolls back: ${names}`)
    leases.cutShort()
    for (const lease of cut) yield* lease.isFiberBound ? interrupt(lease) : takeAway(lease)
    yield* emptied
    yield* Effect.forEach(leases.open, (lease) => Effect.andThen(cancel(lease), takeAway(lease)), { discard: true })
    yield* emptied
  }

  if (!(yield* closePool(leases, close, fifth))) {
    const left = leases.open.map((lease) => lease.describe(now)).join("; ")
    const message = `${component} left connections open after ${Duration.format(timeout)}: ${left}; stop its users first or raise stopTimeout`
    return yield* Effect.die(new CutShort(message))
  }
  if (cut.length > 0) {
    return yield* Effect.die(
      new CutShort(
        `${component} interrupted and rolled back work of its users: ${names}; stop them first, as components that use it`
      )
    )
  }
})

/**
 * Closes the pool and waits until its sockets are closed; at half-time they are destroyed. False when even that did not
 * end it within `limit`; it then goes on by itself.
 */
export const closePool = Effect.fnUntraced(function* (
  leases: Leases,
  close: Effect.Effect<void>,
  limit: Duration.Duration
) {
  // Started once and never interrupted: a close that is cut in the middle leaves idle connections open.
  const closing = yield* Effect.forkDetach(close, { startImmediately: true })
  const gone = within(Effect.andThen(Fiber.await(closing), leases.sockets.closed), Duration.times(limit, 1 / 2))
  if (Option.isSome(yield* gone)) return true
  yield* leases.sockets.destroy
  return Option.isSome(yield* gone)
})

const interrupt = (lease: Lease) =>
  Effect.andThen(
    Effect.sync(() => lease.fiber.interruptUnsafe()),
    // The driver cancels an interrupted query, unless others share its connection; here they all go.
    lease.connection?.config.multiplex === true ? cancel(lease) : Effect.void
  )

const cancel = (lease: Lease) => loose(lease.connection === undefined ? undefined : cancelOf(lease.connection))

const takeAway = (lease: Lease) => loose(lease.takeAway)

// None of these may hold up the next: a hung server answers a CancelRequest never.
const loose = (effect: Effect.Effect<void> | undefined): Effect.Effect<unknown> =>
  effect === undefined ? Effect.void : Effect.forkDetach(effect, { startImmediately: true })
