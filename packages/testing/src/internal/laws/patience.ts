/**
 * The other half of being in time: nobody is given up before the budget is used up, and what is granted is given.
 */
import type * as Law from "../../Law.ts"
import { all, capped, first, instancesOf, nameOf, tolerance, total, wholeDrain } from "./reading.ts"

/** A component is left behind when its own budget, or that of all releases, is used up. */
export const givenUpEarly = (life: Law.Life, violation: Law.Violated): ReadonlyArray<Law.Violation> => {
  const { limits, timeline } = life
  const request = first(timeline, "StopRequested")
  const rollback = first(timeline, "ComponentStopping")
  const rolledBack =
    request === undefined ||
    request.entry.reason._tag === "StartFailed" ||
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
      const over = (request?.entry.at ?? at) + total(life) - limits.reserve
      if (!rolledBack && at + tolerance(life) < over)
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
