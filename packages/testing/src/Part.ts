/**
 * What a scripted component does while it runs: accepts work, enters critical sections, registers hooks, dies. Plain data,
 * so that it can be generated, shrunk and kept in a file. All times are milliseconds.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { Lifecycle } from "quiesce/Lifecycle"
import * as StopReason from "quiesce/StopReason"
import * as Behaviour from "./Behaviour.ts"
import { CurrentJournal, record } from "./internal/Journal.ts"
import type { Of as TimelineOf } from "./Timeline.ts"
import { reloadFields, startReloads } from "./internal/reloadPart.ts"
import { acceptRequests, requestFields } from "./internal/requestPart.ts"
import { enterSection, sectionFields } from "./internal/sectionPart.ts"
import { startTask, startWorker, taskFields, workerFields } from "./internal/taskParts.ts"
import { waitFor, When } from "./internal/when.ts"

/**
 * - `Requests`: units of work from outside arrive at a `DrainGate` of the component's name: `count` of them, the first
 *   `when`, then one every `every`; each takes `takes` (below zero: for ever), ignoring interruption if `masked`. The gate may
 *   have a `capacity`, and then lets them wait or turns them away (`whenFull`), units of several `kinds` in turn, and who is
 *   not accepted within `patience` goes away.
 * - `Section`: a critical section, begun `when`, of length `takes` (below zero: for ever); then it `fails`, or not. Sections
 *   with one `key` run one after the other, whatever component they are of; `patience` is as that of a request.
 * - `Background`: a fiber that does its behaviour, from `when` on (at once by default); what it fails with is a background
 *   failure.
 * - `Task`: a supervised task, each run of which does its behaviour; after a failure it is restarted `restarts` times, after
 *   `every` each.
 * - `Worker`: a worker of a queue, which is its gate: `count` units are offered from outside, one every `every`; each takes as
 *   long as a request's. The handling of unit `poisoned` fails. With `claims` the units are offered into a table instead, which
 *   the worker asks for each, and which answers after so many milliseconds.
 * - `Hook`: something registered with the `Lifecycle`, `when` the component has started by default.
 * - `Reloads`: `count` reloads, the first `when`, then one every `every` after the one before; each does its behaviour.
 * - `Emergency`: an emergency hook, which may throw. In the simulation one that `blocks`, for so many milliseconds, is ended by a
 *   watchdog.
 * - `Lease`: asks for more time as soon as the stop begins.
 * - `Ends`: asks for the stop itself.
 */
export const Part = Schema.TaggedUnion({
  Requests: requestFields,
  Section: sectionFields,
  Background: { when: Schema.optionalKey(When), behaviour: Behaviour.Behaviour },
  Hook: {
    when: Schema.optionalKey(When),
    on: Schema.Literals(["onStopping", "awaitBeforeStop", "onStopped"]),
    behaviour: Behaviour.Behaviour
  },
  Task: taskFields,
  Worker: workerFields,
  Reloads: reloadFields,
  Emergency: { throws: Schema.Boolean, blocks: Schema.optionalKey(Schema.Number) },
  Lease: { millis: Schema.Number },
  Ends: { after: Schema.Number, reason: Schema.Literals(["finished", "requested"]) }
})

export type Part = typeof Part.Type

/**
 * Starts a part of that name; the scope is the component's.
 *
 * **When to use**: to let a layer of your own do what a scripted component does in its `parts`.
 *
 * **Interruption safety**: it only starts, in one step, what then goes on by itself. Requests come from outside and outlive the
 * scope; sections and background work are interrupted with it.
 *
 * @example
 * ```ts
 * import * as Layer from "effect/Layer"
 * import * as Part from "@quiesce/testing/Part"
 *
 * const Busy = Layer.effectDiscard(
 *   Part.start("busy", { _tag: "Requests", when: 0, every: 50, count: 10, takes: 400, masked: false })
 * )
 * ```
 */
export const start = (component: string, part: Part): Effect.Effect<void, never, Lifecycle | Scope.Scope> =>
  Effect.asVoid(
    Part.match(part, {
      Requests: (requests) => acceptRequests(component, requests),
      Section: (section) => Effect.forkScoped(Effect.andThen(waitFor(section.when), enterSection(component, section))),
      Background: ({ behaviour, when = 0 }) =>
        Effect.forkScoped(Effect.andThen(waitFor(when), Behaviour.run(behaviour, component, "background failed"))),
      Hook: ({ behaviour, on, when }) => {
        const effect = Behaviour.run(behaviour, component, `${on} failed`)
        const set = setHook(on, `${component}/${on}`, effect, behaviour.masked)
        return when === undefined ? set : Effect.forkScoped(Effect.andThen(waitFor(when), set))
      },
      Task: (task) => startTask(component, task),
      Worker: (worker) => startWorker(component, worker),
      Reloads: (reloads) => startReloads(component, reloads),
      Emergency: ({ blocks = 0, throws }) => setEmergency(component, throws, blocks),
      Lease: ({ millis }) =>
        Effect.flatMap(Lifecycle, ({ extendStop }) => setHook("onStopping", `${component}/lease`, extendStop(millis))),
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

/** Registered, and recorded only then: what is recorded has to run. */
const setHook = (kind: Of<"Hook">["on"], hook: string, effect: Effect.Effect<unknown, unknown>, masked = false) =>
  Effect.flatMap(Lifecycle, (lifecycle) => {
    const whole = record({ _tag: "HookRan", hook }).pipe(
      Effect.andThen(effect),
      Effect.onExit((exit) => record({ _tag: "HookEnded", hook, whole: Exit.isSuccess(exit) }))
    )
    return Effect.andThen(lifecycle[kind](hook, whole), isSet({ kind, hook, masked }))
  })

const setEmergency = (component: string, throws: boolean, blocks: number) =>
  Effect.gen(function* () {
    const lifecycle = yield* Lifecycle
    const journal = yield* CurrentJournal
    const hook = `${component}/emergency`
    const run = (): void => {
      journal.record({ _tag: "HookRan", hook })
      if (blocks > 0) journal.block(blocks)
      journal.record({ _tag: "HookEnded", hook, whole: !throws })
      if (!throws) return
      const message = `${component}: emergency hook failed on purpose`
      journal.record({ _tag: "Failed", component, message })
      throw new Error(message)
    }
    yield* lifecycle.emergency(hook, run)
    yield* isSet({ kind: "emergency", hook, masked: true })
  })

/** Its scope closes in reverse order: it is told to be gone just before it is. */
const isSet = (set: Omit<TimelineOf<"HookSet">, "_tag" | "at">) =>
  Effect.andThen(
    Effect.addFinalizer(() => record({ _tag: "HookGone", hook: set.hook })),
    record({ _tag: "HookSet", ...set })
  )
