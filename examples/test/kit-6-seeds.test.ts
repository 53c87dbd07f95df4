import { expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as SignalStorm from "@quiesce/testing/SignalStorm"
import * as Simulation from "@quiesce/testing/Simulation"
import { Customers, shop } from "../parts/shop.ts"

it.effect("the laws hold in a hundred lives, each with other signals at other moments", () =>
  Simulation.explore(() => Customers.pipe(Layer.provide(shop())), { seeds: 100 })
)

it.effect("the life with seed 17 and these two signals leaves at once, while orders are being finished", () =>
  Effect.gen(function* () {
    const storm = [SignalStorm.strike("SIGTERM", "Running", 0.2), SignalStorm.strike("SIGINT", "Draining", 0.5)]
    const { report } = yield* Simulation.run(Customers.pipe(Layer.provide(shop())), { seed: 17, plan: { storm } })
    expect([report.outcome, report.exitCode]).toEqual([{ _tag: "Forced", signal: "SIGINT" }, 130])
  })
)
