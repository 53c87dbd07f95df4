/** An optional part in a stop: in order, once, and never in its way. */
import { describe, expect, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as TestClock from "effect/testing/TestClock"
import * as App from "quiesce/App"
import * as Component from "quiesce/Component"
import * as DrainGate from "quiesce/DrainGate"
import { Lifecycle } from "quiesce/Lifecycle"
import * as Optional from "quiesce/Optional"
import { Cache, type CacheHandle, down, everySecond, number, Outside, running, told } from "./support/optional.ts"
import { stop } from "./support/running.ts"
import { only, runToEnd } from "./support/scripted.ts"

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
