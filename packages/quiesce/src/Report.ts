/**
 * The account of a stop: what happened, where the time went, who took it. A pure function of the event log.
 */
import * as Schema from "effect/Schema"
import type { Event } from "./Event.ts"
import { between, components, criticalChain, stateTimes, stopBegan } from "./internal/analysis.ts"
import { describeBlock } from "./internal/describeBlock.ts"
import { render as renderText, worthARow } from "./internal/reportText.ts"
import { taskFailures, taskRows } from "./internal/taskReport.ts"
import { exitCode, Outcome } from "./Outcome.ts"
import { AppState } from "./Phase.ts"
import * as StopReason from "./StopReason.ts"

/** How one component ended. */
export const ComponentEnd = Schema.Literals([
  "stopped",
  "failed",
  "abandoned",
  "start failed",
  "start interrupted",
  "running"
])

/**
 * Blame for one component, in milliseconds: `waiting` is the time in Releasing before its own release could begin, because
 * what was built with it was still stopping; `working` is the time that its own finalizers took.
 */
export const ComponentReport = Schema.Struct({
  name: Schema.String,
  services: Schema.Array(Schema.String),
  builtWith: Schema.Array(Schema.String),
  starting: Schema.Number,
  waiting: Schema.Number,
  working: Schema.Number,
  end: ComponentEnd,
  failure: Schema.optionalKey(Schema.String)
})

/**
 * One link of the critical chain: the release could not have been shorter than these together. Along the chain waiting plus
 * working is the time of the release.
 */
export const ChainLink = Schema.Struct({ name: Schema.String, waiting: Schema.Number, working: Schema.Number })

/** The tasks of one name. `stopped`: the stop found it with nothing in hand; `interrupted`: in the middle of something. */
export const TaskReport = Schema.Struct({
  name: Schema.String,
  component: Schema.optionalKey(Schema.String),
  failures: Schema.Number,
  restarts: Schema.Number,
  end: Schema.optionalKey(Schema.Literals(["done", "failed", "stopped", "interrupted", "left behind"]))
})

/**
 * All times are milliseconds.
 *
 * - `states`: time in each state since the stop was asked for; they add up to `duration`.
 * - `components`: every component that was ever started, slowest release first.
 * - `criticalChain`: from the first release to the last.
 * - `awaited`: drainables, tasks, waiters, hooks and resources, slowest first; of those that only could have held the stop up
 *   (drainables, tasks), who has done so.
 * - `stragglers`: accepted work that did not finish in its budget, by kind, of the start and of the stop.
 * - `criticalSections`: those that the stop had to wait for.
 * - `tasks`: every name that tasks have had, how many of their runs failed and were restarted, and how the last of them ended,
 *   as far as the log has kept it; of more than a thousand names, the others together and those of them that have failed.
 * - `failures`: one line for each failure of the whole life, as far as the log has kept it; of a task that failed several times,
 *   one.
 * - `lingering`: what held the process after everything was released.
 * - `blocked`: when, since the start, and how long nothing could run because one piece of code did not return, and where that
 *   was; the latest of the life. `killed`: it held the process beyond its deadline.
 * - `advice`: where time was lost that need not be.
 */
export const Report = Schema.Struct({
  name: Schema.String,
  startedAt: Schema.Number,
  uptime: Schema.Number,
  gracePeriod: Schema.Number,
  outcome: Outcome,
  reason: StopReason.StopReason,
  exitCode: Schema.Number,
  duration: Schema.Number,
  states: Schema.Array(Schema.Struct({ state: AppState, duration: Schema.Number })),
  components: Schema.Array(ComponentReport),
  criticalChain: Schema.Array(ChainLink),
  awaited: Schema.Array(
    Schema.Struct({
      kind: Schema.String,
      name: Schema.String,
      waited: Schema.Number,
      result: Schema.Literals(["done", "failed", "abandoned"])
    })
  ),
  stragglers: Schema.Array(Schema.Struct({ kind: Schema.String, count: Schema.Number })),
  criticalSections: Schema.Array(
    Schema.Struct({ name: Schema.String, waited: Schema.Number, exceeded: Schema.Boolean })
  ),
  tasks: Schema.Array(TaskReport),
  failures: Schema.Array(Schema.String),
  lingering: Schema.Array(Schema.String),
  blocked: Schema.Array(
    Schema.Struct({
      at: Schema.Number,
      millis: Schema.Number,
      stack: Schema.Array(Schema.String),
      killed: Schema.Boolean
    })
  ),
  advice: Schema.Array(Schema.String)
})

export type Report = typeof Report.Type

export { formatCounts, formatMillis } from "./internal/format.ts"

/** The rule that turns an outcome and a reason into an exit code. */
export type ExitCode = (outcome: Outcome, reason: StopReason.StopReason) => number

type Of<Tag extends Event["_tag"]> = Extract<Event, { readonly _tag: Tag }>

const only = <Tag extends Event["_tag"]>(events: ReadonlyArray<Event>, tag: Tag): ReadonlyArray<Of<Tag>> =>
  events.filter((event): event is Of<Tag> => event._tag === tag)

/**
 * How the stop that these events tell of ended, when no deadline and no escalation cut it short.
 *
 * **When to use**: in a custom runner; the report already holds it.
 */
export const outcomeOf = (events: ReadonlyArray<Event>): Outcome => {
  if (events.some((event) => event._tag === "ComponentAbandoned" && event.limit === "gracePeriod"))
    return { _tag: "TimedOut" }
  // What a rollback cut short is lost, also when a signal came before the failed start could be told.
  const counted = hasRun(events) ? sinceRequest(events) : events
  return counted.some(isLoss) || events.some(isLeak) ? { _tag: "Degraded" } : { _tag: "Clean" }
}

const hasRun = (events: ReadonlyArray<Event>): boolean =>
  events.some((event) => event._tag === "StateChanged" && event.to === "Running")

const sinceRequest = (events: ReadonlyArray<Event>): ReadonlyArray<Event> =>
  events.slice(
    Math.max(
      events.findIndex((event) => event._tag === "StopRequested"),
      0
    )
  )

/** Of the start and of the stop: what code cut off itself while the application ran is not held against the stop. */
const ofStartAndStop = (events: ReadonlyArray<Event>): ReadonlyArray<Event> => {
  const running = events.findIndex((event) => event._tag === "StateChanged" && event.to === "Running")
  return running === -1 ? events : [...events.slice(0, running), ...sinceRequest(events.slice(running))]
}

/** Hooks and resources have done something, however quickly; of the rest, who had nothing to finish is not worth a word. */
const isWorthARow = ({ kind, result, waited }: Of<"Awaited">): boolean =>
  result !== "done" || waited >= worthARow || !(kind === "drainable" || kind === "task" || kind === "interrupt")

/** What makes a life less than clean whenever it happens: something was not released as it should have been. */
const isLeak = (event: Event): boolean =>
  event._tag === "ComponentAbandoned" || (event._tag === "ComponentStopped" && event.failure !== undefined)

/** What makes a stop less than clean. */
const isLoss = (event: Event): boolean =>
  event._tag === "Straggler" ||
  event._tag === "Crashed" ||
  (event._tag === "BackgroundFailed" && event.policy === "stop") ||
  (event._tag === "TaskFailed" && event.next === "stop") ||
  (event._tag === "Awaited" && event.result !== "done") ||
  (event._tag === "CriticalSectionWaited" && event.exceeded)

/**
 * Computes the report of a life that has ended, from its whole event log.
 *
 * **When to use**: on a log that was collected or read back from JSON; `App.launch` already returns the report.
 *
 * @example
 * ```ts
 * import type { Event } from "quiesce/Event"
 * import * as Report from "quiesce/Report"
 *
 * const slowest = (events: ReadonlyArray<Event>) => Report.fromEvents(events).components[0]?.name
 * ```
 */
export const fromEvents = (events: ReadonlyArray<Event>): Report => {
  const start = only(events, "AppStarting")[0]
  const stop = only(events, "StopRequested")[0]
  const ended = only(events, "Ended")[0]
  const end = ended?.at ?? events.at(-1)?.at ?? 0
  const rows = components(events, end)
  const chain = criticalChain(rows, events, end)
  const began = stopBegan(events) ?? end
  const outcome = ended?.outcome ?? outcomeOf(events)
  const reason = stop?.reason ?? StopReason.finished
  return {
    name: start?.name ?? "app",
    startedAt: start?.epochMillis ?? 0,
    uptime: began,
    gracePeriod: start?.gracePeriod ?? 0,
    outcome,
    reason,
    exitCode: ended?.exitCode ?? exitCode(outcome, reason),
    duration: between(began, end),
    states: stateTimes(events, end),
    components: rows
      .map(({ name, services, builtWith, starting, waiting, working, end: ending, failure }) => ({
        name,
        services,
        builtWith: builtWith.map((id) => rows.find((row) => row.id === id)?.name ?? `#${id}`),
        starting,
        waiting,
        working,
        end: ending,
        ...(failure === undefined ? {} : { failure })
      }))
      .toSorted((a, b) => b.working - a.working),
    criticalChain: chain,
    awaited: only(ofStartAndStop(events), "Awaited")
      .filter(isWorthARow)
      .map(({ kind, name, waited, result }) => ({ kind, name, waited, result }))
      .toSorted((a, b) => b.waited - a.waited),
    stragglers: only(ofStartAndStop(events), "Straggler").map(({ kind, count }) => ({ kind, count })),
    criticalSections: only(sinceRequest(events), "CriticalSectionWaited").map(({ name, waited, exceeded }) => ({
      name,
      waited,
      exceeded
    })),
    tasks: taskRows(events),
    failures: [...events.flatMap(failureLine), ...taskFailures(events)],
    lingering: only(events, "Lingering").flatMap((event) => event.handles),
    blocked: only(events, "EventLoopBlocked").map(({ at, killed, millis, stack }) => ({ at, millis, stack, killed })),
    advice: advise(chain)
  }
}

/**
 * The report of a process that was killed, from its events so far: it does not get to say how it ended, so whoever kills it, or
 * finds it killed, does that in its place. `at` is when, in milliseconds since the application began to start.
 *
 * **When to use**: in a supervisor of your own that kills what does not end, with the events that were handed to it (`onEvent`,
 * QUIESCE_EVENTS).
 *
 * @example
 * ```ts
 * import type { Event } from "quiesce/Event"
 * import * as Report from "quiesce/Report"
 *
 * const lastWords = (events: ReadonlyArray<Event>, at: number) => Report.render(Report.ofKilled(events, at))
 * ```
 */
export const ofKilled = (events: ReadonlyArray<Event>, at: number): Report => {
  const outcome: Outcome = { _tag: "Forced", signal: "SIGKILL" }
  const reason = StopReason.signal("SIGKILL")
  const asked = only(events, "StopRequested").length > 0
  const end: Event = { _tag: "Ended", at, outcome, exitCode: exitCode(outcome, reason) }
  return fromEvents([...events, ...(asked ? [] : [{ _tag: "StopRequested", at, reason } as const]), end])
}

/**
 * The report as text.
 *
 * **Details**: `width` is the terminal's, 80 by default; below about 60 columns the bars go, names are shortened and lines
 * break between items. `color` is off by default.
 */
export const render = (report: Report, options: { readonly width?: number; readonly color?: boolean } = {}): string =>
  renderText(report, { width: Math.max(options.width ?? 80, narrowest), color: options.color ?? false })

/** Below this nothing can be laid out; the terminal wraps by itself. */
const narrowest = 30

const failureLine = (event: Event): ReadonlyArray<string> => {
  switch (event._tag) {
    case "ComponentStartFailed":
      return event.interrupted ? [] : [`${event.name} could not start: ${event.message}`]
    case "BackgroundFailed":
      return [`a background fiber of ${event.name} died: ${event.message}`]
    case "Crashed":
      return [`${event.kind}: ${event.message}`]
    case "EventLoopBlocked":
      return event.killed ? [describeBlock(event)] : []
    case "ComponentStopped":
    case "ComponentStoppedLate":
      return event.failure === undefined ? [] : [`${event.name} failed to stop cleanly: ${event.failure}`]
    case "Awaited":
      return event.failure === undefined ? [] : [`${event.name} (${event.kind}) failed: ${event.failure}`]
    case "AwaitedLate":
      return [`${event.name} (${event.kind}) failed after it had been given up: ${event.failure}`]
    case "EmergencyRan":
      return event.failure === undefined ? [] : [`emergency hook ${event.name} threw: ${event.failure}`]
    default:
      return []
  }
}

/** A chain of several slow releases is worth a look: `provide` orders also what has nothing to do with each other. */
const advise = (chain: Report["criticalChain"]): ReadonlyArray<string> => {
  const slow = chain.filter((link) => link.working >= 100)
  return slow.length < 3
    ? []
    : [
        `${slow.map((link) => link.name).join(", ")} were released one after the other; where one does not use the other, ` +
          `combine them with Layer.mergeAll instead of a chain of provides, and they are released in parallel`
      ]
}
