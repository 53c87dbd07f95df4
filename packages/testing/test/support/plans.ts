/** Random plans for tests: the same seed, the same plans. */
import * as Arbitrary from "effect/Arbitrary"
import * as Effect from "effect/Effect"
import * as Plan from "@quiesce/testing/Plan"

export const plans = (count: number, seed: string): Effect.Effect<ReadonlyArray<Plan.Plan>> =>
  Effect.orDie(Arbitrary.sampleEffect(Plan.arbitrary, { count, seed, size: 8 }))
