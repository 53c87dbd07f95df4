/**
 * Who was let in by a gate that was closed already. The drain counts by kind, in one step with the closing; whatever came in
 * before is in that count, however late it could say so.
 */
import type * as Law from "../../Law.ts"
import type { Of, Timeline } from "../../Timeline.ts"
import { isBefore, linesOf, mayHold } from "./lines.ts"
import { all, type At, first, kindOf, leftAt } from "./reading.ts"

const countedAt = (timeline: Timeline, draining: number): At<Of<"InFlight">> | undefined =>
  all(timeline, "InFlight").find(({ index }) => index > draining)

export const letInLate = ({ timeline }: Law.Life, violation: Law.Violated): ReadonlyArray<Law.Violation> => {
  const draining = first(timeline, "StateChanged", ({ to }) => to === "Draining")
  if (draining === undefined) return []
  const counted = countedAt(timeline, draining.index)
  const kinds = new Map(all(timeline, "Accepted").map(({ entry }) => [kindOf(entry), entry.gate]))
  return Array.from(kinds).flatMap(([kind, gate]) => {
    const closed = first(timeline, "GateClosed", ({ name }) => name === gate)
    if (closed === undefined || closed.index < draining.index || closed.entry.at > draining.entry.at) return []
    const count = counted?.entry.counts[kind] ?? 0
    const units = all(timeline, "Accepted").filter(({ entry, index }) => {
      const left = leftAt(timeline, entry)
      return kindOf(entry) === kind && (index > closed.index || left === undefined || left.index > closed.index)
    })
    return units.length > count
      ? [
          violation(
            `${kind} closed with ${count} units in it, and ${units.length} were let in`,
            closed.index,
            ...units.map(({ index }) => index)
          )
        ]
      : []
  })
}

/** Nor is anybody let in later. */
export const letInAfterwards = (life: Law.Life, violation: Law.Violated): ReadonlyArray<Law.Violation> =>
  linesOf(life.timeline).flatMap(({ claims }) =>
    claims.flatMap(({ asked, began, closed, name }) =>
      asked.entry._tag === "Asked" &&
      began !== undefined &&
      closed !== undefined &&
      isBefore(life, closed.entry.at, began.entry.at)
        ? [violation(`${name} was let in, and its gate had closed`, closed.index, began.index)]
        : []
    )
  )

/** As the drain begins no more are told of a kind than there can be. */
export const miscounted = (life: Law.Life, violation: Law.Violated): ReadonlyArray<Law.Violation> => {
  const { timeline } = life
  const draining = first(timeline, "StateChanged", ({ to }) => to === "Draining")
  const counted = draining && countedAt(timeline, draining.index)
  if (counted === undefined) return []
  const { at, counts } = counted.entry
  const units = linesOf(timeline).flatMap(({ claims }) => claims)
  return Object.entries(counts).flatMap(([kind, count]) => {
    const own = units.filter(({ asked: { entry } }) => entry._tag === "Asked" && entry.kind === kind)
    const possible = own.filter((claim) => mayHold(life, claim, at))
    return own.length > 0 && count > possible.length
      ? [
          violation(
            `${count} units of ${kind} are told as the drain begins, and there were ${possible.length}`,
            counted.index
          )
        ]
      : []
  })
}
