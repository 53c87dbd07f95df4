/**
 * The gate for new work of one kind, and the count of what was accepted.
 *
 * Invariants, each a test of that name:
 * 1. `no-late-acceptance`: once closed, nothing gets in; nor once the application drains, whoever gets the first turn then.
 * 2. `closed-and-empty`: waiting ends only when the gate is closed and everything accepted has left.
 * 3. `counted-exactly`: every way out of accepted work (success, failure, interruption) is counted once.
 * 4. `closed-with-its-scope`: a gate whose scope closes is closed, and waiting for it ends.
 * 5. `within-capacity`: never more at once than its capacity; who waits gets in first come, first served, or is refused.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"
import { AtCapacity } from "./AtCapacity.ts"
import { Admission } from "./internal/Admission.ts"
import { interruptInBatches } from "./internal/interruptInBatches.ts"
import { type InFlight, Lifecycle } from "./Lifecycle.ts"
import { isRefusing } from "./Phase.ts"
import { ShuttingDown } from "./ShuttingDown.ts"

/** `Full` is what a unit fails with when there is no place for it: `AtCapacity`, or nothing when it waits. */
export interface DrainGate<out Full = never> {
  readonly kind: string
  /**
   * Runs an effect as one unit of accepted work, or refuses it with `ShuttingDown`. While Interrupting its fiber is
   * interrupted.
   */
  readonly run: <A, E, R>(
    effect: Effect.Effect<A, E, R>,
    options?: UnitOptions
  ) => Effect.Effect<A, E | Full | ShuttingDown, R>
  /** Accepts a unit of work that lasts until the scope closes; for work that is not one effect. It is never interrupted. */
  readonly enter: (options?: UnitOptions) => Effect.Effect<void, Full | ShuttingDown, Scope.Scope>
  /** How much was accepted and has not left. */
  readonly inFlight: Effect.Effect<number>
  /** The same by kind; kinds at zero are absent. */
  readonly remaining: Effect.Effect<InFlight>
  /** How much waits for a place, and is not accepted yet. */
  readonly waiting: Effect.Effect<number>
  /**
   * Refuses from now on, also what waits for a place, and answers what is left by kind. Idempotent: the stop does it by
   * itself, and who calls it again learns how far it has come.
   */
  readonly close: Effect.Effect<InFlight>
  /** Waits until the gate is closed and empty. */
  readonly awaitEmpty: Effect.Effect<void>
}

export interface UnitOptions {
  /**
   * What it is counted as in `remaining`, in status and report.
   *
   * @default the gate's own kind
   */
  readonly kind?: string | undefined
}

export interface Options {
  /**
   * How many units may be in flight at once, a whole number above zero.
   *
   * @default no limit: what is behind the gate often has one of its own, a pool or a queue
   */
  readonly capacity?: number | undefined
  /**
   * What happens to a unit for which there is no place: it waits, first come, first served, until it is interrupted or the
   * gate closes; or it fails with `AtCapacity`.
   *
   * @default "wait"
   */
  readonly whenFull?: "wait" | "reject" | undefined
}

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
 * A unit may be of another kind than its gate, so that one gate, with one capacity, can count uploads and messages apart.
 *
 * **Interruption safety**: accepting and counting is one synchronous step; an interruption before it leaves nothing behind,
 * one after it is counted out. Waiting for a place can be interrupted.
 *
 * @example
 * ```ts
 * import * as Effect from "effect/Effect"
 * import * as DrainGate from "quiesce/DrainGate"
 *
 * const worker = Effect.gen(function* () {
 *   const gate = yield* DrainGate.make("jobs")
 *   yield* gate.run(Effect.log("one job")).pipe(Effect.catchTag("ShuttingDown", () => Effect.log("left in the queue")))
 *   const few = yield* DrainGate.make("uploads", { capacity: 8, whenFull: "reject" })
 *   yield* few.run(Effect.log("one upload")).pipe(Effect.catchTag("AtCapacity", () => Effect.log("429")))
 * })
 * ```
 */
export function make(
  kind: string,
  options?: Options & { readonly whenFull?: "wait" | undefined }
): Effect.Effect<DrainGate, never, Lifecycle | Scope.Scope>
export function make(
  kind: string,
  options: Options
): Effect.Effect<DrainGate<AtCapacity>, never, Lifecycle | Scope.Scope>
export function make(
  kind: string,
  { capacity = Number.POSITIVE_INFINITY, whenFull = "wait" }: Options = {}
): Effect.Effect<DrainGate<AtCapacity>, never, Lifecycle | Scope.Scope> {
  if (capacity !== Number.POSITIVE_INFINITY && !(Number.isInteger(capacity) && capacity > 0))
    return Effect.die(new RangeError(`the capacity of the gate ${kind} is ${capacity}; give a whole number above zero`))
  return whenFull === "wait"
    ? makeWith(kind, capacity, waitForPlace)
    : makeWith(kind, capacity, (_, unit) => Effect.fail(new AtCapacity({ kind: unit, capacity })))
}

/** What becomes of a unit for which there is no place, decided in the step that has seen that. */
type Full<E> = (admission: Admission, unit: string, restore: Restore) => Effect.Effect<void, E | ShuttingDown>

type Restore = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>

const refused = (kind: string) => Effect.suspend(() => Effect.fail(new ShuttingDown({ kind })))

// In one step with the look: who stands in line only after that misses the place that was free meanwhile, or the closing.
const waitForPlace: Full<never> = (admission, unit, restore) => {
  const waiter = admission.wait(unit)
  return restore(Deferred.await(waiter.turn)).pipe(
    Effect.onInterrupt(() => Effect.sync(() => admission.cancel(waiter))),
    Effect.flatMap((inside) => (inside ? Effect.void : refused(unit)))
  )
}

const makeWith = Effect.fnUntraced(function* <E>(
  kind: string,
  capacity: number,
  full: Full<E>
): Effect.fn.Return<DrainGate<E>, never, Lifecycle | Scope.Scope> {
  const lifecycle = yield* Lifecycle
  const fibers = new Map<Fiber.Fiber<unknown, unknown>, number>()
  // The state counts at once; the drain that closes the gate may have to wait for its turn.
  const admission = new Admission(capacity, () => isRefusing(lifecycle.stateUnsafe()))

  const admit = (unit: string, restore: Restore): Effect.Effect<void, E | ShuttingDown> =>
    Effect.suspend(() => {
      const answer = admission.look()
      if (answer === "refusing") return refused(unit)
      if (answer === "full") return full(admission, unit, restore)
      admission.enter(unit)
      return Effect.void
    })
  const track = (fiber: Fiber.Fiber<unknown, unknown>, by: 1 | -1): void => {
    const depth = (fibers.get(fiber) ?? 0) + by
    if (depth === 0) fibers.delete(fiber)
    else fibers.set(fiber, depth)
  }
  const close = Effect.sync(() => {
    admission.close()
    return admission.remaining
  })
  const awaitEmpty = Deferred.await(admission.empty)

  const gate: DrainGate<E> = {
    kind,
    run: (effect, { kind: unit = kind } = {}) =>
      Effect.withFiber((fiber) =>
        Effect.uninterruptibleMask((restore) =>
          Effect.flatMap(admit(unit, restore), () => {
            track(fiber, 1)
            return Effect.onExit(restore(effect), () =>
              Effect.sync(() => {
                track(fiber, -1)
                admission.leave(unit)
              })
            )
          })
        )
      ),
    enter: ({ kind: unit = kind } = {}) =>
      Effect.uninterruptibleMask((restore) =>
        Effect.andThen(
          admit(unit, restore),
          Effect.addFinalizer(() => Effect.sync(() => admission.leave(unit)))
        )
      ),
    inFlight: Effect.sync(() => admission.inside),
    remaining: Effect.sync(() => admission.remaining),
    waiting: Effect.sync(() => admission.waiting),
    close,
    awaitEmpty
  }
  yield* lifecycle.drainable({
    name: kind,
    inFlight: () => admission.remaining,
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
