/**
 * Tasks that a stop lets finish: the drain waits for them and interrupts nobody, and what fails in that time is told as what
 * it is.
 */
import type * as Law from "../../Law.ts"
import type { Of, Timeline } from "../../Timeline.ts"
import { all, type At, blocked, capped, first, tolerance, wholeDrain } from "./reading.ts"

/** A run, and where it had ended and cleaned up. */
interface Run {
  readonly began: At<Of<"RunBegan">>
  readonly left: At<Of<"RunLeft">> | undefined
}

const runsOf = (timeline: Timeline): ReadonlyArray<Run> =>
  all(timeline, "RunBegan").map((began) => {
    const { run, task } = began.entry
    return { began, left: first(timeline, "RunLeft", (other) => other.task === task && other.run === run) }
  })

const finishes = ({ began }: Run): boolean => began.entry.onStop === "finish"

/** While draining what runs goes on. */
export const tornWhileDraining = ({ timeline }: Law.Life, violation: Law.Violated): ReadonlyArray<Law.Violation> => {
  const drain = wholeDrain(timeline)
  if (drain === undefined) return []
  const released = first(timeline, "ComponentStopping")?.index ?? timeline.length
  return all(timeline, "RunEnded").flatMap(({ entry: { how, run, task }, index }) =>
    how === "interrupted" && index > drain.from.index && index < Math.min(drain.to.index, released)
      ? [violation(`run ${run} of ${task} was interrupted while draining`, drain.from.index, index)]
      : []
  )
}

/** The drain waits for who finishes, while there is time, and tells whom it has waited for. */
export const notWaitedFor = (life: Law.Life, violation: Law.Violated): ReadonlyArray<Law.Violation> => {
  const { limits, timeline } = life
  const drain = wholeDrain(timeline)
  if (drain === undefined) return []
  const { from, lasted, to } = drain
  const most = capped(life, limits.drain, from.entry.at)
  return runsOf(timeline)
    .filter((one) => finishes(one) && one.began.index < from.index)
    .filter(({ left }) => left === undefined || left.entry.at > from.entry.at + tolerance(life))
    .flatMap(({ began, left }) => {
      const { run, task } = began.entry
      const isOver = left !== undefined && left.index < to.index
      if (!isOver && lasted < most - limits.slack)
        return [
          violation(`Draining ended after ${lasted} ms of ${most} ms, and run ${run} of ${task} had not`, to.index)
        ]
      const told = all(timeline, "Awaited").filter(({ entry }) => entry.kind === "task" && entry.name === task)
      if (told.length !== 1)
        return [violation(`the drain waited for ${task}, and that is told ${told.length} times`, began.index, to.index)]
      // What ends as the drain does may have been given up.
      if (left !== undefined && Math.abs(left.entry.at - to.entry.at) <= tolerance(life)) return []
      return told.flatMap(({ entry: { result }, index }) =>
        result === (isOver ? "done" : "abandoned")
          ? []
          : [violation(`${task} was told to be ${result}, and ${isOver ? "it had ended" : "it had not ended"}`, index)]
      )
    })
}

/** Who should have finished and has not, when nobody waits any longer, is named. */
export const unfinishedTasks = ({ timeline }: Law.Life, violation: Law.Violated): ReadonlyArray<Law.Violation> => {
  const interrupting = first(timeline, "StateChanged", ({ to }) => to === "Interrupting")
  const over = first(timeline, "StateChanged", (change) => change.from === "Interrupting" && change.to === "Releasing")
  if (interrupting === undefined || over === undefined) return []
  return runsOf(timeline).flatMap((one) => {
    const { began, left } = one
    if (!finishes(one) || began.index > interrupting.index || (left !== undefined && left.index < over.index)) return []
    const named = first(timeline, "Straggler", ({ kind }) => kind === `task ${began.entry.task}`)
    return named === undefined
      ? [violation(`${began.entry.task} was left unfinished, and nothing says so`, began.index, over.index)]
      : []
  })
}

/** A failure has the consequence that its script says: a restart, none because of the stop, or the policy. */
export const wrongConsequence = (life: Law.Life, violation: Law.Violated): ReadonlyArray<Law.Violation> => {
  const { timeline } = life
  const drained = first(
    timeline,
    "StateChanged",
    ({ to }) => to === "Draining" || to === "Interrupting" || to === "Exit"
  )
  // Who has been told to end is not restarted, and its failure is its last.
  const told = timeline.findIndex(
    ({ _tag }) => _tag === "TaskInterrupted" || _tag === "ComponentStopping" || _tag === "ComponentStartFailed"
  )
  return all(timeline, "TaskFailed").flatMap(({ entry: { at, message, name, next }, index }) => {
    const began = first(timeline, "RunBegan", ({ run, task }) => task === name && message.includes(`run ${run} `))
    if (began === undefined) return []
    const { onFailure, restarts, run } = began.entry
    const [early, late] =
      drained === undefined
        ? [true, false]
        : [at < drained.entry.at + tolerance(life), at > drained.entry.at - tolerance(life)]
    const pause = drained === undefined ? 0 : blocked(timeline, drained.entry.at - 1, at)
    const possible =
      run > restarts
        ? [onFailure]
        : [
            ...(early || pause > 0 ? ["restart"] : []),
            ...(late ? ["stopping"] : []),
            ...(told >= 0 && told < index ? [onFailure] : [])
          ]
    return possible.includes(next)
      ? []
      : [
          violation(
            `the failure of run ${run} of ${name} was told as ${next} instead of ${possible.join(" or ")}`,
            index
          )
        ]
  })
}
