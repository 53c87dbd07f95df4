import { expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Scripted from "@quiesce/testing/Scripted"
import * as TestApp from "@quiesce/testing/TestApp"
import { shop } from "../11-test-kit.ts"

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
