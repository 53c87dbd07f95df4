import { formatMillis } from "quiesce/Report"
import * as StopReason from "quiesce/StopReason"
import * as Law from "../../Law.ts"
import { type Entry, only } from "../../Timeline.ts"
import { first, killed } from "./reading.ts"
import { reportOf } from "./told.ts"

export const clean = Law.make("clean", "it ended Clean, with exit code 0, and nothing was lost", (life, violation) => {
  const { timeline } = life
  const requested = first(timeline, "StopRequested")?.index ?? timeline.length
  const ran = first(timeline, "StateChanged", ({ to }) => to === "Running") !== undefined
  const culprits = timeline.flatMap((entry, index) => {
    // Of a start that did not succeed everything counts. What code cuts off itself while the application runs does not.
    const counts = !ran || index > requested
    const sentence = leak(entry) ?? (counts ? loss(entry) : undefined) ?? ending(entry, life)
    return sentence === undefined ? [] : [violation(sentence, index)]
  })
  if (first(timeline, "Ended") !== undefined) return culprits
  const kill = killed(timeline)
  return kill === undefined
    ? [...culprits, violation("nothing tells of its end")]
    : [...culprits, violation("it was killed", kill.index)]
})

/** What is not released as it should be, whenever that happens. */
const leak = (entry: Entry): string | undefined => {
  if (entry._tag === "ComponentStopped" && entry.failure !== undefined)
    return `${entry.name} failed to stop cleanly: ${entry.failure}`
  if (entry._tag !== "ComponentAbandoned") return undefined
  const after = formatMillis(entry.after)
  switch (entry.limit) {
    case "start":
      return `the start of ${entry.name} did not end and was left behind`
    case "stopTimeout":
      return `${entry.name} did not stop within ${after} and was left behind`
    case "gracePeriod":
      return `${entry.name} was left behind after ${after} because the grace period was used up`
  }
}

/** What a stop loses. */
const loss = (entry: Entry): string | undefined => {
  switch (entry._tag) {
    case "Straggler":
      return `${entry.count} ${entry.kind} did not finish`
    case "CriticalSectionWaited":
      return entry.exceeded ? `critical section ${entry.name} exceeded its limit` : undefined
    case "Awaited":
      if (entry.result === "done") return undefined
      return entry.result === "failed"
        ? `${entry.name} (${entry.kind}) failed: ${entry.failure ?? "unknown cause"}`
        : `${entry.name} (${entry.kind}) was not done after ${formatMillis(entry.waited)}`
    case "BackgroundFailed":
      return entry.policy === "stop" ? `a background fiber of ${entry.name} died: ${entry.message}` : undefined
    case "TaskFailed":
      return entry.next === "stop" ? `task ${entry.name} failed: ${entry.message}` : undefined
    case "Crashed":
      return `${entry.kind}: ${entry.message}`
    default:
      return undefined
  }
}

/** Why it stopped, how it was cut short, and what that made of it. */
const ending = (entry: Entry, life: Law.Life): string | undefined => {
  switch (entry._tag) {
    case "StopRequested":
      return StopReason.isFailure(entry.reason)
        ? `the reason of its stop is a failure: ${StopReason.describe(entry.reason)}`
        : undefined
    case "StateChanged": {
      if (entry.to !== "Exit") return undefined
      const last = only(life.timeline, "Escalated").find(({ rung }) => rung === "Exit")
      const why = last === undefined ? "its grace period was over" : `${last.signal} asked for it`
      const open = notStopped(life)
      return `it left at once in ${entry.from}: ${why}${open.length === 0 ? "" : `, and ${open.join(", ")} had not stopped`}`
    }
    case "Ended":
      return entry.outcome._tag === "Clean" && entry.exitCode === 0
        ? undefined
        : `it ended ${entry.outcome._tag}, with exit code ${entry.exitCode}`
    default:
      return undefined
  }
}

const notStopped = (life: Law.Life): ReadonlyArray<string> =>
  reportOf(life).components.flatMap(({ end, name }) => (end === "running" || end === "abandoned" ? [name] : []))
