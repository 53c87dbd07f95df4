// An application that is easy to test: what does input and output is a service, here in memory. Its tests are ../test/kit-*.ts.
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Failpoint from "@quiesce/testing/Failpoint"
import * as Component from "quiesce/Component"
import * as DrainGate from "quiesce/DrainGate"
import type { ShuttingDown } from "quiesce/ShuttingDown"

export class Db extends Context.Service<
  Db,
  { readonly insert: (row: string) => Effect.Effect<void>; readonly remove: (row: string) => Effect.Effect<void> }
>()("shop/Db") {}

export class Orders extends Context.Service<
  Orders,
  { readonly place: (id: number) => Effect.Effect<void, ShuttingDown> }
>()("shop/Orders") {}

export const OrdersLive = Layer.effect(
  Orders,
  Effect.gen(function* () {
    const db = yield* Db
    const gate = yield* DrainGate.make("order")
    const place = (id: number) =>
      Effect.gen(function* () {
        yield* db.insert(`order ${id}`)
        yield* Failpoint.site("orders.between")
        yield* db.insert(`invoice ${id}`)
      }).pipe(Effect.onError(() => db.remove(`order ${id}`)))
    return { place: (id) => gate.run(place(id)) }
  })
).pipe(Component.make("orders"))

/** A database in memory: each statement takes 100 ms, and so does the disconnect. */
const memoryDb = (rows: Set<string>) =>
  Layer.effect(
    Db,
    Effect.gen(function* () {
      const statement = (run: () => void) => Effect.andThen(Effect.sleep("100 millis"), Effect.sync(run))
      yield* Effect.addFinalizer(() => Effect.sleep("100 millis"))
      return {
        insert: (row) => statement(() => void rows.add(row)),
        remove: (row) => statement(() => void rows.delete(row))
      }
    })
  ).pipe(Component.make("db"))

export const shop = (rows = new Set<string>()) => OrdersLive.pipe(Layer.provide(memoryDb(rows)))

/** Five customers, who do not know that the shop is about to close. */
export const Customers = Layer.effectDiscard(
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
