/**
 * The log lines of the lifecycle: every failure once, with the component's name and the whole cause (law `never-silent`);
 * the course of things at info; what is only interesting when looked for at debug.
 */
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as LogLevel from "effect/LogLevel"
import * as References from "effect/References"
import { Event } from "../Event.ts"
import * as StopReason from "../StopReason.ts"
import { describeBlock } from "./describeBlock.ts"
import { formatCounts, formatMillis } from "./format.ts"

type Line = readonly [LogLevel.Severity, string] | undefined

const stopped = (name: string, failure: string | undefined, when: string): Line =>
  failure === undefined
    ? ["Debug", `${name} stopped${when}`]
    : ["Error", `${name} failed to stop cleanly${when}: ${failure}`]

const taskName = ({ component, name }: { readonly name: string; readonly component?: string }): string =>
  component === undefined || component === name ? name : `${name} of ${component}`

const ofThatName = ({ count }: { readonly count: number }): string => (count === 1 ? "" : ` (${count} of that name)`)

const comesOf = ({ attempt, next, restartIn }: Extract<Event, { readonly _tag: "TaskFailed" }>): string => {
  switch (next) {
    case "restart":
      return `restart ${attempt} in ${formatMillis(restartIn ?? 0)}`
    case "stop":
      return "the application stops"
    case "degrade":
      return "the application goes on without it, degraded"
    case "ignore":
      return "the application goes on without it"
    case "stopping":
      return "it is not restarted, since the application stops"
  }
}

const withoutOptional = (e: Extract<Event, { readonly _tag: "OptionalDown" }>): string => {
  switch (e.next) {
    case "retry":
      return `the application goes on without it, and tries again in ${formatMillis(e.retryIn ?? 0)}`
    case "giveUp":
      return `its schedule has ended (failures in a row: ${e.attempts}), and the application goes on without it until it is restarted`
    case "stopping":
      return "it is not tried again, since the application stops"
  }
}

const line = Event.match({
  AppStarting: (e): Line => ["Debug", `${e.name} is starting`],
  // Of a reload there is more to say than its states.
  StateChanged: (e): Line => [
    e.to === "Reloading" || (e.from === "Reloading" && e.to === "Running") ? "Debug" : "Info",
    `${e.from} -> ${e.to}`
  ],
  ComponentStarting: (e): Line => ["Debug", `${e.name} is starting`],
  ComponentNamed: (): Line => undefined,
  ComponentStarted: (e): Line => ["Debug", `${e.name} started`],
  ComponentStartFailed: (e): Line =>
    e.interrupted ? ["Debug", `${e.name}: start interrupted`] : ["Error", `${e.name} could not start: ${e.message}`],
  ComponentStopping: (e): Line => ["Debug", `${e.name} is stopping`],
  ComponentStopped: (e): Line => stopped(e.name, e.failure, ""),
  ComponentAbandoned: (e): Line => [
    "Error",
    e.limit === "start"
      ? `the start of ${e.name} did not end and was left behind; give it a timeout or make it interruptible`
      : e.limit === "stopTimeout"
        ? `${e.name} did not stop within ${formatMillis(e.after)} and was left behind; raise its stopTimeout or find what its finalizer waits for`
        : `${e.name} was left behind after ${formatMillis(e.after)} because the grace period was used up; raise gracePeriod or stop faster before it`
  ],
  ComponentStoppedLate: (e): Line => stopped(e.name, e.failure, " after it had been left behind"),
  BackgroundFailed: (e): Line => ["Error", `a background fiber of ${e.name} died: ${e.message}`],
  TaskStarted: (e): Line => ["Debug", `task ${taskName(e)} started`],
  TaskFailed: (e): Line => [
    e.next === "restart" || e.next === "stopping" ? "Warn" : "Error",
    `task ${taskName(e)} failed: ${e.message}; ${comesOf(e)}`
  ],
  TaskEnded: (e): Line => ["Debug", `task ${taskName(e)} ended`],
  TaskStopped: (e): Line => ["Debug", `task ${taskName(e)} has nothing in hand and ends${ofThatName(e)}`],
  TaskInterrupted: (e): Line => ["Debug", `task ${taskName(e)} is interrupted${ofThatName(e)}`],
  Crashed: (e): Line => ["Fatal", `${e.kind}: ${e.message}`],
  EventLoopBlocked: (e): Line => [e.killed ? "Fatal" : "Warn", [describeBlock(e), ...e.stack].join("\n    at ")],
  ReloadStarted: (e): Line => ["Info", `${e.name} is reloading (${e.trigger})`],
  Reloaded: (e): Line => [
    e.restart.length === 0 ? "Info" : "Warn",
    `${e.name} ${e.changed.length === 0 ? "is unchanged" : `reloaded, version ${e.version}: ${e.changed.join(", ")}`}` +
      (e.restart.length === 0 ? "" : `; changed, and in force only after a restart: ${e.restart.join(", ")}`)
  ],
  ReloadFailed: (e): Line => ["Error", `${e.name} could not be reloaded, and what runs stays as it is: ${e.message}`],
  ReloadAbandoned: (e): Line => ["Info", `${e.name}: the reload was abandoned because the application stops`],
  PlanDoesNotFit: (e): Line => ["Warn", `a stop may not fit: ${e.problems.join("; ")}`],
  CheckFailed: (e): Line => ["Warn", `${e.kind} check ${e.name} fails: ${e.failure}`],
  CheckPassed: (e): Line => ["Info", `${e.kind} check ${e.name} passes again`],
  HealthChanged: (e): Line => [
    e.to === "Healthy" ? "Info" : "Warn",
    `${e.from} -> ${e.to}${e.because.length === 0 ? "" : ` because of ${e.because.join(", ")}`}`
  ],
  OptionalUp: (e): Line => [
    e.attempts === 0 ? "Debug" : "Info",
    e.attempts === 0 ? `${e.name} is up` : `${e.name} is up after ${e.attempts} failure${e.attempts === 1 ? "" : "s"}`
  ],
  OptionalDown: (e): Line => [
    e.next === "giveUp" ? "Error" : e.attempts === 1 || e.next === "stopping" ? "Warn" : "Debug",
    `${e.name} is down: ${e.failure}; ${withoutOptional(e)}`
  ],
  StopRequested: (e): Line => ["Info", `stopping: ${StopReason.describe(e.reason)}`],
  Escalated: (e): Line => [
    "Warn",
    `${e.signal} again: ${e.rung === "Exit" ? "leaving at once" : e.rung === "Interrupt" ? "interrupting what still runs" : "still stopping"}`
  ],
  GateClosed: (e): Line => ["Debug", `${e.name} takes no new work`],
  InFlight: (e): Line => ["Info", `waiting for ${formatCounts(e.counts)}`],
  Awaited: (e): Line =>
    e.result === "done"
      ? ["Debug", `${e.name} (${e.kind}) done after ${formatMillis(e.waited)}`]
      : e.result === "failed"
        ? ["Error", `${e.name} (${e.kind}) failed: ${e.failure ?? "unknown cause"}`]
        : [
            "Warn",
            `${e.name} (${e.kind}) was not done after ${formatMillis(e.waited)} and is not waited for any longer`
          ],
  AwaitedLate: (e): Line => ["Error", `${e.name} (${e.kind}) failed after it had been given up: ${e.failure}`],
  Straggler: (e): Line => ["Warn", `${e.count} ${e.kind} still unfinished: interrupted or left behind`],
  CriticalSectionWaited: (e): Line =>
    e.exceeded
      ? ["Error", `critical section ${e.name} exceeded its limit: interrupted after ${formatMillis(e.waited)}`]
      : ["Debug", `critical section ${e.name} ended after ${formatMillis(e.waited)}`],
  LeaseGranted: (e): Line => ["Info", `${e.to} was granted ${formatMillis(e.millis)} more`],
  EmergencyRan: (e): Line =>
    e.failure === undefined
      ? ["Info", `emergency hook ${e.name} ran`]
      : ["Error", `emergency hook ${e.name} threw: ${e.failure}`],
  Lingering: (e): Line => ["Warn", `still holding the process: ${e.handles.join(", ")}`],
  Ended: (e): Line => ["Debug", `${e.outcome._tag}, exit code ${e.exitCode}`]
})

/** Logs an event through the loggers of the launch, synchronously. */
export const logEvent = (
  context: Context.Context<never>,
  event: Event,
  cause: Cause.Cause<unknown> | undefined
): void => {
  const entry = line(event)
  if (entry === undefined) return
  const [level, message] = entry
  // Most of a life is at debug: what nobody will see need not cost a fiber.
  if (LogLevel.isLessThan(level, Context.get(context, References.MinimumLogLevel))) return
  const log = Effect.logWithLevel(level)
  Effect.runSyncWith(context)(
    cause === undefined || Cause.hasInterruptsOnly(cause) ? log(message) : log(message, cause)
  )
}
