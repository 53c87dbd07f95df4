/** What the users of an optional part see of it, and what is told of it. */
import { describe, expect, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import type * as LogLevel from "effect/LogLevel"
import * as Logger from "effect/Logger"
import * as Metric from "effect/Metric"
import * as References from "effect/References"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import * as App from "quiesce/App"
import * as Optional from "quiesce/Optional"
import { Cache, down, everySecond, number, running } from "./support/optional.ts"
import { stop } from "./support/running.ts"

describe("users of an optional part", () => {
  it.effect(
    "never-after-release: those who use it when it breaks go on until they have done, and only then it is released",
    () =>
      Effect.gen(function* () {
        const { cache, outside } = yield* running()
        const using = yield* Effect.forkChild(
          cache.use((service) => Effect.as(Effect.sleep("3 seconds"), service.number)),
          { startImmediately: true }
        )
        yield* cache.fail(Cause.fail("broken"))
        yield* TestClock.adjust("2900 millis")
        expect([outside.log, yield* number(cache)]).toEqual([["+1"], 0])
        yield* TestClock.adjust("100 millis")
        expect([yield* Fiber.join(using), outside.log]).toEqual([1, ["+1", "-1", "+2"]])
      })
  )

  it.effect(
    "never-after-release: those who take longer are interrupted, and fail with Unavailable or take the way around",
    () =>
      Effect.gen(function* () {
        const { cache, outside } = yield* running({ stopTimeout: "1 second" })
        const forever = Effect.onInterrupt(Effect.never, () => Effect.sync(() => outside.log.push("cut")))
        const fails = yield* Effect.forkChild(Effect.flip(cache.use(() => forever)), { startImmediately: true })
        const around = yield* Effect.forkChild(
          cache.useOr(
            () => Effect.andThen(Effect.sleep("1 hour"), Effect.succeed("cached")),
            ({ failure }) => Effect.succeed(failure)
          ),
          { startImmediately: true }
        )
        yield* cache.fail(Cause.fail("broken"))
        yield* TestClock.adjust("1 second")
        expect((yield* Fiber.join(fails))._tag).toBe("Unavailable")
        expect([yield* Fiber.join(around), outside.log]).toEqual(["broken", ["+1", "cut", "-1", "+2"]])
      })
  )

  it.effect("who is interrupted is waited for, and is out", () =>
    Effect.gen(function* () {
      const { cache, outside } = yield* running()
      const slowly = Effect.onInterrupt(Effect.never, () =>
        Effect.andThen(
          Effect.sleep("100 millis"),
          Effect.sync(() => outside.log.push("left"))
        )
      )
      const using = yield* Effect.forkChild(
        Effect.ensuring(
          cache.use(() => slowly),
          Effect.sync(() => outside.log.push("went on"))
        ),
        { startImmediately: true }
      )
      yield* Effect.forkChild(Fiber.interrupt(using), { startImmediately: true })
      yield* cache.fail(Cause.fail("broken"))
      yield* TestClock.adjust("1 second")
      expect(outside.log).toEqual(["+1", "left", "-1", "went on", "+2"])
    })
  )

  it.effect("can tell their own Unavailable from that of another part that they use", () =>
    Effect.gen(function* () {
      const { cache } = yield* running()
      const other = yield* running({ name: "other" }, down(Effect.fail("refused")))
      const nested = cache.useOr(
        () => other.cache.use((service) => service.get),
        () => Effect.succeed(-1)
      )
      const error = yield* Effect.flip(nested)
      expect(error).toMatchObject({ _tag: "Unavailable", component: "other" })
    })
  )

  it.effect("can wait until it is up, also while the application starts", () =>
    Effect.gen(function* () {
      const log: Array<string> = []
      const outside = down(Effect.sleep("1 second"))
      const waiting = Layer.effectDiscard(
        Effect.gen(function* () {
          const cache = yield* Optional.of(Cache)
          yield* Effect.timeoutOption(cache.await, "2 seconds")
          log.push(`ready with ${yield* number(cache)}`)
        })
      )
      const app = yield* App.start(waiting.pipe(Layer.provide(Optional.layer(Cache, outside.layer))))
      yield* TestClock.adjust("1 second")
      expect([app.lifecycle.stateUnsafe(), log]).toEqual(["Running", ["ready with 1"]])
    })
  )

  it.effect("see each state in a stream that ends with the application", () =>
    Effect.gen(function* () {
      const { app, cache, outside } = yield* running({}, down(Effect.sleep("1 second")))
      const seen = yield* cache.changes.pipe(
        Stream.map((state) => state._tag),
        Stream.runCollect,
        Effect.forkChild({ startImmediately: true })
      )
      yield* TestClock.adjust("1 second")
      outside.start = Effect.void
      yield* cache.fail(Cause.fail("broken"))
      yield* TestClock.adjust("1 second")
      yield* stop(app)
      expect(yield* Fiber.join(seen)).toEqual(["Starting", "Up", "Down", "Up", "Down"])
    })
  )
})

describe("an optional part is told", () => {
  it.effect(
    "by the first failure of a series and its end loudly, by repetitions at debug, by the last for good as an error",
    () =>
      Effect.gen(function* () {
        const lines: Array<string> = []
        const logger = Logger.make<unknown, void>(({ logLevel, message }) => {
          const text = String(Array.isArray(message) ? message[0] : message)
          if (/^Cache is (up|down)/.test(text)) lines.push(`${logLevel}: ${text}`)
        })
        const retry = everySecond.pipe(Schedule.upTo({ times: 2 }))
        const outside = down(Effect.fail("refused"))
        const { cache } = yield* running({ retry }, outside).pipe(
          Effect.provideService(Logger.CurrentLoggers, new Set([logger])),
          Effect.provideService(References.MinimumLogLevel, "All" satisfies LogLevel.LogLevel)
        )
        yield* TestClock.adjust("1 second")
        outside.start = Effect.void
        yield* TestClock.adjust("61 seconds")
        outside.start = Effect.fail("refused again")
        yield* cache.fail(Cause.fail("broken"))
        yield* TestClock.adjust("1 minute")
        expect(lines).toEqual([
          "Warn: Cache is down: refused; the application goes on without it, and tries again in 1 s",
          "Debug: Cache is down: refused; the application goes on without it, and tries again in 1 s",
          "Info: Cache is up after 2 failures",
          "Warn: Cache is down: broken; the application goes on without it, and tries again in 1 s",
          "Debug: Cache is down: refused again; the application goes on without it, and tries again in 1 s",
          "Error: Cache is down: refused again; its schedule has ended (failures in a row: 3), and the application goes on without it until it is restarted"
        ])
      })
  )

  it.effect("in the metrics, by name", () =>
    Effect.gen(function* () {
      const { cache } = yield* running({ name: "cache" })
      const values = Effect.map(Metric.snapshot, (metrics) =>
        Object.fromEntries(
          metrics.flatMap((metric) =>
            metric.attributes?.["optional"] !== "cache"
              ? []
              : metric.type === "Gauge"
                ? [[metric.id, metric.state.value]]
                : metric.type === "Counter"
                  ? [[metric.id, metric.state.count]]
                  : []
          )
        )
      )
      expect(yield* values).toEqual({ quiesce_optional_up: 1, quiesce_optional_generations: 1 })
      yield* cache.fail(Cause.fail("broken"))
      expect(yield* values).toEqual({ quiesce_optional_up: 0, quiesce_optional_generations: 1 })
      yield* TestClock.adjust("1 second")
      expect(yield* values).toEqual({ quiesce_optional_up: 1, quiesce_optional_generations: 2 })
    }).pipe(Effect.provideService(Metric.MetricRegistry, new Map()))
  )
})
