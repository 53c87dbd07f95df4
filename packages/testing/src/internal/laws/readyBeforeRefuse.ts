import { isRunning } from "quiesce/Phase"
import * as Law from "../../Law.ts"
import { all, first, leftFromWithin, reserve, spent, total } from "./reading.ts"

export const readyBeforeRefuse = Law.make(
  "ready-before-refuse",
  "readiness is false before the first refusal",
  (life, violation) => {
    const { limits, timeline } = life
    const refusals = [...all(timeline, "Refused"), ...all(timeline, "GateClosed")].toSorted((a, b) => a.index - b.index)
    const refusal = refusals[0]
    if (refusal === undefined) return []
    const state = all(timeline, "StateChanged").findLast(({ index }) => index < refusal.index)
    if (state !== undefined && isRunning(state.entry.to))
      return [violation("new work was refused while the application said that it was ready", refusal.index)]
    const notReady = first(timeline, "StateChanged", ({ to }) => to === "LameDuck")
    // A failed start is rolled back before it ever was ready.
    if (notReady === undefined || notReady.index > refusal.index) return []
    const wasReady = first(timeline, "StateChanged", ({ to }) => to === "Running") !== undefined
    const cutShort =
      first(timeline, "Escalated") !== undefined ||
      leftFromWithin(timeline) !== undefined ||
      total(life) - spent(timeline) - reserve(life) < limits.lameDuck
    const lasted = refusal.entry.at - notReady.entry.at
    return wasReady && !cutShort && lasted < limits.lameDuck - limits.slack
      ? [violation(`lame duck lasted ${lasted} ms instead of ${limits.lameDuck} ms`, notReady.index, refusal.index)]
      : []
  }
)
