/**
 * Critical sections: who may begin one, and what is told of those that the stop had to wait for.
 */
import type * as Law from "../../Law.ts"
import type { Of, Timeline } from "../../Timeline.ts"
import { all, type At, blocked, first, tolerance } from "./reading.ts"

/** Where sections begin to be refused and waited for. */
const closing = (timeline: Timeline): At<Of<"StateChanged">> | undefined =>
  first(timeline, "StateChanged", ({ to }) => to === "Draining" || to === "Interrupting" || to === "Exit")

/** Sections are refused from the drain on, and those that may begin during a stop are not. */
export const refusals = ({ limits, timeline }: Law.Life, violation: Law.Violated): ReadonlyArray<Law.Violation> => {
  const closed = closing(timeline)
  const wrongly = all(timeline, "SectionRefused").flatMap(({ entry: { late, section }, index }) => {
    if (late) return [violation(`${section} was refused, and it may begin during a stop`, index)]
    return closed === undefined || closed.index > index
      ? [violation(`${section} was refused before the application drained`, index)]
      : []
  })
  const entered = all(timeline, "SectionEntered").flatMap(({ entry: { at, late, section }, index }) =>
    late ||
    closed === undefined ||
    index < closed.index ||
    at - blocked(timeline, closed.entry.at, at) <= closed.entry.at + limits.slack
      ? []
      : [violation(`${section} began although the application was stopping`, closed.index, index)]
  )
  return [...wrongly, ...entered]
}

/** Each section that held the stop up is told once, and as it was. */
export const toldOfSections = (life: Law.Life, violation: Law.Violated): ReadonlyArray<Law.Violation> => {
  const { limits, timeline } = life
  const closed = closing(timeline)
  const exit = first(timeline, "StateChanged", ({ to }) => to === "Exit")
  // What begins in the instant in which the process ends has nobody to tell of it.
  const end = first(timeline, "Ended")
  if (closed === undefined || end === undefined) return []
  const rollback = first(timeline, "ComponentStopping")
  const releasing = first(timeline, "StateChanged", ({ to }) => to === "Releasing")
  const after = (from: number, to: number) => to - blocked(timeline, from, to) > from + limits.slack
  return all(timeline, "SectionEntered").flatMap(({ entry: { at: entered, masked, section }, index }) => {
    const left = first(timeline, "SectionLeft", (other) => other.section === section)
    const tales = all(timeline, "CriticalSectionWaited").filter(({ entry }) => entry.name === section)
    const torn = all(timeline, "Straggler").filter(
      ({ entry }) => entry.kind === `critical section ${section}` && entry.count === 1
    )
    const [tale, again] = tales
    if (again !== undefined)
      return [violation(`${section} was told ${tales.length} times`, ...tales.map((one) => one.index))]
    if (tale === undefined) {
      const held = left === undefined || left.index > closed.index
      if (!held || index > end.index) return []
      // One that begins while its component is released goes on with it, and is left behind with it.
      const released = releasing !== undefined && index > releasing.index && left === undefined
      if (exit === undefined && released) return []
      if (exit === undefined)
        return [violation(`the stop waited for ${section}, and nothing says so`, index, closed.index)]
      const open = left === undefined || left.index > exit.index
      return open && index < exit.index && torn.length !== 1
        ? [violation(`${section} was torn, and ${torn.length} times told`, index, exit.index)]
        : []
    }
    const { at, exceeded, waited } = tale.entry
    // Its limit begins anew where it is bounded, unless it is given up before that.
    const starts = [closed, first(timeline, "StateChanged", ({ to }) => to === "Interrupting")]
      .filter((state) => state !== undefined && state.index < tale.index)
      .map((state) => Math.max(entered, state?.entry.at ?? entered))
    const isRight = (since: number): boolean =>
      Math.abs(at - since - waited) <= tolerance(life) + blocked(timeline, closed.entry.at, at)
    const found: Array<Law.Violation> = []
    // A rollback bounds a section before the stop does.
    if (rollback === undefined || rollback.index > tale.index) {
      if (left !== undefined && after(left.entry.at, closed.entry.at))
        found.push(violation(`${section} had ended before the stop, which is told to have waited for it`, tale.index))
      else if (!starts.some(isRight))
        found.push(
          violation(
            `${waited} ms are told of ${section}, and it was ${starts.map((since) => at - since).join(" or ")} ms`,
            tale.index
          )
        )
    }
    if (!exceeded && (left === undefined || left.index > tale.index))
      found.push(violation(`${section} was told to have ended, and it had not`, tale.index))
    if (exceeded && left !== undefined && left.index < tale.index && after(left.entry.at, at))
      found.push(violation(`${section} was told to be given up, and it had ended`, left.index, tale.index))
    if (exceeded && !masked && after(at, left?.entry.at ?? end.entry.at))
      found.push(violation(`${section} was given up, and not interrupted`, tale.index))
    return found
  })
}
