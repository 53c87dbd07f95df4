/** Budgets: durations and schedules, what is kept back, and what a stop really takes. */
import { describe, expect, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import * as TestClock from "effect/testing/TestClock"
import * as App from "quiesce/App"
import * as GracePeriod from "quiesce/GracePeriod"
import { Lifecycle } from "quiesce/Lifecycle"
import { type AnyLayer, lifeOf, only, runToEnd } from "./support/scripted.ts"

/** A layer whose drain never ends by itself: the drain budget is all that ends it. */
const waitsForEver: AnyLayer = Layer.effectDiscard(
  Effect.flatMap(Lifecycle, (lifecycle) => lifecycle.awaitBeforeStop("for ever", Effect.never))
)

const hangs: AnyLayer = Layer.effectDiscard(Effect.addFinalizer(() => Effect.never))

const timeIn = (state: string, layer: AnyLayer, options: App.Options) =>
  Effect.map(lifeOf(layer, options), ({ report }) => report.states.find((row) => row.state === state)?.duration)

describe("the budgets", () => {
  it.effect("have defaults that fit in what Kubernetes gives", () =>
    Effect.gen(function* () {
      const { reserve, stopTimeout, total } = yield* GracePeriod.make()
      expect({ reserve, stopTimeout, total }).toEqual({ total: 25_000, reserve: 2500, stopTimeout: 5000 })
    })
  )

  it.effect("keep back a tenth, at most three seconds, and never more than there is", () =>
    Effect.gen(function* () {
      const reserves = yield* Effect.forEach(
        [
          { gracePeriod: "10 seconds" },
          { gracePeriod: "5 minutes" },
          { gracePeriod: "10 seconds", reserve: "4 seconds" },
          { gracePeriod: "1 second", reserve: "1 minute" },
          { gracePeriod: 0 }
        ] satisfies ReadonlyArray<GracePeriod.Options>,
        (options) => Effect.map(GracePeriod.make(options), (_) => _.reserve)
      )
      expect(reserves).toEqual([1000, 3000, 4000, 1000, 0])
    })
  )

  it.effect("know the total of a schedule without waiting for it", () =>
    Effect.gen(function* () {
      const schedules: Readonly<Record<string, GracePeriod.Budget>> = {
        duration: "90 seconds",
        "a duration of days": "2 days",
        "five times a second": Schedule.spaced("1 second").pipe(Schedule.upTo({ times: 5 })),
        "1 + 2 + 4 + 8": Schedule.exponential("1 second").pipe(Schedule.upTo({ times: 4 })),
        "one, then three times two": Schedule.concat(
          Schedule.duration("1 second"),
          Schedule.spaced("2 seconds").pipe(Schedule.upTo({ times: 3 }))
        ),
        "the longer of two": Schedule.max([Schedule.duration("3 seconds"), Schedule.duration("7 seconds")]),
        "both of two, the shorter delay": Schedule.min([
          Schedule.duration("3 seconds"),
          Schedule.spaced("2 seconds").pipe(Schedule.upTo({ times: 4 }))
        ]),
        "as long as it says": Schedule.during("25 seconds"),
        "every second, as long as it says": Schedule.max([Schedule.spaced("1 second"), Schedule.during("4500 millis")]),
        "windows of a second": Schedule.windowed("1 second").pipe(Schedule.upTo({ times: 3 })),
        "no delay at all": Schedule.once,
        nothing: Schedule.recurs(0)
      }
      const totals: Record<string, number> = {}
      for (const [name, gracePeriod] of Object.entries(schedules))
        totals[name] = (yield* GracePeriod.make({ gracePeriod })).total
      expect(totals).toEqual({
        duration: 90_000,
        "a duration of days": Duration.toMillis("2 days"),
        "five times a second": 5000,
        "1 + 2 + 4 + 8": 15_000,
        "one, then three times two": 7000,
        "the longer of two": 7000,
        "both of two, the shorter delay": 8000,
        "as long as it says": 25_000,
        "every second, as long as it says": 5000,
        "windows of a second": 3000,
        "no delay at all": 0,
        nothing: 0
      })
    })
  )

  it.effect("refuse a grace period without an end, and say what to give", () =>
    Effect.gen(function* () {
      const endless: ReadonlyArray<GracePeriod.Budget> = [
        Schedule.forever,
        Schedule.spaced("1 minute"),
        Schedule.during("2 days"),
        Schedule.max([Schedule.spaced("1 second"), Schedule.forever]),
        Duration.infinity
      ]
      for (const gracePeriod of endless) {
        const exit = yield* Effect.exit(App.start(Layer.empty, { gracePeriod }))
        expect(Exit.isFailure(exit) && Cause.pretty(exit.cause)).toMatch(
          /the grace period has no end: .* Give a duration, such as "25 seconds", or a schedule that ends/
        )
      }
    })
  )

  it.effect("may have no end of their own where they are a phase's: the grace period has one", () =>
    Effect.gen(function* () {
      const polled = Schedule.spaced("100 millis")
      const options = { gracePeriod: "4 seconds", reserve: "1 second", drain: polled } as const
      expect(yield* timeIn("Draining", waitsForEver, options)).toBe(3000)
    })
  )
})

describe("a stop", () => {
  it.effect("drains for as long as the drain budget says, as a duration or as a schedule", () =>
    Effect.gen(function* () {
      expect(yield* timeIn("Draining", waitsForEver, {})).toBe(10_000)
      expect(yield* timeIn("Draining", waitsForEver, { drain: "3 seconds" })).toBe(3000)
      const polled = Schedule.spaced("250 millis").pipe(Schedule.upTo({ times: 6 }))
      expect(yield* timeIn("Draining", waitsForEver, { drain: polled })).toBe(1500)
    })
  )

  it.effect("ends the drain as soon as a schedule that polls says so", () =>
    Effect.gen(function* () {
      let left = 4
      const untilEmpty = Schedule.spaced("100 millis").pipe(Schedule.while(() => Effect.sync(() => left-- > 0)))
      expect(yield* timeIn("Draining", waitsForEver, { drain: untilEmpty })).toBe(400)
    })
  )

  it.effect("waits in lame duck, by default not at all, and never when it was not ready", () =>
    Effect.gen(function* () {
      expect(yield* timeIn("LameDuck", Layer.empty, {})).toBe(0)
      expect(yield* timeIn("LameDuck", Layer.empty, { lameDuck: "4 seconds" })).toBe(4000)
      const slowStart = Layer.effectDiscard(Effect.sleep("1 minute"))
      expect(yield* timeIn("LameDuck", slowStart, { lameDuck: "4 seconds" })).toBe(0)
    })
  )

  it.effect("never takes longer than the grace period, whatever the phases' own budgets say", () =>
    Effect.gen(function* () {
      const { report } = yield* lifeOf(Layer.mergeAll(waitsForEver, hangs), {
        gracePeriod: "4 seconds",
        lameDuck: "1 hour",
        drain: "1 hour",
        interrupt: "1 hour",
        stopTimeout: "1 hour"
      })
      expect(report.duration).toBeLessThanOrEqual(4000)
      expect([report.outcome, report.exitCode]).toEqual([{ _tag: "TimedOut" }, 124])
    })
  )

  it.effect("keeps the reserve for the hooks after the release", () =>
    Effect.gen(function* () {
      const layer = Layer.effectDiscard(
        Effect.gen(function* () {
          const lifecycle = yield* Lifecycle
          yield* lifecycle.onStopped("verify", Effect.sleep("500 millis"))
          yield* Effect.addFinalizer(() => Effect.never)
        })
      )
      const { report } = yield* lifeOf(layer, { gracePeriod: "10 seconds", reserve: "1 second", stopTimeout: "1 hour" })
      expect(report.awaited).toEqual([{ kind: "onStopped", name: "verify", waited: 500, result: "done" }])
      expect(report.states.map((row) => [row.state, row.duration])).toEqual([
        ["LameDuck", 0],
        ["Draining", 0],
        ["Interrupting", 0],
        ["Releasing", 9000],
        ["Flushing", 500]
      ])
    })
  )

  it.effect("keeps a tenth of what a crash leaves, so that most of it is for the releases", () =>
    Effect.gen(function* () {
      const releasing = (options: App.Options) =>
        Effect.gen(function* () {
          const app = yield* App.start(hangs, { ...options, stopTimeout: "1 hour" })
          yield* app.lifecycle.running
          app.reportCrashUnsafe("uncaughtException", new Error("x is not a function"))
          const { states } = yield* runToEnd(app)
          return states.find((row) => row.state === "Releasing")?.duration
        })
      expect(yield* releasing({})).toBe(4500)
      expect(yield* releasing({ gracePeriod: "2 minutes", crashGracePeriod: "1 minute" })).toBe(57_000)
      expect(yield* releasing({ reserve: "3 seconds" })).toBe(2000)
      expect(yield* releasing({ reserve: "1 hour", gracePeriod: "2 hours" })).toBe(0)
    })
  )

  it.effect("takes the total and the deadline of a grace period that is a schedule from the schedule", () =>
    Effect.gen(function* () {
      const steps = Schedule.exponential("1 second").pipe(Schedule.upTo({ times: 3 }))
      const { report } = yield* lifeOf(hangs, { gracePeriod: steps, reserve: 0, stopTimeout: "1 hour" })
      expect([report.gracePeriod, report.duration, report.outcome._tag]).toEqual([7000, 7000, "TimedOut"])
    })
  )

  it.effect("has one deadline, told at the start, where the length of the schedule is drawn by chance", () =>
    Effect.gen(function* () {
      const steps = Schedule.spaced("1 second").pipe(Schedule.upTo({ times: 5 }), Schedule.jittered)
      for (let n = 0; n < 20; n++) {
        const { events, report } = yield* lifeOf(hangs, { gracePeriod: steps, reserve: 0, stopTimeout: "1 hour" })
        const told = only(events, "AppStarting").map((event) => event.gracePeriod)
        expect([told, report.outcome._tag]).toEqual([[report.gracePeriod], "TimedOut"])
        expect(Math.abs(report.duration - report.gracePeriod)).toBeLessThan(1)
      }
    })
  )

  it.effect("asks a schedule that recurs without a delay once a millisecond, and not without end", () =>
    Effect.gen(function* () {
      let asked = 0
      const busy = Schedule.during("2 seconds").pipe(Schedule.tap(() => Effect.sync(() => void asked++)))
      expect(yield* timeIn("Draining", waitsForEver, { drain: busy })).toBe(2001)
      expect(asked).toBe(2001)
    })
  )

  it.effect("after a crash is given the shorter of the two grace periods", () =>
    Effect.gen(function* () {
      const crash = { _tag: "Crash", kind: "uncaughtException", message: "x is not a function" } as const
      const durations = yield* Effect.forEach(
        [
          {},
          { crashGracePeriod: "1 second" },
          { crashGracePeriod: "1 hour", gracePeriod: "6 seconds" }
        ] satisfies ReadonlyArray<App.Options>,
        (options) =>
          Effect.gen(function* () {
            const app = yield* App.start(hangs, { ...options, stopTimeout: "1 hour", reserve: 0 })
            yield* TestClock.adjust("1 second")
            app.requestStopUnsafe(crash)
            return (yield* runToEnd(app)).duration
          })
      )
      expect(durations).toEqual([5000, 1000, 6000])
    })
  )

  it.effect("with no grace at all is forced out in the same moment", () =>
    Effect.gen(function* () {
      const { events, report } = yield* lifeOf(hangs, { gracePeriod: 0 })
      expect([report.duration, report.outcome._tag, report.exitCode]).toEqual([0, "TimedOut", 124])
      expect(only(events, "Ended").length).toBe(1)
    })
  )
})
