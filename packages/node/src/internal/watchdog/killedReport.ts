/**
 * The report of a process that the watchdog kills: the events so far, and what the watchdog knows of the end.
 *
 * The thread imports this module only when the main thread cannot answer any more.
 */
import type { Event } from "quiesce/Event"
import * as Report from "quiesce/Report"
import * as StopReason from "quiesce/StopReason"
import type { Block, KilledReport, ReportStyle } from "./messages.ts"

/** `at`: now, in milliseconds since the application began to start. */
export const killedReport = (
  events: ReadonlyArray<Event>,
  { millis, stack, untaken }: Block,
  at: number,
  style: ReportStyle
): KilledReport => {
  const isAsked = events.some((event) => event._tag === "StopRequested")
  const reason = untaken === undefined ? startFailed(events) : StopReason.signal(untaken.signal)
  const requested: ReadonlyArray<Event> = isAsked
    ? []
    : [{ _tag: "StopRequested", at: at - (untaken?.ago ?? 0), reason }]
  const blocked: Event = { _tag: "EventLoopBlocked", at, millis, stack, killed: true }
  const report = Report.ofKilled([...events, ...requested, blocked], at)
  const json = JSON.stringify(report)
  return { json, text: style.json ? json : Report.render(report, style) }
}

/** It hung in the rollback, before it could be told what had failed. */
const startFailed = (events: ReadonlyArray<Event>): StopReason.StopReason => {
  const failed = events.find((event) => event._tag === "ComponentStartFailed")
  return { _tag: "StartFailed", message: failed?.message ?? "what had been built could not be released" }
}
