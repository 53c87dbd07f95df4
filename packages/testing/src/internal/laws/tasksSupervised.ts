import * as Law from "../../Law.ts"
import { claimed } from "./claims.ts"
import { notWaitedFor, tornWhileDraining, unfinishedTasks, wrongConsequence } from "./finishing.ts"
import { abandoned, all, blocked, capped, first, forcedExit, killed, nameOf, rounding, tolerance } from "./reading.ts"

export const tasksSupervised = Law.make(
  "tasks-supervised",
  "tasks are restarted as their schedule says and interrupted by descending priority; a worker loses no unit",
  (life, violation) => [
    ...restarted(life, violation),
    ...early(life, violation),
    ...outOfOrder(life, violation),
    ...lost(life, violation),
    ...begunLate(life, violation),
    ...claimed(life, violation),
    ...tornWhileDraining(life, violation),
    ...notWaitedFor(life, violation),
    ...unfinishedTasks(life, violation),
    ...wrongConsequence(life, violation)
  ]
)

/** Where new work is refused from, or nothing runs any more. */
const drained = (life: Law.Life): number =>
  first(life.timeline, "StateChanged", ({ to }) => to === "Draining" || to === "Interrupting" || to === "Exit")?.entry
    .at ?? Number.POSITIVE_INFINITY

/** After a failure the next run begins when the schedule says, and when that has ended none does. */
const restarted = (life: Law.Life, violation: Law.Violated): ReadonlyArray<Law.Violation> => {
  const { timeline } = life
  const end = drained(life)
  return all(timeline, "RunEnded").flatMap(({ entry: { how, run, task }, index }) => {
    const at = first(timeline, "RunLeft", (other) => other.task === task && other.run === run)?.entry.at
    if (at === undefined) return []
    const began = first(timeline, "RunBegan", (other) => other.task === task && other.run === run)
    const next = first(timeline, "RunBegan", (other) => other.task === task && other.run === run + 1)
    if (began === undefined) return []
    const due = how === "failed" && run <= began.entry.restarts
    if (!due)
      return next === undefined ? [] : [violation(`${task} ran again after run ${run} (${how})`, index, next.index)]
    const at2 = at + began.entry.every
    if (next !== undefined) {
      const late = next.entry.at - blocked(timeline, at, next.entry.at) - at2
      return next.entry.at + tolerance(life) < at2 || late > tolerance(life)
        ? [
            violation(
              `run ${run + 1} of ${task} was due at ${at2} ms and began at ${next.entry.at} ms`,
              index,
              next.index
            )
          ]
        : []
    }
    const until = Math.min(end, goneAt(life, task), killed(timeline)?.entry.at ?? end)
    return at2 + (Number.isFinite(until) ? blocked(timeline, at, until) : 0) + tolerance(life) < until
      ? [violation(`run ${run + 1} of ${task} was due at ${at2} ms and never began`, index)]
      : []
  })
}

/** When the component of a task may have been let go of at the earliest; a rollback need not tell of all that it releases. */
const goneAt = ({ timeline }: Law.Life, task: string): number => {
  const component = nameOf(nameOf(task))
  const gone = timeline.find(
    (entry) =>
      (entry._tag === "ComponentStopping" && nameOf(entry.name) === component) || entry._tag === "ComponentStartFailed"
  )
  return gone?.at ?? Number.POSITIVE_INFINITY
}

/** A run does not begin when draining has begun, save the first, of a component that is still starting. */
const early = (life: Law.Life, violation: Law.Violated): ReadonlyArray<Law.Violation> =>
  all(life.timeline, "RunBegan")
    .filter(({ entry }) => entry.run > 1 && entry.at > drained(life) + tolerance(life))
    // Who is blocked between the look and the step cannot know.
    .filter(({ entry }) => blocked(life.timeline, drained(life), entry.at) === 0)
    .map(({ entry: { run, task }, index }) => violation(`run ${run} of ${task} began while draining`, index))

/** So many priorities a script can name, and one is that of workers. */
const priorities = 5

/** Who is interrupted by the stop finds nobody of a higher priority who could be interrupted, and has time left to end. */
const outOfOrder = (life: Law.Life, violation: Law.Violated): ReadonlyArray<Law.Violation> => {
  const { limits, timeline } = life
  const from = first(timeline, "StateChanged", ({ to }) => to === "Interrupting")
  const over = first(timeline, "StateChanged", (change) => change.from === "Interrupting")
  const ran = first(timeline, "StateChanged", ({ to }) => to === "Running")
  if (from === undefined || over === undefined || ran === undefined) return []
  // Without time nobody is waited for.
  const share = capped(life, limits.interrupt, from.entry.at) / priorities
  if (share <= 0 || blocked(timeline, from.entry.at, over.entry.at) > 0) return []
  const runs = all(timeline, "RunBegan").filter(({ index }) => index < from.index)
  return all(timeline, "RunEnded").flatMap(({ entry: { at, how, run, task }, index }) => {
    const own = runs.find(({ entry }) => entry.task === task && entry.run === run)
    if (own === undefined || how !== "interrupted" || index < from.index || index > over.index) return []
    const higher = runs.filter(({ entry }) => entry.priority > own.entry.priority && !entry.masked)
    return higher.flatMap(({ entry, index: began }) => {
      const same = (other: { readonly task: string; readonly run: number }): boolean =>
        other.task === entry.task && other.run === entry.run
      const asked = first(timeline, "RunEnded", same)
      const left = first(timeline, "RunLeft", same)
      const due = asked === undefined || asked.index > index || at < asked.entry.at + share
      return due && (left === undefined || left.index > index)
        ? [violation(`${task} was interrupted before ${entry.task} had ended, whose priority is higher`, began, index)]
        : []
    })
  })
}

/** What was put into the queue of a worker, or given to it by a table, is handled or handed back. */
const lost = ({ timeline }: Law.Life, violation: Law.Violated): ReadonlyArray<Law.Violation> => {
  if (forcedExit(timeline) !== undefined) return []
  // Nor does a worker that was given up have the time to hand back.
  const givenUp = first(timeline, "Awaited", ({ name, result }) => name === "tasks" && result === "abandoned")
  if (givenUp !== undefined) return []
  return all(timeline, "Offered").flatMap(({ entry: { gate, unit }, index }) => {
    if (abandoned(timeline, nameOf(gate))) return []
    const handled = all(timeline, "Left").filter(
      ({ entry }) => entry.gate === gate && entry.unit === unit && entry.whole
    )
    const back = all(timeline, "HandedBack").filter(({ entry }) => entry.gate === gate && entry.unit === unit)
    if (handled.length + back.length === 0) return [violation(`unit ${unit} of ${gate} was lost`, index)]
    // Interrupted, or failed, in the instant in which it ends: only the worker itself could tell.
    const [done, given] = [handled[0]?.entry.at ?? 0, back[0]?.entry.at ?? 0]
    const both = handled.length === 1 && back.length === 1 && given - blocked(timeline, done, given) <= done + rounding
    return handled.length + back.length === 1 || both
      ? []
      : [
          violation(
            `unit ${unit} of ${gate} was handled ${handled.length} times and handed back ${back.length} times`,
            ...handled.map((at) => at.index),
            ...back.map((at) => at.index)
          )
        ]
  })
}

/** A worker begins no unit when draining has begun. */
const begunLate = (life: Law.Life, violation: Law.Violated): ReadonlyArray<Law.Violation> => {
  const { timeline } = life
  const workers = new Set(all(timeline, "Offered").map(({ entry }) => entry.gate))
  return all(timeline, "Accepted")
    .filter(({ entry }) => workers.has(entry.gate) && entry.at > drained(life) + tolerance(life))
    .filter(({ entry }) => blocked(timeline, drained(life), entry.at) === 0)
    .map(({ entry: { gate, unit }, index }) => violation(`${gate} began unit ${unit} while draining`, index))
}
