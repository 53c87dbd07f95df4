/**
 * Executes the cases of a run. This one simulates: it takes real time and decides by chance, the same for the same attempt.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Random from "effect/Random"
import { Settings } from "../settings/Settings.ts"
import type { CaseResult } from "../domain/Run.ts"
import type { Claim } from "../store/RunQueue.ts"

export class Executor extends Context.Service<
  Executor,
  {
    /** May be interrupted at any instant; what it had found out by then is forgotten. */
    readonly execute: (claim: Claim) => Effect.Effect<ReadonlyArray<CaseResult>>
  }
>()("dashboard/Executor") {}

/** One case in twelve fails, so that most runs of a few cases pass and some do not. */
const failureRate = 1 / 12

export const layerSimulated = Layer.effect(
  Executor,
  Effect.map(Settings, (settings) =>
    Executor.of({
      execute: Effect.fn("Executor.execute")(function* ({ attempt, cases, id }: Claim) {
        yield* Effect.annotateCurrentSpan({ run: id, attempt })
        const simulation = Effect.gen(function* () {
          const { runDurationMax, runDurationMin } = yield* settings.current
          const total = yield* Random.nextBetween(runDurationMin, runDurationMax)
          return yield* Effect.forEach(cases, (name) =>
            Effect.gen(function* () {
              const duration = total / cases.length
              const passed = (yield* Random.next) >= failureRate
              yield* Effect.sleep(duration)
              return { case: name, passed, duration: Math.round(duration) }
            })
          )
        })
        return yield* Random.withSeed(simulation, `${id}/${attempt}`)
      })
    })
  )
)
