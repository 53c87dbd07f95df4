/** What an application says to who is about to kill its process, on top of code that does not return. */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import * as App from "quiesce/App"
import * as CriticalSection from "quiesce/CriticalSection"
import * as DrainGate from "quiesce/DrainGate"
import type { Event } from "quiesce/Event"
import { Lifecycle } from "quiesce/Lifecycle"
import * as Tasks from "quiesce/Tasks"
import { only } from "./support/scripted.ts"

type Hooks = Readonly<Record<string, () => void>>

/** With something unfinished of every kind, and these emergency hooks. */
const busy = (hooks: Hooks) =>
  Layer.effectDiscard(
    Effect.gen(function* () {
      const lifecycle = yield* Lifecycle
      for (const [name, run] of Object.entries(hooks)) yield* lifecycle.emergency(name, run)
      const { run } = yield* DrainGate.make("http")
      yield* Effect.forkDetach(run(Effect.uninterruptible(Effect.never)))
      yield* Effect.forkDetach(
        CriticalSection.run("payment", Effect.uninterruptible(Effect.never), { atMost: "1 hour" })
      )
      yield* Tasks.start("sweeper", Effect.uninterruptible(Effect.never), { onStop: "finish" })
      yield* Effect.addFinalizer(() => Effect.never)
    })
  )

/** Each in a word. */
const words = (events: ReadonlyArray<Event>): ReadonlyArray<string> =>
  events.map((event) =>
    event._tag === "Straggler"
      ? `left ${event.count} ${event.kind}`
      : event._tag === "EmergencyRan"
        ? `ran ${event.name}${event.failure === undefined ? "" : `: ${event.failure}`}`
        : event._tag
  )

const unfinished = ["left 1 http", "left 1 task sweeper", "left 1 critical section payment"]

describe("last words", () => {
  it.effect("say what is unfinished, and of each emergency hook how it went", () =>
    Effect.gen(function* () {
      const ran: Array<string> = []
      const app = yield* App.start(
        busy({
          flush: () => void ran.push("flush"),
          broken: () => {
            throw new Error("disk full")
          },
          save: () => void ran.push("save")
        })
      )
      yield* TestClock.adjust("1 second")
      app.signalUnsafe("SIGTERM")
      expect(words(app.lastWordsUnsafe())).toEqual([...unfinished, "ran flush", "ran broken: disk full", "ran save"])
      expect(ran).toEqual(["flush", "save"])
    })
  )

  it.effect("are told to who asks and to nobody else, whose code would run on top of what does not return", () =>
    Effect.gen(function* () {
      const heard: Array<string> = []
      const logged: Array<string> = []
      const logger = Logger.make(({ message }) => void logged.push(String(message)))
      const app = yield* App.start(busy({ save: () => {} }), {
        onEvent: ({ _tag }) => void heard.push(_tag)
      }).pipe(Effect.provide(Logger.layer([logger])))
      const subscriber = yield* Effect.forkChild(Stream.runCollect(app.lifecycle.events), { startImmediately: true })
      yield* TestClock.adjust("1 second")
      const before = { heard: heard.length, logged: logged.length, events: app.events.length }
      expect(app.lastWordsUnsafe().length).toBeGreaterThan(0)
      expect({ heard: heard.length, logged: logged.length, events: app.events.length }).toEqual(before)
      // It was not the end after all: from here on everybody hears again.
      app.signalUnsafe("SIGTERM")
      expect(heard.slice(before.heard)).toContain("StopRequested")
      yield* TestClock.adjust("1 second")
      app.signalUnsafe("SIGTERM")
      const streamed = yield* Fiber.join(subscriber)
      expect(streamed).toEqual(app.events)
      expect(words(app.events).filter((word) => word === "ran save")).toEqual([])
    })
  )

  it.effect("are said once: a forced exit that comes after all does not run the hooks again", () =>
    Effect.gen(function* () {
      let ran = 0
      const app = yield* App.start(busy({ save: () => void ran++ }))
      yield* TestClock.adjust("1 second")
      app.lastWordsUnsafe()
      expect(words(app.lastWordsUnsafe())).toEqual([])
      app.reportCrashUnsafe("processExit", new Error("somebody called process.exit(0)"))
      expect([ran, only(app.events, "EmergencyRan"), app.lifecycle.stateUnsafe()]).toEqual([1, [], "Exit"])
    })
  )

  it.effect("in the middle of a forced exit are those that have not been said", () =>
    Effect.gen(function* () {
      const ran: Array<string> = []
      let app: App.App | undefined
      let said: ReadonlyArray<Event> = []
      const asked = (name: string) => (): void => {
        ran.push(name)
        // It blocks, and who watches the event loop asks.
        if (name === "flush") said = app?.lastWordsUnsafe() ?? []
      }
      app = yield* App.start(busy({ first: asked("first"), flush: asked("flush"), save: asked("save") }))
      yield* TestClock.adjust("1 second")
      app.signalUnsafe("SIGTERM")
      yield* TestClock.adjust("1 second")
      app.signalUnsafe("SIGTERM")
      expect(words(said)).toEqual(["ran save"])
      expect(ran).toEqual(["first", "flush", "save"])
      expect(words(app.events.slice(-6))).toEqual([...unfinished, "ran first", "ran flush", "Ended"])
    })
  )

  it.effect("in the middle of last words are told to who asks first of all, and the rest still to nobody else", () =>
    Effect.gen(function* () {
      let app: App.App | undefined
      let inner: ReadonlyArray<Event> = []
      app = yield* App.start(
        busy({
          flush: () => {
            inner = app?.lastWordsUnsafe() ?? []
          },
          save: () => {}
        })
      )
      yield* TestClock.adjust("1 second")
      const before = app.events.length
      const outer = app.lastWordsUnsafe()
      expect([words(inner), words(outer)]).toEqual([["ran save"], [...unfinished, "ran flush"]])
      expect(app.events.length).toBe(before)
    })
  )

  it.effect("of a hook that leaves the process are told to all: nobody comes back to who asked", () =>
    Effect.gen(function* () {
      let app: App.App | undefined
      const heard: Array<Event> = []
      const ran: Array<string> = []
      app = yield* App.start(
        busy({
          exits: () => app?.reportCrashUnsafe("processExit", new Error("somebody called process.exit(0)")),
          save: () => void ran.push("save")
        }),
        { onEvent: (event) => void heard.push(event) }
      )
      yield* TestClock.adjust("1 second")
      app.lastWordsUnsafe()
      expect(ran).toEqual(["save"])
      expect(only(heard, "Ended")).toMatchObject([{ outcome: { _tag: "Forced" }, exitCode: 1 }])
    })
  )

  it.effect("are few of an application that has nothing in hand", () =>
    Effect.gen(function* () {
      const app = yield* App.start(Layer.empty)
      yield* TestClock.adjust("1 second")
      expect(app.lastWordsUnsafe()).toEqual([])
    })
  )
})

describe("a forced exit", () => {
  it.effect("names what is unfinished once, also what a budget had left behind before", () =>
    Effect.gen(function* () {
      const app = yield* App.start(busy({}), { drain: "1 second", interrupt: "1 second" })
      yield* TestClock.adjust("1 second")
      app.signalUnsafe("SIGTERM")
      yield* TestClock.adjust("3 seconds")
      expect(app.lifecycle.stateUnsafe()).toBe("Releasing")
      app.signalUnsafe("SIGTERM")
      const report = yield* app.stopped
      expect(report.stragglers.map(({ count, kind }) => `left ${count} ${kind}`)).toEqual(unfinished)
    })
  )
})
