import * as Law from "../../Law.ts"
import type { Timeline } from "../../Timeline.ts"
import { frameworkLines, loudLines, notLogged } from "./told.ts"
import { abandoned, all, blocked, first, forcedExit, isOptional, killed, nameOf } from "./reading.ts"

export const neverSilent = Law.make(
  "never-silent",
  "every failure is logged once, with its component's name and cause",
  (life, violation) => {
    const { limits, timeline } = life
    const lines = loudLines(timeline)
    const said = frameworkLines(timeline)
    const messages = all(timeline, "Failed").map(({ entry }) => entry.message)
    const end = (first(timeline, "Exited") ?? killed(timeline))?.entry.at
    const forced = forcedExit(timeline) !== undefined
    // Nobody hears of what fails in the very instant in which the process leaves without it.
    const failures = all(timeline, "Failed").flatMap(({ entry: { at, component, message }, index }) => {
      // A composition that loses its turn for too long is taken for a component, and then fails with what its part says.
      const about = said.filter(
        ({ entry }) => isAbout(entry.message, message, messages) && !entry.message.startsWith("layer#")
      )
      if (about.length === 0) {
        // Of an optional component that stays away the log has the repetitions at debug.
        if (all(timeline, "OptionalDown").some(({ entry }) => entry.attempts > 1 && entry.failure.includes(message)))
          return []
        // Of a hook that was given up, and fails as the process leaves, nobody hears either.
        const givenUp = all(timeline, "Awaited").some(
          ({ entry }) => entry.result === "abandoned" && entry.name.startsWith(`${component}/`)
        )
        const left = (forced || givenUp || abandoned(timeline, component)) && end !== undefined
        const tooLate = left && knownAt(timeline, component, at) >= end - limits.slack - blocked(timeline, at, end)
        return tooLate || interruptedAt(life, at, nameOf(component))
          ? []
          : [violation(`nothing was logged of "${message}"`, index)]
      }
      if (about.length > 1)
        return [violation(`"${message}" was logged ${about.length} times`, index, ...about.map((line) => line.index))]
      return about.some(({ entry }) => entry.message.includes(nameOf(component)) || component === "the process")
        ? []
        : [
            violation(
              `"${message}" was logged without the name of ${component}`,
              index,
              ...about.map((line) => line.index)
            )
          ]
    })
    const left = all(timeline, "ComponentAbandoned").flatMap(({ entry: { name }, index }) =>
      lines.some(({ entry }) => entry.message.includes(`${name} `) && entry.message.includes("left behind"))
        ? []
        : [violation(`nothing was logged of ${name}, which was left behind`, index)]
    )
    return (life.logged ?? first(timeline, "Logged") !== undefined)
      ? [...failures, ...left, ...notLogged(life, violation)]
      : []
  }
)

/** Whether a line says this message, and not only a longer one that it is a part of: `db: failed` in `userdb: failed`. */
const isAbout = (line: string, message: string, messages: ReadonlyArray<string>): boolean =>
  line.includes(message) &&
  messages
    .filter((other) => other !== message && other.includes(message))
    .reduce((rest, longer) => rest.replaceAll(longer, ""), line)
    .includes(message)

/** A run of a task has failed for others when it has cleaned up, not before, and never when it was left behind. */
const knownAt = (timeline: Timeline, task: string, at: number): number => {
  if (all(timeline, "Straggler").some(({ entry }) => entry.kind === `task ${task}`)) return Number.POSITIVE_INFINITY
  const ended = first(timeline, "RunEnded", (run) => run.task === task && run.at === at)?.entry
  if (ended === undefined) return at
  const left = first(timeline, "RunLeft", (run) => run.task === task && run.run === ended.run)
  return left?.entry.at ?? Number.POSITIVE_INFINITY
}

/** Who is interrupted in the very instant in which it fails has not failed, for all that Effect lets anybody know. */
const interruptedAt = ({ limits, timeline }: Law.Life, at: number, component: string): boolean =>
  timeline.some((entry) => {
    const [from, to] = [Math.min(entry.at, at), Math.max(entry.at, at)]
    if (to - from > blocked(timeline, from, to) + limits.slack) return false
    switch (entry._tag) {
      case "ComponentStartFailed":
        return entry.interrupted && nameOf(entry.name) === component
      case "TaskInterrupted":
      case "TaskStopped":
      case "ReloadAbandoned":
      case "ComponentStopping":
        return nameOf(entry.name) === component
      case "Awaited":
        return entry.result === "abandoned" && entry.name.startsWith(component)
      // It interrupts attempts at once.
      case "StopRequested":
        return isOptional(timeline, component)
      default:
        return false
    }
  })
