/**
 * The matrix of faults as data: what holds a process x when x how it is run, and the few rules that say how each of these ends.
 */
import { type Fault, type Moment, moments } from "../../../node/test/fixtures/faults.ts"

interface Way {
  readonly name: string
  /** In a PID namespace: itself, or the supervisor, as the first process. */
  readonly isFirst: boolean
  readonly isSupervised: boolean
  readonly hasWatchdog: boolean
}

const ways: ReadonlyArray<Way> = [
  { name: "as a process", isFirst: false, isSupervised: false, hasWatchdog: true },
  { name: "as PID 1", isFirst: true, isSupervised: false, hasWatchdog: true },
  { name: "supervised", isFirst: false, isSupervised: true, hasWatchdog: true },
  { name: "supervised by PID 1", isFirst: true, isSupervised: true, hasWatchdog: true },
  { name: "supervised, without a watchdog", isFirst: false, isSupervised: true, hasWatchdog: false }
]

/**
 * - `code`: JavaScript that does not return, in which V8 can be interrupted.
 * - `native`: the same below V8, where nothing is heard.
 * - `flood`: JavaScript that returns, and always comes again before the loop can turn.
 * - `turns`: a loop that is busy, and turns; `slow`: as seldom as once in a second.
 * - `memory`: V8 ends the process when there is none left, unless somebody does before.
 * - `frozen`: the kernel runs nothing of the process.
 */
type Kind = "code" | "native" | "flood" | "turns" | "slow" | "memory" | "frozen"

const kinds: Readonly<Record<Fault, Kind>> = {
  hotLoop: "code",
  catastrophicRegex: "code",
  waitForever: "code",
  spawnSleep: "native",
  readSilentPipe: "native",
  fillPipe: "native",
  microtaskFlood: "flood",
  promiseFlood: "flood",
  tickFlood: "flood",
  timerFlood: "slow",
  intervalFlood: "turns",
  signalStorm: "turns",
  memoryPressure: "memory",
  freeze: "frozen"
}

/**
 * - `itself`: by itself, at its deadline at the latest, with the exit code of its outcome.
 * - `named`: killed by its watchdog at its deadline, after the emergency hooks, with a report that has the line of code.
 * - `either`: at its deadline, as `itself` or as `named`.
 * - `unnamed`: as `named`, without hooks and without a line.
 * - `leaving`: killed by its watchdog at its deadline, when its report was written already.
 * - `supervisor`: killed by its supervisor, 0.9 seconds after its deadline.
 * - `memory`: aborted by V8 before its deadline, or as `named` or `unnamed`.
 * - `never`: not before somebody outside sees to it; nobody does here.
 */
export type Ending = "itself" | "named" | "either" | "unnamed" | "leaving" | "supervisor" | "memory" | "never"

export interface Cell {
  readonly fault: Fault
  readonly moment: Moment
  readonly way: Way
  readonly ending: Ending
}

/** Whether the process is blocked already when it is told to stop. */
export const isSignalBlocked = (moment: Moment): boolean => moment === "starting" || moment === "running"

const endingOf = (kind: Kind, moment: Moment, way: Way): Ending => {
  // A signal of its own does not stop the first process.
  if (kind === "turns" || (kind === "frozen" && way.isFirst && !way.isSupervised)) return "itself"
  // Behind the last turn of the loop none comes again.
  if ((kind === "flood" || kind === "slow") && moment === "exit") return "itself"
  if (kind === "slow") return "either"
  if (kind === "frozen") return way.isSupervised ? "supervisor" : "never"
  if (kind === "memory") return "memory"
  if (!way.hasWatchdog) return "supervisor"
  // Only Linux tells of a signal that a blocked process cannot take.
  if (isSignalBlocked(moment) && process.platform !== "linux" && !way.isSupervised) return "never"
  if (moment === "exit") return "leaving"
  return kind === "native" ? "unnamed" : "named"
}

/** Faults by moments by ways. */
export const cells: ReadonlyArray<Cell> = Object.entries(kinds).flatMap(([fault, kind]) =>
  moments.flatMap((moment) =>
    ways.map((way) => ({ fault: fault as Fault, moment, way, ending: endingOf(kind, moment, way) }))
  )
)

/** Every thirteenth: that has no factor in common with the moments or the ways, so it meets all of them, and each fault. */
export const sample: ReadonlyArray<Cell> = cells.filter((_, index) => index % 13 === 0)
