import * as Law from "../../Law.ts"
import { abandoned, all, first, forcedExit, startLeftBehind } from "./reading.ts"

export const startRollback = Law.make(
  "start-rollback",
  "a failed or stopped start releases exactly what it had acquired, in reverse order",
  ({ timeline }, violation) => {
    const running = first(timeline, "StateChanged", ({ to }) => to === "Running")
    const failed = first(timeline, "StopRequested", ({ reason }) => reason._tag === "StartFailed")
    const both =
      running !== undefined && failed !== undefined
        ? [violation("the start failed, and yet it was running", failed.index, running.index)]
        : []
    // What is being released is not built upon: the start is over when the release begins.
    const releasing = first(timeline, "StateChanged", ({ to }) => to === "Releasing")
    const built = all(timeline, "Acquiring").flatMap(({ entry: { component }, index }) =>
      releasing !== undefined && index > releasing.index && !startLeftBehind(timeline, component, index)
        ? [violation(`${component} began to start although the application was being released`, releasing.index, index)]
        : []
    )
    if (running !== undefined || forcedExit(timeline) !== undefined || first(timeline, "Exited") === undefined)
      return [...both, ...built]
    const kept = all(timeline, "Acquired").flatMap(({ entry: { component }, index }) =>
      first(timeline, "Releasing", (other) => other.component === component) !== undefined ||
      abandoned(timeline, component)
        ? []
        : [violation(`${component} was acquired by a start that did not succeed, and was never released`, index)]
    )
    const never = all(timeline, "Releasing").flatMap(({ entry: { component }, index }) =>
      first(timeline, "Acquired", (other) => other.component === component) === undefined
        ? [violation(`${component} was released, and had never been acquired`, index)]
        : []
    )
    return [...both, ...built, ...kept, ...never]
  }
)
