/** Checks: what they come to, when they are told, and that they keep out of the way of a stop. */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as Scope from "effect/Scope"
import * as Exit from "effect/Exit"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import type * as App from "quiesce/App"
import type { Event } from "quiesce/Event"
import * as Health from "quiesce/Health"
import { Lifecycle } from "quiesce/Lifecycle"
import { running, stop } from "./support/running.ts"
import { only, runToEnd } from "./support/scripted.ts"

/** Something outside that can be away, slow or deaf. */
class Dependency {
  answer: Effect.Effect<unknown, string> = Effect.void
  runs = 0

  readonly ping: Effect.Effect<unknown, string> = Effect.suspend(() => {
    this.runs++
    return this.answer
  })
}

const checked = (options: Health.ReadinessOptions = {}) =>
  Effect.gen(function* () {
    const db = new Dependency()
    const app = yield* running(Layer.effectDiscard(Health.check("database", db.ping, options)))
    return { app, db }
  })

const summary = (app: App.App) => app.lifecycle.health.summaryUnsafe()

const said = (events: ReadonlyArray<Event>): ReadonlyArray<string> =>
  events.flatMap((event) =>
    event._tag === "HealthChanged"
      ? [`${event.from} -> ${event.to} (${event.because.join()})`]
      : event._tag === "CheckFailed"
        ? [`${event.name} fails: ${event.failure}`]
        : event._tag === "CheckPassed"
          ? [`${event.name} passes`]
          : []
  )

describe("a readiness check", () => {
  it.effect("makes the application ready with its first answer, and says nothing of it", () =>
    Effect.gen(function* () {
      const db = new Dependency()
      db.answer = Effect.sleep("200 millis")
      const app = yield* running(Layer.effectDiscard(Health.check("database", db.ping)))
      expect([app.lifecycle.stateUnsafe(), summary(app).state]).toEqual(["Running", "Unhealthy"])
      yield* TestClock.adjust("200 millis")
      expect(summary(app)).toEqual({
        state: "Healthy",
        checks: [
          {
            name: "database",
            kind: "readiness",
            impact: "Unhealthy",
            status: "pass",
            since: 200,
            checkedAt: 200,
            took: 200
          }
        ]
      })
      expect(said(app.events)).toEqual([])
    })
  )

  it.effect(
    "flips-once: fails with the third failure in a row, passes with the first success, and tells each once",
    () =>
      Effect.gen(function* () {
        const { app, db } = yield* checked()
        db.answer = Effect.fail("connection refused")
        yield* TestClock.adjust("20 seconds")
        expect([summary(app).state, summary(app).checks[0]?.failure]).toEqual(["Healthy", "connection refused"])
        yield* TestClock.adjust("10 seconds")
        expect(summary(app).state).toBe("Unhealthy")
        yield* TestClock.adjust("1 minute")
        db.answer = Effect.void
        yield* TestClock.adjust("10 seconds")
        expect([summary(app).state, summary(app).checks[0]?.failure]).toEqual(["Healthy", undefined])
        expect(said(app.events)).toEqual([
          "database fails: connection refused",
          "Healthy -> Unhealthy (database)",
          "database passes",
          "Unhealthy -> Healthy ()"
        ])
      })
  )

  it.effect("is not failed by failures that do not come in a row", () =>
    Effect.gen(function* () {
      const { app, db } = yield* checked({ every: "1 second", failuresToFlip: 2 })
      for (let round = 0; round < 5; round++) {
        db.answer = Effect.fail("away")
        yield* TestClock.adjust("1 second")
        db.answer = Effect.void
        yield* TestClock.adjust("1 second")
      }
      expect([summary(app).state, said(app.events)]).toEqual(["Healthy", []])
    })
  )

  it.effect("that fails at its very first run fails at once", () =>
    Effect.gen(function* () {
      const db = new Dependency()
      db.answer = Effect.die(new Error("no such host"))
      const app = yield* running(Layer.effectDiscard(Health.check("database", db.ping)))
      expect(said(app.events)).toEqual(["database fails: no such host", "Healthy -> Unhealthy (database)"])
    })
  )

  it.effect("with the impact Degraded leaves the application ready", () =>
    Effect.gen(function* () {
      const { app, db } = yield* checked({ failuresToFlip: 1, impact: "Degraded" })
      db.answer = Effect.fail("away")
      yield* TestClock.adjust("10 seconds")
      expect(summary(app).state).toBe("Degraded")
    })
  )

  it.effect(
    "one-at-a-time: one that hangs has failed after its timeout, and is not started again on top of itself",
    () =>
      Effect.gen(function* () {
        const { app, db } = yield* checked({ failuresToFlip: 1 })
        db.answer = Effect.uninterruptible(Effect.sleep("1 hour"))
        yield* TestClock.adjust("11 seconds")
        expect([summary(app).checks[0]?.failure, db.runs]).toEqual(["database did not answer within 1000 ms", 2])
        db.answer = Effect.void
        yield* TestClock.adjust("59 minutes")
        expect([summary(app).state, db.runs]).toEqual(["Unhealthy", 2])
        yield* TestClock.adjust("1 hour")
        expect(summary(app).state).toBe("Healthy")
      })
  )

  it.effect("that hangs for good fails as often as it should have been run", () =>
    Effect.gen(function* () {
      const { app, db } = yield* checked()
      db.answer = Effect.uninterruptible(Effect.never)
      yield* TestClock.adjust("30 seconds")
      expect([summary(app).state, db.runs]).toEqual(["Healthy", 2])
      yield* TestClock.adjust("10 seconds")
      expect([summary(app).state, db.runs]).toEqual(["Unhealthy", 2])
    })
  )

  it.effect("cached: asking a thousand times runs nothing", () =>
    Effect.gen(function* () {
      const { app, db } = yield* checked()
      for (let asked = 0; asked < 1000; asked++) {
        yield* Effect.provideService(Health.current, Lifecycle, app.lifecycle)
      }
      expect(db.runs).toBe(1)
    })
  )

  it.effect("quiet-stop: is not run once the stop has begun, and keeps its last word", () =>
    Effect.gen(function* () {
      const db = new Dependency()
      const layer = Layer.effectDiscard(
        Effect.gen(function* () {
          const lifecycle = yield* Lifecycle
          yield* Health.check("database", db.ping, { every: "1 second", failuresToFlip: 1 })
          yield* lifecycle.awaitBeforeStop("slow", Effect.sleep("8 seconds"))
        })
      )
      const app = yield* running(layer)
      yield* TestClock.adjust("2500 millis")
      const runs = db.runs
      db.answer = Effect.fail("released")
      app.signalUnsafe("SIGTERM")
      yield* TestClock.adjust("5 seconds")
      expect([db.runs, summary(app).state, app.lifecycle.stateUnsafe()]).toEqual([runs, "Healthy", "Draining"])
      const report = yield* runToEnd(app)
      expect([report.outcome._tag, said(app.events)]).toEqual(["Clean", []])
    })
  )

  it.effect("quiet-stop: one that hangs and ignores interruption holds nobody up", () =>
    Effect.gen(function* () {
      const { app, db } = yield* checked()
      db.answer = Effect.uninterruptible(Effect.never)
      yield* TestClock.adjust("11 seconds")
      const report = yield* stop(app)
      expect([report.outcome._tag, report.duration]).toEqual(["Clean", 0])
    })
  )

  it.effect("leaves with its scope, and its failure with it", () =>
    Effect.gen(function* () {
      const app = yield* running(Layer.empty)
      const scope = yield* Scope.make()
      yield* Health.check("tenant", Effect.fail("away")).pipe(
        Effect.provideService(Lifecycle, app.lifecycle),
        Scope.provide(scope)
      )
      yield* TestClock.adjust(0)
      expect(summary(app).state).toBe("Unhealthy")
      yield* Scope.close(scope, Exit.void)
      expect(summary(app)).toEqual({ state: "Healthy", checks: [] })
    })
  )
})

describe("other checks", () => {
  it.effect("a startup check is run until it has passed once, and not again", () =>
    Effect.gen(function* () {
      const db = new Dependency()
      db.answer = Effect.fail("not migrated")
      const check = Health.check("schema", db.ping, { kind: "startup", every: "1 second" })
      const app = yield* running(Layer.effectDiscard(check))
      yield* TestClock.adjust("3 seconds")
      expect([summary(app).state, db.runs]).toEqual(["Unhealthy", 4])
      db.answer = Effect.void
      yield* TestClock.adjust("1 hour")
      expect([summary(app).state, db.runs]).toEqual(["Healthy", 5])
    })
  )

  it.effect("a liveness check that fails is told, and leaves the application as healthy as it is", () =>
    Effect.gen(function* () {
      const check = Health.liveness("frames", Effect.fail("no frame for 10 s"))
      const app = yield* running(Layer.effectDiscard(check))
      expect([summary(app).state, summary(app).checks[0]?.status, said(app.events)]).toEqual([
        "Healthy",
        "fail",
        ["frames fails: no frame for 10 s"]
      ])
    })
  )

  it.effect("the worst of several counts, and names who is responsible", () =>
    Effect.gen(function* () {
      const [cache, db] = [new Dependency(), new Dependency()]
      const once = { every: "1 second", failuresToFlip: 1 } as const
      const layer = Layer.mergeAll(
        Layer.effectDiscard(Health.check("cache", cache.ping, { ...once, impact: "Degraded" })),
        Layer.effectDiscard(Health.check("database", db.ping, once))
      )
      const app = yield* running(layer)
      cache.answer = Effect.fail("away")
      yield* TestClock.adjust("1 second")
      db.answer = Effect.fail("away")
      yield* TestClock.adjust("1 second")
      db.answer = Effect.void
      yield* TestClock.adjust("1 second")
      expect(only(app.events, "HealthChanged").map(({ because, to }) => [to, because])).toEqual([
        ["Degraded", ["cache"]],
        ["Unhealthy", ["database"]],
        ["Degraded", ["cache"]]
      ])
    })
  )
})

describe("health", () => {
  it.effect("is a stream of its changes", () =>
    Effect.gen(function* () {
      const { app, db } = yield* checked({ every: "1 second", failuresToFlip: 1 })
      const seen = yield* Health.changes.pipe(
        Stream.take(3),
        Stream.runCollect,
        Effect.provideService(Lifecycle, app.lifecycle),
        Effect.forkChild({ startImmediately: true })
      )
      db.answer = Effect.fail("away")
      yield* TestClock.adjust("1 second")
      db.answer = Effect.void
      yield* TestClock.adjust("1 second")
      expect(yield* Fiber.join(seen)).toEqual(["Healthy", "Unhealthy", "Healthy"])
    })
  )

  it.effect("is in the metrics, by check", () =>
    Effect.gen(function* () {
      const { db } = yield* checked({ every: "1 second", failuresToFlip: 1 })
      const value = Effect.map(Metric.snapshot, (metrics) =>
        metrics.flatMap((metric) =>
          metric.id === "quiesce_check" && metric.type === "Gauge" ? [metric.state.value] : []
        )
      )
      const before = yield* value
      db.answer = Effect.fail("away")
      yield* TestClock.adjust("1 second")
      expect([before, yield* value]).toEqual([[1], [0]])
    }).pipe(Effect.provideService(Metric.MetricRegistry, new Map()))
  )
})
