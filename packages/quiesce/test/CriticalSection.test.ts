/** The soft shield: what may not be torn, for how long, and what happens then. */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as TestClock from "effect/testing/TestClock"
import * as App from "quiesce/App"
import * as CriticalSection from "quiesce/CriticalSection"
import * as DrainGate from "quiesce/DrainGate"
import { Lifecycle } from "quiesce/Lifecycle"
import type { ShuttingDown } from "quiesce/ShuttingDown"
import { only, runToEnd } from "./support/scripted.ts"

const running = (options: App.Options = {}) =>
  Effect.gen(function* () {
    const app = yield* App.start(Layer.empty, options)
    yield* TestClock.adjust(0)
    const start = <A, E>(effect: Effect.Effect<A, E, Lifecycle>) =>
      // Detached: the end of the test would wait for a section, and virtual time stands still then.
      Effect.forkDetach(Effect.provideService(effect, Lifecycle, app.lifecycle), { startImmediately: true })
    return { app, start }
  })

/** Writes three steps, a second each, and says when it was torn. */
const steps = (log: Array<string>) =>
  Effect.gen(function* () {
    for (const step of ["write", "sync", "rename"]) {
      yield* Effect.sleep("1 second")
      log.push(step)
    }
    return log.length
  }).pipe(Effect.onInterrupt(() => Effect.sync(() => void log.push("torn"))))

const whole = ["write", "sync", "rename"]

describe("a critical section", () => {
  it.effect("is its effect: the same value, the same failures, the same defects", () =>
    Effect.gen(function* () {
      const { start } = yield* running()
      const exits = yield* Effect.forEach([Effect.succeed(1), Effect.fail("no"), Effect.die("boom")], (effect) =>
        Effect.flatMap(start(CriticalSection.run("s", effect)), Fiber.await)
      )
      expect(exits).toEqual([Exit.succeed(1), Exit.fail("no"), Exit.die("boom")])
    })
  )

  it.effect("is finished when whoever called it has run out of time, lost a race, or was interrupted", () =>
    Effect.gen(function* () {
      const { start } = yield* running()
      const logs: ReadonlyArray<Array<string>> = [[], [], []]
      const [timeout = [], race = [], interrupted = []] = logs
      const section = (log: Array<string>) => CriticalSection.run("save", steps(log))
      const first = yield* start(Effect.timeoutOption(section(timeout), "500 millis"))
      const second = yield* start(Effect.raceFirst(section(race), Effect.as(Effect.sleep("500 millis"), "won")))
      const third = yield* start(section(interrupted))
      yield* Effect.forkChild(Fiber.interrupt(third), { startImmediately: true })
      yield* TestClock.adjust("3 seconds")
      expect(logs).toEqual([whole, whole, whole])
      expect([yield* Fiber.join(first), yield* Fiber.join(second)]).toEqual([Option.none(), "won"])
      expect(Exit.hasInterrupts(yield* Fiber.await(third))).toBe(true)
    })
  )

  it.effect("is interruptible inside: its own timeout works as always", () =>
    Effect.gen(function* () {
      const { start } = yield* running()
      const log: Array<string> = []
      const fiber = yield* start(CriticalSection.run("save", Effect.timeoutOption(steps(log), "1500 millis")))
      yield* TestClock.adjust("2 seconds")
      expect([yield* Fiber.join(fiber), log]).toEqual([Option.none(), ["write", "torn"]])
    })
  )

  it.effect("holds up its caller for at most its limit, and is then interrupted and named", () =>
    Effect.gen(function* () {
      const { app, start } = yield* running()
      const log: Array<string> = []
      const fiber = yield* start(CriticalSection.run("save", steps(log), { atMost: "1500 millis" }))
      yield* Effect.forkChild(Fiber.interrupt(fiber), { startImmediately: true })
      yield* TestClock.adjust("1499 millis")
      expect(fiber.pollUnsafe()).toBe(undefined)
      yield* TestClock.adjust("1 millis")
      expect([log, fiber.pollUnsafe() !== undefined]).toEqual([["write", "torn"], true])
      expect(only(app.events, "CriticalSectionWaited")).toEqual([
        { _tag: "CriticalSectionWaited", at: 1500, name: "save", waited: 1500, exceeded: true }
      ])
    })
  )

  it.effect("that ignores interruption holds up its caller no longer than one that does not", () =>
    Effect.gen(function* () {
      const { app, start } = yield* running()
      const fiber = yield* start(
        CriticalSection.run("stuck", Effect.uninterruptible(Effect.never), { atMost: "2 seconds" }).pipe(
          Effect.timeoutOption("1 second")
        )
      )
      yield* TestClock.adjust("3 seconds")
      expect(fiber.pollUnsafe()).toEqual(Exit.succeed(Option.none()))
      app.signalUnsafe("SIGTERM")
      expect((yield* runToEnd(app)).duration).toBe(0)
    })
  )
})

describe("while the application stops, a critical section", () => {
  it.effect("is waited for while draining, and the report says for how long", () =>
    Effect.gen(function* () {
      const { app, start } = yield* running()
      const log: Array<string> = []
      yield* start(CriticalSection.run("save", steps(log)))
      yield* TestClock.adjust("500 millis")
      app.signalUnsafe("SIGTERM")
      const report = yield* runToEnd(app)
      expect([log, report.duration, report.outcome._tag]).toEqual([whole, 2500, "Clean"])
      expect(report.criticalSections).toEqual([{ name: "save", waited: 2500, exceeded: false }])
    })
  )

  it.effect("is not torn by the interruption of the work around it", () =>
    Effect.gen(function* () {
      const log: Array<string> = []
      const layer = Layer.effectDiscard(
        Effect.gen(function* () {
          const gate = yield* DrainGate.make("jobs")
          const job = Effect.andThen(
            CriticalSection.run("save", steps(log)),
            Effect.sync(() => void log.push("after"))
          )
          yield* Effect.forkScoped(gate.run(job))
        })
      )
      const app = yield* App.start(layer, { drain: "500 millis" })
      yield* TestClock.adjust(0)
      app.signalUnsafe("SIGTERM")
      const report = yield* runToEnd(app)
      expect([log, report.duration]).toEqual([whole, 3000])
    })
  )

  it.effect("that exceeds its limit is interrupted and makes the stop degraded", () =>
    Effect.gen(function* () {
      const { app, start } = yield* running({ drain: "500 millis" })
      const log: Array<string> = []
      yield* start(CriticalSection.run("save", steps(log), { atMost: "1 second" }))
      app.signalUnsafe("SIGTERM")
      const report = yield* runToEnd(app)
      expect([log, report.duration, report.outcome._tag]).toEqual([["write", "torn"], 1500, "Degraded"])
      expect(report.criticalSections.map(({ exceeded, name }) => ({ exceeded, name }))).toEqual([
        { name: "save", exceeded: true }
      ])
    })
  )

  it.effect("that ignores interruption is given up at its limit, not at the end of the interrupt budget", () =>
    Effect.gen(function* () {
      const { app, start } = yield* running({ drain: 0, interrupt: "5 seconds" })
      yield* start(CriticalSection.run("stuck", Effect.uninterruptible(Effect.never), { atMost: "1 second" }))
      app.signalUnsafe("SIGTERM")
      const report = yield* runToEnd(app)
      expect([report.duration, report.outcome._tag, report.criticalSections.map((_) => _.exceeded)]).toEqual([
        1000,
        "Degraded",
        [true]
      ])
    })
  )

  it.effect("may not begin any more, unless it is inside of an open one or says that it may", () =>
    Effect.gen(function* () {
      const { app, start } = yield* running()
      const log: Array<string> = []
      const say = (what: string) => Effect.sync(() => void log.push(what))
      const refused = <R>(effect: Effect.Effect<void, ShuttingDown, R>) =>
        Effect.catchTag(effect, "ShuttingDown", (_) => say(_.message))
      yield* start(
        CriticalSection.run(
          "outer",
          Effect.andThen(Effect.sleep("2 seconds"), CriticalSection.run("inner", say("inner ran"))).pipe(refused)
        )
      )
      app.signalUnsafe("SIGTERM")
      yield* TestClock.adjust("1 second")
      yield* start(CriticalSection.run("late", say("late ran")).pipe(refused))
      yield* start(CriticalSection.run("final save", say("final save ran"), { allowDuringStop: true }))
      yield* runToEnd(app)
      yield* start(CriticalSection.run("too late", say("too late ran")).pipe(refused))
      expect(log).toEqual([
        "late takes no new work: the application is stopping; retry against another instance",
        "final save ran",
        "inner ran",
        "too late takes no new work: the application is stopping; retry against another instance"
      ])
    })
  )

  it.effect("that begins in the middle of the stop is timed from its own beginning", () =>
    Effect.gen(function* () {
      const { app, start } = yield* running({ drain: "10 seconds", interrupt: "2 seconds" })
      yield* TestClock.adjust("1 hour")
      yield* start(CriticalSection.run("holds the drain", Effect.never, { atMost: "2 seconds" }))
      app.signalUnsafe("SIGTERM")
      yield* TestClock.adjust("11 seconds")
      expect(app.lifecycle.stateUnsafe()).toBe("Interrupting")
      yield* start(CriticalSection.run("last save", Effect.never, { allowDuringStop: true, atMost: "1 hour" }))
      const report = yield* runToEnd(app)
      expect(report.criticalSections.find((section) => section.name === "last save")).toEqual({
        name: "last save",
        waited: 1000,
        exceeded: true
      })
    })
  )

  it.effect("is named as unfinished by a forced exit, which waits for nothing", () =>
    Effect.gen(function* () {
      const { app, start } = yield* running()
      yield* start(CriticalSection.run("save", Effect.never))
      app.signalUnsafe("SIGINT")
      yield* TestClock.adjust("1 second")
      app.signalUnsafe("SIGINT")
      const report = yield* runToEnd(app)
      expect([report.duration, report.exitCode, report.stragglers]).toEqual([
        1000,
        130,
        [{ kind: "critical section save", count: 1 }]
      ])
    })
  )

  it.effect("is shown by the status, inner and outer", () =>
    Effect.gen(function* () {
      const { app, start } = yield* running()
      yield* start(CriticalSection.run("outer", CriticalSection.run("inner", Effect.never)))
      expect(app.lifecycle.statusUnsafe().criticalSections).toEqual(["outer", "inner"])
    })
  )
})

describe("critical sections with a key", () => {
  const file = (log: Array<string>, name: string, millis: number, options: CriticalSection.Options = {}) =>
    CriticalSection.run(
      name,
      Effect.sync(() => log.push(`${name} begins`)).pipe(
        Effect.andThen(Effect.sleep(millis)),
        Effect.ensuring(Effect.sync(() => log.push(`${name} ends`)))
      ),
      { key: "file", ...options }
    )

  it.effect("run one after the other, first come, first served, and beside those with another key", () =>
    Effect.gen(function* () {
      const { start } = yield* running()
      const log: Array<string> = []
      yield* start(file(log, "a", 1000))
      yield* start(file(log, "b", 1000))
      yield* start(file(log, "other", 500, { key: "index" }))
      yield* start(file(log, "c", 1000))
      yield* TestClock.adjust("3 seconds")
      expect(log).toEqual([
        "a begins",
        "other begins",
        "other ends",
        "a ends",
        "b begins",
        "b ends",
        "c begins",
        "c ends"
      ])
    })
  )

  it.effect("let one inside of another with the same key run at once", () =>
    Effect.gen(function* () {
      const { start } = yield* running()
      const log: Array<string> = []
      const inner = CriticalSection.run("between", file(log, "inner", 100))
      const outer = yield* start(CriticalSection.run("outer", inner, { key: "file" }))
      yield* start(file(log, "next", 100))
      yield* TestClock.adjust("200 millis")
      yield* Fiber.join(outer)
      expect(log).toEqual(["inner begins", "inner ends", "next begins", "next ends"])
    })
  )

  it.effect("refuse who stands in line when draining begins, but not who may begin during a stop", () =>
    Effect.gen(function* () {
      const { app, start } = yield* running()
      const log: Array<string> = []
      yield* start(file(log, "save", 1000))
      const late = yield* start(Effect.flip(file(log, "late", 1000)))
      yield* start(file(log, "final save", 1000, { allowDuringStop: true }))
      yield* TestClock.adjust("500 millis")
      app.signalUnsafe("SIGTERM")
      yield* TestClock.adjust(0)
      expect(yield* Fiber.join(late)).toMatchObject({ _tag: "ShuttingDown", kind: "late" })
      yield* runToEnd(app)
      expect(log).toEqual(["save begins", "save ends", "final save begins", "final save ends"])
    })
  )

  it.effect("let the next one begin when who stood in line was interrupted, and when one was given up", () =>
    Effect.gen(function* () {
      const { start } = yield* running()
      const log: Array<string> = []
      const first = yield* start(file(log, "first", 10_000, { atMost: "1 second" }))
      yield* start(Effect.timeoutOption(file(log, "impatient", 1000), "500 millis"))
      yield* start(file(log, "next", 1000))
      yield* start(Fiber.interrupt(first))
      yield* TestClock.adjust("2 seconds")
      expect(log).toEqual(["first begins", "first ends", "next begins", "next ends"])
    })
  )
})

describe("a critical section in code that is uninterruptible, or times out", () => {
  it.effect("is interruptible by its limit although its caller is not", () =>
    Effect.gen(function* () {
      const { app, start } = yield* running({ interrupt: "1 second" })
      const caller = yield* start(
        Effect.uninterruptible(CriticalSection.run("save", Effect.never, { atMost: "200 millis" }))
      )
      app.signalUnsafe("SIGTERM")
      const report = yield* runToEnd(app)
      expect([Exit.hasInterrupts(yield* Fiber.await(caller)), report.criticalSections]).toEqual([
        true,
        [{ name: "save", waited: 200, exceeded: true }]
      ])
    })
  )

  it.effect("that times out on the inside ends with the timeout, whole as far as it came", () =>
    Effect.gen(function* () {
      const { start } = yield* running()
      const log: Array<string> = []
      const caller = yield* start(CriticalSection.run("save", Effect.timeoutOption(steps(log), "1500 millis")))
      yield* TestClock.adjust("1500 millis")
      expect([yield* Fiber.join(caller), log]).toEqual([Option.none(), ["write", "torn"]])
    })
  )
})
