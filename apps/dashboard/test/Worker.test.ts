/** The worker under the test clock, with a queue in memory: what it does with a run at every kind of end. */
import { describe, expect, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as HttpServer from "effect/http/HttpServer"
import * as Metric from "effect/Metric"
import * as NetAddress from "effect/net/NetAddress"
import * as Layer from "effect/Layer"
import * as PrometheusMetrics from "effect/observability/PrometheusMetrics"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { ConnectionError, SqlError } from "effect/sql/SqlError"
import * as TestClock from "effect/testing/TestClock"
import * as App from "quiesce/App"
import { Configuration } from "../src/settings/Configuration.ts"
import { Settings } from "../src/settings/Settings.ts"
import { type Claim, RunQueue } from "../src/store/RunQueue.ts"
import { Executor } from "../src/worker/Executor.ts"
import * as Worker from "../src/worker/Worker.ts"

const outage = new SqlError({ reason: new ConnectionError({ cause: new Error("gone") }) })

/**
 * A queue with runs 1 to n, which writes down what is done to them. `away` is the database being away, `silent` that it is
 * there and does not answer.
 */
class Scene {
  readonly log: Array<string> = []
  away = false
  silent = false
  stolen = false
  /** How long a claim waits for its answer. */
  slow: Duration.Input = 0
  configuration = configuration({})
  #waiting: Array<number>

  constructor(runs: number) {
    this.#waiting = Array.from({ length: runs }, (_, n) => n + 1)
  }

  readonly #does = (what: string): Effect.Effect<boolean, SqlError> =>
    Effect.suspend(() => {
      if (this.silent) return Effect.never
      if (this.away) return Effect.fail(outage)
      this.log.push(this.stolen ? `${what} refused` : what)
      return Effect.succeed(!this.stolen)
    })

  readonly queue = RunQueue.of({
    enqueue: () => Effect.die("not used"),
    queued: Effect.never,
    claim: () =>
      Effect.suspend(() => {
        if (this.silent) return Effect.never
        if (this.away) return Effect.fail(outage)
        const id = this.#waiting.shift()
        return Effect.succeed(
          id === undefined ? Option.none() : Option.some({ id, attempt: 1, token: `${id}`, cases: ["a"] })
        ).pipe(Effect.delay(this.slow))
      }),
    extend: ({ id }) => Effect.tap(this.#does(`extend ${id}`), () => Effect.sync(() => this.log.pop())),
    complete: ({ id }, _, { status }) => this.#does(`${status} ${id}`),
    putBack: ({ id }) => this.#does(`put back ${id}`),
    reclaim: (of) => Effect.sync(() => (of === "expired" ? [] : (this.log.push(`reclaim ${of.instance}`), [])))
  })
}

const server = Layer.succeed(
  HttpServer.HttpServer,
  HttpServer.make({ address: NetAddress.inetAddressFromStringUnsafe("127.0.0.1:1"), serve: () => Effect.void })
)

type Written = typeof Configuration.Encoded

const configuration = (written: Written) => Schema.decodeSync(Configuration)({ workers: 2, instance: "me", ...written })

const launch = (
  scene: Scene,
  execute: (claim: Claim) => Effect.Effect<void>,
  written: Written = {},
  options: App.Options = {}
) => {
  scene.configuration = configuration(written)
  const executor = Executor.of({
    execute: (claim) => Effect.as(execute(claim), [{ case: "a", passed: true, duration: 1 }])
  })
  const layer = Worker.layer.pipe(
    Layer.provide(Layer.succeedContext(Context.make(RunQueue, scene.queue).pipe(Context.add(Executor, executor)))),
    Layer.provide(server),
    Layer.provide(
      Layer.mock(Settings, {
        current: Effect.sync(() => scene.configuration),
        currentUnsafe: () => scene.configuration
      })
    )
  )
  return App.start(layer, { gracePeriod: "20 seconds", drain: "12 seconds", interrupt: "3 seconds", ...options })
}

/** Lets everything happen that can happen now. */
const settle = TestClock.adjust(0)

describe("the worker", () => {
  it.effect("lets the runs in hand finish at a stop and takes no other", () =>
    Effect.gen(function* () {
      const scene = new Scene(5)
      const app = yield* launch(scene, () => Effect.sleep("4 seconds"))
      yield* TestClock.adjust("1 second")
      app.signalUnsafe("SIGTERM")
      yield* TestClock.adjust("20 seconds")
      const report = yield* app.stopped
      expect(scene.log).toEqual(["reclaim me", "passed 1", "passed 2"])
      expect(report).toMatchObject({ outcome: { _tag: "Clean" }, exitCode: 0, duration: 3000 })
      expect(report.awaited).toMatchObject([
        { name: "run", waited: 3000, result: "done" },
        { name: "every run settled", waited: 0, result: "done" }
      ])
    })
  )

  it.effect("puts back what has not finished after half of the time that is left, and the stop is clean", () =>
    Effect.gen(function* () {
      const scene = new Scene(5)
      const app = yield* launch(scene, () => Effect.never)
      yield* TestClock.adjust("1 second")
      app.signalUnsafe("SIGTERM")
      yield* TestClock.adjust("20 seconds")
      const report = yield* app.stopped
      expect(scene.log).toEqual(["reclaim me", "put back 1", "put back 2"])
      expect(report).toMatchObject({ outcome: { _tag: "Clean" }, exitCode: 0, duration: 10_000, stragglers: [] })
    })
  )

  it.effect("puts its runs back when they are interrupted, as by an escalation", () =>
    Effect.gen(function* () {
      const scene = new Scene(2)
      const app = yield* launch(scene, () => Effect.never, {}, { escalation: ["Graceful", "Interrupt", "Exit"] })
      yield* settle
      app.signalUnsafe("SIGTERM")
      yield* TestClock.adjust("1 second")
      app.signalUnsafe("SIGTERM")
      yield* TestClock.adjust("1 second")
      expect((yield* app.stopped).duration).toBe(1000)
      expect(scene.log).toEqual(["reclaim me", "put back 1", "put back 2"])
      // From the interruption to the end of the last put back.
      expect(yield* PrometheusMetrics.format()).toContain('quiesce_tasks_stop_millis_count{task="run"} 1')
    }).pipe(Effect.provideService(Metric.MetricRegistry, new Map()))
  )

  it.effect("keeps a result while the database is away and stores it when it is back", () =>
    Effect.gen(function* () {
      const scene = new Scene(1)
      const app = yield* launch(scene, () => Effect.sleep("2 seconds"))
      yield* TestClock.adjust("1 second")
      scene.away = true
      yield* TestClock.adjust("1 minute")
      expect(scene.log).toEqual(["reclaim me"])
      scene.away = false
      yield* TestClock.adjust("1 second")
      expect(scene.log).toEqual(["reclaim me", "passed 1"])
      app.signalUnsafe("SIGTERM")
      yield* settle
      expect((yield* app.stopped).exitCode).toBe(0)
    })
  )

  it.effect("stops in time, and says so, when the database stays away with a result in hand", () =>
    Effect.gen(function* () {
      const scene = new Scene(1)
      const app = yield* launch(scene, () => Effect.sleep("2 seconds"))
      yield* TestClock.adjust("1 second")
      scene.away = true
      yield* TestClock.adjust("2 seconds")
      app.signalUnsafe("SIGTERM")
      yield* TestClock.adjust("20 seconds")
      const report = yield* app.stopped
      expect(report.duration).toBeLessThanOrEqual(20_000)
      expect(report).toMatchObject({ outcome: { _tag: "Degraded" }, exitCode: 70, stragglers: [] })
      expect(report.failures).toEqual([
        expect.stringContaining("the database did not take run 1 back: queued again when")
      ])
      expect(report.criticalSections).toMatchObject([{ name: "store the result of run 1", exceeded: false }])
    })
  )

  it.effect("stops in time when the database does not answer while it looks for a run, and accuses nobody", () =>
    Effect.gen(function* () {
      const scene = new Scene(0)
      const app = yield* launch(scene, () => Effect.never)
      scene.silent = true
      yield* TestClock.adjust("1 second") // the queue is looked at twice a second
      app.signalUnsafe("SIGTERM")
      yield* TestClock.adjust("20 seconds")
      const report = yield* app.stopped
      expect(report).toMatchObject({ outcome: { _tag: "Clean" }, exitCode: 0, stragglers: [], failures: [] })
      expect(report.duration).toBeLessThan(12_000) // before the drain is over
    })
  )

  it.effect("stops in time, and names its runs, when the database does not answer any more", () =>
    Effect.gen(function* () {
      const scene = new Scene(2)
      const app = yield* launch(scene, () => Effect.never)
      yield* TestClock.adjust("6 seconds") // a lease is being renewed
      scene.silent = true
      app.signalUnsafe("SIGTERM")
      yield* TestClock.adjust("20 seconds")
      const report = yield* app.stopped
      expect(report).toMatchObject({ outcome: { _tag: "Degraded" }, exitCode: 70, stragglers: [] })
      expect(report.failures).toEqual([expect.stringContaining("the database did not take runs 1, 2 back")])
      expect(report.duration).toBeLessThan(12_000)
    })
  )

  it.effect("puts its runs back at once when the stop is for a failure", () =>
    Effect.gen(function* () {
      const scene = new Scene(5)
      const app = yield* launch(scene, () => Effect.never)
      yield* TestClock.adjust("1 second")
      app.requestStopUnsafe({ _tag: "ComponentFailed", component: "http", message: "socket closed" })
      yield* settle
      const report = yield* app.stopped
      expect(scene.log).toEqual(["reclaim me", "put back 1", "put back 2"])
      expect(report).toMatchObject({ outcome: { _tag: "Clean" }, exitCode: 1, duration: 0 })
    })
  )

  it.effect("gives up a run when another attempt has it, and goes on with the next", () =>
    Effect.gen(function* () {
      const scene = new Scene(2)
      const interrupted: Array<number> = []
      const app = yield* launch(
        scene,
        ({ id }) => Effect.onInterrupt(Effect.sleep("8 seconds"), () => Effect.sync(() => interrupted.push(id))),
        { workers: 1, lease: "9 seconds" }
      )
      yield* TestClock.adjust("1 second")
      scene.stolen = true
      yield* TestClock.adjust("2 seconds") // the lease is renewed every third of it
      scene.stolen = false
      expect(interrupted).toEqual([1])
      yield* TestClock.adjust("8 seconds")
      expect(scene.log).toEqual(["reclaim me", "passed 2"])
      app.signalUnsafe("SIGTERM")
      yield* settle
      yield* app.stopped
    })
  )

  it.effect("records an executor that dies as errored, and lives on", () =>
    Effect.gen(function* () {
      const scene = new Scene(2)
      const app = yield* launch(scene, ({ id }) => (id === 1 ? Effect.die(new Error("no browser")) : Effect.void), {
        workers: 1
      })
      yield* TestClock.adjust("1 second")
      expect(scene.log).toEqual(["reclaim me", "errored 1", "passed 2"])
      app.signalUnsafe("SIGTERM")
      yield* settle
      expect((yield* app.stopped).outcome._tag).toBe("Clean")
    })
  )

  it.effect("takes more at a time when the settings say so, and finishes what is in hand when they say fewer", () =>
    Effect.gen(function* () {
      const scene = new Scene(9)
      const going = new Set<number>()
      const app = yield* launch(
        scene,
        ({ id }) =>
          Effect.sync(() => going.add(id)).pipe(
            Effect.andThen(Effect.sleep("10 seconds")),
            Effect.ensuring(Effect.sync(() => going.delete(id)))
          ),
        { workers: 1 }
      )
      yield* TestClock.adjust("1 second")
      expect(Array.from(going)).toEqual([1])
      scene.configuration = configuration({ workers: 3 })
      yield* TestClock.adjust("1 second") // the queue is looked at twice a second
      expect(Array.from(going)).toEqual([1, 2, 3])
      scene.configuration = configuration({ workers: 1 })
      yield* TestClock.adjust("8500 millis")
      expect([scene.log.slice(1), Array.from(going)]).toEqual([["passed 1"], [2, 3]])
      yield* TestClock.adjust("2 seconds")
      expect([scene.log.slice(1), Array.from(going)]).toEqual([["passed 1", "passed 2", "passed 3"], [4]])
      app.signalUnsafe("SIGTERM")
      yield* TestClock.adjust("10 seconds")
      expect(scene.log.slice(4)).toEqual(["passed 4"])
      expect((yield* app.stopped).outcome._tag).toBe("Clean")
    })
  )

  it.effect("puts back a run whose claim is answered when the stop has begun", () =>
    Effect.gen(function* () {
      const scene = new Scene(1)
      scene.slow = "2 seconds"
      const app = yield* launch(scene, () => Effect.void)
      yield* TestClock.adjust("1 second") // it has asked, and is not answered yet
      app.signalUnsafe("SIGTERM")
      yield* TestClock.adjust("20 seconds")
      const report = yield* app.stopped
      expect(scene.log).toEqual(["reclaim me", "put back 1"])
      expect(report).toMatchObject({ outcome: { _tag: "Clean" }, exitCode: 0, duration: 1000, stragglers: [] })
    })
  )

  it.effect("looks at the queue again after an outage", () =>
    Effect.gen(function* () {
      const scene = new Scene(1)
      scene.away = true
      const done = yield* Deferred.make<void>()
      const app = yield* launch(scene, () => Effect.asVoid(Deferred.succeed(done, undefined)))
      yield* TestClock.adjust("10 seconds")
      scene.away = false
      yield* TestClock.adjust("2 seconds")
      yield* Deferred.await(done)
      app.signalUnsafe("SIGTERM")
      yield* settle
      yield* app.stopped
      expect(scene.log).toEqual(["reclaim me", "passed 1"])
    })
  )
})
