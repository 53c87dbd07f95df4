import type { Outcome } from "quiesce/Outcome"
import type { StopReason } from "quiesce/StopReason"
import * as Law from "../../Law.ts"
import type { Timeline } from "../../Timeline.ts"
import {
  all,
  first,
  forcedExit,
  handedBack,
  isOptional,
  killed,
  leftFromWithin,
  nameOf,
  spent,
  total
} from "./reading.ts"

export const exitCode = Law.make(
  "exit-code",
  "the exit code is the function of the outcome and the reason, nothing else",
  (life, violation) => {
    const { limits, timeline } = life
    const exited = first(timeline, "Exited")
    if (exited === undefined || killed(timeline) !== undefined) return []
    const ended = first(timeline, "Ended")
    const reason = first(timeline, "StopRequested")?.entry.reason ?? reasonSeen(timeline)
    const outcome = outcomeSeen(timeline)
    const expected = codeOf(outcome, reason)
    const wrong =
      exited.entry.exitCode === expected
        ? []
        : [
            violation(
              `it exited with ${exited.entry.exitCode}, and a stop that is ${outcome._tag} with the reason ${reason._tag} exits with ${expected}`,
              exited.index
            )
          ]
    const untold =
      ended === undefined || ended.entry.outcome._tag === outcome._tag
        ? []
        : [violation(`it said that it was ${ended.entry.outcome._tag}, and it was ${outcome._tag}`, ended.index)]
    // What blocks the event loop can hold it for longer than it may, and then come to a good end.
    const request = first(timeline, "StopRequested")
    const over =
      request === undefined ? 0 : exited.entry.at - request.entry.at - Math.max(total(life) - spent(timeline), 0)
    const behind =
      ended !== undefined && forcedExit(timeline) === undefined && outcome._tag !== "TimedOut" && over > limits.slack
        ? [violation(`it ended ${over} ms behind its deadline, and said that it was ${outcome._tag}`, ended.index)]
        : []
    return [...wrong, ...untold, ...behind]
  }
)

const forced: Readonly<Record<string, number>> = {
  SIGHUP: 129,
  SIGINT: 130,
  SIGQUIT: 131,
  SIGKILL: 137,
  SIGTERM: 143,
  SIGBREAK: 149
}

/** The rule of the contract, written down a second time. */
const codeOf = (outcome: Outcome, reason: StopReason): number => {
  const failure = ["StartFailed", "ComponentFailed", "TaskFailed", "Crash"].includes(reason._tag)
  const own = "code" in reason && reason.code !== undefined ? reason.code : 1
  switch (outcome._tag) {
    case "Forced":
      return forced[outcome.signal ?? ""] ?? 1
    case "TimedOut":
      return 124
    case "Degraded":
      return failure ? own : 70
    case "Clean":
      return failure ? own : 0
  }
}

/** Of an application that says nothing of itself: who asked, as far as it could be seen. */
const reasonSeen = (timeline: Timeline): StopReason => {
  const signal = first(timeline, "Signalled")
  const failed = first(timeline, "Failed")
  return failed !== undefined && (signal === undefined || failed.index < signal.index)
    ? { _tag: "StartFailed", message: failed.entry.message }
    : { _tag: "Signal", signal: signal?.entry.signal ?? "SIGTERM" }
}

/** How it ended, from what happened alone. */
const outcomeSeen = (timeline: Timeline): Outcome => {
  const forced = forcedExit(timeline)
  if (forced !== undefined) {
    const signal = all(timeline, "Escalated").findLast(
      ({ entry, index }) => entry.rung === "Exit" && index < forced.index
    )
    if (signal !== undefined) return { _tag: "Forced", signal: signal.entry.signal }
    const left = leftFromWithin(timeline)
    return left !== undefined && left.index < forced.index ? { _tag: "Forced" } : { _tag: "TimedOut" }
  }
  if (all(timeline, "ComponentAbandoned").some(({ entry }) => entry.limit === "gracePeriod"))
    return { _tag: "TimedOut" }
  const stopped = first(timeline, "StopRequested")?.index ?? first(timeline, "Signalled")?.index ?? timeline.length
  // Of a start that did not succeed everything counts.
  const ran =
    first(timeline, "AppStarting") === undefined || first(timeline, "StateChanged", ({ to }) => to === "Running")
  const requested = ran === undefined ? -1 : stopped
  const lost = timeline.some((entry, index) => {
    switch (entry._tag) {
      case "ComponentAbandoned":
        return true
      case "ComponentStopped":
        return entry.failure !== undefined
      case "Failed":
        // What an optional component did before is not held against the stop, nor what it had given up before, nor how an attempt
        // fails that it cuts short.
        return (
          entry.message.includes("release failed") &&
          (!isOptional(timeline, nameOf(entry.component)) ||
            (index > requested &&
              !all(timeline, "AwaitedLate").some((late) => late.entry.failure.includes(entry.message)) &&
              !all(timeline, "OptionalDown").some((down) => down.entry.failure.includes(entry.message))))
        )
      case "Straggler":
      case "Crashed":
        return index > requested
      case "BackgroundFailed":
        return index > requested && entry.policy === "stop"
      case "TaskFailed":
        return index > requested && entry.next === "stop"
      case "Awaited":
        return index > requested && entry.result !== "done"
      case "CriticalSectionWaited":
        return index > requested && entry.exceeded
      case "Left":
        return index > requested && !entry.whole && !handedBack(timeline, entry)
      case "SectionLeft":
      case "HookEnded":
        return index > requested && !entry.whole
      default:
        return false
    }
  })
  return lost ? { _tag: "Degraded" } : { _tag: "Clean" }
}
