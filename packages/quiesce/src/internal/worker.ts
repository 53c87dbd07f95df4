/**
 * A worker: takes units from a queue, handles them, and hands back what it cannot handle any more.
 *
 * Invariants, each a test of that name:
 * 1. `never-lost`: a unit that was taken is handled or handed back, whatever interrupts whom and when; both only when its
 *    handling is interrupted in the instant in which it ends.
 * 2. `no-new-units`: once draining has begun no unit is begun; what is in hand is finished.
 */
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Pull from "effect/Pull"
import * as Queue from "effect/Queue"
import * as References from "effect/References"
import type * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import { Lifecycle } from "../Lifecycle.ts"
import type { Task } from "../Task.ts"
import type { Options } from "../Tasks.ts"
import { type Claims, takeClaim } from "./claims.ts"
import { interruptInBatches } from "./interruptInBatches.ts"
import type { TaskControl } from "./SupervisedTask.ts"

export interface WorkerOptions<Unit, E, R, E2, R2, R3, R4 = never> extends Omit<
  Options<void, Pull.ExcludeDone<E> | E2, R4>,
  "onStop"
> {
  /**
   * Waits for a unit and takes it; or the queue itself, and then what is left in it when the worker stops is handed back too.
   * An end of the queue (`Queue.end`) is the end of the worker. It is interrupted when draining begins: it must take in its
   * last step, as `Queue.take` does, so that it has either taken or not. What asks and is answered later, as a database does,
   * cannot promise that: give it as `Claims`, which are let finish.
   */
  readonly take: Effect.Effect<Unit, E, R> | Queue.Dequeue<Unit, E> | Claims<Unit, E, R>
  /** Handles one unit. A failure hands the unit back, lets the others be finished, and is a failure of the task. */
  readonly handle: (unit: Unit) => Effect.Effect<unknown, E2, R2>
  /**
   * Puts a unit back to where others find it. `cause` is what its handling failed with or was interrupted by; empty when it had
   * not begun. It is not interrupted.
   */
  readonly handBack: (unit: Unit, cause: Cause.Cause<E2>) => Effect.Effect<unknown, never, R3>
  /**
   * How many units are handled at the same time.
   *
   * @default 1
   */
  readonly concurrency?: number | undefined
}

/**
 * Takes units of work from a queue and handles them, until the queue ends or the application stops.
 *
 * **When to use**: for a queue of jobs or messages. Its name is what status and report count: name it after what it handles.
 *
 * **Details**: it takes part in the drain as a gate does: from the beginning of Draining it takes nothing more, what is in hand
 * is finished, and what is left in the queue is handed back. What is not finished within the drain budget is named as a
 * straggler, interrupted by `priority`, and handed back.
 *
 * **Interruption safety**: a unit that was taken is handled or handed back, also when it comes in the very instant of the stop.
 * One whose claim is answered after draining has begun is handed back. Both happens only when its handling is interrupted in the instant in which it ends, which nobody can tell from before.
 *
 * @example
 * ```ts
 * import * as Effect from "effect/Effect"
 * import * as Queue from "effect/Queue"
 * import * as Schedule from "effect/Schedule"
 * import * as Task from "quiesce/Task"
 *
 * const mailer = Effect.gen(function* () {
 *   const queue = yield* Queue.bounded<string>(100)
 *   yield* Task.worker("mail", {
 *     take: queue,
 *     handle: (to) => Effect.log(`sending to ${to}`),
 *     handBack: (to) => Effect.log(`${to} goes back to the table`),
 *     concurrency: 4,
 *     restart: Schedule.exponential("1 second")
 *   })
 *   return queue
 * })
 * ```
 *
 * @example A table as the queue
 * ```ts
 * import * as Array from "effect/Array"
 * import * as Effect from "effect/Effect"
 * import { SqlClient } from "effect/sql/SqlClient"
 * import * as Task from "quiesce/Task"
 *
 * const mailer = Effect.gen(function* () {
 *   const sql = yield* SqlClient
 *   const claimed = sql<{ readonly id: number }>`update mails set taken = true where id =
 *     (select id from mails where not taken limit 1 for update skip locked) returning id`
 *   const claim = Effect.map(claimed, Array.head)
 *   yield* Task.worker("mail", {
 *     take: { claim, wait: Effect.sleep("1 second") },
 *     handle: ({ id }) => Effect.log(`sending ${id}`),
 *     handBack: ({ id }) => Effect.orDie(sql`update mails set taken = false where id = ${id}`)
 *   })
 * })
 * ```
 */
export const worker = <Unit, E, E2, R = never, R2 = never, R3 = never, R4 = never>(
  name: string,
  { concurrency = 1, handBack, handle, take: source, ...options }: WorkerOptions<Unit, E, R, E2, R2, R3, R4>
): Effect.Effect<Task<void, Pull.ExcludeDone<E> | E2>, never, R | R2 | R3 | R4 | Lifecycle | Scope.Scope> =>
  Effect.gen(function* () {
    type Failure = Pull.ExcludeDone<E> | E2
    const { drainable, tasks } = yield* Lifecycle
    const queue = Queue.isDequeue(source) ? source : undefined
    const isClaimed = !Queue.isDequeue(source) && !Effect.isEffect(source)
    const turn = Semaphore.makeUnsafe(1)
    const takeWhile = (isOpen: () => boolean): Effect.Effect<Unit, E, R> =>
      Queue.isDequeue(source) ? Queue.take(source) : Effect.isEffect(source) ? source : takeClaim(source, turn, isOpen)
    // Between taking a unit and having it there must be no turn in which an interruption could come.
    const context = Context.add(yield* Effect.context<R>(), References.PreventSchedulerYield, true)
    const taking = new Set<Fiber.Fiber<Unit, E>>()
    const atRest = new Set<Deferred.Deferred<void>>()
    let inHand = 0
    let closed = false

    /** In a turn of its own, in which none of them is in the middle of a step. */
    const stopTaking = Effect.andThen(
      Effect.yieldNow,
      Effect.suspend(() => interruptInBatches(Array.from(taking)))
    )
    /** The last that is done with a unit that is in hand; it is from the moment on in which it is taken. */
    const last = <A, E3, R5>(effect: Effect.Effect<A, E3, R5>): Effect.Effect<void, E3, R5> =>
      Effect.asVoid(
        Effect.onExit(effect, () =>
          Effect.sync(() => {
            inHand--
          })
        )
      )
    const giveBack = (unit: Unit): Effect.Effect<void, never, R3> =>
      last(Effect.suspend(() => handBack(unit, Cause.empty)))
    const giveBackRest: Effect.Effect<void, never, R3> = Effect.suspend(() => {
      const next = queue === undefined ? undefined : Queue.takeUnsafe(queue)
      if (next === undefined || Exit.isFailure(next)) return Effect.void
      inHand++
      return Effect.andThen(giveBack(next.value), giveBackRest)
    }).pipe(Effect.uninterruptible)

    const run = (control: TaskControl): Effect.Effect<void, Failure, R2 | R3> =>
      Effect.suspend(() => {
        const ended = Deferred.makeUnsafe<void>()
        atRest.add(ended)
        const failures: Array<Cause.Cause<Failure>> = []
        let open = true
        const accepts = (): boolean => !closed && !control.isDraining()
        const isOpen = (): boolean => open && accepts()
        const endRun = Effect.suspend(() => {
          open = false
          return stopTaking
        })

        /** The next unit, or none when there will be none. The exit of the fiber that takes keeps it safe. */
        const next = (restore: Restore): Effect.Effect<{ readonly unit: Unit } | undefined, Failure, R3> =>
          Effect.suspend(() => {
            // In one step with the take: who ends the run interrupts those that are taking, once.
            if (!isOpen()) return Effect.as(Effect.void, undefined)
            const fiber = Effect.runForkWith(context)(takeWhile(isOpen), { uninterruptible: isClaimed })
            taking.add(fiber)
            fiber.addObserver((exit) => {
              taking.delete(fiber)
              if (Exit.isSuccess(exit)) inHand++
            })
            const rescue = Effect.flatMap(Effect.andThen(Fiber.interrupt(fiber), Fiber.await(fiber)), (exit) =>
              Exit.isSuccess(exit) ? giveBack(exit.value) : Effect.void
            )
            return Effect.flatMap(
              Effect.onInterrupt(restore(Fiber.await(fiber)), () => rescue),
              (exit) => {
                if (Exit.isSuccess(exit)) {
                  // Also when no more are taken, because one has failed or the queue has ended: this one has been taken.
                  return accepts() ? Effect.succeed({ unit: exit.value }) : Effect.as(giveBack(exit.value), undefined)
                }
                if (!isOpen() && Cause.hasInterruptsOnly(exit.cause)) return Effect.as(Effect.void, undefined)
                return Pull.catchDone(Effect.failCause(exit.cause), () => Effect.as(endRun, undefined))
              }
            )
          })

        const handleOne = (unit: Unit, restore: Restore): Effect.Effect<void, E2, R2 | R3> =>
          last(
            Effect.flatMap(Effect.exit(restore(Effect.suspend(() => handle(unit)))), (exit) =>
              Exit.isSuccess(exit)
                ? Effect.void
                : Effect.andThen(handBack(unit, exit.cause), Effect.failCause(exit.cause))
            )
          )

        const place = Effect.uninterruptibleMask((restore) =>
          Effect.gen(function* () {
            while (isOpen()) {
              const taken = yield* next(restore)
              if (taken === undefined) return
              yield* handleOne(taken.unit, restore)
            }
          }).pipe(
            // What fails here must not tear what is in hand elsewhere.
            Effect.catchCause((cause) => {
              failures.push(cause)
              return endRun
            })
          )
        )
        return Effect.forEach(Array.from({ length: concurrency }), () => place, {
          concurrency: "unbounded",
          discard: true
        }).pipe(
          Effect.onExit(() => {
            atRest.delete(ended)
            Deferred.doneUnsafe(ended, Effect.void)
            const [first, ...rest] = failures
            return first === undefined
              ? Effect.void
              : Effect.failCause(rest.reduce(Cause.combine<Failure, Failure>, first))
          })
        )
      })

    const drain: Effect.Effect<void, never, R3> = Effect.suspend(() => {
      closed = true
      return stopTaking
    }).pipe(
      Effect.andThen(Effect.suspend(() => Effect.forEach(Array.from(atRest), (end) => Deferred.await(end)))),
      Effect.andThen(giveBackRest)
    )
    // Behind the task: what comes into the queue after the drain nobody else would take out.
    yield* Effect.addFinalizer(() => giveBackRest)
    const task = yield* tasks.start<void, Failure, R2 | R3, R4>({ name, run, options })
    const services = yield* Effect.context<R3>()
    yield* drainable({
      name,
      inFlight: () => ({ [name]: inHand }),
      drain: Effect.provideContext(drain, services)
    })
    return task
  })

type Restore = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
