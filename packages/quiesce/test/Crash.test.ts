/** What nobody in the application wanted: errors that nobody caught, and a process that leaves in the middle of things. */
import { describe, expect, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as TestClock from "effect/testing/TestClock"
import * as App from "quiesce/App"
import type { Event } from "quiesce/Event"
import * as DrainGate from "quiesce/DrainGate"
import { Lifecycle } from "quiesce/Lifecycle"
import type { AppState } from "quiesce/Phase"
import type { CrashKind } from "quiesce/StopReason"
import { heldUp } from "./support/heldUp.ts"
import { lifeOf, only, runToEnd, scripted, sleep, states } from "./support/scripted.ts"

/** What a listener has heard, states by their names. */
const heardOf = (event: Event): string =>
  event._tag === "StateChanged" ? event.to : event._tag === "EmergencyRan" ? `ran ${event.name}` : event._tag

const kinds: ReadonlyArray<CrashKind> = ["uncaughtException", "unhandledRejection", "heapLimit", "outputClosed"]

describe("a crash", () => {
  for (const kind of kinds)
    it.effect(`by ${kind} is the reason of a graceful stop with exit code 1, and its last log line is loud`, () =>
      Effect.gen(function* () {
        const lines: Array<string> = []
        const logger = Logger.make(({ logLevel, message }) => void lines.push(`${logLevel} ${String(message)}`))
        const app = yield* App.start(scripted("db", { stop: sleep(300) })).pipe(Effect.provide(Logger.layer([logger])))
        yield* TestClock.adjust("1 second")
        app.reportCrashUnsafe(kind, new Error("nobody expected this"))
        const report = yield* runToEnd(app)
        expect([report.reason, report.outcome, report.exitCode, report.failures]).toEqual([
          { _tag: "Crash", kind, message: "nobody expected this" },
          { _tag: "Clean" },
          1,
          [`${kind}: nobody expected this`]
        ])
        expect(states(app.events)).toEqual([
          "Running",
          "LameDuck",
          "Draining",
          "Interrupting",
          "Releasing",
          "Flushing",
          "Stopped"
        ])
        expect(lines.filter((line) => line.includes("nobody expected this"))[0]).toBe(
          `Fatal ${kind}: nobody expected this`
        )
      })
    )

  it.effect("has a grace period of its own, whatever hangs", () =>
    Effect.gen(function* () {
      const app = yield* App.start(scripted("db", { stop: Effect.never, stopTimeout: "1 hour" }))
      app.reportCrashUnsafe("heapLimit", "out of memory")
      const report = yield* runToEnd(app)
      expect([report.outcome._tag, report.exitCode, report.duration <= 5000]).toEqual(["TimedOut", 124, true])
    })
  )

  it.effect("in the middle of a stop changes neither its reason nor its deadline, and the stop is not clean", () =>
    Effect.gen(function* () {
      const app = yield* App.start(scripted("db", { stop: sleep(300) }))
      app.signalUnsafe("SIGTERM")
      yield* TestClock.adjust(100)
      const before = app.lifecycle.statusUnsafe().remaining
      app.reportCrashUnsafe("outputClosed", new Error("EPIPE"))
      expect(app.lifecycle.statusUnsafe().remaining).toBe(before)
      const report = yield* runToEnd(app)
      expect([report.reason._tag, report.outcome._tag, report.exitCode]).toEqual(["Signal", "Degraded", 70])
    })
  )
})

/** An application that stays for a second in each state of its stop, and writes down which emergency hooks run. */
const lingering = (ran: Array<string>, starting: Effect.Effect<void> = Effect.void) =>
  Layer.effectDiscard(
    Effect.gen(function* () {
      const lifecycle = yield* Lifecycle
      yield* lifecycle.emergency("flush", () => void ran.push("flush"))
      yield* lifecycle.emergency("save", () => void ran.push("save"))
      yield* lifecycle.onStopped("farewell", sleep(1000))
      const { run } = yield* DrainGate.make("http")
      yield* Effect.forkDetach(run(Effect.onInterrupt(Effect.never, () => sleep(1000))))
      yield* Effect.addFinalizer(() => sleep(1000))
      yield* starting
    })
  )

const second = { gracePeriod: "25 seconds", lameDuck: "1 second", drain: "1 second" } as const

/** Milliseconds after the stop began. */
const places: ReadonlyArray<readonly [AppState, number]> = [
  ["LameDuck", 500],
  ["Draining", 1500],
  ["Interrupting", 2500],
  ["Releasing", 3500],
  ["Flushing", 4500]
]

const leave = (app: App.App): void => app.reportCrashUnsafe("processExit", new Error("somebody called process.exit(0)"))

/** What has to be so in the instant in which that returns, as the process is gone then. */
const hasLeft = (app: App.App, from: AppState) => {
  expect(only(app.events, "Ended")).toMatchObject([{ outcome: { _tag: "Forced" }, exitCode: 1 }])
  expect(only(app.events, "StateChanged").at(-1)).toMatchObject({ from, to: "Exit" })
  expect(app.lifecycle.stateUnsafe()).toBe("Exit")
}

/** What it had in hand goes on here, where no process ends with it; the application itself does nothing more. */
const staysSo = (app: App.App) =>
  Effect.gen(function* () {
    const length = app.events.length
    app.signalUnsafe("SIGTERM")
    app.requestStopUnsafe({ _tag: "Finished" })
    yield* TestClock.adjust("100 seconds")
    app.signalUnsafe("SIGINT")
    const later = app.events.slice(length).map(({ _tag }) => _tag)
    expect(later.filter((tag) => tag !== "Awaited" && tag !== "ComponentStopped")).toEqual([])
  })

describe("a process that leaves", () => {
  it.effect("in the middle of its start has ended at once", () =>
    Effect.gen(function* () {
      const ran: Array<string> = []
      const app = yield* App.start(lingering(ran, Effect.never))
      yield* TestClock.adjust("1 second")
      leave(app)
      hasLeft(app, "Starting")
      yield* staysSo(app)
      expect(ran).toEqual(["flush", "save"])
      expect((yield* app.stopped).reason).toMatchObject({ _tag: "Crash", kind: "processExit" })
    })
  )

  it.effect("while it runs has ended at once, with its hooks run", () =>
    Effect.gen(function* () {
      const ran: Array<string> = []
      const app = yield* App.start(lingering(ran))
      yield* TestClock.adjust("1 second")
      leave(app)
      hasLeft(app, "Running")
      expect(app.events.slice(-8).map(heardOf)).toEqual([
        "Running",
        "Crashed",
        "StopRequested",
        "Exit",
        "Straggler",
        "ran flush",
        "ran save",
        "Ended"
      ])
      yield* staysSo(app)
      expect(ran).toEqual(["flush", "save"])
      const report = yield* app.stopped
      expect([report.reason, report.duration, report.exitCode]).toEqual([
        { _tag: "Crash", kind: "processExit", message: "somebody called process.exit(0)" },
        0,
        1
      ])
      expect(report.states).toEqual([])
    })
  )

  it.effect("while it reloads has ended at once", () =>
    Effect.gen(function* () {
      const ran: Array<string> = []
      const app = yield* App.start(lingering(ran))
      yield* Effect.forkChild(Effect.exit(app.lifecycle.reload({ name: "settings", trigger: "test" }, Effect.never)))
      yield* TestClock.adjust("1 second")
      leave(app)
      hasLeft(app, "Reloading")
      yield* TestClock.adjust("100 seconds")
      expect(ran).toEqual(["flush", "save"])
    })
  )

  for (const [state, at] of places)
    it.effect(`in ${state} has ended at once, for the reason that it was stopping for`, () =>
      Effect.gen(function* () {
        const ran: Array<string> = []
        const app = yield* App.start(lingering(ran), second)
        app.signalUnsafe("SIGTERM")
        yield* TestClock.adjust(at)
        expect(app.lifecycle.stateUnsafe()).toBe(state)
        leave(app)
        hasLeft(app, state)
        yield* staysSo(app)
        // Those of a component are gone with it.
        expect(ran).toEqual(state === "Flushing" ? [] : ["flush", "save"])
        const report = yield* app.stopped
        expect([report.reason, report.duration]).toEqual([{ _tag: "Signal", signal: "SIGTERM" }, at])
        expect(report.failures).toContain("processExit: somebody called process.exit(0)")
      })
    )

  it.effect("when it has stopped already has nothing to add", () =>
    Effect.gen(function* () {
      const { app } = yield* lifeOf(scripted("db"))
      const report = yield* app.stopped
      leave(app)
      yield* TestClock.adjust("100 seconds")
      expect([only(app.events, "Ended").length, (yield* app.stopped) === report, report.exitCode]).toEqual([1, true, 0])
    })
  )
})

/** Where code of the application stands when it calls `process.exit`. What is below it on the stack never goes on. */
const callers = ["a finalizer", "a hook of the stop", "an event listener", "an emergency hook", "a logger"] as const

describe("a process that leaves from within", () => {
  const life = (caller: (typeof callers)[number] | "a listener to its last state") =>
    Effect.gen(function* () {
      let app: App.App | undefined
      const heard: Array<string> = []
      const ran: Array<string> = []
      let whenItReturned: { readonly heard: ReadonlyArray<string>; readonly ran: ReadonlyArray<string> } | undefined
      let isLeaving = false
      const exit = (who: typeof caller): void => {
        if (who !== caller || app === undefined || isLeaving) return
        isLeaving = true
        leave(app)
        whenItReturned = { heard: heard.slice(), ran: ran.slice() }
      }
      const layer = Layer.effectDiscard(
        Effect.gen(function* () {
          const lifecycle = yield* Lifecycle
          for (const name of ["flush", "save"])
            yield* lifecycle.emergency(name, () => {
              ran.push(name)
              exit("an emergency hook")
            })
          yield* lifecycle.onStopping(
            "farewell",
            Effect.sync(() => exit("a hook of the stop"))
          )
          // Only a stop that is forced runs emergency hooks.
          if (caller === "an emergency hook") yield* Effect.addFinalizer(() => Effect.never)
          yield* Effect.addFinalizer(() => Effect.sync(() => exit("a finalizer")))
        })
      )
      const logger = Logger.make(({ message }) => {
        if (String(message).startsWith("stopping")) exit("a logger")
      })
      app = yield* App.start(layer, {
        onEvent: (event) => {
          heard.push(heardOf(event))
          if (event._tag === "StateChanged" && event.to === "Draining") exit("an event listener")
          if (event._tag === "StateChanged" && event.to === "Stopped") exit("a listener to its last state")
        }
      }).pipe(Effect.provide(Logger.layer([logger])))
      app.signalUnsafe("SIGTERM")
      yield* TestClock.adjust("1 second")
      app.signalUnsafe("SIGTERM")
      const report = yield* app.stopped
      return { ...whenItReturned, report }
    })

  for (const caller of callers)
    it.effect(`${caller} has ended when that returns: everybody has heard of it, and each hook has run once`, () =>
      Effect.gen(function* () {
        const { heard, ran } = yield* life(caller)
        expect(ran).toEqual(["flush", "save"])
        expect(heard?.filter((what) => what === "Crashed" || what === "Exit" || what === "Ended")).toEqual(
          caller === "an emergency hook" ? ["Exit", "Crashed", "Ended"] : ["Crashed", "Exit", "Ended"]
        )
      })
    )

  it.effect("a listener to its last state has ended as what it was: stopped, and not clean", () =>
    Effect.gen(function* () {
      const { heard, ran, report } = yield* life("a listener to its last state")
      expect([heard?.slice(-3), ran]).toEqual([["Stopped", "Crashed", "Ended"], []])
      expect([report.outcome._tag, report.exitCode]).toEqual(["Degraded", 70])
    })
  )
})

describe("the report of a process that left", () => {
  it.effect("without any state of a stop has the time of its emergency hooks where it was", () =>
    Effect.gen(function* () {
      const clock = yield* heldUp
      const layer = Layer.effectDiscard(
        Effect.flatMap(Lifecycle, ({ emergency }) => emergency("flush", () => clock.block(30)))
      )
      const app = yield* App.start(layer).pipe(Effect.provideService(Clock.Clock, clock))
      yield* TestClock.adjust("1 second")
      leave(app)
      const report = yield* app.stopped
      expect([report.duration, report.states]).toEqual([30, [{ state: "Running", duration: 30 }]])
    })
  )
})
