import { expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { join } from "node:path"
import * as ChildApp from "@quiesce/testing/ChildApp"
import * as Law from "@quiesce/testing/Law"
import * as Laws from "@quiesce/testing/Laws"
import * as PartialOrder from "@quiesce/testing/PartialOrder"

it.effect("the process stops on SIGTERM and exits with 0", () =>
  Effect.gen(function* () {
    const app = yield* ChildApp.start({ args: [join(import.meta.dirname, "../11-test-kit.ts")] })
    yield* app.reached("Running")
    yield* app.signal("SIGTERM")
    const { code, report, timeline } = yield* app.ended
    expect([code, report?.outcome._tag]).toEqual([0, "Clean"])
    yield* PartialOrder.assert(timeline, [
      PartialOrder.chain(PartialOrder.stopped("orders"), PartialOrder.stopped("db"), PartialOrder.event("Exited"))
    ])
    const limits = yield* Law.limits({ gracePeriod: "25 seconds" }, 500)
    yield* Laws.assert({ timeline, limits }, [...Laws.unhurried, Laws.clean])
  })
)
