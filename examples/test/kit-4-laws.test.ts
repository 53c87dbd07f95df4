import { it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Scripted from "@quiesce/testing/Scripted"
import * as TestApp from "@quiesce/testing/TestApp"
import { Orders, shop } from "../11-test-kit.ts"

it.effect("the laws hold, whatever is wrong with the mailer and however impatient people are", () =>
  Effect.gen(function* () {
    for (const release of ["return", "fail", "die", "hang", "deaf"] as const) {
      const app = yield* TestApp.make(Layer.mergeAll(shop(), Scripted.component("mailer", { release })))
      yield* Effect.forkChild(app.use(Effect.flatMap(Orders, (orders) => orders.place(1))))
      yield* app.signal("SIGINT")
      yield* app.until("Releasing")
      yield* app.signal("SIGTERM")
      yield* app.assertLaws
    }
  })
)
