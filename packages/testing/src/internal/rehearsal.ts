/**
 * Where in a life a strike is placed: a rehearsal, the same life with one SIGTERM, tells how long each state lasts and at which
 * instants of it the application wakes up.
 */
import type { Strike } from "../SignalStorm.ts"

interface Part {
  /** Milliseconds from the beginning of the state to its end. */
  readonly lasts: number
  /** Milliseconds from the beginning of the state to each instant at which a timer of the application fires. */
  readonly wakes: ReadonlyArray<number>
}

/** The states by name; of a state that is not there nothing is known. */
export type Rehearsal = Readonly<Partial<Record<string, Part>>>

/** `entered` are the instants at which the states were entered, in order; the last of them has no end. */
export const rehearsal = (
  entered: ReadonlyArray<{ readonly state: string; readonly at: number }>,
  wakes: ReadonlyArray<number>
): Rehearsal =>
  Object.fromEntries(
    entered.map(({ at, state }, index) => {
      const end = entered[index + 1]?.at ?? at
      const within = wakes.filter((wake) => wake > at && wake <= end)
      return [state, { lasts: end - at, wakes: within.map((wake) => wake - at) }]
    })
  )

/** Whether the place of a strike is known without one; how long Running lasts is given. */
export const needsRehearsal = ({ fraction, state, wake }: Strike): boolean =>
  wake !== undefined || (fraction > 0 && state !== "Running")

/** Milliseconds from the beginning of its state to the strike. */
export const placeOf = ({ fraction, state, wake }: Strike, { [state]: known }: Rehearsal): number => {
  if (known === undefined) return 0
  // As `needs` of a program: every number means something.
  const woken = wake === undefined ? undefined : known.wakes[wake % known.wakes.length]
  return woken ?? fraction * known.lasts
}
