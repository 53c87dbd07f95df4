import * as Law from "../../Law.ts"
import { only } from "../../Timeline.ts"
import { type Claim, isBefore, type Line, linesOf, mayHold } from "./lines.ts"
import { capped, first, wholeDrain } from "./reading.ts"

export const withinCapacity = Law.make(
  "within-capacity",
  "a gate never has more than its capacity, and a key one section; who waits gets the first free place, in order, or is refused when the drain begins",
  (life, violation) => {
    const lines = linesOf(life.timeline)
    return [
      ...lines.flatMap((line) => [
        ...overfull(line, violation),
        ...leftWaiting(life, line, violation),
        ...overtaken(life, line, violation),
        ...turnedAway(life, line, violation),
        ...forgotten(life, line, violation)
      ]),
      ...leftInLine(life, lines, violation)
    ]
  }
)

/** Who has a place behind an entry. */
const holders = ({ claims }: Line, index: number): ReadonlyArray<Claim> =>
  claims.filter(
    ({ began, left }) => began !== undefined && began.index <= index && (left === undefined || left.index > index)
  )

/** Where a claim is settled, one way or the other. */
const settled = ({ began, gone }: Claim) => began ?? gone

/** Who is in says so later than it gets in, and leaves later than it says so: those who say that they are in, are. */
const overfull = (line: Line, violation: Law.Violated): ReadonlyArray<Law.Violation> =>
  line.claims.flatMap(({ began }) => {
    const inside = began === undefined ? [] : holders(line, began.index)
    return began !== undefined && inside.length > line.capacity
      ? [violation(`${line.name} has ${inside.length} at once, and takes ${line.capacity}`, began.index)]
      : []
  })

/** While there is a place nobody waits for one; nor does anybody where it is turned away. */
const leftWaiting = (life: Law.Life, line: Line, violation: Law.Violated): ReadonlyArray<Law.Violation> => {
  const { timeline } = life
  return line.claims.flatMap((claim) => {
    const { asked, closed, name } = claim
    const until = Math.min(settled(claim)?.index ?? timeline.length - 1, closed?.index ?? timeline.length)
    const last = timeline[until]?.at ?? asked.entry.at
    if (!isBefore(life, asked.entry.at, last)) return []
    if (!line.waits) return [violation(`${name} had to wait, and should have been turned away`, asked.index)]
    for (let at = asked.index; at < until; at++) {
      const [from, to] = [timeline[at]?.at ?? 0, timeline[at + 1]?.at ?? 0]
      if (isBefore(life, from, to) && holders(line, at).length < line.capacity)
        return [violation(`${name} had to wait at ${from} ms, and ${line.name} had a place`, asked.index, at)]
    }
    return []
  })
}

/** Of two that asked one after the other, the first comes first. */
const overtaken = (life: Law.Life, line: Line, violation: Law.Violated): ReadonlyArray<Law.Violation> =>
  line.claims.flatMap((claim) => {
    const { asked, name } = claim
    const end = settled(claim)?.entry.at ?? Number.POSITIVE_INFINITY
    // Those who may still come when others may not any more have a line to themselves.
    const first = line.claims.find(
      ({ asked: later, began, closed }) =>
        began !== undefined &&
        closed?.index === claim.closed?.index &&
        isBefore(life, asked.entry.at, later.entry.at) &&
        isBefore(life, began.entry.at, Math.min(end, claim.closed?.entry.at ?? end))
    )
    return first === undefined
      ? []
      : [violation(`${first.name} got a place before ${name}, which had asked first`, asked.index, first.asked.index)]
  })

/** Who is turned away has found no place, and no gate that was closed. */
const turnedAway = (life: Law.Life, line: Line, violation: Law.Violated): ReadonlyArray<Law.Violation> =>
  line.claims.flatMap(({ closed, gone, name }) => {
    if (gone?.entry._tag !== "TurnedAway") return []
    const { at } = gone.entry
    if (closed !== undefined && isBefore(life, closed.entry.at, at))
      return [violation(`${name} was told that the gate is full, and it was closed`, closed.index, gone.index)]
    const possible = line.claims.filter((claim) => mayHold(life, claim, at))
    return line.waits || possible.length < line.capacity
      ? [
          violation(
            `${name} was turned away, and ${line.name} had at most ${possible.length} of ${line.capacity}`,
            gone.index
          )
        ]
      : []
  })

/** Who stands in line as the drain begins, or comes later, is refused at once. */
const forgotten = (life: Law.Life, { claims }: Line, violation: Law.Violated): ReadonlyArray<Law.Violation> =>
  claims.flatMap((claim) => {
    const { asked, closed, name } = claim
    if (closed === undefined || closed.entry._tag === "Exited") return []
    if (closed.entry._tag === "StateChanged" && closed.entry.to === "Exit") return []
    const due = Math.max(asked.entry.at, closed.entry.at)
    return isBefore(life, due, settled(claim)?.entry.at ?? life.timeline.at(-1)?.at ?? due)
      ? [violation(`${name} was not refused when its time had come`, asked.index, closed.index)]
      : []
  })

/** The stop waits for a section that stands in line and may still begin, while there is time. */
const leftInLine = (
  life: Law.Life,
  lines: ReadonlyArray<Line>,
  violation: Law.Violated
): ReadonlyArray<Law.Violation> => {
  const { limits, timeline } = life
  // One that is told to have begun, and was given up at once, need not have had a turn to say so.
  const waiting = lines
    .flatMap(({ claims }) => claims)
    .filter(({ asked }) => "late" in asked.entry && asked.entry.late)
    .filter(
      ({ began, name }) =>
        began !== undefined || !only(timeline, "CriticalSectionWaited").some((told) => told.name === name)
    )
  const outOfLine = (claim: (typeof waiting)[number]): number =>
    Math.min(
      settled(claim)?.index ?? timeline.length,
      first(timeline, "CriticalSectionWaited", (told) => told.exceeded && told.name === claim.name)?.index ??
        timeline.length
    )
  const early = (state: string, from: number, to: { readonly index: number; readonly at: number }, budget: number) =>
    to.at - from >= capped(life, budget, from) - limits.slack
      ? []
      : waiting.flatMap((claim) =>
          isBefore(life, claim.asked.entry.at, to.at) && outOfLine(claim) > to.index
            ? [violation(`${state} ended, and ${claim.name} was in line`, claim.asked.index, to.index)]
            : []
        )
  const drain = wholeDrain(timeline)
  const interrupting = first(timeline, "StateChanged", ({ to }) => to === "Interrupting")
  const over = first(timeline, "StateChanged", (change) => change.from === "Interrupting" && change.to === "Releasing")
  const ran = first(timeline, "StateChanged", ({ to }) => to === "Running")
  return [
    ...(drain === undefined
      ? []
      : early("Draining", drain.from.entry.at, { index: drain.to.index, at: drain.to.entry.at }, limits.drain)),
    ...(interrupting === undefined || over === undefined || ran === undefined
      ? []
      : early("Interrupting", interrupting.entry.at, { index: over.index, at: over.entry.at }, limits.interrupt))
  ]
}
