/** The front door: launched, interrupted, asked twice, failing to start, inside of another. */
import { describe, expect, it } from "@effect/vitest"
import * as Config from "effect/Config"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as LayerMap from "effect/LayerMap"
import * as Logger from "effect/Logger"
import * as ManagedRuntime from "effect/ManagedRuntime"
import * as Schema from "effect/Schema"
import * as TestClock from "effect/testing/TestClock"
import * as App from "quiesce/App"
import * as Component from "quiesce/Component"
import { Lifecycle } from "quiesce/Lifecycle"
import * as Report from "quiesce/Report"
import * as StopReason from "quiesce/StopReason"
import { type AnyLayer, lifeOf, only, runToEnd, scripted, states } from "./support/scripted.ts"

class Db extends Context.Service<Db, { readonly id: number }>()("test/Db") {}

class Tenant extends Context.Service<Tenant, string>()("test/Tenant") {}

const logged = (log: Array<string>, name: string, release: Effect.Effect<unknown> = Effect.void) =>
  Effect.acquireRelease(
    Effect.sync(() => void log.push(`+${name}`)),
    () =>
      Effect.andThen(
        release,
        Effect.sync(() => void log.push(`-${name}`))
      )
  )

describe("launch", () => {
  it.effect("gives the report of a life that ended by itself", () =>
    Effect.gen(function* () {
      const main = Layer.effectDiscard(
        Effect.gen(function* () {
          const lifecycle = yield* Lifecycle
          yield* Effect.forkScoped(
            Effect.andThen(Effect.sleep("3 seconds"), lifecycle.requestStop(StopReason.finished))
          )
        })
      )
      const fiber = yield* Effect.forkChild(App.launch(main, { name: "batch" }), { startImmediately: true })
      yield* TestClock.adjust("3 seconds")
      const report = yield* Fiber.join(fiber)
      expect([report.name, report.reason, report.exitCode, report.uptime, report.duration]).toEqual([
        "batch",
        { _tag: "Finished" },
        0,
        3000,
        0
      ])
    })
  )

  it.effect("interrupted, asks for a graceful stop and waits for its end", () =>
    Effect.gen(function* () {
      const log: Array<string> = []
      const fiber = yield* Effect.forkChild(
        App.launch(Layer.effectDiscard(logged(log, "c", Effect.sleep("2 seconds")))),
        {
          startImmediately: true
        }
      )
      yield* TestClock.adjust("1 second")
      yield* Effect.forkChild(Fiber.interrupt(fiber), { startImmediately: true })
      yield* TestClock.adjust("1999 millis")
      expect([log, fiber.pollUnsafe()]).toEqual([["+c"], undefined])
      yield* TestClock.adjust("1 millis")
      expect(log).toEqual(["+c", "-c"])
      expect(Exit.hasInterrupts(yield* Fiber.await(fiber))).toBe(true)
    })
  )

  it.effect("loses a race like any effect: after its stop", () =>
    Effect.gen(function* () {
      const log: Array<string> = []
      const race = Effect.raceFirst(
        App.launch(Layer.effectDiscard(logged(log, "c"))),
        Effect.as(Effect.sleep("1 second"), "the other")
      )
      const fiber = yield* Effect.forkChild(race, { startImmediately: true })
      yield* TestClock.adjust("1 second")
      expect([yield* Fiber.join(fiber), log]).toEqual(["the other", ["+c", "-c"]])
    })
  )

  it.effect("uses what surrounds it: services, configuration, loggers", () =>
    Effect.gen(function* () {
      const lines: Array<string> = []
      const logger = Logger.make(({ message }) => void lines.push(String(message)))
      const layer = Layer.effectDiscard(
        Effect.gen(function* () {
          const db = yield* Db
          const region = yield* Config.String("REGION")
          yield* Effect.logInfo(`db ${db.id} in ${region}`)
          const lifecycle = yield* Lifecycle
          yield* lifecycle.requestStop(StopReason.finished)
        })
      )
      yield* Effect.forkChild(App.launch(layer), { startImmediately: true }).pipe(
        Effect.flatMap((fiber) => Effect.andThen(TestClock.adjust(1), Fiber.join(fiber))),
        Effect.provideService(Db, { id: 7 }),
        Effect.provideService(ConfigProvider.ConfigProvider, ConfigProvider.fromUnknown({ REGION: "eu" })),
        Effect.provide(Logger.layer([logger]))
      )
      expect(lines.includes("db 7 in eu")).toBe(true)
    })
  )
})

describe("a start that fails", () => {
  class PortTaken extends Schema.TaggedError<PortTaken>()("PortTaken", { port: Schema.Number }) {
    override get message(): string {
      return `port ${this.port} is taken`
    }
  }

  it.effect("is a stop with the error as its reason, everything released in order", () =>
    Effect.gen(function* () {
      const log: Array<string> = []
      const db = scripted("db", { log })
      const cache = scripted("cache", { log, needs: [db] })
      const http = scripted("http", { log, needs: [cache], start: Effect.fail(new PortTaken({ port: 80 })) })
      const { report } = yield* lifeOf(http)
      expect([report.reason, report.exitCode, log, report.failures]).toEqual([
        { _tag: "StartFailed", message: "port 80 is taken" },
        1,
        ["+db", "+cache", "-cache", "-db"],
        ["http could not start: port 80 is taken"]
      ])
    })
  )

  it.effect("by a defect, by an interruption, or with a thing that has no text, ends as well", () =>
    Effect.gen(function* () {
      const starts: ReadonlyArray<Effect.Effect<unknown, unknown>> = [
        Effect.die(new TypeError("x is not a function")),
        Effect.interrupt,
        Effect.die(Object.create(null)),
        Effect.fail({ _tag: "Plain", detail: 1 }),
        Effect.sync(() => {
          throw new Error("thrown\nin two lines")
        })
      ]
      for (const start of starts) {
        const { report } = yield* lifeOf(Layer.effectDiscard(start))
        expect([report.reason._tag, report.exitCode, report.outcome._tag]).toEqual(["StartFailed", 1, "Clean"])
      }
    })
  )

  it.effect("is rolled back within the grace period, and the report says where the time went", () =>
    Effect.gen(function* () {
      const hanging = (name: string) =>
        Layer.effectDiscard(Effect.acquireRelease(Effect.void, () => Effect.never)).pipe(
          Component.make(name, { stopTimeout: "1 minute" })
        )
      const layer = Layer.effectDiscard(Effect.fail("no")).pipe(
        Layer.provide(hanging("first")),
        Layer.provide(hanging("second"))
      )
      const app = yield* App.start(layer, { gracePeriod: "2 seconds" })
      const report = yield* runToEnd(app)
      expect([report.outcome._tag, report.exitCode]).toEqual(["TimedOut", 124])
      expect(report.duration).toBeLessThanOrEqual(2000)
      expect(report.states[0]).toEqual({ state: "Starting", duration: 1800 })
      expect(report.criticalChain.map(({ name, working }) => [name, working])).toEqual([["first", 1800]])
    })
  )

  it.effect("is rolled back within the grace period also when something else that starts builds more meanwhile", () =>
    Effect.gen(function* () {
      const slow = scripted("slow", { stop: Effect.never, stopTimeout: "1 minute" })
      const broken = scripted("broken", { needs: [slow], start: Effect.andThen(Effect.sleep(200), Effect.fail("no")) })
      const stubborn = Layer.effectDiscard(
        Effect.uninterruptible(Effect.andThen(Effect.sleep(300), Layer.build(scripted("nested"))))
      )
      const app = yield* App.start(Layer.mergeAll(broken, stubborn), { gracePeriod: "2 seconds" })
      const report = yield* runToEnd(app)
      expect(only(app.events, "ComponentStarting").map(({ at, name }) => [name, at])).toContainEqual(["nested", 300])
      expect(only(app.events, "ComponentAbandoned").map(({ after, name }) => [name, after])).toContainEqual([
        "slow",
        1800
      ])
      expect(report.duration).toBeLessThanOrEqual(2000)
    })
  )

  it.effect("holds a crash up no longer than a crash may take, whatever it was being rolled back for", () =>
    Effect.gen(function* () {
      const hanging = scripted("hanging", { stop: Effect.never, stopTimeout: "1 minute" })
      const app = yield* App.start(scripted("broken", { needs: [hanging], start: Effect.fail("no") }), {
        crashGracePeriod: "4 seconds",
        reserve: "1 second"
      })
      yield* TestClock.adjust("500 millis")
      app.reportCrashUnsafe("uncaughtException", new Error("boom"))
      const report = yield* runToEnd(app)
      expect(only(app.events, "ComponentAbandoned").map(({ at, name }) => [name, at])).toEqual([["hanging", 3500]])
      expect(report.duration).toBe(3000)
    })
  )

  it.effect("that is recovered from leaves the later stop its whole grace period", () =>
    Effect.gen(function* () {
      const slow = (millis: number) =>
        Layer.effectDiscard(Effect.acquireRelease(Effect.void, () => Effect.sleep(millis)))
      const broken = Layer.effectDiscard(Effect.fail("no")).pipe(Layer.provide(slow(900)))
      const layer = broken.pipe(Layer.catch(() => slow(1500)))
      const app = yield* App.start(layer, { gracePeriod: "2 seconds" })
      yield* TestClock.adjust("10 seconds")
      app.signalUnsafe("SIGTERM")
      const report = yield* runToEnd(app)
      expect([report.outcome._tag, report.duration]).toEqual(["Clean", 1500])
    })
  )

  it.effect("again and again, shares and releases its dependencies each time", () =>
    Effect.gen(function* () {
      const log: Array<string> = []
      let attempts = 0
      const db = Layer.effect(Db, Effect.as(logged(log, "db", Effect.sleep("1 second")), { id: 1 }))
      const flaky = Layer.effectDiscard(
        Effect.andThen(
          Db,
          Effect.suspend(() => (++attempts < 3 ? Effect.fail(`attempt ${attempts}`) : logged(log, "ok")))
        )
      )
      const attempt = (): Layer.Layer<never, string> => Layer.suspend(() => Layer.fresh(flaky).pipe(Layer.provide(db)))
      const layer = attempt().pipe(Layer.catchCause(attempt), Layer.catchCause(attempt))
      const app = yield* App.start(layer)
      yield* TestClock.adjust("5 seconds")
      expect([app.lifecycle.stateUnsafe(), log]).toEqual(["Running", ["+db", "-db", "+db", "-db", "+db", "+ok"]])
      app.signalUnsafe("SIGTERM")
      yield* runToEnd(app)
      expect(log.slice(6)).toEqual(["-ok", "-db"])
    })
  )
})

describe("a stop", () => {
  it.effect("asked for twice is one stop, and everybody gets the same report", () =>
    Effect.gen(function* () {
      const app = yield* App.start(scripted("c", { stop: Effect.sleep("2 seconds") }))
      yield* TestClock.adjust("1 second")
      app.requestStopUnsafe(StopReason.requested("a"))
      const waiting = yield* Effect.forkChild(app.lifecycle.stopped, { startImmediately: true })
      yield* app.lifecycle.requestStop(StopReason.requested("b"))
      const report = yield* runToEnd(app)
      yield* app.lifecycle.requestStop(StopReason.requested("c"))
      app.signalUnsafe("SIGTERM")
      expect([yield* Fiber.join(waiting), yield* app.lifecycle.stopped]).toEqual([report, report])
      expect(only(app.events, "StopRequested").map((event) => event.reason)).toEqual([StopReason.requested("a")])
    })
  )

  it.effect("bounds also what was being released when it was asked for", () =>
    Effect.gen(function* () {
      const hanging = scripted("hanging", { stop: Effect.never, stopTimeout: "1 hour" })
      const layer = Layer.effectDiscard(
        Effect.forkDetach(Effect.scoped(Layer.build(hanging)), { startImmediately: true })
      )
      const { report } = yield* lifeOf(layer, { gracePeriod: "5 seconds", reserve: "1 second" })
      expect(report.components.map((row) => `${row.name}: ${row.end}`)).toContain("hanging: abandoned")
      expect([report.outcome._tag, report.duration]).toEqual(["TimedOut", 4000])
    })
  )

  it.effect("asked for by a layer that is still being built interrupts the start and builds nothing more", () =>
    Effect.gen(function* () {
      const log: Array<string> = []
      const asks = Layer.effectDiscard(
        Effect.gen(function* () {
          yield* logged(log, "first")
          const lifecycle = yield* Lifecycle
          yield* lifecycle.requestStop(StopReason.requested("start"))
          yield* logged(log, "second")
        })
      )
      const after = Layer.effectDiscard(logged(log, "after"))
      const { report } = yield* lifeOf(after.pipe(Layer.provide(asks)))
      expect([log, report.reason._tag, report.outcome._tag, report.exitCode]).toEqual([
        ["+first", "-first"],
        "Requested",
        "Clean",
        0
      ])
    })
  )

  it.effect("does not keep silent about a start that fails after it was left behind", () =>
    Effect.gen(function* () {
      const start = Effect.uninterruptible(Effect.andThen(Effect.sleep("10 seconds"), Effect.fail("no route to host")))
      const { app, report } = yield* lifeOf(scripted("db", { start }), { interrupt: "1 second" })
      expect(report.components.map((row) => `${row.name}: ${row.end}`)).toEqual(["db: abandoned"])
      yield* TestClock.adjust("10 seconds")
      expect(only(app.events, "ComponentStartFailed").map(({ message, name }) => `${name}: ${message}`)).toEqual([
        "db: no route to host"
      ])
      const later = Report.fromEvents(app.events)
      expect([later.components.map((row) => row.end), later.failures]).toEqual([
        ["abandoned"],
        ["db could not start: no route to host"]
      ])
    })
  )

  it.effect("does not keep silent about a finalizer that fails where the start itself never ended", () =>
    Effect.gen(function* () {
      const stuck = Layer.effectDiscard(
        Effect.andThen(
          Effect.acquireRelease(Effect.void, () => Effect.die(new Error("cannot close"))),
          Effect.uninterruptible(Effect.never)
        )
      ).pipe(Component.make("stuck"))
      const { events, report } = yield* lifeOf(stuck, { interrupt: "100 millis" })
      expect(only(events, "ComponentAbandoned").map(({ limit, name }) => [name, limit])).toEqual([["stuck", "start"]])
      expect(report.failures).toEqual(["stuck failed to stop cleanly: cannot close"])
    })
  )

  it.effect("says of a start that ended while its release went on that it was released, not left behind", () =>
    Effect.gen(function* () {
      const layer = Layer.effectDiscard(
        Effect.andThen(
          Effect.addFinalizer(() => Effect.sleep("3 seconds")),
          Effect.uninterruptible(Effect.sleep("4 seconds"))
        )
      ).pipe(Component.make("db"))
      const { events, report } = yield* lifeOf(layer, { interrupt: "1 second" })
      expect(only(events, "ComponentAbandoned")).toEqual([])
      expect(report.components.map((row) => `${row.name}: ${row.end}`)).toEqual(["db: stopped"])
    })
  )

  it.effect("asked for by an event listener comes after the event", () =>
    Effect.gen(function* () {
      const asked: Array<string> = []
      const made: Array<App.App> = []
      const app = yield* App.start(scripted("slow", { start: Effect.sleep("1 second") }), {
        onEvent: (event) => {
          asked.push(event._tag === "StateChanged" ? event.to : event._tag)
          if (event._tag === "ComponentStarted") made[0]?.requestStopUnsafe(StopReason.requested("listener"))
        }
      })
      made.push(app)
      const report = yield* runToEnd(app)
      expect([asked.indexOf("ComponentStarted") < asked.indexOf("StopRequested"), report.reason]).toEqual([
        true,
        StopReason.requested("listener")
      ])
    })
  )

  it.effect("is not disturbed by a listener, a logger or a question to the platform that throws", () =>
    Effect.gen(function* () {
      const broken = Logger.make(() => {
        throw new Error("EPIPE")
      })
      const life = lifeOf(scripted("c", { stop: Effect.sleep("1 second") }), {
        onEvent: () => {
          throw new Error("a broken renderer")
        },
        lingering: Effect.die(new Error("no such handle"))
      })
      const { report } = yield* life.pipe(Effect.provide(Logger.layer([broken])))
      expect([report.outcome._tag, report.exitCode, report.duration]).toEqual(["Clean", 0, 1000])
    })
  )

  it.effect("counts repeats of a signal within the cooldown as one, and climbs the ladder after it", () =>
    Effect.gen(function* () {
      const hang = scripted("c", { stop: Effect.never })
      const once = yield* lifeOf(hang, { signals: [0, 100, 100] })
      expect([once.report.outcome._tag, only(once.events, "Escalated")]).toEqual(["Degraded", []])
      const twice = yield* lifeOf(hang, { signals: [100, 200] })
      expect([twice.report.outcome, twice.report.exitCode, twice.report.duration]).toEqual([
        { _tag: "Forced", signal: "SIGTERM" },
        143,
        300
      ])
    })
  )

  it.effect("at any instant, with one to five signals and any fault, ends in time and tells every component", () =>
    Effect.gen(function* () {
      let state = 1
      const below = (n: number): number => {
        state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
        return Math.floor((state / 4_294_967_296) * n)
      }
      const faults = [
        Effect.void,
        Effect.sleep(700),
        Effect.never,
        Effect.die("boom"),
        Effect.uninterruptible(Effect.never)
      ]
      for (let n = 0; n < 150; n++) {
        const parts: Array<AnyLayer> = []
        for (let id = 0; id < 6; id++) {
          const start = below(4) === 0 ? Effect.uninterruptible(Effect.sleep(below(3000))) : Effect.sleep(below(300))
          parts.push(
            scripted(`c${id}`, {
              needs: parts.filter(() => below(3) === 0),
              start: below(12) === 0 ? Effect.andThen(start, Effect.fail("no")) : start,
              stop: faults[below(faults.length)] ?? Effect.void,
              stopTimeout: "1 second"
            })
          )
        }
        const [first, ...rest] = parts
        if (first === undefined) return
        const signals = Array.from({ length: below(5) }, () => 250 + below(1500))
        const ladder = below(2) === 0 ? (["Graceful", "Exit"] as const) : (["Graceful", "Interrupt", "Exit"] as const)
        const { events, report } = yield* lifeOf(Layer.mergeAll(first, ...rest), {
          runFor: below(1000),
          signals,
          escalation: ladder,
          gracePeriod: "5 seconds",
          interrupt: "1 second"
        })
        expect(report.duration).toBeLessThanOrEqual(5000)
        expect(new Set(states(events)).size).toBe(states(events).length)
        expect(only(events, "Ended").length).toBe(1)
        const started = new Set(only(events, "ComponentStarting").map((event) => event.id))
        expect(report.components.length).toBe(started.size)
        if (report.outcome._tag === "Clean" || report.outcome._tag === "Degraded") {
          expect(report.components.filter((row) => row.end === "running")).toEqual([])
        }
      }
    })
  )
})

describe("inside and outside", () => {
  it.effect("an application inside of another stops before the component that launched it", () =>
    Effect.gen(function* () {
      const log: Array<string> = []
      const inner = Layer.effectDiscard(logged(log, "inner", Effect.sleep("1 second")))
      const outer = Layer.effectDiscard(
        Effect.gen(function* () {
          yield* logged(log, "outer")
          yield* Effect.forkScoped(App.launch(inner, { name: "inner" }))
        })
      )
      const { report } = yield* lifeOf(outer)
      expect([log, report.duration, report.components.length]).toEqual([
        ["+outer", "+inner", "-inner", "-outer"],
        1000,
        1
      ])
    })
  )

  it.effect("plain launches, runtimes and layer maps inside of a component are released with it", () =>
    Effect.gen(function* () {
      const log: Array<string> = []
      const db = Layer.effect(Db, Effect.as(logged(log, "db"), { id: 1 }))
      class Tenants extends LayerMap.Service<Tenants>()("test/Tenants", {
        lookup: (name: string) =>
          Layer.effect(Tenant, Effect.as(Effect.andThen(Db, logged(log, name)), name)).pipe(Layer.provide(db))
      }) {}
      const user = Layer.effectDiscard(
        Effect.gen(function* () {
          yield* Effect.forkScoped(Layer.launch(Layer.effectDiscard(logged(log, "launched"))))
          yield* Layer.build(Tenants.get("tenant"))
          const runtime = yield* Effect.acquireRelease(
            Effect.sync(() => ManagedRuntime.make(Layer.effectDiscard(logged(log, "runtime")))),
            (made) => made.disposeEffect
          )
          yield* runtime.contextEffect
        })
      ).pipe(Component.make("user"))
      const { report } = yield* lifeOf(user.pipe(Layer.provide(Tenants.layer), Layer.provideMerge(db)))
      expect(log.slice(0, 4).toSorted()).toEqual(["+db", "+launched", "+runtime", "+tenant"])
      expect(log.slice(4).toSorted()).toEqual(["-db", "-launched", "-runtime", "-tenant"])
      expect([log.at(-1), report.outcome._tag]).toEqual(["-db", "Clean"])
    })
  )

  it.effect("an application goes on when the fiber that started it ends", () =>
    Effect.gen(function* () {
      const starter = yield* Effect.forkChild(App.start(scripted("c")))
      const app = yield* Fiber.join(starter)
      yield* TestClock.adjust("1 hour")
      expect(app.lifecycle.stateUnsafe()).toBe("Running")
      app.signalUnsafe("SIGTERM")
      yield* runToEnd(app)
    })
  )
})
