import type * as Report from "quiesce/Report"
import * as Law from "../../Law.ts"
import type { Timeline } from "../../Timeline.ts"
import { untoldHook } from "./hooks.ts"
import { all, first, forcedExit, rounding, spent } from "./reading.ts"
import { notReported, reportOf } from "./told.ts"

export const accounted = Law.make(
  "accounted",
  "the report names every component and every straggler; along the critical chain waiting + working = wall time",
  (life, violation) => {
    const { timeline } = life
    const ended = first(timeline, "Ended")
    const requested = first(timeline, "StopRequested")
    if (ended === undefined || requested === undefined) return untoldHook(life, violation)
    const report = reportOf(life)
    const finalName = (id: number, name: string): string =>
      timeline.reduce((last, entry) => ("id" in entry && entry.id === id ? entry.name : last), name)

    const missing = all(timeline, "ComponentStarted")
      .filter(({ entry }) => !entry.empty)
      .flatMap(({ entry: { id, name: startedAs }, index }) => {
        const name = finalName(id, startedAs)
        // A start that failed may have gone by the same name.
        const namesakes = report.components.filter((component) => component.name === name)
        if (namesakes.length === 0) return [violation(`the report does not name ${name}`, index)]
        const left = first(timeline, "ComponentAbandoned", (other) => other.id === id)
        const stopped = first(timeline, "ComponentStopped", (other) => other.id === id)
        const cutOff = forcedExit(timeline) !== undefined && stopped === undefined
        const end = left !== undefined ? "abandoned" : stopped?.entry.failure !== undefined ? "failed" : "stopped"
        return cutOff || namesakes.some((component) => component.end === end)
          ? []
          : [violation(`the report says that ${name} ${namesakes[0]?.end}, and it was ${end}`, index)]
      })
    const stragglers = all(timeline, "Straggler").flatMap(({ entry, index }) =>
      report.stragglers.some(({ count, kind }) => kind === entry.kind && count === entry.count)
        ? []
        : [violation(`the report does not name the stragglers of ${entry.kind}`, index)]
    )
    const failures = all(timeline, "ComponentStopped").flatMap(({ entry, index }) =>
      entry.failure === undefined ||
      report.failures.some((line) => line.includes(entry.name) && line.includes(entry.failure ?? ""))
        ? []
        : [violation(`the report does not say how ${entry.name} failed`, index)]
    )
    const inStates = report.states.reduce((sum, { duration }) => sum + duration, 0)
    const sum =
      Math.abs(inStates - report.duration) > rounding * report.states.length + rounding
        ? [violation(`the states add up to ${inStates} ms, and the stop took ${report.duration} ms`, ended.index)]
        : []
    const took = Math.min(ended.entry.at - requested.entry.at + spent(timeline), ended.entry.at)
    const duration =
      Math.abs(report.duration - took) > 10 * rounding
        ? [violation(`the report says that the stop took ${report.duration} ms, and it was ${took} ms`, ended.index)]
        : []
    const chain = chainViolations(timeline, report, violation)
    const unlike =
      report.outcome._tag === ended.entry.outcome._tag && report.exitCode === ended.entry.exitCode
        ? []
        : [violation("the report has another outcome than the log", ended.index)]
    return [
      ...missing,
      ...stragglers,
      ...failures,
      ...sum,
      ...duration,
      ...chain,
      ...unlike,
      ...notReported(life, report, violation),
      ...untoldHook(life, violation)
    ]
  }
)

/** The chain ends with the release that ended last, so that it is as long as all releases together. */
const chainViolations = (
  timeline: Timeline,
  { criticalChain, reason }: Report.Report,
  violation: Law.Violated
): ReadonlyArray<Law.Violation> => {
  const releasing = first(timeline, "StateChanged", ({ to }) => to === "Releasing")
  // A rollback is told as time in Starting, with a chain of its own.
  if (releasing === undefined || reason._tag === "StartFailed" || forcedExit(timeline) !== undefined) return []
  const ends = [...all(timeline, "ComponentStopped"), ...all(timeline, "ComponentAbandoned")].filter(
    ({ entry, index }) => index > releasing.index || entry.at > releasing.entry.at
  )
  if (ends.length === 0) return []
  const last = ends.reduce((latest, end) => (end.entry.at >= latest.entry.at ? end : latest))
  const wall = last.entry.at - releasing.entry.at
  const along = criticalChain.reduce((sum, { waiting, working }) => sum + waiting + working, 0)
  return Math.abs(along - wall) > rounding * (2 * criticalChain.length + 1)
    ? [
        violation(
          `the critical chain adds up to ${along} ms, and the releases took ${wall} ms`,
          releasing.index,
          last.index
        )
      ]
    : []
}
