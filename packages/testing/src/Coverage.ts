/**
 * What the random plans have met: how often a stop signal of which number found the application in which state, with which
 * faults in it. A cell that stays empty is a situation that nobody has tried.
 */
import type { Behaviour } from "./Behaviour.ts"
import type { Plan } from "./Plan.ts"
import type { Simulated } from "./Simulation.ts"
import { places } from "./SignalStorm.ts"

export const faults = ["none", "slow", "hangs", "ignores interruption", "fails", "dies", "blocks"] as const

export type Fault = (typeof faults)[number]

export type State = (typeof places)[number]

/** Signals are counted from 1; the fifth stands for later ones too. */
export const signals = [1, 2, 3, 4, 5] as const

export type Signal = (typeof signals)[number]

export interface Cell {
  readonly state: State
  readonly fault: Fault
  readonly signal: Signal
}

export interface Coverage {
  /** Counts what one life has met. */
  readonly add: (plan: Plan, life: Simulated) => void
  readonly count: (cell: Cell) => number
  /** The cells that can be met and were not. */
  readonly empty: ReadonlyArray<Cell>
  /** A table: a line for each state and fault, a column for each signal. */
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
  const count = (cell: Cell): number => counts.get(keyOf(cell)) ?? 0
  return {
    add: (plan, { timeline }) => {
      const met = faultsOf(plan)
      let state: string = "Starting"
      let number = 0
      for (const entry of timeline) {
        if (entry._tag === "StateChanged") state = entry.to === "Reloading" ? "Running" : entry.to
        if (entry._tag !== "Signalled") continue
        number++
        const cell = cells.find((one) => one.state === state && one.signal === Math.min(number, 5))
        if (cell === undefined) continue
        for (const fault of met) counts.set(keyOf({ ...cell, fault }), count({ ...cell, fault }) + 1)
      }
    },
    count,
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
        ...lines
      ].join("\n")
    }
  }
}

const slow = 300

const faultOf = ({ after, blocks, end, masked }: Behaviour): ReadonlyArray<Fault> => {
  const found: Array<Fault> = []
  if (end === "hang") found.push("hangs")
  if (end === "fail") found.push("fails")
  if (end === "die") found.push("dies")
  if (masked && (after > 0 || end === "hang")) found.push("ignores interruption")
  if (blocks) found.push("blocks")
  else if (after >= slow) found.push("slow")
  return found
}

const faultsOf = ({ program }: Plan): ReadonlyArray<Fault> => {
  const found = new Set(
    program.nodes.flatMap(({ acquire, parts, release }) => [
      ...faultOf(acquire),
      ...faultOf(release),
      ...parts.flatMap((part) => ("behaviour" in part ? faultOf(part.behaviour) : []))
    ])
  )
  return found.size === 0 ? ["none"] : Array.from(found)
}
