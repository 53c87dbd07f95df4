/**
 * What more can happen to a process whose event loop is blocked, or whose code does not keep to the lifecycle: a signal has
 * waited before it is heard, somebody leaves the process, a watchdog kills it, also in the middle of its emergency hooks.
 */
import * as Arbitrary from "effect/Arbitrary"
import type { Part } from "../Part.ts"
import type { Strike } from "../SignalStorm.ts"
import { below } from "./arbitraryChoices.ts"

/** Of those that block the event loop there are few: what they end is not seen any further. */
export const emergency: Arbitrary.Arbitrary<Part> = Arbitrary.map(
  Arbitrary.all({ throws: below(4), blocks: below(5) }),
  ({ blocks, throws }) => ({
    _tag: "Emergency",
    throws: throws === 3,
    ...(blocks === 4 ? { blocks: 5000 } : {})
  })
)

const lates = [10, 300, 900, 4000, 9000, 30_000] as const
const ends = ["exit", "exit", "kill"] as const

/** The same storm, most often; in some the first strike is heard late, or the last one is the end of the process. */
export const withHardships = (
  storm: Arbitrary.Arbitrary<ReadonlyArray<Strike>>
): Arbitrary.Arbitrary<ReadonlyArray<Strike>> =>
  Arbitrary.map(Arbitrary.all({ storm, late: below(60), end: below(60) }), ({ end, late, storm }) => {
    const waited = lates[late - 1]
    const last = ends[end - 1]
    return storm.map((strike, index) => ({
      ...strike,
      ...(waited !== undefined && index === 0 ? { late: waited } : {}),
      ...(last !== undefined && index === storm.length - 1 ? { kind: last } : {})
    }))
  })
