/** How optional parts break, by whom, and come back. */
import { describe, expect, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import * as TestClock from "effect/testing/TestClock"
import * as App from "quiesce/App"
import * as Component from "quiesce/Component"
import * as Optional from "quiesce/Optional"
import * as Tasks from "quiesce/Tasks"
import { Cache, everySecond, number, Outside, running, told } from "./support/optional.ts"
import { stop } from "./support/running.ts"
import { only } from "./support/scripted.ts"

describe("an optional part that breaks", () => {
  it.effect("by its check: goes down after as many failures in a row, and comes back as a new generation", () =>
    Effect.gen(function* () {
      const check = {
        effect: (service: Cache["Service"]) => service.get,
        every: "1 second",
        failuresToFlip: 2
      } as const
      const { app, cache, outside } = yield* running({ check })
      outside.answer = Effect.fail("timeout")
      yield* TestClock.adjust("1 second")
      expect(yield* number(cache)).toBe(1)
      yield* TestClock.adjust("1 second")
      expect([yield* number(cache), app.lifecycle.health.summaryUnsafe().state]).toEqual([0, "Degraded"])
      outside.answer = Effect.void
      yield* TestClock.adjust("1 second")
      expect([yield* number(cache), outside.log]).toEqual([2, ["+1", "-1", "+2"]])
      expect(told(app.events)).toEqual([
        "0: up, generation 1 after 0",
        "2000: down (1) timeout, retry 1000",
        "3000: up, generation 2 after 1"
      ])
    })
  )

  it.effect("by its check: is not up before that has passed", () =>
    Effect.gen(function* () {
      const outside = new Outside()
      outside.answer = Effect.fail("nobody there")
      const { app, cache } = yield* running({ check: { effect: (service) => service.get } }, outside)
      expect([(yield* cache.state)._tag, outside.log]).toEqual(["Down", ["+1", "-1"]])
      outside.answer = Effect.void
      yield* TestClock.adjust("1 second")
      expect(told(app.events)).toEqual(["0: down (1) nobody there, retry 1000", "1000: up, generation 2 after 1"])
    })
  )

  it.effect("by its check: one that hangs and ignores interruption has failed each time that it should have run", () =>
    Effect.gen(function* () {
      const check = {
        effect: (service: Cache["Service"]) => service.get,
        every: "1 second",
        timeout: "500 millis"
      } as const
      const { cache, outside } = yield* running({ check })
      let runs = 0
      outside.answer = Effect.suspend(() => {
        runs++
        return Effect.uninterruptible(Effect.never)
      })
      yield* TestClock.adjust("4400 millis")
      expect([(yield* cache.state)._tag, runs]).toEqual(["Up", 1])
      yield* TestClock.adjust("100 millis")
      outside.answer = Effect.void
      expect((yield* cache.state)._tag).toBe("Down")
      // Its release waits for whoever uses it, and then no longer.
      yield* TestClock.adjust("8 seconds")
      expect([yield* number(cache), outside.log]).toEqual([2, ["+1", "-1", "+2"]])
    })
  )

  it.effect("by its users: is down from then on, and only the generation that they mean", () =>
    Effect.gen(function* () {
      const { app, cache } = yield* running()
      const broken = Cause.fail("wrong answer")
      yield* cache.fail(broken)
      expect([yield* number(cache), (yield* cache.state)._tag]).toEqual([0, "Down"])
      yield* TestClock.adjust("1 second")
      yield* cache.fail(broken, 1)
      expect(yield* cache.state).toEqual({ _tag: "Up", generation: 2, since: 1000 })
      yield* cache.use((_, generation) => cache.fail(broken, generation))
      expect(told(app.events)).toEqual([
        "0: up, generation 1 after 0",
        "0: down (1) wrong answer, retry 1000",
        "1000: up, generation 2 after 1",
        "1000: down (1) wrong answer, retry 1000"
      ])
    })
  )

  it.effect("never-stops-the-application: by a fiber of its own that dies", () =>
    Effect.gen(function* () {
      const outside = new Outside()
      outside.background = Effect.andThen(Effect.sleep("5 seconds"), Effect.fail("socket closed"))
      const { app } = yield* running({}, outside)
      yield* TestClock.adjust("6 seconds")
      expect([app.lifecycle.stateUnsafe(), outside.log]).toEqual(["Running", ["+1", "-1", "+2"]])
      expect(told(app.events)).toEqual([
        "0: up, generation 1 after 0",
        "5000: down (1) socket closed, retry 1000",
        "6000: up, generation 2 after 1"
      ])
      expect(only(app.events, "BackgroundFailed")).toEqual([])
    })
  )

  it.effect("never-stops-the-application: by a fiber that dies while it starts", () =>
    Effect.gen(function* () {
      const outside = new Outside()
      const start = Effect.andThen(Effect.forkScoped(Effect.die("bug")), Effect.sleep("1 second"))
      const cache = Optional.layer(Cache, Layer.provideMerge(Layer.effectDiscard(start), outside.layer), {
        name: "cache",
        retry: everySecond
      })
      const app = yield* App.start(cache)
      yield* TestClock.adjust("100 millis")
      expect([app.lifecycle.stateUnsafe(), told(app.events)]).toEqual(["Running", ["0: down (1) bug, retry 1000"]])
      expect(outside.log).toEqual(["+1", "-1"])
    })
  )

  it.effect("never-stops-the-application: by a task in it that fails for good, or a component in it", () =>
    Effect.gen(function* () {
      const outside = new Outside()
      let rounds = 0
      const task = Layer.effectDiscard(
        Tasks.start(
          "refresh",
          Effect.suspend(() => (++rounds < 2 ? Effect.fail("no route") : Effect.never))
        )
      ).pipe(Component.make("refresher"))
      const live = Layer.merge(outside.layer.pipe(Component.make("inner cache")), task)
      const app = yield* App.start(Optional.layer(Cache, live, { name: "cache", retry: everySecond }))
      yield* TestClock.adjust("2 seconds")
      expect([app.lifecycle.stateUnsafe(), outside.log]).toEqual(["Running", ["+1", "-1", "+2"]])
      expect(only(app.events, "TaskFailed").map(({ component, next }) => [component, next])).toEqual([
        ["cache", "ignore"]
      ])
      // What it is made of comes and goes, and is no component of the application.
      expect(only(app.events, "ComponentStarted").map(({ name }) => name)).toEqual(["cache"])
      expect((yield* stop(app)).outcome._tag).toBe("Clean")
    })
  )

  it.effect("goes on with the schedule when it breaks at once, and begins anew after a healthy minute", () =>
    Effect.gen(function* () {
      const { app, cache } = yield* running({ retry: Schedule.exponential("1 second") })
      const times = (count: number) =>
        Effect.gen(function* () {
          for (let n = 0; n < count; n++) {
            yield* cache.fail(Cause.fail("broken"))
            yield* TestClock.adjust("10 seconds")
          }
        })
      yield* times(3)
      yield* TestClock.adjust("1 minute")
      yield* times(2)
      expect(only(app.events, "OptionalDown").map(({ retryIn }) => retryIn)).toEqual([1000, 2000, 4000, 1000, 2000])
    })
  )

  it.effect("a finalizer that hangs is told and left behind before the next generation begins", () =>
    Effect.gen(function* () {
      const { app, cache, outside } = yield* running({ stopTimeout: "2 seconds" })
      outside.stop = Effect.never
      yield* cache.fail(Cause.fail("broken"))
      yield* TestClock.adjust("1900 millis")
      outside.stop = Effect.void
      expect(outside.log).toEqual(["+1"])
      yield* TestClock.adjust("100 millis")
      expect(outside.log).toEqual(["+1", "+2"])
      const released = only(app.events, "Awaited").map(({ name, result, waited }) => [name, result, waited])
      expect(released).toEqual([["Cache (generation 1)", "abandoned", 2000]])
    })
  )

  it.effect("a finalizer that fails is told by its generation", () =>
    Effect.gen(function* () {
      const { app, cache, outside } = yield* running()
      outside.stop = Effect.die("disk full")
      yield* cache.fail(Cause.fail("broken"))
      yield* TestClock.adjust("1 second")
      outside.stop = Effect.void
      const report = yield* stop(app)
      expect([report.failures, report.outcome._tag]).toEqual([
        ["Cache (generation 1) (resource) failed: disk full"],
        "Clean"
      ])
    })
  )
})
