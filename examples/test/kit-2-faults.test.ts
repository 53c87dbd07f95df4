import { expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Scripted from "@quiesce/testing/Scripted"
import * as TestApp from "@quiesce/testing/TestApp"
import { Db, Orders, OrdersLive, shop } from "../parts/shop.ts"

it.effect("a mailer that hangs does not keep the database from being released", () =>
  Effect.gen(function* () {
    const mailer = Scripted.component("mailer", { release: "hang", stopTimeout: "2 seconds" })
    const app = yield* TestApp.make(Layer.mergeAll(shop(), mailer))
    yield* app.signal()
    const report = yield* app.runToEnd
    expect([report.outcome._tag, report.exitCode]).toEqual(["Degraded", 70])
    expect(report.components.map(({ end, name, working }) => [name, end, working])).toEqual([
      ["mailer", "abandoned", 2000],
      ["db", "stopped", 100],
      ["orders", "stopped", 0]
    ])
  })
)

it.effect("with a database that hangs, the order that was accepted is named, and the shop is out in time", () =>
  Effect.gen(function* () {
    const hangs = { insert: () => Effect.never, remove: () => Effect.void }
    const db = Scripted.service(Db, hangs, { name: "db", release: "hang" })
    const app = yield* TestApp.make(OrdersLive.pipe(Layer.provide(db)))
    yield* Effect.forkChild(app.use(Effect.flatMap(Orders, (orders) => orders.place(1))))
    yield* app.advance("50 millis")
    yield* app.signal()
    const report = yield* app.runToEnd
    expect([report.outcome._tag, report.duration]).toEqual(["Degraded", 15_000])
    expect(report.stragglers).toEqual([{ kind: "order", count: 1 }])
  })
)
