/** Where the health of an application is shown, and what a liveness check must not see. */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as TestClock from "effect/testing/TestClock"
import * as Health from "quiesce/Health"
import { expectTypeOf } from "vitest"
import { running } from "./support/running.ts"

const soon = { every: "1 second", failuresToFlip: 1 } as const

/** The gauges of that name, by check. */
const gauges = (id: string) =>
  Effect.map(Metric.snapshot, (metrics) =>
    metrics.flatMap((metric) =>
      metric.id === id && metric.type === "Gauge" ? [[metric.attributes?.["check"], metric.state.value] as const] : []
    )
  ).pipe(Effect.map((found) => found.toSorted(([a = ""], [b = ""]) => a.localeCompare(b))))

describe("the health of an application", () => {
  it.effect("is in the metrics: the whole of it, and for each check whether it passes and how long it took", () =>
    Effect.gen(function* () {
      let away = false
      const ping = (millis: number) =>
        Effect.andThen(
          Effect.sleep(millis),
          Effect.suspend(() => (away ? Effect.fail("away") : Effect.void))
        )
      const layer = Layer.mergeAll(
        Layer.effectDiscard(Health.check("cache", ping(20), { ...soon, impact: "Degraded" })),
        Layer.effectDiscard(Health.check("database", ping(10), soon))
      )
      yield* running(layer)
      // Who has not answered yet is not ready.
      expect(yield* gauges("quiesce_health")).toEqual([[undefined, 0]])
      yield* TestClock.adjust(20)
      const seen = Effect.all([gauges("quiesce_health"), gauges("quiesce_check")])
      expect(yield* seen).toEqual([
        [[undefined, 2]],
        [
          ["cache", 1],
          ["database", 1]
        ]
      ])
      expect(yield* gauges("quiesce_check_duration")).toEqual([
        ["cache", 20],
        ["database", 10]
      ])
      away = true
      yield* TestClock.adjust("1 second")
      yield* TestClock.adjust(20)
      expect(yield* seen).toEqual([
        [[undefined, 0]],
        [
          ["cache", 0],
          ["database", 0]
        ]
      ])
    }).pipe(Effect.provideService(Metric.MetricRegistry, new Map()))
  )

  it.effect("is in the status, with the word of each check, its cause and when it was last asked", () =>
    Effect.gen(function* () {
      const app = yield* running(Layer.effectDiscard(Health.check("database", Effect.fail("no such host"), soon)))
      yield* TestClock.adjust("5 seconds")
      expect((yield* app.lifecycle.status).health).toEqual({
        state: "Unhealthy",
        checks: [
          {
            name: "database",
            kind: "readiness",
            impact: "Unhealthy",
            status: "fail",
            since: 0,
            checkedAt: 5000,
            took: 0,
            failure: "no such host"
          }
        ]
      })
    })
  )
})

it("a liveness check cannot ask for a service: what is outside of the process must not have it killed", () => {
  type Needs<F extends (name: string, effect: never) => unknown> = Effect.Services<Parameters<F>[1]>
  expectTypeOf<Needs<typeof Health.liveness>>().toBeNever()
  expectTypeOf<Needs<typeof Health.check>>().toBeUnknown()
})
