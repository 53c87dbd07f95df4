/**
 * What the random plans have met: how often a stop signal of which number found the application in which state, with which
 * faults happening in that state, and in how many lives something rarer came about. What stays empty nobody has tried.
 */
import { encountersOf } from "./internal/encounters.ts"
import { faultsMet } from "./internal/faultsMet.ts"
import type { Plan } from "./Plan.ts"
import type { Simulated } from "./Simulation.ts"
import { places } from "./SignalStorm.ts"
import type { Timeline } from "./Timeline.ts"

export const faults = ["none", "slow", "hangs", "ignores interruption", "fails", "dies", "blocks"] as const

export type Fault = (typeof faults)[number]

export type State = (typeof places)[number]

/** Signals are counted from 1; the fifth stands for later ones too. */
export const signals = [1, 2, 3, 4, 5] as const

export type Signal = (typeof signals)[number]

/** What comes about in some lives: at full gates, at sections with a key, with claims, with tasks that may finish. */
export const encounters = [
  "a unit waits for a place",
  "a unit is turned away",
  "a unit loses patience",
  "a unit in line is refused by the drain",
  "a gate drains units of several kinds",
  "a section waits for its key",
  "a section loses patience",
  "a section in line is refused by the drain",
  "a section in line begins in the stop",
  "a task finishes while draining",
  "a task that may finish fails while draining",
  "a task that may finish does not",
  "a worker waits for its claim while draining"
] as const

export type Encounter = (typeof encounters)[number]

export interface Cell {
  readonly state: State
  readonly fault: Fault
  readonly signal: Signal
}

export interface Coverage {
  /** Counts what one life has met. */
  readonly add: (plan: Plan, life: Simulated) => void
  readonly count: (cell: Cell) => number
  /** In how many lives it came about. */
  readonly met: (encounter: Encounter) => number
  /** The cells that can be met and were not. */
  readonly empty: ReadonlyArray<Cell>
  /** Two tables: a line for each state and fault, a column for each signal; and a line for each encounter. */
  readonly table: string
}

/** The first signal ends Starting and Running, so that no later one can find the application there. */
const isPossible = ({ signal, state }: Cell): boolean => signal === 1 || (state !== "Starting" && state !== "Running")

const cells: ReadonlyArray<Cell> = places
  .flatMap((state) => faults.flatMap((fault) => signals.map((signal) => ({ state, fault, signal }))))
  .filter(isPossible)

const keyOf = ({ fault, signal, state }: Cell): string => `${state}/${fault}/${signal}`

/**
 * An empty table.
 *
 * **When to use**: as `onLife` of `Search.run`, to see what a search has not tried.
 *
 * @example
 * ```ts
 * import * as Coverage from "@quiesce/testing/Coverage"
 * import * as Search from "@quiesce/testing/Search"
 *
 * const coverage = Coverage.make()
 * const search = Search.run({ programs: 1000, onLife: coverage.add })
 * ```
 */
export const make = (): Coverage => {
  const counts = new Map<string, number>()
  const lives = new Map<Encounter, number>()
  const met = (encounter: Encounter): number => lives.get(encounter) ?? 0
  const count = (cell: Cell): number => counts.get(keyOf(cell)) ?? 0
  return {
    add: (plan, { timeline }) => {
      for (const encounter of encountersOf(timeline)) lives.set(encounter, met(encounter) + 1)
      const happened = faultsMet(plan, timeline)
      let number = 0
      for (const { from, state, to } of statesOf(timeline)) {
        const here = happened.filter((one) => one.from <= to && one.to >= from).map(({ fault }) => fault)
        const faults = here.length === 0 ? (["none"] as const) : new Set(here)
        for (const { _tag } of timeline.slice(from, to)) {
          if (_tag !== "Signalled") continue
          number++
          const cell = cells.find((one) => one.state === state && one.signal === Math.min(number, 5))
          if (cell === undefined) continue
          for (const fault of faults) counts.set(keyOf({ ...cell, fault }), count({ ...cell, fault }) + 1)
        }
      }
    },
    count,
    met,
    get empty() {
      return cells.filter((cell) => count(cell) === 0)
    },
    get table() {
      const lines = places.flatMap((state) =>
        faults.map((fault) => {
          const columns = signals.map((signal) => {
            const cell = { state, fault, signal }
            return isPossible(cell) ? String(count(cell)) : "-"
          })
          return `| ${state} | ${fault} | ${columns.join(" | ")} |`
        })
      )
      return [
        `| state | fault | ${signals.map((signal) => `signal ${signal}`).join(" | ")} |`,
        `| --- | --- | ${signals.map(() => "---:").join(" | ")} |`,
        ...lines,
        "",
        "| encounter | lives |",
        "| --- | ---: |",
        ...encounters.map((encounter) => `| ${encounter} | ${met(encounter)} |`)
      ].join("\n")
    }
  }
}

/** The states of a life, with the places of their first and their last entry. */
const statesOf = (
  timeline: Timeline
): ReadonlyArray<{ readonly state: string; readonly from: number; readonly to: number }> => {
  const changes = timeline.flatMap((entry, from) => (entry._tag === "StateChanged" ? [{ state: entry.to, from }] : []))
  const all = [{ state: "Starting", from: 0 }, ...changes]
  return all.map((one, index) => ({ ...one, to: all[index + 1]?.from ?? timeline.length - 1 }))
}
