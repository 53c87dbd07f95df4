/**
 * The other half of being in time: nobody is given up before the budget is used up, and what is granted is given.
 */
import { isStopState } from "quiesce/Phase"
import type * as Law from "../../Law.ts"
import type { Entry } from "../../Timeline.ts"
import {
  all,
  blocked,
  capped,
  first,
  instancesOf,
  nameOf,
  reserve,
  spent,
  tolerance,
  total,
  wholeDrain
} from "./reading.ts"

/** A component is left behind when its own budget, or that of all releases, is used up. */
export const givenUpEarly = (life: Law.Life, violation: Law.Violated): ReadonlyArray<Law.Violation> => {
  const { limits, timeline } = life
  const request = first(timeline, "StopRequested")
  const rollback = first(timeline, "ComponentStopping")
  const rolledBack = (before: number): boolean =>
    request === undefined ||
    request.entry.reason._tag === "StartFailed" ||
    before < request.index ||
    (rollback !== undefined && rollback.index < request.index)
  const instances = instancesOf(timeline).map(nameOf)
  return all(timeline, "ComponentAbandoned").flatMap(({ entry: { after, at, id, limit, name }, index }) => {
    // A start that does not end is left behind with its state.
    if (limit === "start") return []
    const stopping = first(timeline, "ComponentStopping", (other) => other.id === id)
    const found: Array<Law.Violation> = []
    if (stopping !== undefined && Math.abs(at - stopping.entry.at - after) > tolerance(life))
      found.push(
        violation(
          `${name} was told to be left behind after ${after} ms, and it was ${at - stopping.entry.at} ms`,
          index
        )
      )
    if (limit === "gracePeriod") {
      // The deadline of a rollback began before anything tells of it.
      const over = (request?.entry.at ?? at) + total(life) - spent(timeline) - reserve(life)
      if (!rolledBack(index) && at + tolerance(life) < over)
        found.push(violation(`${name} was left behind for the grace period, of which ${over - at} ms were left`, index))
      return found
    }
    const acquiring = first(timeline, "Acquiring", ({ component }) => component === name)
    // Of several instances nobody can tell which is which, and only who is scripted tells its budget.
    if (acquiring === undefined || instances.filter((one) => one === name).length !== 1) return found
    const granted = all(timeline, "LeaseGranted")
      .filter(({ entry }) => entry.to === name)
      .reduce((sum, { entry }) => sum + entry.millis, 0)
    const due = (acquiring.entry.stopTimeout ?? limits.stopTimeout) + granted
    if (after + tolerance(life) < due)
      found.push(violation(`${name} was left behind after ${after} ms of ${due} ms`, index))
    return found
  })
}

/** What a state was waiting for, each with the instant in which that was over. */
const waits = new Set<Entry["_tag"]>(["Awaited", "CriticalSectionWaited", "ComponentStopped", "ComponentAbandoned"])

/** A state is over as soon as there is nothing left to wait for. */
export const dawdled = ({ limits, timeline }: Law.Life, violation: Law.Violated): ReadonlyArray<Law.Violation> =>
  all(timeline, "StateChanged").flatMap(({ entry: { at, from: state, to }, index }) => {
    const entered = first(timeline, "StateChanged", (change) => change.to === state)
    if (entered === undefined || to === "Exit" || !isStopState(state) || state === "LameDuck") return []
    const last = timeline.reduce(
      (latest, entry) => (waits.has(entry._tag) && entry.at <= at ? Math.max(latest, entry.at) : latest),
      entered.entry.at
    )
    const sections = all(timeline, "SectionEntered")
    const held =
      sections.some(
        ({ entry: { section }, index: began }) =>
          began < index &&
          !timeline.slice(began, index).some((entry) => entry._tag === "SectionLeft" && entry.section === section)
      ) ||
      // One that is not scripted tells of itself at its end alone.
      timeline.slice(index).some((entry) => {
        if (entry._tag === "Straggler") return entry.kind.startsWith("critical section ")
        return (
          entry._tag === "CriticalSectionWaited" && !sections.some(({ entry: { section } }) => section === entry.name)
        )
      })
    return !held && at - blocked(timeline, last, at) > last + limits.slack
      ? [
          violation(
            `${state} went on for ${at - last} ms, and there was nothing left to wait for`,
            entered.index,
            index
          )
        ]
      : []
  })

/** A lease that Draining was granted is there before anything is given up. */
export const leaseNotGiven = (life: Law.Life, violation: Law.Violated): ReadonlyArray<Law.Violation> => {
  const { limits, timeline } = life
  const drain = wholeDrain(timeline)
  if (drain === undefined) return []
  const { from: draining, lasted, to: left } = drain
  // What is granted in the instant in which the state ends comes too late.
  const given = all(timeline, "LeaseGranted")
    .filter(
      ({ entry, index }) =>
        index > draining.index && index < left.index && entry.to === "Draining" && entry.at < left.entry.at
    )
    .reduce((sum, { entry }) => sum + entry.millis, 0)
  const most = capped(life, limits.drain + given, draining.entry.at)
  const gaveUp = all(timeline, "Awaited").some(
    ({ entry, index }) =>
      entry.result === "abandoned" &&
      index > left.index &&
      entry.at === left.entry.at &&
      (entry.kind === "drainable" || entry.kind === "onStopping" || entry.kind === "awaitBeforeStop")
  )
  return given > 0 && gaveUp && lasted < most - limits.slack
    ? [violation(`Draining ended after ${lasted} ms of ${most} ms, of which ${given} ms were granted`, left.index)]
    : []
}
