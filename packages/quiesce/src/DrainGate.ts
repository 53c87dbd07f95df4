/**
 * The gate for new work of one kind, and the count of what was accepted.
 *
 * Invariants, each a test of that name:
 * 1. `no-late-acceptance`: once closed, nothing gets in; nor once the application drains, whoever gets the first turn then.
 * 2. `closed-and-empty`: waiting ends only when the gate is closed and everything accepted has left.
 * 3. `counted-exactly`: every way out of accepted work (success, failure, interruption) is counted once.
 * 4. `closed-with-its-scope`: a gate whose scope closes is closed, and waiting for it ends.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"
import { Lifecycle } from "./Lifecycle.ts"
import { isRefusing } from "./Phase.ts"
import { ShuttingDown } from "./ShuttingDown.ts"

export interface DrainGate {
  readonly kind: string
  /**
   * Runs an effect as one unit of accepted work, or refuses it with `ShuttingDown`. While Interrupting its fiber is
   * interrupted.
   */
  readonly run: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E | ShuttingDown, R>
  /** Accepts a unit of work that lasts until the scope closes; for work that is not one effect. It is never interrupted. */
  readonly enter: Effect.Effect<void, ShuttingDown, Scope.Scope>
  /** How much was accepted and has not left. */
  readonly inFlight: Effect.Effect<number>
  /** Refuses from now on. Idempotent; the stop does it by itself. */
  readonly close: Effect.Effect<void>
  /** Waits until the gate is closed and empty. */
  readonly awaitEmpty: Effect.Effect<void>
}

/** Interrupting very many fibers at once is one long block of the event loop; this many are a fraction of a millisecond each. */
const interruptBatch = 2000

/**
 * Makes a gate that takes part in the stop of the application until the scope closes: it closes when draining begins, the
 * drain waits until it is empty, and what is left is interrupted.
 *
 * **When to use**: for any work that arrives from outside and must be finished or refused, never dropped: messages, jobs,
 * uploads, RPC calls. HTTP requests have theirs already (`@quiesce/http`).
 *
 * **Details**: a scope that closes before the stop, as in the rollback of a failed start, closes the gate too: what is left in
 * it is told as `Straggler` and interrupted, and the scope waits for that, at most the application's `stopTimeout`.
 *
 * **Interruption safety**: accepting and counting is one synchronous step; an interruption before it leaves nothing behind,
 * one after it is counted out.
 *
 * @example
 * ```ts
 * import * as Effect from "effect/Effect"
 * import * as DrainGate from "quiesce/DrainGate"
 *
 * const worker = Effect.gen(function* () {
 *   const gate = yield* DrainGate.make("jobs")
 *   yield* gate.run(Effect.log("one job")).pipe(Effect.catchTag("ShuttingDown", () => Effect.log("left in the queue")))
 * })
 * ```
 */
export const make = Effect.fnUntraced(function* (
  kind: string
): Effect.fn.Return<DrainGate, never, Lifecycle | Scope.Scope> {
  const lifecycle = yield* Lifecycle
  const fibers = new Map<Fiber.Fiber<unknown, unknown>, number>()
  const empty = Deferred.makeUnsafe<void>()
  let count = 0
  let closed = false

  const settle = (): void => {
    if (closed && count === 0) Deferred.doneUnsafe(empty, Effect.void)
  }
  const leave = Effect.sync(() => {
    count--
    settle()
  })
  const refused = Effect.suspend(() => Effect.fail(new ShuttingDown({ kind })))
  const enter = Effect.suspend(() => {
    // The state counts at once; the drain that closes the gate may have to wait for its turn.
    if (closed || isRefusing(lifecycle.stateUnsafe())) return refused
    count++
    return Effect.void
  })
  const track = (fiber: Fiber.Fiber<unknown, unknown>, by: 1 | -1) =>
    Effect.sync(() => {
      const depth = (fibers.get(fiber) ?? 0) + by
      if (depth === 0) fibers.delete(fiber)
      else fibers.set(fiber, depth)
    })
  const close = Effect.sync(() => {
    closed = true
    settle()
  })
  const awaitEmpty = Deferred.await(empty)

  const gate: DrainGate = {
    kind,
    run: (effect) =>
      Effect.withFiber((fiber) =>
        Effect.acquireUseRelease(
          Effect.andThen(enter, track(fiber, 1)),
          () => effect,
          () => Effect.andThen(track(fiber, -1), leave)
        )
      ),
    enter: Effect.asVoid(Effect.acquireRelease(enter, () => leave)),
    inFlight: Effect.sync(() => count),
    close,
    awaitEmpty
  }
  yield* lifecycle.drainable({
    name: kind,
    inFlight: () => ({ [kind]: count }),
    drain: Effect.andThen(close, awaitEmpty),
    // Closed first: an escalation can give the drain up before it has had its turn.
    interrupt: close.pipe(
      Effect.andThen(Effect.suspend(() => interruptInBatches(Array.from(fibers.keys())))),
      Effect.andThen(awaitEmpty)
    )
  })
  // It may end before the application stops, as in the rollback of a failed start.
  yield* Effect.addFinalizer(() => close)
  return gate
})

const interruptInBatches = (fibers: ReadonlyArray<Fiber.Fiber<unknown, unknown>>): Effect.Effect<void> =>
  Effect.gen(function* () {
    for (let from = 0; from < fibers.length; from += interruptBatch) {
      for (const fiber of fibers.slice(from, from + interruptBatch)) fiber.interruptUnsafe()
      yield* Effect.yieldNow
    }
  })
