/** What SIGUSR2 prints of the health; the rest is seen in real processes. */
import { expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as TestClock from "effect/testing/TestClock"
import * as App from "quiesce/App"
import * as Health from "quiesce/Health"
import type { Lifecycle } from "quiesce/Lifecycle"
import { statusText } from "../src/internal/statusText.ts"

const healthOf = (...checks: ReadonlyArray<Layer.Layer<never, never, Lifecycle>>) =>
  Effect.gen(function* () {
    const app = yield* App.start(Layer.mergeAll(Layer.empty, ...checks))
    yield* TestClock.adjust("1 minute")
    return statusText("shop", yield* app.lifecycle.status)
      .split("\n")
      .filter((line) => line.startsWith("  health"))
  })

it.effect("names the checks that fail, and why", () =>
  Effect.gen(function* () {
    const check = (name: string, effect: Effect.Effect<void, string>, impact: "Degraded" | "Unhealthy") =>
      Layer.effectDiscard(Health.check(name, effect, { impact }))
    const database = check("database", Effect.void, "Unhealthy")
    const cache = check("cache", Effect.fail("no such host"), "Degraded")
    expect(yield* healthOf()).toEqual([])
    expect(yield* healthOf(database)).toEqual(["  health: Healthy"])
    expect(yield* healthOf(database, cache)).toEqual(["  health: Degraded: cache (no such host)"])
  })
)
