import * as Law from "../../Law.ts"
import { abandoned, all, first, forcedExit, instancesOf } from "./reading.ts"

export const isolation = Law.make(
  "isolation",
  "one component's failing, hanging or dying finalizer never keeps another's from running",
  ({ timeline }, violation) => {
    // Who leaves at once runs no finalizers; that is what was asked for.
    if (forcedExit(timeline) !== undefined) return []
    const unfinished = all(timeline, "Releasing").filter(
      ({ entry: { component } }) =>
        first(timeline, "Released", (other) => other.component === component) === undefined ||
        first(timeline, "Failed", (other) => other.component === component) !== undefined
    )
    const [culprit] = unfinished
    if (culprit === undefined) return []
    return instancesOf(timeline).flatMap((component) =>
      first(timeline, "Releasing", (other) => other.component === component) !== undefined ||
      abandoned(timeline, component)
        ? []
        : [violation(`${component} was never released, because of ${culprit.entry.component}`, culprit.index)]
    )
  }
)
