/**
 * Scripted tasks: one that runs, fails and is restarted, and a worker of a queue into which units are offered from outside.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Latch from "effect/Latch"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type { Lifecycle } from "quiesce/Lifecycle"
import * as Task from "quiesce/Task"
import * as Tasks from "quiesce/Tasks"
import * as Behaviour from "../Behaviour.ts"
import { CurrentJournal, type Journal, record } from "./Journal.ts"

/** The fields of the part of that name: what each run does, how long it cleans up after it, and how it is supervised. */
export const taskFields = {
  behaviour: Behaviour.Behaviour,
  restarts: Schema.Number,
  every: Schema.Number,
  cleanup: Schema.Number,
  priority: Schema.Number,
  onFailure: Schema.Literals(["stop", "degrade", "ignore"]),
  onStop: Schema.Literals(["interrupt", "finish"])
}

/**
 * The fields of the part of that name; `poisoned` is the unit whose handling fails, or -1. With `claims` the units are in a
 * table that answers after so many milliseconds, and not in a queue.
 */
export const workerFields = {
  every: Schema.Number,
  count: Schema.Number,
  takes: Schema.Number,
  masked: Schema.Boolean,
  concurrency: Schema.Number,
  poisoned: Schema.Number,
  claims: Schema.optionalKey(Schema.Number)
}

const Fields = { Task: Schema.Struct(taskFields), Worker: Schema.Struct(workerFields) }

export const startTask = (
  task: string,
  { behaviour, cleanup, every, onFailure, onStop, priority, restarts }: typeof Fields.Task.Type
): Effect.Effect<unknown, never, Lifecycle | Scope.Scope> => {
  let run = 0
  const once = Effect.suspend(() => {
    run++
    const { end, masked } = behaviour
    return record({ _tag: "RunBegan", task, run, priority, restarts, every, masked, end, onFailure, onStop }).pipe(
      Effect.andThen(Behaviour.run(behaviour, task, `run ${run}`)),
      Effect.onExit((exit) =>
        record({ _tag: "RunEnded", task, run, how: howOf(exit) }).pipe(
          Effect.andThen(cleanup > 0 ? Effect.sleep(cleanup) : Effect.void),
          Effect.andThen(record({ _tag: "RunLeft", task, run }))
        )
      )
    )
  })
  return Tasks.start(task, once, {
    priority,
    onFailure,
    onStop,
    ...(restarts === 0 ? {} : { restart: Schedule.spaced(every).pipe(Schedule.upTo({ times: restarts })) })
  })
}

const howOf = (exit: Exit.Exit<unknown, unknown>): "done" | "failed" | "interrupted" =>
  Exit.isSuccess(exit) ? "done" : Cause.hasInterruptsOnly(exit.cause) ? "interrupted" : "failed"

/** Before all others, so that a worker's units are interrupted at once when the drain is over. */
const first = 1000

/** Where a worker has its units from. */
interface Source {
  readonly take: Queue.Dequeue<number> | Task.Claims<number>
  readonly offer: (unit: number) => void
}

const queueOf = (gate: string, { record }: Journal): Effect.Effect<Source> =>
  Effect.map(Queue.unbounded<number>(), (queue) => ({
    take: queue,
    // One step: it is in the queue when it is told to be.
    offer: (unit) => {
      if (Queue.offerUnsafe(queue, unit)) record({ _tag: "Offered", gate, unit })
    }
  }))

/** A unit is the worker's as soon as it has been asked for, whatever becomes of who waits for the answer. */
const tableOf = (gate: string, { record }: Journal, answersAfter: number): Source => {
  const rows: Array<number> = []
  const hint = Latch.makeUnsafe()
  const claim = Effect.suspend(() => {
    record({ _tag: "ClaimAsked", gate })
    const unit = rows.shift()
    if (unit === undefined) hint.closeUnsafe()
    else record({ _tag: "Offered", gate, unit })
    return Effect.as(Effect.sleep(answersAfter), Option.fromUndefinedOr(unit)).pipe(
      Effect.onExit((exit) => Effect.sync(() => record({ _tag: "ClaimAnswered", gate, whole: Exit.isSuccess(exit) })))
    )
  })
  const offer = (unit: number): void => {
    rows.push(unit)
    hint.openUnsafe()
  }
  return { take: { claim, wait: hint.await }, offer }
}

/** The units come from outside, so that nobody's scope holds them; into a queue of something that is gone nobody puts any. */
export const startWorker = (
  gate: string,
  { claims, concurrency, count, every, masked, poisoned, takes }: typeof Fields.Worker.Type
): Effect.Effect<unknown, never, Lifecycle | Scope.Scope> =>
  Effect.gen(function* () {
    const journal = yield* CurrentJournal
    const source = claims === undefined ? yield* queueOf(gate, journal) : tableOf(gate, journal, claims)
    const work = takes < 0 ? Effect.never : Effect.sleep(takes)
    yield* Task.worker(gate, {
      take: source.take,
      concurrency,
      priority: first,
      restart: Schedule.spaced(100),
      handle: (unit) =>
        record({ _tag: "Accepted", gate, unit, masked }).pipe(
          Effect.andThen(masked ? Effect.uninterruptible(work) : work),
          Effect.onExit((exit) => record({ _tag: "Left", gate, unit, whole: Exit.isSuccess(exit) })),
          Effect.andThen(unit === poisoned ? Behaviour.run(Behaviour.make("fail"), gate, `unit ${unit}`) : Effect.void)
        ),
      handBack: (unit) => Effect.sync(() => journal.record({ _tag: "HandedBack", gate, unit }))
    })
    let open = true
    yield* Effect.addFinalizer(() =>
      Effect.sync(() => {
        open = false
      })
    )
    yield* Effect.forkDetach(
      Effect.gen(function* () {
        for (let unit = 0; unit < count; unit++) {
          yield* Effect.sync(() => {
            if (open) source.offer(unit)
          })
          if (every > 0) yield* Effect.sleep(every)
        }
      })
    )
  })
