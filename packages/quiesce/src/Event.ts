/**
 * Everything that can be observed of an application's life, as one closed union of plain data.
 *
 * Log lines, the terminal progress, metrics, the report and tests are renderers of it; each handles every case. `at` is
 * milliseconds since the application began to start, from a clock that never jumps.
 */
import * as Schema from "effect/Schema"
import { HealthState, Kind } from "./HealthState.ts"
import { Outcome } from "./Outcome.ts"
import { AppState } from "./Phase.ts"
import { CrashKind, StopReason } from "./StopReason.ts"

const at = Schema.Number
const component = { at, id: Schema.Number, name: Schema.String }
const task = { name: Schema.String, component: Schema.optionalKey(Schema.String) }

/** What a stop waits for, apart from components. */
export const AwaitedKind = Schema.Literals([
  "drainable",
  "lameDuck",
  "onStopping",
  "awaitBeforeStop",
  "task",
  "interrupt",
  "resource",
  "start",
  "onStopped",
  "state"
])

export type AwaitedKind = typeof AwaitedKind.Type

/**
 * - `ComponentStarting`: `at` is when its start began; what starts for less than a millisecond is told of at its end. Below
 *   `Layer.fresh` and in code, only what `Component.make` has named is told of, and only what is built during the start.
 * - `ComponentStarting.builtWith`: ids of the components whose services were there when this one was built, its direct
 *   dependencies; the graph of the application is in the log.
 * - `ComponentStarted.empty`: it neither provides nor acquired anything, as the effect inside of `Layer.unwrap`, or turned out
 *   to be a composition of others. It is not told to stop, and the report leaves it out, unless it acquires something later.
 * - `ComponentNamed`: a component's final name, when `Component.make` names it after its start had begun.
 * - `ComponentStopped.failure`: what its finalizers failed with. `ComponentAbandoned`: its budget ended before its
 *   finalizers (`limit` says which), or its start did not end; they may still run, and `ComponentStoppedLate` says when
 *   finalizers were done after all. A start that fails after it was left behind is told as `ComponentStartFailed`.
 * - `BackgroundFailed`: a fiber that the component forked into its scope died; `policy` is the component's.
 * - `TaskStarted`, `TaskEnded`: the first task of its name, and the first that came to its own end; of more the log keeps no
 *   account, as it would grow with each. Of more than a thousand names the first thousand are told of by themselves, and the
 *   others together, as "(other tasks)". `TaskFailed`: a run of a task failed, the `attempt`th in a row; `next` is what comes of
 *   it (`stopping`: it would be restarted, did the application not stop), `restartIn` when, in milliseconds.
 *   `TaskStopped`: a stop ends `count` of that name that have nothing in hand, such as between two periods.
 *   `TaskInterrupted`: it interrupts `count` of that name in the middle of something.
 * - `Crashed`: what nobody in the application wanted; see `CrashKind`.
 * - `EventLoopBlocked`: nothing else could run for so many milliseconds; `stack` is where it was seen to be, the innermost frame
 *   first, and empty in native code. `killed`: it did not end, and the process was killed for it.
 * - `StopRequested.spent`: milliseconds of the grace period that were gone before: the rollback of a failed start took them, or
 *   the signal waited for a blocked event loop.
 * - `GateClosed`: a drainable takes no new work: the application drains, or a start is rolled back.
 * - `Awaited`: one thing that a stop waited for, how long, and how it ended. `AwaitedLate`: it failed when it was not waited
 *   for any longer.
 * - `Straggler`: accepted work still unfinished when its budget ended, or when the scope of its drainable closed before the
 *   application drained, by kind.
 * - `ReloadStarted`: a new configuration is worked on; `trigger` is what asked for it. `Reloaded.changed`: paths of the keys whose
 *   new values are in force, none when the configuration is what it was. `Reloaded.restart`: changed ones that need a restart.
 *   `ReloadFailed`: the old configuration and the old instances stay. `ReloadAbandoned`: likewise, because a stop came first.
 * - `PlanDoesNotFit`: what was asked for cannot be had; see `Plan`.
 * - `CheckFailed`, `CheckPassed`: a health check has come to another word. `HealthChanged`: and so has the application;
 *   `because` names what is responsible, and is empty when it is healthy. None of them comes during a stop.
 * - `OptionalUp`: an optional component has come up, after so many failures in a row. `OptionalDown`: it has failed for the
 *   `attempts`th time in a row; `next` is what comes of it (`giveUp`: its schedule has ended, `stopping`: the application stops),
 *   `retryIn` when, in milliseconds.
 * - `Lingering`: what still holds the process after the release.
 */
export const Event = Schema.TaggedUnion({
  AppStarting: { at, name: Schema.String, epochMillis: Schema.Number, gracePeriod: Schema.Number },
  StateChanged: { at, from: AppState, to: AppState },
  ComponentStarting: { ...component, builtWith: Schema.Array(Schema.Number) },
  ComponentNamed: component,
  ComponentStarted: { ...component, services: Schema.Array(Schema.String), empty: Schema.Boolean },
  ComponentStartFailed: { ...component, interrupted: Schema.Boolean, message: Schema.String },
  ComponentStopping: component,
  ComponentStopped: { ...component, failure: Schema.optionalKey(Schema.String) },
  ComponentAbandoned: {
    ...component,
    limit: Schema.Literals(["stopTimeout", "gracePeriod", "start"]),
    after: Schema.Number
  },
  ComponentStoppedLate: { ...component, failure: Schema.optionalKey(Schema.String) },
  BackgroundFailed: { ...component, message: Schema.String, policy: Schema.Literals(["stop", "log"]) },
  TaskStarted: { at, ...task, priority: Schema.Number, tags: Schema.Array(Schema.String) },
  TaskFailed: {
    at,
    ...task,
    attempt: Schema.Number,
    message: Schema.String,
    next: Schema.Literals(["restart", "stop", "degrade", "ignore", "stopping"]),
    restartIn: Schema.optionalKey(Schema.Number)
  },
  TaskEnded: { at, ...task },
  TaskStopped: { at, ...task, priority: Schema.Number, count: Schema.Number },
  TaskInterrupted: { at, ...task, priority: Schema.Number, count: Schema.Number },
  Crashed: { at, kind: CrashKind, message: Schema.String },
  EventLoopBlocked: { at, millis: Schema.Number, stack: Schema.Array(Schema.String), killed: Schema.Boolean },
  ReloadStarted: { at, name: Schema.String, trigger: Schema.String },
  Reloaded: {
    at,
    name: Schema.String,
    version: Schema.Number,
    changed: Schema.Array(Schema.String),
    restart: Schema.Array(Schema.String)
  },
  ReloadFailed: { at, name: Schema.String, message: Schema.String },
  ReloadAbandoned: { at, name: Schema.String },
  PlanDoesNotFit: { at, problems: Schema.Array(Schema.String) },
  CheckFailed: { at, name: Schema.String, kind: Kind, failure: Schema.String },
  CheckPassed: { at, name: Schema.String, kind: Kind },
  HealthChanged: { at, from: HealthState, to: HealthState, because: Schema.Array(Schema.String) },
  OptionalUp: { at, name: Schema.String, generation: Schema.Number, attempts: Schema.Number },
  OptionalDown: {
    at,
    name: Schema.String,
    attempts: Schema.Number,
    failure: Schema.String,
    next: Schema.Literals(["retry", "giveUp", "stopping"]),
    retryIn: Schema.optionalKey(Schema.Number)
  },
  StopRequested: { at, reason: StopReason, spent: Schema.optionalKey(Schema.Number) },
  Escalated: { at, rung: Schema.Literals(["Graceful", "Interrupt", "Exit"]), signal: Schema.String },
  GateClosed: { at, name: Schema.String },
  InFlight: { at, counts: Schema.Record(Schema.String, Schema.Number) },
  Awaited: {
    at,
    kind: AwaitedKind,
    name: Schema.String,
    waited: Schema.Number,
    result: Schema.Literals(["done", "failed", "abandoned"]),
    failure: Schema.optionalKey(Schema.String)
  },
  AwaitedLate: { at, kind: AwaitedKind, name: Schema.String, failure: Schema.String },
  Straggler: { at, kind: Schema.String, count: Schema.Number },
  CriticalSectionWaited: { at, name: Schema.String, waited: Schema.Number, exceeded: Schema.Boolean },
  LeaseGranted: { at, to: Schema.String, millis: Schema.Number },
  EmergencyRan: { at, name: Schema.String, failure: Schema.optionalKey(Schema.String) },
  Lingering: { at, handles: Schema.Array(Schema.String) },
  Ended: { at, outcome: Outcome, exitCode: Schema.Number }
})

export type Event = typeof Event.Type

const recurring: ReadonlySet<Event["_tag"]> = new Set([
  "EventLoopBlocked",
  "CheckFailed",
  "CheckPassed",
  "HealthChanged",
  "OptionalUp",
  "OptionalDown",
  "ReloadStarted",
  "Reloaded",
  "ReloadFailed",
  "ReloadAbandoned",
  "Straggler",
  "CriticalSectionWaited"
] as const)

/**
 * Whether an event can come again and again while the application runs, so that a log keeps the latest thousand of them only.
 * From `StopRequested` on a log keeps everything: a stop is judged by it, and has an end.
 */
export const isRecurring = (event: Event): boolean =>
  recurring.has(event._tag) ||
  (event._tag === "TaskFailed" && event.next !== "stop" && event.next !== "stopping") ||
  (event._tag === "BackgroundFailed" && event.policy === "log") ||
  // Things that are made and closed at run time.
  ((event._tag === "Awaited" || event._tag === "AwaitedLate") &&
    (event.kind === "resource" || event.kind === "interrupt")) ||
  (event._tag === "StateChanged" &&
    (event.to === "Reloading" || (event.from === "Reloading" && event.to === "Running")))
