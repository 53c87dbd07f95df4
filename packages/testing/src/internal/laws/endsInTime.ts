import type { AppState } from "quiesce/Phase"
import * as Law from "../../Law.ts"
import { hookCutShort } from "./hooks.ts"
import { dawdled, givenUpEarly, leaseNotGiven } from "./patience.ts"
import {
  all,
  blocked,
  ends,
  first,
  forcedExit,
  instancesOf,
  isRequest,
  killed,
  leased,
  leftFromWithin,
  nameOf,
  reserve,
  spent,
  stopBegan,
  total
} from "./reading.ts"

export const endsInTime = Law.make(
  "ends-in-time",
  "from the first stop request to the end is at most the grace period, in every fault mode",
  (life, violation) => {
    const { limits, timeline } = life
    const began = stopBegan(timeline)
    if (began === undefined || killed(timeline) !== undefined) return []
    const exit = first(timeline, "Exited")
    if (exit === undefined) return [violation("it was asked to stop and never ended", began.index)]
    const request = began.entry.at
    // A rollback comes before its request, and counts. Where somebody could not be interrupted it can be longer than all.
    const left = Math.max(total(life) - spent(timeline), 0)
    const pauses = blocked(timeline, request, exit.entry.at)
    const took = exit.entry.at - request
    const whole =
      took > left + pauses + limits.slack
        ? [violation(`the stop took ${took} ms of ${left} ms`, began.index, exit.index)]
        : []

    const inState = (state: AppState, budget: number) => {
      const from = first(timeline, "StateChanged", ({ to }) => to === state)
      const to = first(timeline, "StateChanged", (change) => change.from === state)
      if (from === undefined || to === undefined) return []
      const lasted = to.entry.at - from.entry.at
      const most = budget + leased(timeline, from.entry.at, to.entry.at) + blocked(timeline, from.entry.at, to.entry.at)
      return lasted > most + limits.slack
        ? [violation(`${state} lasted ${lasted} ms of ${budget} ms`, from.index, to.index)]
        : []
    }
    const states = [
      ...inState("LameDuck", limits.lameDuck),
      ...inState("Draining", limits.drain),
      ...inState("Interrupting", limits.interrupt)
    ]

    // What is kept for the end is there at the end.
    const flushing = first(timeline, "StateChanged", ({ to }) => to === "Flushing")
    const since = flushing === undefined ? 0 : flushing.entry.at - request
    const reserved =
      flushing !== undefined && since > Math.max(left - reserve(life), 0) + pauses + limits.slack
        ? [
            violation(
              `Flushing began after ${since} ms of ${left} ms, so that less than the reserve of ${reserve(life)} ms was left`,
              flushing.index
            )
          ]
        : []

    const instances = instancesOf(timeline).map(nameOf)
    const late = all(timeline, "Releasing").flatMap(({ entry: { at: releasing, component }, index }) => {
      // Of several instances nobody can tell which is which.
      if (instances.filter((name) => name === component).length !== 1) return []
      const own = first(timeline, "Acquiring", (other) => other.component === component)?.entry.stopTimeout
      const stopping = first(timeline, "ComponentStopping", ({ name }) => name === component)
      const settled = stopping === undefined ? undefined : ends(timeline, stopping.entry.id)[0]?.entry
      if (stopping === undefined || settled === undefined) return []
      // What is optional may have been released before, and that is not its place in the stop.
      const at = Math.max(releasing, stopping.entry.at)
      const budget =
        (own ?? limits.stopTimeout) +
        leased(timeline, stopping.entry.at, settled.at) +
        blocked(timeline, at, settled.at)
      return settled.at - at > budget + limits.slack
        ? [
            violation(
              `the release of ${component} took ${settled.at - at} ms of ${own ?? limits.stopTimeout} ms`,
              index
            )
          ]
        : []
    })
    const forced = forcedExit(timeline)
    const lingered =
      forced !== undefined && exit.entry.at > forced.entry.at + limits.slack
        ? [violation("it did not leave at once although it had to", forced.index, exit.index)]
        : []
    // Every state is bounded for itself, so that a stop comes to its own end before the deadline has to cut it off.
    const escalated = first(timeline, "Escalated", ({ rung }) => rung === "Exit")
    const exits = leftFromWithin(timeline)
    const cutOff =
      forced !== undefined && escalated === undefined && exits === undefined && pauses === 0 && left > 0
        ? [violation("the deadline had to cut it off", forced.index)]
        : []
    const stayed =
      exits !== undefined && exit.entry.at > exits.entry.at + limits.slack
        ? [violation("its process was left, and it went on", exits.index, exit.index)]
        : []
    const excessive = all(timeline, "LeaseGranted").flatMap(({ entry: { at, millis }, index }) =>
      at + millis > request + total(life) - spent(timeline) - reserve(life) + limits.slack
        ? [violation(`${millis} ms were granted, and there were not so many left`, index)]
        : []
    )
    return [
      ...whole,
      ...states,
      ...reserved,
      ...late,
      ...lingered,
      ...cutOff,
      ...stayed,
      ...excessive,
      ...unheard(life, violation),
      ...uncounted(life, violation),
      ...givenUpEarly(life, violation),
      ...leaseNotGiven(life, violation),
      ...hookCutShort(life, violation),
      ...dawdled(life, violation)
    ]
  }
)

/** Whoever asks for a stop gets it at once. */
const unheard = ({ limits, timeline }: Law.Life, violation: Law.Violated): ReadonlyArray<Law.Violation> => {
  if (first(timeline, "AppStarting") === undefined) return []
  const requested = first(timeline, "StopRequested")?.entry.at ?? Number.POSITIVE_INFINITY
  return [
    ...all(timeline, "Crashed"),
    ...all(timeline, "Signalled"),
    ...all(timeline, "Struck").filter(({ entry }) => isRequest(entry)),
    ...all(timeline, "BackgroundFailed").filter(({ entry }) => entry.policy === "stop"),
    ...all(timeline, "TaskFailed").filter(({ entry }) => entry.next === "stop")
  ].flatMap(({ entry: { _tag, at }, index }) =>
    requested - blocked(timeline, at, requested) > at + limits.slack
      ? [violation(`it was asked to stop (${_tag}), and went on`, index)]
      : []
  )
}

const startEvents = new Set(["ComponentStarting", "ComponentStarted", "ComponentStartFailed", "Acquiring", "Acquired"])

/**
 * A rollback of a failed start counts, from the first release after which nothing started any more, and so does the time that a
 * signal has waited; nothing else does.
 */
const uncounted = ({ limits, timeline }: Law.Life, violation: Law.Violated): ReadonlyArray<Law.Violation> => {
  const request = first(timeline, "StopRequested")
  if (request === undefined) return []
  if (request.entry.reason._tag === "Signal") {
    const late = all(timeline, "Signalled").findLast(({ index }) => index < request.index)?.entry.late ?? 0
    return Math.abs(spent(timeline) - late) > limits.slack
      ? [violation(`the signal had waited for ${late} ms, and ${spent(timeline)} ms were counted`, request.index)]
      : []
  }
  const failed = timeline.find(({ _tag }) => _tag === "ComponentStartFailed" || _tag === "ComponentStopping")
  const most = request.entry.reason._tag === "StartFailed" ? request.entry.at - (failed?.at ?? request.entry.at) : 0
  if (spent(timeline) > most + limits.slack)
    return [violation(`${spent(timeline)} ms were counted for a rollback that took at most ${most} ms`, request.index)]
  if (request.entry.reason._tag !== "StartFailed") return []
  const lastStart = timeline.findLastIndex(({ _tag }, index) => index < request.index && startEvents.has(_tag))
  const rollback = all(timeline, "ComponentStopping").find(({ index }) => index > lastStart && index < request.index)
  if (rollback === undefined) return []
  const took = request.entry.at - rollback.entry.at
  return took > spent(timeline) + limits.slack
    ? [violation(`the rollback took ${took} ms, and ${spent(timeline)} ms were counted`, rollback.index, request.index)]
    : []
}
