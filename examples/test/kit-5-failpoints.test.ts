import { expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Failpoint from "@quiesce/testing/Failpoint"
import * as TestApp from "@quiesce/testing/TestApp"
import { Orders, shop } from "../parts/shop.ts"

/** Places an order, and lives to the end: what is in the database then, and the report. */
const order = Effect.gen(function* () {
  const rows = new Set<string>()
  const app = yield* TestApp.make(shop(rows))
  yield* Effect.forkChild(app.use(Effect.flatMap(Orders, (orders) => orders.place(1))))
  yield* app.advance("1 second")
  yield* app.signal()
  const report = yield* app.runToEnd
  expect(yield* Failpoint.unreached).toEqual([])
  return { rows: Array.from(rows), report }
})

it.effect("a stop that begins between the two rows tears no order apart", () =>
  Effect.gen(function* () {
    const { report, rows } = yield* order
    expect([report.uptime, report.outcome._tag]).toEqual([100, "Clean"])
    expect(rows).toEqual(["order 1", "invoice 1"])
  }).pipe(Failpoint.arm({ "orders.between": TestApp.signal("SIGTERM") }))
)

it.effect("an order that cannot be finished in time is undone, and the report names it", () =>
  Effect.gen(function* () {
    const { report, rows } = yield* order
    expect([report.outcome._tag, report.stragglers]).toEqual(["Degraded", [{ kind: "order", count: 1 }]])
    expect(rows).toEqual([])
  }).pipe(Failpoint.arm({ "orders.between": Failpoint.hang }))
)

it.effect("a defect between the two rows undoes the order, and the shop goes on", () =>
  Effect.gen(function* () {
    const { report, rows } = yield* order
    expect([report.uptime, report.outcome._tag]).toEqual([1000, "Clean"])
    expect(rows).toEqual([])
  }).pipe(Failpoint.arm({ "orders.between": Effect.die(new Error("power cut")) }))
)
