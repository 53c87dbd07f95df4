/**
 * Who was let in by a gate that was closed already. The drain counts in one step with the closing; whatever came in before
 * is in that count, however late it could say so.
 */
import type * as Law from "../../Law.ts"
import { all, first, leftAt } from "./reading.ts"

export const letInLate = ({ timeline }: Law.Life, violation: Law.Violated): ReadonlyArray<Law.Violation> => {
  const draining = first(timeline, "StateChanged", ({ to }) => to === "Draining")
  if (draining === undefined) return []
  const counted = all(timeline, "InFlight").find(({ index }) => index > draining.index)
  const gates = new Set(all(timeline, "Accepted").map(({ entry }) => entry.gate))
  return Array.from(gates).flatMap((gate) => {
    const closed = first(timeline, "GateClosed", ({ name }) => name === gate)
    if (closed === undefined || closed.index < draining.index || closed.entry.at > draining.entry.at) return []
    const count = counted?.entry.counts[gate] ?? 0
    const units = all(timeline, "Accepted").filter(({ entry, index }) => {
      const left = leftAt(timeline, entry)
      return entry.gate === gate && (index > closed.index || left === undefined || left.index > closed.index)
    })
    return units.length > count
      ? [
          violation(
            `${gate} closed with ${count} units in it, and ${units.length} were let in`,
            closed.index,
            ...units.map(({ index }) => index)
          )
        ]
      : []
  })
}
