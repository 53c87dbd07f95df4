/**
 * What a scripted component does while it runs: accepts work, enters critical sections, registers hooks, dies. Plain data,
 * so that it can be generated, shrunk and kept in a file. All times are milliseconds.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as CriticalSection from "quiesce/CriticalSection"
import * as DrainGate from "quiesce/DrainGate"
import { Lifecycle } from "quiesce/Lifecycle"
import * as StopReason from "quiesce/StopReason"
import * as Behaviour from "./Behaviour.ts"
import { record } from "./internal/Journal.ts"
import { reloadFields, startReloads } from "./internal/reloadPart.ts"
import { startTask, startWorker, taskFields, workerFields } from "./internal/taskParts.ts"

/** When something begins: at a time after the component started, or at the very instant of a turn in the stop. */
const When = Schema.Union([Schema.Number, Schema.Literals(["lameDuck", "stopping"])])

/**
 * - `Requests`: units of work from outside arrive at a `DrainGate` of the component's name: `count` of them, the first
 *   `when`, then one every `every`; each takes `takes` (below zero: for ever), ignoring interruption if `masked`.
 * - `Section`: a critical section, begun `when`, of length `takes` (below zero: for ever).
 * - `Background`: a fiber that does its behaviour; what it fails with is a background failure.
 * - `Task`: a supervised task, each run of which does its behaviour; after a failure it is restarted `restarts` times, after
 *   `every` each.
 * - `Worker`: a worker of a queue, which is its gate: `count` units are offered from outside, one every `every`; each takes as
 *   long as a request's. The handling of unit `poisoned` fails.
 * - `Hook`: something registered with the `Lifecycle`.
 * - `Reloads`: `count` reloads, the first `when`, then one every `every` after the one before; each does its behaviour.
 * - `Emergency`: an emergency hook, which may throw.
 * - `Lease`: asks for more time as soon as the stop begins.
 * - `Ends`: asks for the stop itself.
 */
export const Part = Schema.TaggedUnion({
  Requests: { when: When, every: Schema.Number, count: Schema.Number, takes: Schema.Number, masked: Schema.Boolean },
  Section: {
    when: When,
    takes: Schema.Number,
    atMost: Schema.Number,
    masked: Schema.Boolean,
    allowDuringStop: Schema.Boolean
  },
  Background: { behaviour: Behaviour.Behaviour },
  Task: taskFields,
  Worker: workerFields,
  Hook: { on: Schema.Literals(["onStopping", "awaitBeforeStop", "onStopped"]), behaviour: Behaviour.Behaviour },
  Reloads: reloadFields,
  Emergency: { throws: Schema.Boolean },
  Lease: { millis: Schema.Number },
  Ends: { after: Schema.Number, reason: Schema.Literals(["finished", "requested"]) }
})

export type Part = typeof Part.Type

/** Starts a part of that name; the scope is the component's. */
export const start = (component: string, part: Part): Effect.Effect<void, never, Lifecycle | Scope.Scope> =>
  Effect.asVoid(
    Part.match(part, {
      Requests: (requests) => acceptRequests(component, requests),
      Section: (section) => Effect.forkScoped(Effect.andThen(waitFor(section.when), enterSection(component, section))),
      Background: ({ behaviour }) => Effect.forkScoped(Behaviour.run(behaviour, component, "background failed")),
      Task: (task) => startTask(component, task),
      Worker: (worker) => startWorker(component, worker),
      Hook: ({ behaviour, on }) =>
        Effect.flatMap(Lifecycle, (lifecycle) =>
          lifecycle[on](`${component}/${on}`, Behaviour.run(behaviour, component, `${on} failed`))
        ),
      Reloads: (reloads) => startReloads(component, reloads),
      Emergency: ({ throws }) =>
        Effect.flatMap(Lifecycle, (lifecycle) => lifecycle.emergency(component, onEmergency(throws))),
      Lease: ({ millis }) =>
        Effect.flatMap(Lifecycle, (lifecycle) =>
          lifecycle.onStopping(`${component}/lease`, lifecycle.extendStop(millis))
        ),
      Ends: ({ after, reason }) =>
        Effect.flatMap(Lifecycle, (lifecycle) =>
          Effect.forkScoped(
            Effect.andThen(
              Effect.andThen(Effect.sleep(after), record({ _tag: "Struck", what: `requestStop by ${component}` })),
              lifecycle.requestStop(reason === "finished" ? StopReason.finished : StopReason.requested(component))
            )
          )
        )
    })
  )

type Of<Tag extends Part["_tag"]> = Extract<Part, { readonly _tag: Tag }>

const onEmergency = (throws: boolean) => (): void => {
  if (throws) throw new Error("emergency hook failed on purpose")
}

const waitFor = (when: typeof When.Type): Effect.Effect<void, never, Lifecycle> =>
  typeof when === "number"
    ? Effect.sleep(when)
    : Effect.flatMap(Lifecycle, (lifecycle) => (when === "lameDuck" ? lifecycle.lameDuck : lifecycle.stopping))

const work = (takes: number, masked: boolean): Effect.Effect<void> => {
  const whole = takes < 0 ? Effect.never : Effect.sleep(takes)
  return masked ? Effect.uninterruptible(whole) : whole
}

/** The requests come from outside, so that nobody's scope holds them. */
const acceptRequests = (gate: string, { count, every, masked, takes, when }: Of<"Requests">) =>
  Effect.gen(function* () {
    const { run } = yield* DrainGate.make(gate)
    const request = (unit: number) =>
      record({ _tag: "Accepted", gate, unit, masked }).pipe(
        Effect.andThen(work(takes, masked)),
        Effect.onExit((exit) => record({ _tag: "Left", gate, unit, whole: Exit.isSuccess(exit) })),
        run,
        Effect.catchTag("ShuttingDown", () => record({ _tag: "Refused", gate, unit }))
      )
    const arrivals = Effect.gen(function* () {
      yield* waitFor(when)
      for (let unit = 0; unit < count; unit++) {
        yield* Effect.forkDetach(request(unit))
        if (every > 0) yield* Effect.sleep(every)
      }
    })
    yield* Effect.forkDetach(arrivals)
  })

const enterSection = (section: string, { allowDuringStop, atMost, masked, takes }: Of<"Section">) =>
  record({ _tag: "SectionEntered", section, atMost, late: allowDuringStop }).pipe(
    Effect.andThen(work(takes, masked)),
    Effect.onExit((exit) => record({ _tag: "SectionLeft", section, whole: Exit.isSuccess(exit) })),
    (effect) => CriticalSection.run(section, effect, { atMost, allowDuringStop }),
    Effect.catchTag("ShuttingDown", () => Effect.void)
  )
