/** Parts that an application can live without: how they come up, break and come back, and what their users see of it. */
import { describe, expect, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
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
import * as Component from "quiesce/Component"
import * as DrainGate from "quiesce/DrainGate"
import type { Event } from "quiesce/Event"
import { Lifecycle } from "quiesce/Lifecycle"
import * as Optional from "quiesce/Optional"
import * as Tasks from "quiesce/Tasks"
import { only, runToEnd } from "./support/scripted.ts"
import { losingTurn } from "./support/turns.ts"

class Cache extends Context.Service<Cache, { readonly number: number; readonly get: Effect.Effect<number, string> }>()(
  "test/Cache"
) {}

type CacheHandle = Optional.Handle<Cache["Service"]>

/** Something outside, and what a layer over it went through. */
class Outside {
  readonly log: Array<string> = []
  /** How the next start goes. */
  start: Effect.Effect<unknown, string> = Effect.void
  /** How the next release goes. */
  stop: Effect.Effect<unknown> = Effect.void
  /** What it does in the background. */
  background: Effect.Effect<unknown, string> = Effect.never
  answer: Effect.Effect<unknown, string> = Effect.void
  acquired = 0
  open = 0
  mostOpen = 0

  readonly layer = Layer.effect(
    Cache,
    Effect.gen({ self: this }, function* () {
      yield* this.start
      const number = yield* Effect.acquireRelease(
        Effect.sync(() => {
          this.log.push(`+${++this.acquired}`)
          this.mostOpen = Math.max(this.mostOpen, ++this.open)
          return this.acquired
        }),
        (number) =>
          Effect.andThen(
            this.stop,
            Effect.sync(() => {
              this.open--
              this.log.push(`-${number}`)
            })
          )
      )
      yield* Effect.forkScoped(this.background)
      const get = Effect.as(
        Effect.suspend(() => this.answer),
        number
      )
      return { number, get }
    })
  )
}

const everySecond = Schedule.spaced("1 second")

/** A running application with an optional cache, and the handle of it. */
const running = (
  options: Optional.Options<Cache["Service"]> = {},
  outside = new Outside(),
  appOptions: App.Options = {}
) =>
  Effect.gen(function* () {
    const taken = Deferred.makeUnsafe<CacheHandle>()
    const user = Layer.effectDiscard(Effect.flatMap(Optional.of(Cache), (handle) => Deferred.succeed(taken, handle)))
    const cache = Optional.layer(Cache, outside.layer, { retry: everySecond, ...options })
    const app = yield* App.start(user.pipe(Layer.provide(cache)), appOptions)
    yield* TestClock.adjust(0)
    return { app, cache: yield* Deferred.await(taken), outside }
  })

const down = (start: Effect.Effect<unknown, string>): Outside => {
  const outside = new Outside()
  outside.start = start
  return outside
}

const stop = (app: App.App) => {
  app.signalUnsafe("SIGTERM")
  return runToEnd(app)
}

const told = (events: ReadonlyArray<Event>): ReadonlyArray<string> =>
  events.flatMap((event) =>
    event._tag === "OptionalUp"
      ? [`${event.at}: up, generation ${event.generation} after ${event.attempts}`]
      : event._tag === "OptionalDown"
        ? [`${event.at}: down (${event.attempts}) ${event.failure}, ${event.next} ${event.retryIn ?? ""}`.trimEnd()]
        : []
  )

const number = (cache: CacheHandle) =>
  cache.useOr(
    (service) => Effect.succeed(service.number),
    () => Effect.succeed(0)
  )

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

describe("an optional part in a stop", () => {
  const Redis = Context.Service<{ readonly redis: true }>("test/Redis")
  const redis = (log: Array<string>, stopping: Effect.Effect<unknown> = Effect.void) =>
    Layer.effect(
      Redis,
      Effect.acquireRelease(
        Effect.sync(() => {
          log.push("+redis")
          return { redis: true as const }
        }),
        () =>
          Effect.andThen(
            stopping,
            Effect.sync(() => log.push("-redis"))
          )
      )
    )
  /** Built with redis in its context. */
  const needing = (outside: Outside) =>
    Layer.effectDiscard(Redis).pipe(Layer.provideMerge(outside.layer)) as Layer.Layer<
      Cache,
      string,
      { readonly redis: true }
    >
  const user = (log: Array<string>, released: Effect.Effect<unknown> = Effect.void) =>
    Layer.effectDiscard(
      Effect.gen(function* () {
        const cache = yield* Optional.of(Cache)
        yield* Effect.addFinalizer(() =>
          Effect.gen(function* () {
            yield* released
            log.push(`-user, who still has ${yield* number(cache)}`)
          })
        )
      })
    ).pipe(Component.make("user"))

  it.effect("in-order: came up late, and is released after its users and before what is provided to it", () =>
    Effect.gen(function* () {
      const outside = down(Effect.fail("refused"))
      const { log } = outside
      const cache = Optional.layer(Cache, needing(outside), { retry: everySecond })
      const other = Layer.effectDiscard(
        Effect.andThen(
          Redis,
          Effect.addFinalizer(() => Effect.sync(() => log.push("-other")))
        )
      )
      const app = yield* App.start(
        Layer.mergeAll(user(log, Effect.sleep("1 second")).pipe(Layer.provide(cache)), other).pipe(
          Layer.provide(redis(log))
        )
      )
      yield* TestClock.adjust("1500 millis")
      outside.start = Effect.void
      yield* TestClock.adjust("1 second")
      yield* stop(app)
      expect(log).toEqual(["+redis", "+1", "-other", "-user, who still has 1", "-1", "-redis"])
    })
  )

  it.effect("in-order, shared-once: also with what is provided inside by reference, and used by others", () =>
    Effect.gen(function* () {
      const outside = down(Effect.fail("refused"))
      const { log } = outside
      const shared = redis(log, Effect.sleep("4 seconds"))
      outside.stop = Effect.sleep("3 seconds")
      const cache = Optional.layer(Cache, needing(outside).pipe(Layer.provide(shared)), { retry: everySecond })
      const other = Layer.effectDiscard(Effect.addFinalizer(() => Effect.sync(() => log.push("-other")))).pipe(
        Layer.provide(shared)
      )
      // Built after it, and shared all the same.
      const late = Layer.unwrap(Effect.as(Effect.sleep("200 millis"), other))
      const app = yield* App.start(Layer.mergeAll(user(log).pipe(Layer.provide(cache)), late))
      yield* TestClock.adjust("1500 millis")
      outside.start = Effect.void
      yield* TestClock.adjust("1 second")
      const report = yield* stop(app)
      expect(log).toEqual(["+redis", "+1", "-other", "-user, who still has 1", "-1", "-redis"])
      // Together they take longer than the optional part may: it is not charged for the release of what it shares.
      expect([report.outcome._tag, report.duration]).toEqual(["Clean", 7000])
    })
  )

  it.effect("in-order: one whose release hangs is left behind, and what it uses is released after that", () =>
    Effect.gen(function* () {
      const outside = new Outside()
      const { log } = outside
      outside.stop = Effect.uninterruptible(Effect.never)
      const shared = redis(log)
      const cache = Optional.layer(Cache, needing(outside).pipe(Layer.provide(shared)), { stopTimeout: "1 second" })
      const slow = Layer.effectDiscard(Effect.addFinalizer(() => Effect.sleep("3 seconds")))
      const app = yield* App.start(Layer.mergeAll(cache, shared, slow))
      yield* TestClock.adjust("1 second")
      app.signalUnsafe("SIGTERM")
      yield* TestClock.adjust("900 millis")
      expect(log).toEqual(["+redis", "+1"])
      yield* TestClock.adjust("200 millis")
      expect(log).toEqual(["+redis", "+1", "-redis"])
      const report = yield* runToEnd(app)
      expect(only(app.events, "ComponentAbandoned").map(({ after, limit, name }) => [name, limit, after])).toEqual([
        ["Cache", "stopTimeout", 1000]
      ])
      expect([report.outcome._tag, report.duration]).toEqual(["Degraded", 3000])
    })
  )

  it.effect("is usable until its own release, and its failing finalizer is told as its own", () =>
    Effect.gen(function* () {
      const outside = new Outside()
      outside.stop = Effect.die("disk full")
      const app = yield* App.start(
        user(outside.log, Effect.sleep("1 second")).pipe(Layer.provide(Optional.layer(Cache, outside.layer)))
      )
      yield* TestClock.adjust("1 second")
      const report = yield* stop(app)
      expect(outside.log).toEqual(["+1", "-user, who still has 1"])
      expect([report.outcome._tag, report.failures]).toEqual(["Degraded", ["Cache failed to stop cleanly: disk full"]])
    })
  )

  it.effect("never-blocks-the-stop: an attempt is interrupted when the stop begins, and none begins after that", () =>
    Effect.gen(function* () {
      for (const start of [Effect.never, Effect.fail("refused")]) {
        const options = { lameDuck: "5 seconds", drain: "10 seconds" } as const
        let ended = ""
        const outside = down(Effect.onExit(start, (exit) => Effect.sync(() => void (ended = exit._tag))))
        const { app, cache } = yield* running({}, outside, options)
        app.signalUnsafe("SIGTERM")
        yield* TestClock.adjust(0)
        outside.start = Effect.void
        expect([ended, app.lifecycle.stateUnsafe()]).toEqual(["Failure", "LameDuck"])
        expect((yield* Effect.flip(cache.await)).message).toMatch(
          /^Cache is .*; it is not tried again, since the application stops$/
        )
        const report = yield* runToEnd(app)
        expect([report.outcome._tag, report.duration, outside.log]).toEqual(["Clean", 5000, []])
      }
    })
  )

  it.effect(
    "never-blocks-the-stop: one that ignores it is left behind, and what it acquires later is released at once",
    () =>
      Effect.gen(function* () {
        const outside = down(Effect.uninterruptible(Effect.sleep("20 seconds")))
        const { app } = yield* running({ stopTimeout: "2 seconds" }, outside)
        const report = yield* stop(app)
        expect([report.duration, report.outcome._tag, report.components.map(({ end, name }) => [name, end])]).toEqual([
          2000,
          "Degraded",
          [["Cache", "abandoned"]]
        ])
        const before = app.events.length
        yield* TestClock.adjust("20 seconds")
        expect(app.events.slice(before).map(({ _tag }) => _tag)).toEqual(["Awaited", "ComponentStoppedLate"])
        expect([outside.log, outside.open]).toEqual([[], 0])
      })
  )

  it.effect(
    "never-blocks-the-stop: what acquires and ignores its interruption is released by itself, and its failure told",
    () =>
      Effect.gen(function* () {
        const log: Array<string> = []
        const deaf = Layer.effect(
          Cache,
          Effect.acquireRelease(Effect.as(Effect.sleep("10 seconds"), { number: 1, get: Effect.succeed(1) }), () =>
            Effect.andThen(
              Effect.sync(() => log.push("released")),
              Effect.die("disk full")
            )
          )
        )
        const app = yield* App.start(Optional.layer(Cache, deaf, { name: "deaf" }))
        yield* TestClock.adjust("1 second")
        const report = yield* stop(app)
        expect([report.duration, log]).toEqual([5000, []])
        yield* TestClock.adjust("10 seconds")
        const late = only(app.events, "Awaited").map(({ failure, name }) => [name, failure])
        expect([log, late]).toEqual([["released"], [["deaf (generation 1)", "disk full"]]])
      })
  )

  it.effect("that breaks while the application stops is told, and is not tried again", () =>
    Effect.gen(function* () {
      const { app, cache, outside } = yield* running({}, new Outside(), { lameDuck: "5 seconds" })
      app.signalUnsafe("SIGTERM")
      yield* TestClock.adjust("1 second")
      expect(yield* number(cache)).toBe(1)
      yield* cache.fail(Cause.fail("broken"))
      const report = yield* runToEnd(app)
      expect([report.outcome._tag, outside.log]).toEqual(["Clean", ["+1", "-1"]])
      expect(told(app.events)).toEqual(["0: up, generation 1 after 0", "1000: down (1) broken, stopping"])
    })
  )

  it.effect("released-once: the stop waits for a release that had begun before, and does it no second time", () =>
    Effect.gen(function* () {
      const { app, cache, outside } = yield* running({}, new Outside(), { stopTimeout: "4 seconds" })
      outside.stop = Effect.sleep("3 seconds")
      yield* cache.fail(Cause.fail("broken"))
      yield* TestClock.adjust("1 second")
      const report = yield* stop(app)
      expect([report.outcome._tag, report.duration, outside.log]).toEqual(["Clean", 2000, ["+1", "-1"]])
    })
  )

  it.effect(
    "released-once: the stop comes while users of a broken generation are waited for: they are cut off at its release",
    () =>
      Effect.gen(function* () {
        const { app, cache, outside } = yield* running()
        const using = yield* Effect.forkChild(Effect.flip(cache.use(() => Effect.never)), { startImmediately: true })
        yield* cache.fail(Cause.fail("broken"))
        yield* TestClock.adjust("1 second")
        const report = yield* stop(app)
        expect([(yield* Fiber.join(using))._tag, report.duration, outside.log]).toEqual([
          "Unavailable",
          0,
          ["+1", "-1"]
        ])
      })
  )

  it.effect(
    "released-once: a user who ignores the interruption takes half of the time for the release, and not all of it",
    () =>
      Effect.gen(function* () {
        const { app, cache, outside } = yield* running({ stopTimeout: "4 seconds" })
        yield* Effect.forkDetach(Effect.exit(cache.use(() => Effect.uninterruptible(Effect.never))), {
          startImmediately: true
        })
        const report = yield* stop(app)
        expect([report.outcome._tag, report.duration, outside.log]).toEqual(["Clean", 2000, ["+1", "-1"]])
      })
  )

  it.effect("gives its parts the leases that they ask for", () =>
    Effect.gen(function* () {
      const outside = new Outside()
      const slow = Layer.effectDiscard(
        Effect.gen(function* () {
          const { extendStop } = yield* Lifecycle
          yield* Effect.addFinalizer(() => Effect.andThen(extendStop("3 seconds"), Effect.sleep("4 seconds")))
        })
      )
      const cache = Optional.layer(Cache, Layer.merge(outside.layer, slow), { stopTimeout: "2 seconds" })
      const app = yield* App.start(cache)
      yield* TestClock.adjust("1 second")
      const report = yield* stop(app)
      expect([report.outcome._tag, report.duration]).toEqual(["Clean", 4000])
    })
  )

  it.effect("a gate in it is drained with the application, and closed with its generation", () =>
    Effect.gen(function* () {
      const gates: Array<DrainGate.DrainGate> = []
      const outside = new Outside()
      const gated = Layer.effectDiscard(Effect.map(DrainGate.make("lookup"), (gate) => gates.push(gate)))
      const taken = Deferred.makeUnsafe<CacheHandle>()
      const user = Layer.effectDiscard(Effect.flatMap(Optional.of(Cache), (handle) => Deferred.succeed(taken, handle)))
      const cache = Optional.layer(Cache, Layer.merge(outside.layer, gated), { retry: everySecond })
      const app = yield* App.start(user.pipe(Layer.provide(cache)))
      yield* TestClock.adjust(0)
      const handle = yield* Deferred.await(taken)
      yield* handle.fail(Cause.fail("broken"))
      yield* TestClock.adjust("1 second")
      const [first, second] = gates
      if (first === undefined || second === undefined) return yield* Effect.die(new Error("there are no gates"))
      expect((yield* Effect.flip(first.run(Effect.void)))._tag).toBe("ShuttingDown")
      const work = yield* Effect.forkChild(second.run(Effect.as(Effect.sleep("2 seconds"), "done")), {
        startImmediately: true
      })
      const report = yield* stop(app)
      expect([yield* Fiber.join(work), report.outcome._tag, report.duration]).toEqual(["done", "Clean", 2000])
    })
  )

  it.effect("a start that fails releases it as everything else", () =>
    Effect.gen(function* () {
      const outside = new Outside()
      const failing = Layer.effectDiscard(
        Effect.gen(function* () {
          const cache = yield* Optional.of(Cache)
          yield* cache.await
          return yield* Effect.fail("no configuration")
        })
      )
      const report = yield* App.launch(failing.pipe(Layer.provide(Optional.layer(Cache, outside.layer))))
      expect([report.reason._tag, outside.log]).toEqual(["StartFailed", ["+1", "-1"]])
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

describe("random lives", () => {
  /** Mulberry32. */
  const generator = (seed: number) => {
    let at = seed
    const next = (): number => {
      at = (at + 0x6d2b79f5) | 0
      let mixed = Math.imul(at ^ (at >>> 15), 1 | at)
      mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
      return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296
    }
    return (limit: number): number => Math.floor(next() * limit)
  }

  const lifeOf = (seed: number) =>
    Effect.gen(function* () {
      const below = generator(seed)
      const log: Array<string> = []
      const wrong: Array<string> = []
      const open = new Set<number>()
      let acquired = 0
      const maybe = Effect.suspend((): Effect.Effect<unknown, string> => {
        const chance = below(10)
        if (chance < 4) return Effect.void
        if (chance < 6) return Effect.fail("refused")
        if (chance === 6) return Effect.die("bug")
        if (chance === 7) return Effect.uninterruptible(Effect.sleep(below(3000)))
        return Effect.sleep(below(2000))
      })
      const live = Layer.effect(
        Cache,
        Effect.gen(function* () {
          yield* maybe
          const number = yield* Effect.acquireRelease(
            Effect.sync(() => {
              const number = ++acquired
              if (open.size > 0) wrong.push(`${number} beside ${Array.from(open).join()}`)
              open.add(number)
              log.push(`+${number}`)
              return number
            }),
            (number) =>
              Effect.andThen(
                Effect.sync(() => {
                  if (!open.delete(number)) wrong.push(`${number} twice`)
                  log.push(`-${number}`)
                }),
                Effect.sleep(below(3) * 200)
              )
          )
          yield* maybe
          const dies = Effect.andThen(Effect.sleep(500 + below(4000)), Effect.fail("socket"))
          if (below(3) === 0) yield* Effect.forkScoped(dies)
          return { number, get: Effect.succeed(number) }
        })
      )
      const { cache, app } = yield* Effect.gen(function* () {
        const taken = Deferred.makeUnsafe<CacheHandle>()
        const user = Layer.effectDiscard(
          Effect.flatMap(Optional.of(Cache), (handle) => Deferred.succeed(taken, handle))
        )
        const retry = Schedule.spaced(below(3) * 300)
        const check = {
          effect: () => (below(4) === 0 ? Effect.fail("check") : Effect.void),
          every: 700,
          failuresToFlip: 2
        }
        const optional = Optional.layer(Cache, live, {
          retry,
          startTimeout: 1500,
          ...(below(2) === 0 ? { check } : {})
        })
        const app = yield* App.start(user.pipe(Layer.provide(optional)), { lameDuck: below(2) * 1000 })
        yield* TestClock.adjust(0)
        return { app, cache: yield* Deferred.await(taken) }
      })
      const use = cache.use(({ number }, generation) =>
        Effect.gen(function* () {
          for (let step = below(5); step >= 0; step--) {
            if (!open.has(number)) wrong.push(`${number} was used after its release`)
            yield* Effect.sleep(below(600))
          }
          if (below(6) === 0) yield* cache.fail(Cause.fail("user"), generation)
        })
      )
      const uses: Array<Fiber.Fiber<unknown, unknown>> = []
      for (let step = 0; step < 40; step++) {
        const using = yield* Effect.forkChild(Effect.exit(use), { startImmediately: true })
        uses.push(using)
        if (below(5) === 0) yield* Effect.forkChild(Fiber.interrupt(using))
        yield* TestClock.adjust(below(400))
      }
      const report = yield* stop(app)
      yield* TestClock.adjust("10 seconds")
      const unfinished = uses.filter((fiber) => fiber.pollUnsafe() === undefined).length
      const generations = only(app.events, "OptionalUp").map(({ generation }) => generation)
      return { acquired, generations, log, open: open.size, outcome: report.outcome._tag, unfinished, wrong }
    })

  it.effect("released-once, one-at-a-time, never-after-release: whatever fails, and whenever the stop comes", () =>
    Effect.gen(function* () {
      let up = 0
      for (let seed = 1; seed <= 60; seed++) {
        const { acquired, generations, log, open, unfinished, wrong } = yield* lifeOf(seed)
        up += generations.length
        expect({ seed, wrong, open, unfinished, releases: log.length }).toEqual({
          seed,
          wrong: [],
          open: 0,
          unfinished: 0,
          releases: acquired * 2
        })
        expect(generations).toEqual(Array.from(new Set(generations)).toSorted((a, b) => a - b))
      }
      // Otherwise it would have tested nothing.
      expect(up).toBeGreaterThan(60)
    })
  )

  it.effect("released-once: also when any one step of it all comes late", () =>
    Effect.gen(function* () {
      for (let at = 1; at <= 250; at++) {
        const life = Effect.gen(function* () {
          const { app, cache, outside } = yield* running()
          yield* cache.fail(Cause.fail("broken"))
          yield* TestClock.adjust("1 second")
          const using = yield* Effect.forkChild(Effect.exit(cache.use(() => Effect.never)), { startImmediately: true })
          yield* cache.fail(Cause.fail("broken again"))
          yield* TestClock.adjust("1 second")
          const report = yield* stop(app)
          return [report.outcome._tag, report.failures, using.pollUnsafe() === undefined, outside.mostOpen, outside.log]
        })
        expect([at, ...(yield* losingTurn(at)(life))]).toEqual([at, "Clean", [], false, 1, ["+1", "-1", "+2", "-2"]])
      }
    })
  )
})
