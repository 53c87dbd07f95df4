/**
 * A law: something that holds for every life of every application, as a check of its timeline.
 */
import type { Ladder } from "quiesce/Phase"
import type { Report } from "quiesce/Report"
import type { Timeline } from "./Timeline.ts"

/** The budgets under which an application lived, in milliseconds. */
export interface Limits {
  readonly gracePeriod: number
  readonly crashGracePeriod: number
  readonly lameDuck: number
  readonly drain: number
  readonly interrupt: number
  readonly stopTimeout: number
  readonly reserve: number
  /** The reserve of a stop after a crash, whose grace period is shorter. */
  readonly crashReserve: number
  readonly cooldown: number
  readonly ladder: Ladder
  /** By how much a time may be exceeded: nothing but rounding in simulated time, what a busy machine needs in real time. */
  readonly slack: number
}

/**
 * The limits of an application that was started with these options. `slack` is in milliseconds.
 *
 * **When to use**: to check the laws of a timeline that `ChildApp` has collected, with a slack of some hundred milliseconds.
 * `Simulation` and `TestApp` know the limits by themselves.
 */
export { limitsOf as limits } from "./internal/limits.ts"

/** One life, as far as it was seen. */
export interface Life {
  readonly timeline: Timeline
  readonly limits: Limits
  /**
   * Whether the timeline has every log line, so that what is missing was not logged.
   *
   * @default whether it has any
   */
  readonly logged?: boolean | undefined
  /**
   * The report that the application gave of itself.
   *
   * @default the one that its events make
   */
  readonly report?: Report | undefined
}

/** What was found: a sentence, and the positions of the entries in the timeline that show it. */
export interface Violation {
  readonly law: string
  readonly message: string
  readonly entries: ReadonlyArray<number>
}

/**
 * - `name`: the law's name in `docs/laws.md`.
 * - `says`: the law in one sentence.
 * - `check`: every violation in this life; pure.
 */
export interface Law {
  readonly name: string
  readonly says: string
  readonly check: (life: Life) => ReadonlyArray<Violation>
}

/** Makes a violation of the law at hand: a sentence, and the entries that show it. */
export type Violated = (message: string, ...entries: ReadonlyArray<number>) => Violation

/**
 * A law from its check; `violation` fills in the law's name.
 *
 * **When to use**: to say what must hold for your own application in every life, for `Simulation.explore` and `Laws.assert`.
 *
 * @example
 * ```ts
 * import * as Law from "@quiesce/testing/Law"
 * import { only } from "@quiesce/testing/Timeline"
 *
 * const neverTimesOut = Law.make("never-times-out", "a stop is never cut off", ({ timeline }, violation) =>
 *   only(timeline, "Ended")
 *     .filter(({ outcome }) => outcome._tag === "TimedOut")
 *     .map((ended) => violation("it timed out", timeline.indexOf(ended)))
 * )
 * ```
 */
export const make = (
  name: string,
  says: string,
  check: (life: Life, violation: Violated) => ReadonlyArray<Violation>
): Law => ({
  name,
  says,
  check: (life) => check(life, (message, ...entries) => ({ law: name, message, entries }))
})
