import * as Law from "../../Law.ts"
import type { Of } from "../../Timeline.ts"
import { openClaim } from "./claims.ts"
import { letInAfterwards, letInLate, miscounted } from "./letIn.ts"
import {
  abandonedBefore,
  all,
  blocked,
  capped,
  first,
  forcedExit,
  handedBack,
  inside,
  killed,
  kindOf,
  leftAt,
  nameOf,
  rounding,
  wholeDrain
} from "./reading.ts"

export const noLateAcceptance = Law.make(
  "no-late-acceptance",
  "nothing is accepted after the gate closes; everything accepted is finished, handed over or named as a straggler",
  (life, violation) => {
    const { timeline } = life
    const forced = forcedExit(timeline)
    const named = (kind: string, before = timeline.length): boolean =>
      all(timeline, "Straggler").some(({ entry, index }) => entry.kind === kind && index < before)
    // A gate says that it is empty only when it is closed: what it lets in after that, nobody waits for.
    const late = all(timeline, "Awaited")
      .filter(({ entry }) => entry.kind === "drainable" && entry.result === "done")
      .flatMap(({ entry: { name }, index }) =>
        all(timeline, "Accepted")
          .filter(({ entry }) => entry.gate === name)
          .flatMap(({ entry: { unit }, index: accepted }) => {
            const left = leftAt(timeline, { gate: name, unit })
            if (accepted > index)
              return [violation(`${name} accepted unit ${unit} after it was drained`, index, accepted)]
            return left === undefined || left.index > index
              ? [violation(`${name} was told to be drained while unit ${unit} was in it`, accepted, index)]
              : []
          })
      )
    const lost = all(timeline, "Accepted").flatMap(({ entry, index }) => {
      const { gate, unit } = entry
      const left = leftAt(timeline, { gate, unit })
      if (left === undefined)
        return named(kindOf(entry)) || killed(timeline) !== undefined
          ? []
          : [violation(`unit ${unit} of ${gate} never ended, and nothing says so`, index)]
      if (left.entry.whole || named(kindOf(entry), left.index) || handedBack(timeline, { gate, unit })) return []
      // Who leaves at once says so before anything is torn.
      if (forced !== undefined && forced.index < left.index) return []
      // A worker that is left behind with its component is named with that.
      const isWorker = first(timeline, "Offered", (other) => other.gate === gate) !== undefined
      if (isWorker && abandonedBefore(timeline, nameOf(gate), left.index)) return []
      return [violation(`unit ${unit} of ${gate} was torn, and nothing had said so`, index, left.index)]
    })
    const excess = all(timeline, "Straggler").flatMap(({ entry: { count, kind }, index }) => {
      const isOne = (entry: Of<"Accepted">) => kindOf(entry) === kind
      if (first(timeline, "Accepted", isOne) === undefined) return []
      const open = inside(timeline, isOne, index).length
      return count < open ? [violation(`${kind} has ${open} unfinished units, and ${count} are told`, index)] : []
    })
    return [
      ...late,
      ...lost,
      ...letInLate(life, violation),
      ...letInAfterwards(life, violation),
      ...miscounted(life, violation),
      ...excess,
      ...unfinished(life, violation),
      ...untouched(life, violation),
      ...idle(life, violation),
      ...interruptedEarly(life, violation),
      ...overcounted(life, violation),
      ...closedTwice(life, violation)
    ]
  }
)

const inGate =
  (gate: string) =>
  (unit: Of<"Accepted">): boolean =>
    unit.gate === gate

/** The drain goes on while there is something in a gate, and time. */
const unfinished = (life: Law.Life, violation: Law.Violated): ReadonlyArray<Law.Violation> => {
  const { limits, timeline } = life
  const drain = wholeDrain(timeline)
  if (drain === undefined) return []
  const { from, lasted, to: left } = drain
  const most = capped(life, limits.drain, from.entry.at)
  if (lasted >= most - limits.slack) return []
  return all(timeline, "Awaited")
    .filter(({ entry, index }) => entry.result === "abandoned" && index > left.index && entry.at === left.entry.at)
    .filter(({ entry }) => entry.kind === "drainable" && inside(timeline, inGate(entry.name), left.index).length > 0)
    .map(({ entry: { name }, index }) =>
      violation(`Draining ended after ${lasted} ms of ${most} ms with work in ${name}`, left.index, index)
    )
}

/** What can be interrupted is interrupted at once when the drain is over. */
const untouched = ({ limits, timeline }: Law.Life, violation: Law.Violated): ReadonlyArray<Law.Violation> => {
  const interrupting = first(timeline, "StateChanged", ({ to }) => to === "Interrupting")
  if (interrupting === undefined) return []
  const { at } = interrupting.entry
  return all(timeline, "Straggler")
    .filter(({ index }) => index > interrupting.index)
    .flatMap(({ entry: { kind } }) =>
      inside(timeline, (unit) => kindOf(unit) === kind, interrupting.index).flatMap(({ entry, index }) => {
        const { gate, masked, unit } = entry
        const left = leftAt(timeline, entry)
        const end = left?.entry.at ?? first(timeline, "Exited")?.entry.at ?? at
        return masked || end - blocked(timeline, at, end) <= at + limits.slack
          ? []
          : [
              violation(
                `unit ${unit} of ${gate} went on after the drain, and was not interrupted`,
                interrupting.index,
                index
              )
            ]
      })
    )
}

/** Nobody waits for a gate that is empty. */
const idle = ({ limits, timeline }: Law.Life, violation: Law.Violated): ReadonlyArray<Law.Violation> =>
  all(timeline, "Awaited")
    .filter(({ entry: { kind, result } }) => result === "abandoned" && (kind === "drainable" || kind === "interrupt"))
    .flatMap(({ entry: { at, name, waited }, index }) => {
      const units = all(timeline, "Accepted").filter(({ entry }) => entry.gate === name)
      if (units.length === 0 || inside(timeline, inGate(name), index).length > 0) return []
      if (openClaim(timeline, name, index) !== undefined) return []
      const emptied = all(timeline, "Left").findLast(({ entry, index: left }) => entry.gate === name && left < index)
      const answered = all(timeline, "ClaimAnswered").findLast(
        ({ entry, index: end }) => entry.gate === name && end < index
      )
      const since = Math.max(emptied?.entry.at ?? 0, answered?.entry.at ?? 0, at - waited)
      return at - blocked(timeline, since, at) <= since + limits.slack
        ? []
        : [
            violation(
              `${name} was waited for, and it had been empty for ${at - since} ms`,
              emptied?.index ?? index,
              index
            )
          ]
    })

/** Interrupting waits for what it has interrupted, while there is time. */
const interruptedEarly = (life: Law.Life, violation: Law.Violated): ReadonlyArray<Law.Violation> => {
  const { limits, timeline } = life
  const from = first(timeline, "StateChanged", ({ to }) => to === "Interrupting")
  const over = first(timeline, "StateChanged", (change) => change.from === "Interrupting" && change.to === "Releasing")
  const ran = first(timeline, "StateChanged", ({ to }) => to === "Running")
  if (from === undefined || over === undefined || ran === undefined) return []
  const lasted = over.entry.at - from.entry.at
  const most = capped(life, limits.interrupt, from.entry.at)
  if (lasted >= most - limits.slack) return []
  return all(timeline, "Accepted").flatMap(({ entry: { gate, unit }, index }) => {
    const left = leftAt(timeline, { gate, unit })
    return index > from.index || (left !== undefined && left.index < over.index)
      ? []
      : [
          violation(
            `Interrupting ended after ${lasted} ms of ${most} ms with unit ${unit} in ${gate}`,
            index,
            over.index
          )
        ]
  })
}

/** Stragglers are no more than there are. */
const overcounted = ({ timeline }: Law.Life, violation: Law.Violated): ReadonlyArray<Law.Violation> =>
  all(timeline, "Straggler").flatMap(({ entry: { at, count, kind }, index }) => {
    const units = all(timeline, "Accepted").filter(
      ({ entry, index: accepted }) => kindOf(entry) === kind && accepted < index
    )
    const gate = units[0]?.entry.gate
    const closed = first(timeline, "GateClosed", ({ name }) => name === gate)
    // What a worker hands back is in its hands until it is back.
    if (first(timeline, "Offered", (offered) => offered.gate === gate) !== undefined) return []
    // What comes in the very instant of the count may have been counted before it could say so.
    if (closed === undefined) return []
    if (at - blocked(timeline, closed.entry.at, at) <= closed.entry.at + rounding) return []
    const open = units.filter(({ entry }) => {
      const left = leftAt(timeline, entry)
      if (left === undefined || left.index > index) return true
      return left.entry.at + blocked(timeline, left.entry.at - rounding, at) + 10 * rounding >= at
    })
    return count > open.length
      ? [violation(`${kind} has at most ${open.length} unfinished units, and ${count} are told`, index)]
      : []
  })

/** A gate closes once, and is waited for once. Of gates that share a name only a scripted one is known to be one. */
const closedTwice = ({ timeline }: Law.Life, violation: Law.Violated): ReadonlyArray<Law.Violation> => {
  const units = [...all(timeline, "Accepted"), ...all(timeline, "Refused")]
  return Array.from(new Set(units.map(({ entry }) => entry.gate))).flatMap((gate) => {
    const closed = all(timeline, "GateClosed").filter(({ entry }) => entry.name === gate)
    const waited = all(timeline, "Awaited").filter(({ entry }) => entry.name === gate && entry.kind === "drainable")
    return [closed, waited].flatMap((tales) =>
      tales.length > 1
        ? [
            violation(
              `${gate} was told ${tales.length} times to be closed or drained`,
              ...tales.map((one) => one.index)
            )
          ]
        : []
    )
  })
}
