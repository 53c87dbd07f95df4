/**
 * Who stands in line for a place: units for one at a gate, critical sections for their key, which one of them has at a time.
 */
import type { Life } from "../../Law.ts"
import type { Entry, Timeline } from "../../Timeline.ts"
import { all, type At, blocked, first, tolerance } from "./reading.ts"

/** One that asked for a place, and what came of it. */
export interface Claim {
  readonly name: string
  readonly asked: At<Entry>
  /** Where it got its place, and where it left it. */
  readonly began: At<Entry> | undefined
  readonly left: At<Entry> | undefined
  /** Where it was refused, turned away, or gave up. */
  readonly gone: At<Entry> | undefined
  /** Where nobody who asked before may get a place any more. */
  readonly closed: At<Entry> | undefined
}

export interface Line {
  readonly name: string
  /** So many have a place at once. */
  readonly capacity: number
  /** Whether who finds no place waits for one, and is not turned away. */
  readonly waits: boolean
  /** In the order in which they asked. */
  readonly claims: ReadonlyArray<Claim>
}

export const linesOf = (timeline: Timeline): ReadonlyArray<Line> => [...gates(timeline), ...keys(timeline)]

/** Whether one instant is before another, the event loop's pauses left out. */
export const isBefore = (life: Life, one: number, other: number): boolean =>
  other - one > tolerance(life) && other - one - blocked(life.timeline, one, other) > tolerance(life)

/** Whether it may have had its place at an instant: who gets it, leaves it or goes in that very one, or had no time to say so. */
export const mayHold = (life: Life, { asked, began, gone, left }: Claim, at: number): boolean => {
  if (began !== undefined) return !isBefore(life, at, began.entry.at) && !isBefore(life, left?.entry.at ?? at, at)
  if (gone === undefined) return !isBefore(life, at, asked.entry.at)
  const isWithdrawn = gone.entry._tag === "Withdrawn" || gone.entry._tag === "SectionWithdrawn"
  return isWithdrawn && !isBefore(life, gone.entry.at, at)
}

/** Where the application begins to refuse. */
const refusing = (timeline: Timeline): At<Entry> | undefined =>
  first(timeline, "StateChanged", ({ to }) => to === "Draining" || to === "Interrupting" || to === "Exit")

/** Entries by what they are about, so that a life with many units is read once. */
const byName = (
  timeline: Timeline,
  nameOf: (entry: Entry) => string | undefined
): ReadonlyMap<string | undefined, ReadonlyArray<At<Entry>>> =>
  Map.groupBy(
    timeline.map((entry, index) => ({ entry, index })),
    ({ entry }) => nameOf(entry)
  )

const unitOf = (gate: string, unit: number): string => `${gate} ${unit}`

const gates = (timeline: Timeline): ReadonlyArray<Line> => {
  const refused = refusing(timeline)
  const units = byName(timeline, (entry) => ("unit" in entry ? unitOf(entry.gate, entry.unit) : undefined))
  return Array.from(Map.groupBy(all(timeline, "Asked"), ({ entry }) => entry.gate)).map(([gate, asked]) => {
    const closed = first(timeline, "GateClosed", ({ name }) => name === gate)
    return {
      name: gate,
      capacity: asked[0]?.entry.capacity ?? Number.POSITIVE_INFINITY,
      waits: asked[0]?.entry.waits ?? true,
      claims: asked.map((one) => {
        const own = units.get(unitOf(gate, one.entry.unit)) ?? []
        return {
          name: `unit ${one.entry.unit} of ${gate}`,
          asked: one,
          began: own.find(({ entry }) => entry._tag === "Accepted"),
          left: own.find(({ entry }) => entry._tag === "Left"),
          gone: own.find(({ entry: { _tag } }) => _tag === "Refused" || _tag === "TurnedAway" || _tag === "Withdrawn"),
          closed: earlier(closed, refused)
        }
      })
    }
  })
}

/** A section without a key has a line of its own. */
const keys = (timeline: Timeline): ReadonlyArray<Line> => {
  const refused = refusing(timeline)
  const over = first(timeline, "StateChanged", ({ to }) => to === "Exit") ?? first(timeline, "Exited")
  const sections = byName(timeline, (entry) => ("section" in entry ? entry.section : undefined))
  const nameOfLine = ({ key, section }: { readonly key?: string; readonly section: string }): string =>
    key === undefined ? section : `the key ${key}`
  return Array.from(Map.groupBy(all(timeline, "SectionAsked"), ({ entry }) => nameOfLine(entry))).map(
    ([name, asked]) => ({
      name,
      capacity: 1,
      waits: true,
      claims: asked.map((one) => {
        const own = sections.get(one.entry.section) ?? []
        return {
          name: one.entry.section,
          asked: one,
          began: own.find(({ entry }) => entry._tag === "SectionEntered"),
          left: own.find(({ entry }) => entry._tag === "SectionLeft"),
          gone: own.find(({ entry: { _tag } }) => _tag === "SectionRefused" || _tag === "SectionWithdrawn"),
          closed: one.entry.late ? over : refused
        }
      })
    })
  )
}

const earlier = (one: At<Entry> | undefined, other: At<Entry> | undefined): At<Entry> | undefined =>
  one !== undefined && (other === undefined || one.index < other.index) ? one : other
