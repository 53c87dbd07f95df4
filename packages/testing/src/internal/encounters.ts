/**
 * Which of the rarer situations a life has come to: a full gate, a line for a key, a task that a stop lets finish, a claim.
 */
import type { Encounter } from "../Coverage.ts"
import { openClaim } from "./laws/claims.ts"
import { type Claim, linesOf } from "./laws/lines.ts"
import { all, first } from "./laws/reading.ts"
import type { Timeline } from "../Timeline.ts"

export const encountersOf = (timeline: Timeline): ReadonlySet<Encounter> => {
  const met = new Set<Encounter>()
  const draining = first(timeline, "StateChanged", ({ to }) => to === "Draining")
  const drained = draining?.index ?? timeline.length
  const isIn = (index: number, from: number | undefined, to: number | undefined): boolean =>
    from !== undefined && from < index && (to ?? timeline.length) > index

  for (const { claims } of linesOf(timeline)) {
    for (const claim of claims) {
      const end = claim.began ?? claim.gone
      const waited = end !== undefined && end.entry.at > claim.asked.entry.at
      const waitedAtDrain = waited && isIn(drained, claim.asked.index, end.index)
      if (waited && claim.began !== undefined)
        met.add(isSection(claim) ? "a section waits for its key" : "a unit waits for a place")
      if (claim.gone?.entry._tag === "TurnedAway") met.add("a unit is turned away")
      if (waited && claim.gone?.entry._tag === "Withdrawn") met.add("a unit loses patience")
      if (waited && claim.gone?.entry._tag === "SectionWithdrawn") met.add("a section loses patience")
      if (waitedAtDrain && claim.gone?.entry._tag === "Refused") met.add("a unit in line is refused by the drain")
      if (waitedAtDrain && claim.gone?.entry._tag === "SectionRefused")
        met.add("a section in line is refused by the drain")
      if (waitedAtDrain && isSection(claim) && claim.began !== undefined)
        met.add("a section in line begins in the stop")
    }
  }
  for (const units of Map.groupBy(all(timeline, "Accepted"), ({ entry }) => entry.gate).values()) {
    const inside = units.filter(({ entry, index }) => {
      const left = first(timeline, "Left", ({ gate, unit }) => gate === entry.gate && unit === entry.unit)
      return isIn(drained, index, left?.index)
    })
    if (new Set(inside.map(({ entry }) => entry.kind)).size > 1) met.add("a gate drains units of several kinds")
  }
  for (const { entry, index } of all(timeline, "RunBegan")) {
    if (entry.onStop !== "finish") continue
    const ended = first(timeline, "RunEnded", ({ run, task }) => run === entry.run && task === entry.task)
    if (!isIn(drained, index, ended?.index)) continue
    if (ended?.entry.how === "done") met.add("a task finishes while draining")
    else if (ended?.entry.how === "failed") met.add("a task that may finish fails while draining")
    else met.add("a task that may finish does not")
  }
  const claims = all(timeline, "ClaimAsked")
  if (draining !== undefined && claims.some(({ entry }) => openClaim(timeline, entry.gate, drained) !== undefined))
    met.add("a worker waits for its claim while draining")
  return met
}

const isSection = ({ asked }: Claim): boolean => asked.entry._tag === "SectionAsked"
