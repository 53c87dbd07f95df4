/** Scripted components that stand behind a service of the application's own. */
import { describe, expect, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Laws from "@quiesce/testing/Laws"
import * as Scripted from "@quiesce/testing/Scripted"
import * as Simulation from "@quiesce/testing/Simulation"
import * as TestApp from "@quiesce/testing/TestApp"
import { only } from "@quiesce/testing/Timeline"
import * as Component from "quiesce/Component"

class Db extends Context.Service<Db, { readonly insert: (row: string) => Effect.Effect<void> }>()("shop/Db") {}

class Orders extends Context.Service<Orders, { readonly place: (id: number) => Effect.Effect<void> }>()(
  "shop/Orders"
) {}

/** The part of the application that is not scripted: it writes a last row when it is released. */
const OrdersLive = Layer.effect(
  Orders,
  Effect.gen(function* () {
    const db = yield* Db
    yield* Effect.addFinalizer(() => db.insert("closed"))
    return { place: (id) => db.insert(`order ${id}`) }
  })
).pipe(Component.make("orders"))

const dbOf = (rows: Array<string>) => ({ insert: (row: string) => Effect.sync(() => void rows.push(row)) })

describe("Scripted.service", () => {
  it.effect("a database that hangs when it is released has served the application until then", () =>
    Effect.gen(function* () {
      const rows: Array<string> = []
      const db = Scripted.service(Db, dbOf(rows), { name: "db", release: "hang", stopTimeout: "2 seconds" })
      const app = yield* TestApp.make(OrdersLive.pipe(Layer.provide(db)))
      yield* app.use(Effect.flatMap(Orders, (orders) => orders.place(1)))
      yield* app.signal("SIGTERM")
      const report = yield* app.runToEnd
      expect(rows).toEqual(["order 1", "closed"])
      expect([report.outcome._tag, report.duration]).toEqual(["Degraded", 2000])
      expect(report.components.map(({ end, name }) => [name, end])).toEqual([
        ["db", "abandoned"],
        ["orders", "stopped"]
      ])
      yield* app.assertLaws
    })
  )

  it.effect("a database that cannot start fails the start of the application", () =>
    Effect.gen(function* () {
      const db = Scripted.service(Db, dbOf([]), { acquire: { after: 300, end: "fail" } })
      const app = yield* TestApp.make(OrdersLive.pipe(Layer.provide(db)))
      const { exitCode, reason } = yield* app.runToEnd
      expect([reason, exitCode]).toEqual([{ _tag: "StartFailed", message: "shop/Db: acquire failed on purpose" }, 1])
    })
  )

  it.effect(
    "bears the key of its service unless it is named, and is seen by the scripted components built with it",
    () =>
      Effect.gen(function* () {
        const db = Scripted.service(Db, dbOf([]))
        const life = yield* Simulation.run(Scripted.component("api", { needs: [db] }))
        expect(only(life.timeline, "Acquiring").map(({ component, needs }) => [component, needs])).toEqual([
          ["shop/Db", []],
          ["api", ["shop/Db"]]
        ])
        expect(only(life.timeline, "ComponentStopped").map(({ name }) => name)).toEqual(["api", "shop/Db"])
        yield* Laws.assert(life, [...Laws.all, Laws.clean])
      })
  )

  it("takes nothing but an implementation of the service", () => {
    // @ts-expect-error: a row is a string
    expect(Scripted.service(Db, { insert: (row: number) => Effect.log(row) })).toBeDefined()
  })
})
