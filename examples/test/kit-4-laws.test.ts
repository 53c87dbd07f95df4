import { it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Law from "@quiesce/testing/Law"
import * as Laws from "@quiesce/testing/Laws"
import * as Scripted from "@quiesce/testing/Scripted"
import * as SignalStorm from "@quiesce/testing/SignalStorm"
import * as Simulation from "@quiesce/testing/Simulation"
import * as TestApp from "@quiesce/testing/TestApp"
import { Customers, Orders, shop } from "../parts/shop.ts"

it.effect("the laws hold, whatever is wrong with the mailer and however impatient people are", () =>
  Effect.gen(function* () {
    for (const release of ["return", "fail", "die", "hang", "deaf"] as const) {
      const app = yield* TestApp.make(Layer.mergeAll(shop(), Scripted.component("mailer", { release })))
      yield* Effect.forkChild(app.use(Effect.flatMap(Orders, (orders) => orders.place(1))))
      yield* app.advance("50 millis")
      yield* app.signal("SIGINT")
      yield* app.until("Releasing")
      yield* app.signal("SIGTERM")
      yield* app.assertLaws
    }
  })
)

it.effect("whenever the signal comes, the stop is clean, and no order is without its invoice", () => {
  let rows = new Set<string>()
  const wholeOrders = Law.make("whole-orders", "no order is without its invoice", (_life, violation) =>
    [1, 2, 3, 4, 5]
      .filter((id) => rows.has(`order ${id}`) !== rows.has(`invoice ${id}`))
      .map((id) => violation(`order ${id} has no invoice`))
  )
  return Simulation.explore(() => Customers.pipe(Layer.provide(shop((rows = new Set())))), {
    laws: [...Laws.all, Laws.clean, wholeOrders],
    plan: (seed) => ({ storm: [SignalStorm.strike("SIGTERM", "Running", seed / 100)] })
  })
})
