/** What the report and the log say of everything that went wrong. */
import * as Report from "quiesce/Report"
import type * as Law from "../../Law.ts"
import { type Entry, events, type Of, type Timeline } from "../../Timeline.ts"
import { all, type At, first, rounding, tolerance, watchdog } from "./reading.ts"

/** What failed, in the words of the event. */
const failureOf = (entry: Entry): string | undefined => {
  switch (entry._tag) {
    case "BackgroundFailed":
    case "Crashed":
    case "TaskFailed":
      return entry.message
    case "ComponentStartFailed":
      return entry.interrupted ? undefined : entry.message
    case "Awaited":
    case "AwaitedLate":
    case "ComponentStoppedLate":
    case "EmergencyRan":
      return entry.failure
    default:
      return undefined
  }
}

/** Everything that the log must have a loud line for: the words of that line. */
const mustSay = (entry: Entry): ReadonlyArray<string> | undefined => {
  const failure = failureOf(entry)
  if (failure !== undefined) return [failure]
  if (entry._tag === "ComponentStopped" && entry.failure !== undefined) return [entry.failure]
  if (entry._tag === "ReloadFailed") return [entry.message]
  if (entry._tag === "CheckFailed") return [entry.failure]
  // The repetitions are at debug.
  if (entry._tag === "OptionalDown" && (entry.attempts === 1 || entry.next === "giveUp")) return [entry.failure]
  if (entry._tag === "PlanDoesNotFit") return entry.problems
  if (entry._tag === "Straggler") return [`${entry.count} ${entry.kind}`]
  if (entry._tag === "CriticalSectionWaited" && entry.exceeded) return [entry.name, "limit"]
  if (entry._tag === "Awaited" && entry.result === "abandoned") return [entry.name, "not waited for"]
  if (entry._tag === "Escalated") return [`${entry.signal} again`]
  if (entry._tag === "EventLoopBlocked") return ["the event loop was blocked"]
  return undefined
}

const loud = new Set(["Warn", "Error", "Fatal"])

/** The lines that nobody can miss. */
export const loudLines = (timeline: Timeline): ReadonlyArray<At<Of<"Logged">>> =>
  all(timeline, "Logged").filter(({ entry }) => loud.has(entry.level))

/**
 * Those of them that the framework itself has said, each just before its event, and what is said in the same words again. The
 * user may log the same failure as well, in other words.
 */
export const frameworkLines = (timeline: Timeline): ReadonlyArray<At<Of<"Logged">>> => {
  const lines = loudLines(timeline)
  if (first(timeline, "AppStarting") === undefined) return lines
  const said = new Set(
    lines.flatMap(({ entry, index }) => {
      const next = timeline[index + 1]
      return next !== undefined && mustSay(next) !== undefined ? [entry.message] : []
    })
  )
  return lines.filter(({ entry }) => said.has(entry.message))
}

/** Events of what went wrong without a line in the log. */
export const notLogged = ({ timeline }: Law.Life, violation: Law.Violated): ReadonlyArray<Law.Violation> => {
  const lines = loudLines(timeline)
  // Last words are told to who asked for them, and to nobody else.
  return timeline.slice(0, watchdog(timeline)?.index).flatMap((entry, index) => {
    const words = mustSay(entry)
    return words === undefined || lines.some((line) => words.every((word) => line.entry.message.includes(word)))
      ? []
      : [violation(`nothing was logged of ${entry._tag}: ${words.join(", ")}`, index)]
  })
}

/** Events of what went wrong, and times, that the report leaves out or tells otherwise. */
export const notReported = (
  life: Law.Life,
  report: Report.Report,
  violation: Law.Violated
): ReadonlyArray<Law.Violation> => {
  const { timeline } = life
  // Of a task that failed several times the report says the last.
  const isRepeated = (entry: Entry, index: number): boolean =>
    entry._tag === "TaskFailed" &&
    all(timeline, "TaskFailed").some((at) => at.index > index && at.entry.name === entry.name)
  // What fails when the process has left is too late for a report.
  const ended = first(timeline, "Ended")?.index ?? timeline.length
  const failures = timeline.slice(0, ended).flatMap((entry, index) => {
    const failure = failureOf(entry)
    return failure === undefined || isRepeated(entry, index) || report.failures.some((line) => line.includes(failure))
      ? []
      : [violation(`the report does not say: ${failure}`, index)]
  })
  const rows = all(timeline, "ComponentStopped").flatMap(({ entry, index }) => {
    const stopping = first(timeline, "ComponentStopping", ({ id }) => id === entry.id)
    const named = report.components.filter(({ name }) => name === entry.name)
    const [row] = named
    if (stopping === undefined || row === undefined || named.length !== 1) return []
    const took = entry.at - stopping.entry.at
    return Math.abs(row.working - took) > 10 * rounding
      ? [violation(`the report says that ${entry.name} worked ${row.working} ms, and it was ${took} ms`, index)]
      : []
  })
  const requested = first(timeline, "StopRequested")?.index ?? timeline.length
  const waits = all(timeline, "Awaited").filter(({ index }) => index > requested)
  const sections = all(timeline, "CriticalSectionWaited").filter(({ index }) => index > requested)
  // What could have held the stop up and has not need not be in the report.
  const idle = new Set(["drainable", "task", "interrupt"])
  const counts = [
    ...waits
      .filter(({ entry }) => entry.waited >= 1 || entry.result !== "done" || !idle.has(entry.kind))
      .filter(({ entry }) => !report.awaited.some((row) => isSame(row, entry)))
      .map(({ entry, index }) => violation(`the report does not say that ${entry.name} was ${entry.result}`, index)),
    ...sections
      .filter(({ entry }) => !report.criticalSections.some((row) => isSame(row, entry)))
      .map(({ entry, index }) => violation(`the report does not say how ${entry.name} ended`, index))
  ]
  // A drainable is waited for from the moment in which it closes.
  const gates = waits.flatMap(({ entry, index }) => {
    if (entry.kind !== "drainable") return []
    const closed = all(timeline, "GateClosed").findLast((gate) => gate.entry.name === entry.name && gate.index < index)
    if (closed === undefined) return [violation(`${entry.name} was drained, and nothing says that it closed`, index)]
    const waited = entry.at - closed.entry.at
    return Math.abs(waited - entry.waited) > tolerance(life)
      ? [violation(`${entry.name} was waited for ${waited} ms, and ${entry.waited} ms are told`, index)]
      : []
  })
  const blocks = all(timeline, "EventLoopBlocked").flatMap(({ entry, index }) =>
    index > ended || report.blocked.some((block) => block.at === entry.at && block.millis === entry.millis)
      ? []
      : [violation(`the report does not say that the event loop was blocked for ${entry.millis} ms`, index)]
  )
  return [...failures, ...rows, ...counts, ...gates, ...blocks]
}

/** Whether a row of the report says what an event said. */
const isSame = (row: object, entry: Entry): boolean =>
  Object.entries(row).every(([key, value]) => Reflect.get(entry, key) === value)

/** The report of a life. */
export const reportOf = ({ report, timeline }: Law.Life): Report.Report => report ?? Report.fromEvents(events(timeline))
