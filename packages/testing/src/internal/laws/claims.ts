/**
 * What a worker asks a table for: one unit at a time, none when draining has begun; and an answer that is on its way is waited
 * for, since the unit in it is nobody else's.
 */
import type * as Law from "../../Law.ts"
import type { Of, Timeline } from "../../Timeline.ts"
import { all, type At, first } from "./reading.ts"

/** The claim of a gate that has no answer yet at a place of the timeline. */
export const openClaim = (timeline: Timeline, gate: string, before: number): At<Of<"ClaimAsked">> | undefined => {
  const isOwn = ({ entry, index }: At<Of<"ClaimAsked" | "ClaimAnswered">>): boolean =>
    entry.gate === gate && index < before
  const asked = all(timeline, "ClaimAsked").findLast(isOwn)
  const answered = all(timeline, "ClaimAnswered").findLast(isOwn)
  return asked === undefined || (answered !== undefined && answered.index > asked.index) ? undefined : asked
}

export const claimed = (life: Law.Life, violation: Law.Violated): ReadonlyArray<Law.Violation> => {
  const { timeline } = life
  // To look whether there is a drain, and to ask, is one step: so it does not begin to ask in the very instant either.
  const draining = first(timeline, "StateChanged", ({ to }) => to === "Draining" || to === "Interrupting")
  const asked = all(timeline, "ClaimAsked").flatMap(({ entry: { gate }, index }) => {
    const open = openClaim(timeline, gate, index)
    if (open !== undefined) return [violation(`${gate} asked for two units at a time`, open.index, index)]
    return draining !== undefined && index > draining.index
      ? [violation(`${gate} asked for a unit while draining`, draining.index, index)]
      : []
  })
  const torn = all(timeline, "ClaimAnswered").flatMap(({ entry: { gate, whole }, index }) =>
    whole ? [] : [violation(`${gate} did not wait for the unit that it had asked for`, index)]
  )
  return [...asked, ...torn]
}
