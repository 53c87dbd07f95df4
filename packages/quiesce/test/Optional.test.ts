/** Parts that an application can live without: how they come up. */
import { describe, expect, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import * as TestClock from "effect/testing/TestClock"
import * as App from "quiesce/App"
import * as Optional from "quiesce/Optional"
import { Cache, down, everySecond, number, Outside, running, told } from "./support/optional.ts"
import { stop } from "./support/running.ts"
import { only } from "./support/scripted.ts"

describe("an optional part that cannot start", () => {
  it.effect("starts-without: leaves the application running, ready and Degraded", () =>
    Effect.gen(function* () {
      const { app } = yield* running({}, down(Effect.fail("connection refused")))
      expect([app.lifecycle.stateUnsafe(), app.lifecycle.health.summaryUnsafe().state]).toEqual(["Running", "Degraded"])
      const report = yield* stop(app)
      expect([report.outcome._tag, report.exitCode, report.failures]).toEqual(["Clean", 0, []])
    })
  )

  it.effect("starts-without: also when its start hangs, or dies, or its layer throws", () =>
    Effect.gen(function* () {
      const throwing = Layer.effect(
        Cache,
        Effect.sync((): Cache["Service"] => {
          throw new Error("bug")
        })
      )
      const outsides = [
        down(Effect.never),
        down(Effect.uninterruptible(Effect.sleep("1 hour"))),
        down(Effect.die("bug"))
      ]
      for (const layer of [throwing, ...outsides.map(({ layer }) => layer)]) {
        const app = yield* App.start(Optional.layer(Cache, layer))
        yield* TestClock.adjust("1 second")
        expect(app.lifecycle.stateUnsafe()).toBe("Running")
        yield* stop(app)
      }
    })
  )

  it.effect("comes up late, is usable from then on, and the application is Healthy", () =>
    Effect.gen(function* () {
      const { app, cache, outside } = yield* running({}, down(Effect.fail("refused")))
      yield* TestClock.adjust("2500 millis")
      outside.start = Effect.void
      yield* TestClock.adjust("500 millis")
      expect(yield* cache.state).toEqual({ _tag: "Up", generation: 4, since: 3000 })
      expect([yield* number(cache), app.lifecycle.health.summaryUnsafe().state]).toEqual([1, "Healthy"])
      expect(told(app.events)).toEqual([
        "0: down (1) refused, retry 1000",
        "1000: down (2) refused, retry 1000",
        "2000: down (3) refused, retry 1000",
        "3000: up, generation 4 after 3"
      ])
    })
  )

  it.effect("is Unavailable to its users, with the reason and what is done about it", () =>
    Effect.gen(function* () {
      const slow = down(Effect.andThen(Effect.sleep("1 second"), Effect.fail("connection refused")))
      const { cache } = yield* running({}, slow)
      const why = Effect.map(Effect.flip(cache.use((service) => service.get)), String)
      expect(yield* why).toBe(
        "Unavailable: Cache is not up yet; it is tried in the background: do without it, or come back later"
      )
      yield* TestClock.adjust("1 second")
      expect(yield* why).toBe(
        "Unavailable: Cache is down: connection refused; it is tried in the background: do without it, or come back later"
      )
      const retryIn = cache.useOr(
        () => Effect.die("it is up"),
        (unavailable) => Effect.succeed(unavailable.retryIn)
      )
      expect(yield* retryIn).toBe(1000)
      yield* TestClock.adjust("400 millis")
      expect(yield* retryIn).toBe(600)
      // The next attempt is at work.
      yield* TestClock.adjust("600 millis")
      expect(yield* retryIn).toBe(undefined)
    })
  )

  it.effect("fails with a typed error that can be told from those of the use", () =>
    Effect.gen(function* () {
      const { cache, outside } = yield* running({}, down(Effect.fail("refused")))
      const use = cache
        .use((service) => service.get)
        .pipe(Effect.catchTag("Unavailable", ({ attempts }) => Effect.succeed(-attempts)))
      expect(yield* use).toBe(-1)
      outside.start = Effect.void
      outside.answer = Effect.fail("no such key")
      yield* TestClock.adjust("1 second")
      expect(yield* Effect.flip(use)).toBe("no such key")
    })
  )

  it.effect("is tried after 1, 2, 4, ... seconds and at least every 30, for ever", () =>
    Effect.gen(function* () {
      const app = yield* App.start(Optional.layer(Cache, down(Effect.fail("refused")).layer))
      yield* TestClock.adjust("1 hour")
      const waits = only(app.events, "OptionalDown").map(({ retryIn = 0 }) => retryIn / 1000)
      for (const [at, usual] of [1, 2, 4, 8, 16, 25, 25].entries()) {
        expect(Math.abs((waits[at] ?? 0) / usual - 1)).toBeLessThanOrEqual(0.2)
      }
      expect(Math.max(...waits)).toBeLessThanOrEqual(30)
      expect(waits.length).toBeGreaterThan(120)
    })
  )

  it.effect("stays down for good when its schedule has ended, and says so", () =>
    Effect.gen(function* () {
      const retry = everySecond.pipe(Schedule.upTo({ times: 2 }))
      const { app, cache, outside } = yield* running({ retry }, down(Effect.fail("refused")))
      const waiting = yield* Effect.forkChild(Effect.flip(cache.await), { startImmediately: true })
      yield* TestClock.adjust("2 seconds")
      outside.start = Effect.void
      yield* TestClock.adjust("1 hour")
      expect(told(app.events)).toEqual([
        "0: down (1) refused, retry 1000",
        "1000: down (2) refused, retry 1000",
        "2000: down (3) refused, giveUp"
      ])
      expect((yield* Fiber.join(waiting)).message).toBe(
        "Cache is down: refused; after 3 failures its schedule has ended: repair what it needs, and restart the application"
      )
      expect(app.lifecycle.health.summaryUnsafe().state).toBe("Degraded")
      expect((yield* stop(app)).outcome._tag).toBe("Clean")
    })
  )

  it.effect("has failed when it takes too long, and is interrupted", () =>
    Effect.gen(function* () {
      const { app, outside } = yield* running({ startTimeout: "2 seconds" }, down(Effect.never))
      yield* TestClock.adjust("2 seconds")
      outside.start = Effect.void
      yield* TestClock.adjust("1 second")
      expect(told(app.events)).toEqual([
        "2000: down (1) Cache was not up within 2000 ms; raise its startTimeout, or find what it waits for, retry 1000",
        "3000: up, generation 2 after 1"
      ])
    })
  )

  it.effect("one-at-a-time: is not tried again before an attempt that ignores its interruption has ended", () =>
    Effect.gen(function* () {
      const { app, cache, outside } = yield* running(
        { startTimeout: "2 seconds" },
        down(Effect.uninterruptible(Effect.sleep("6 seconds")))
      )
      yield* TestClock.adjust("5 seconds")
      outside.start = Effect.void
      expect([(yield* cache.state)._tag, told(app.events).length]).toEqual(["Down", 1])
      yield* TestClock.adjust("1 second")
      expect([yield* number(cache), outside.log]).toEqual([1, ["+1"]])
    })
  )

  it.effect(
    "one-at-a-time: an attempt that ignores its interruption for too long is told and left behind, one at most",
    () =>
      Effect.gen(function* () {
        const hours: Array<Deferred.Deferred<void>> = []
        let released = 0
        const layer = Layer.effect(
          Cache,
          Effect.acquireRelease(
            Effect.suspend(() => {
              const hour = Deferred.makeUnsafe<void>()
              hours.push(hour)
              return Effect.as(Deferred.await(hour), { number: hours.length, get: Effect.succeed(hours.length) })
            }),
            () => Effect.sync(() => released++)
          )
        )
        const app = yield* App.start(Optional.layer(Cache, layer, { retry: everySecond, startTimeout: "2 seconds" }))
        yield* TestClock.adjust("1 hour")
        // Two that hang are enough.
        expect([hours.length, only(app.events, "Awaited").map(({ result }) => result)]).toEqual([
          2,
          ["abandoned", "abandoned"]
        ])
        const [first] = hours
        if (first !== undefined) Deferred.doneUnsafe(first, Effect.void)
        yield* TestClock.adjust(0)
        expect([hours.length, released]).toEqual([3, 1])
        hours.forEach((hour) => Deferred.doneUnsafe(hour, Effect.void))
        yield* TestClock.adjust(0)
        expect([released, only(app.events, "OptionalUp").map(({ generation }) => generation)]).toEqual([2, [3]])
        expect((yield* stop(app)).outcome._tag).toBe("Clean")
        expect(released).toBe(3)
      })
  )

  it.effect("a release that hangs after a failed attempt is left behind before the next one", () =>
    Effect.gen(function* () {
      const outside = new Outside()
      outside.stop = Effect.never
      let attempt = 0
      const half = Layer.effectDiscard(Effect.suspend(() => (++attempt < 2 ? Effect.fail("half way") : Effect.void)))
      const cache = Optional.layer(Cache, half.pipe(Layer.provideMerge(outside.layer)), {
        retry: everySecond,
        startTimeout: "2 seconds"
      })
      const app = yield* App.start(cache)
      yield* TestClock.adjust("6 seconds")
      expect(outside.log).toEqual(["+1"])
      yield* TestClock.adjust("1 second")
      expect(outside.log).toEqual(["+1", "+2"])
      outside.stop = Effect.void
      expect((yield* stop(app)).outcome._tag).toBe("Clean")
    })
  )

  it.effect("what a failed attempt had acquired is released before the next one", () =>
    Effect.gen(function* () {
      const outside = new Outside()
      let attempt = 0
      const half = Layer.effectDiscard(Effect.suspend(() => (++attempt < 3 ? Effect.fail("half way") : Effect.void)))
      const cache = Optional.layer(Cache, half.pipe(Layer.provideMerge(outside.layer)), { retry: everySecond })
      const app = yield* App.start(cache)
      yield* TestClock.adjust("5 seconds")
      expect(outside.log).toEqual(["+1", "-1", "+2", "-2", "+3"])
      expect((yield* stop(app)).outcome._tag).toBe("Clean")
      expect(outside.log.at(-1)).toBe("-3")
    })
  )
})
