/** Stops of an application whose event loop is blocked: signals that had to wait, and deadlines that passed unseen. */
import { describe, expect, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as TestClock from "effect/testing/TestClock"
import * as App from "quiesce/App"
import { Event } from "quiesce/Event"
import * as Report from "quiesce/Report"
import { heldUp } from "./support/heldUp.ts"
import { type AnyLayer, only, runToEnd, scripted, sleep, states } from "./support/scripted.ts"

const sum = (report: Report.Report): number => report.states.reduce((total, { duration }) => total + duration, 0)

describe("a signal that waited for the event loop", () => {
  /** It runs for 10 s, and the signal has waited for so many milliseconds by then. */
  const stopped = (layer: AnyLayer, late: number, options: App.Options = {}) =>
    Effect.gen(function* () {
      const app = yield* App.start(layer, options)
      yield* TestClock.adjust("10 seconds")
      app.signalUnsafe("SIGTERM", late)
      const { remaining } = app.lifecycle.statusUnsafe()
      return { app, remaining, report: yield* runToEnd(app) }
    })

  it.effect("has used up as much of the grace period, and the report counts it", () =>
    Effect.gen(function* () {
      const { app, remaining, report } = yield* stopped(scripted("db", { stop: sleep(300) }), 8000)
      expect(remaining).toBe(17_000)
      expect(only(app.events, "StopRequested")).toEqual([
        { _tag: "StopRequested", at: 10_000, reason: { _tag: "Signal", signal: "SIGTERM" }, spent: 8000 }
      ])
      expect([report.outcome._tag, report.uptime, report.duration]).toEqual(["Clean", 2000, 8300])
      expect(report.states).toEqual([
        { state: "Running", duration: 8000 },
        { state: "LameDuck", duration: 0 },
        { state: "Draining", duration: 0 },
        { state: "Interrupting", duration: 0 },
        { state: "Releasing", duration: 300 },
        { state: "Flushing", duration: 0 }
      ])
      expect(report.criticalChain).toEqual([{ name: "db", waiting: 0, working: 300 }])
      expect(Report.render(report)).toContain("app stopped clean in 8.3 s of 25 s")
    })
  )

  it.effect("leaves what hangs only the rest of it", () =>
    Effect.gen(function* () {
      const hanging = scripted("db", { stop: Effect.never, stopTimeout: "1 hour" })
      const { app, report } = yield* stopped(hanging, 8000)
      expect([report.outcome._tag, report.exitCode]).toEqual(["TimedOut", 124])
      // The reserve of 2.5 s was kept, and not needed.
      expect([only(app.events, "Ended")[0]?.at, report.duration]).toEqual([24_500, 22_500])
    })
  )

  it.effect("leaves nothing when it waited for longer than that: it has timed out", () =>
    Effect.gen(function* () {
      const { app, report } = yield* stopped(scripted("db", { stop: sleep(300) }), 9000, { gracePeriod: "5 seconds" })
      expect([report.outcome._tag, report.exitCode, report.duration]).toEqual(["TimedOut", 124, 9000])
      expect([only(app.events, "Ended")[0]?.at, sum(report)]).toEqual([10_000, 9000])
    })
  )

  it.effect("for longer than the application is there makes no time negative", () =>
    Effect.gen(function* () {
      const { report } = yield* stopped(scripted("db", { stop: sleep(300) }), 12_000)
      expect([report.uptime, report.duration, sum(report), report.outcome._tag]).toEqual([0, 10_300, 10_300, "Clean"])
    })
  )

  it.effect("finds an application that is still starting, and that time is the start's", () =>
    Effect.gen(function* () {
      const app = yield* App.start(scripted("db", { start: sleep("1 minute") }))
      yield* TestClock.adjust("1 second")
      app.signalUnsafe("SIGINT", 400)
      const report = yield* runToEnd(app)
      expect([report.states[0], report.uptime]).toEqual([{ state: "Starting", duration: 400 }, 600])
    })
  )

  it.effect("in the middle of a stop asks for no more than one that did not: the deadline stays", () =>
    Effect.gen(function* () {
      const app = yield* App.start(scripted("db", { stop: sleep(2000) }), {
        escalation: ["Graceful", "Graceful", "Exit"]
      })
      app.signalUnsafe("SIGTERM")
      yield* TestClock.adjust("1 second")
      app.signalUnsafe("SIGTERM", 900)
      expect(app.lifecycle.statusUnsafe().remaining).toBe(24_000)
      const report = yield* runToEnd(app)
      expect([report.duration, report.outcome._tag]).toEqual([2000, "Clean"])
    })
  )

  it.effect("that came in time has nothing to tell of it", () =>
    Effect.gen(function* () {
      const { app, remaining } = yield* stopped(scripted("db"), 0)
      expect([remaining, only(app.events, "StopRequested")[0]?.spent]).toEqual([25_000, undefined])
    })
  )

  it.effect("is the same when the log is read back", () =>
    Effect.gen(function* () {
      const { app, report } = yield* stopped(scripted("db", { stop: sleep(300) }), 8000)
      const codec = Schema.fromJsonString(Schema.Array(Event))
      expect(Report.fromEvents(Schema.decodeSync(codec)(Schema.encodeSync(codec)(app.events)))).toEqual(report)
    })
  )
})

describe("a stop that blocks the event loop", () => {
  /** A finalizer that does not return for so many milliseconds, in a grace period of ten seconds. */
  const blocking = (millis: number, gracePeriod: App.Options["gracePeriod"] = "10 seconds") =>
    Effect.gen(function* () {
      const clock = yield* heldUp
      const stop = Effect.andThen(
        sleep(100),
        Effect.sync(() => clock.block(millis))
      )
      const app = yield* App.start(scripted("db", { stop, stopTimeout: "1 hour" }), { gracePeriod }).pipe(
        Effect.provideService(Clock.Clock, clock)
      )
      app.signalUnsafe("SIGTERM")
      const report = yield* runToEnd(app)
      return { app, report }
    })

  it.effect("and returns behind its deadline has timed out, although no timer has said so", () =>
    Effect.gen(function* () {
      const { app, report } = yield* blocking(9901)
      expect([report.outcome._tag, report.exitCode, report.duration]).toEqual(["TimedOut", 124, 10_001])
      expect(states(app.events).slice(-2)).toEqual(["Releasing", "Exit"])
      expect(only(app.events, "ComponentStopped").length).toBe(1)
    })
  )

  it.effect("and returns in time is as clean as any other", () =>
    Effect.gen(function* () {
      const { app, report } = yield* blocking(9900)
      expect([report.outcome._tag, report.exitCode, report.duration]).toEqual(["Clean", 0, 10_000])
      expect(states(app.events).slice(-2)).toEqual(["Flushing", "Stopped"])
    })
  )

  it.effect("and returns behind the deadline of a crash has timed out as well", () =>
    Effect.gen(function* () {
      const clock = yield* heldUp
      const app = yield* App.start(scripted("db", { stop: Effect.sync(() => clock.block(6000)) })).pipe(
        Effect.provideService(Clock.Clock, clock)
      )
      app.reportCrashUnsafe("uncaughtException", new Error("boom"))
      const report = yield* runToEnd(app)
      expect([report.outcome._tag, report.exitCode, report.duration]).toEqual(["TimedOut", 124, 6000])
    })
  )
})
