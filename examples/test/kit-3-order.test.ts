import { it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as PartialOrder from "@quiesce/testing/PartialOrder"
import * as Scripted from "@quiesce/testing/Scripted"
import * as TestApp from "@quiesce/testing/TestApp"
import { shop } from "../parts/shop.ts"

const { before, chain, entered, event, never, once, stopped, stopping, unordered } = PartialOrder

it.effect("orders are closed before the database, and the mailer is closed meanwhile", () =>
  Effect.gen(function* () {
    const mailer = Scripted.component("mailer", { release: { after: 50 } })
    const app = yield* TestApp.make(Layer.mergeAll(shop(), mailer))
    yield* app.signal()
    yield* app.runToEnd
    yield* PartialOrder.assert(app.timeline, [
      chain(entered("Draining"), stopped("orders"), stopped("db")),
      chain(entered("Releasing"), unordered(stopped("mailer"), stopped("db")), entered("Flushing")),
      before(stopping("mailer"), stopped("db")),
      once(event("StopRequested", { reason: { _tag: "Signal" } })),
      never(event("Straggler"))
    ])
  })
)
