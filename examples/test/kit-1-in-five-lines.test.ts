import { expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as TestApp from "@quiesce/testing/TestApp"
import { Orders, shop } from "../parts/shop.ts"

it.effect("an order that was accepted is finished before the shop closes", () =>
  Effect.gen(function* () {
    const rows = new Set<string>()
    const app = yield* TestApp.make(shop(rows))
    yield* Effect.forkChild(app.use(Effect.flatMap(Orders, (orders) => orders.place(1))))
    yield* app.advance("50 millis")
    yield* app.signal("SIGTERM")
    const report = yield* app.runToEnd
    expect([report.outcome._tag, report.duration]).toEqual(["Clean", 250])
    expect(Array.from(rows)).toEqual(["order 1", "invoice 1"])
  })
)
