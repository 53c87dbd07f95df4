import { expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as SignalStorm from "@quiesce/testing/SignalStorm"
import * as Simulation from "@quiesce/testing/Simulation"
import { Orders, shop } from "../11-test-kit.ts"

/** Five customers, who do not know that the shop is about to close. */
const Customers = Layer.effectDiscard(
  Effect.gen(function* () {
    const orders = yield* Orders
    for (let id = 1; id <= 5; id++) {
      yield* orders.place(id).pipe(
        Effect.delay(id * 60),
        Effect.catchTag("ShuttingDown", () => Effect.log(`order ${id} was refused`)),
        Effect.forkDetach
      )
    }
  })
)

it.effect("the laws hold in a hundred lives, each with other signals at other moments", () =>
  Simulation.explore(() => Customers.pipe(Layer.provide(shop())), { seeds: 100 })
)

it.effect("no order is without its invoice, in whatever order things happen", () =>
  Effect.gen(function* () {
    for (let seed = 0; seed < 100; seed++) {
      const rows = new Set<string>()
      const { report } = yield* Simulation.run(Customers.pipe(Layer.provide(shop(rows))), {
        seed,
        plan: { storm: [SignalStorm.strike("SIGTERM", "Running", 0.2)] }
      })
      expect([seed, report.outcome._tag]).toEqual([seed, "Clean"])
      for (let id = 1; id <= 5; id++) expect([seed, rows.has(`order ${id}`)]).toEqual([seed, rows.has(`invoice ${id}`)])
    }
  })
)
