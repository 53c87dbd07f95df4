/** A reload as the core sees it: a state, its events, one at a time, abandoned by a stop (law 14, as far as it is the core's). */
import { describe, expect, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as TestClock from "effect/testing/TestClock"
import * as App from "quiesce/App"
import type { Event } from "quiesce/Event"
import type { Reloaded, Swap } from "quiesce/Lifecycle"
import * as StopReason from "quiesce/StopReason"
import { runToEnd, sleep } from "./support/scripted.ts"

const unchanged: Reloaded = { version: 1, changed: [], restart: [] }
const what = { name: "settings", trigger: "test" }

/** The course of the states and of the reloads, with the time of each. */
const course = (events: ReadonlyArray<Event>): ReadonlyArray<string> =>
  events.flatMap((event) => {
    if (event._tag === "StateChanged") return [`${event.at} ${event.to}`]
    if (event._tag === "ReloadFailed") return [`${event.at} ReloadFailed ${event.message}`]
    return event._tag.startsWith("Reload") ? [`${event.at} ${event._tag}`] : []
  })

const running = Effect.gen(function* () {
  const app = yield* App.start(Layer.empty)
  yield* app.lifecycle.running
  return app
})

describe("a reload", () => {
  it.effect("has a state of its own, and its end is told whether it succeeded or failed", () =>
    Effect.gen(function* () {
      const app = yield* running
      const slow = Effect.as(sleep(10), { version: 2, changed: ["port"], restart: [] })
      const first = yield* Effect.forkChild(app.lifecycle.reload(what, slow))
      yield* TestClock.adjust(10)
      expect(yield* Fiber.join(first)).toEqual({ version: 2, changed: ["port"], restart: [] })
      expect(yield* Effect.flip(app.lifecycle.reload(what, Effect.fail("no such host")))).toBe("no such host")
      expect(course(app.events)).toEqual([
        "0 Running",
        "0 Reloading",
        "0 ReloadStarted",
        "10 Reloaded",
        "10 Running",
        "10 Reloading",
        "10 ReloadStarted",
        "10 ReloadFailed no such host",
        "10 Running"
      ])
      yield* app.lifecycle.requestStop(StopReason.finished)
      expect((yield* runToEnd(app)).exitCode).toBe(0)
    })
  )

  it.effect("waits for its turn behind another, and during the start for its end", () =>
    Effect.gen(function* () {
      const app = yield* App.start(Layer.effectDiscard(sleep(20)))
      const reload = (millis: number) => app.lifecycle.reload(what, Effect.as(sleep(millis), unchanged))
      yield* Effect.forkChild(reload(5))
      yield* Effect.forkChild(reload(7))
      yield* TestClock.adjust(100)
      expect(course(app.events)).toEqual([
        "20 Running",
        "20 Reloading",
        "20 ReloadStarted",
        "25 Reloaded",
        "25 Running",
        "25 Reloading",
        "25 ReloadStarted",
        "32 Reloaded",
        "32 Running"
      ])
    })
  )

  it.effect("is abandoned by a stop: interrupted at once, and what waits for its turn is refused", () =>
    Effect.gen(function* () {
      const app = yield* running
      let interruptions = 0
      const hanging = Effect.onInterrupt(Effect.never, () => Effect.sync(() => interruptions++))
      const first = yield* Effect.forkChild(Effect.flip(app.lifecycle.reload(what, hanging)))
      const second = yield* Effect.forkChild(Effect.flip(app.lifecycle.reload(what, Effect.succeed(unchanged))))
      yield* TestClock.adjust(5)
      app.signalUnsafe("SIGTERM")
      const report = yield* runToEnd(app)
      expect([(yield* Fiber.join(first))._tag, (yield* Fiber.join(second))._tag]).toEqual([
        "ShuttingDown",
        "ShuttingDown"
      ])
      expect([interruptions, report.outcome._tag, report.duration, report.exitCode]).toEqual([1, "Clean", 0, 0])
      expect(course(app.events).slice(0, 5)).toEqual([
        "0 Running",
        "0 Reloading",
        "0 ReloadStarted",
        "5 LameDuck",
        "5 ReloadAbandoned"
      ])
    })
  )

  it.effect("that ignores its interruption holds up nobody: neither the stop nor the word that it was abandoned", () =>
    Effect.gen(function* () {
      const app = yield* running
      yield* Effect.forkDetach(app.lifecycle.reload(what, Effect.uninterruptible(Effect.never)))
      yield* TestClock.adjust(1)
      app.signalUnsafe("SIGTERM")
      const report = yield* runToEnd(app)
      expect([report.outcome._tag, report.duration]).toEqual(["Clean", 0])
      expect(course(app.events).slice(3, 5)).toEqual(["1 LameDuck", "1 ReloadAbandoned"])
    })
  )

  it.effect("whose caller is interrupted is abandoned, and the application runs on", () =>
    Effect.gen(function* () {
      const app = yield* running
      const caller = yield* Effect.forkChild(app.lifecycle.reload(what, Effect.never))
      yield* TestClock.adjust(1)
      yield* Fiber.interrupt(caller)
      expect([app.lifecycle.stateUnsafe(), course(app.events).at(-2)]).toEqual(["Running", "1 ReloadAbandoned"])
    })
  )

  it.effect(
    "that is in place when the stop comes is told as done, also when the work does not heed its interruption",
    () =>
      Effect.gen(function* () {
        const app = yield* running
        const work = (swap: Swap) =>
          Effect.uninterruptible(
            Effect.tap(
              swap(() => unchanged),
              sleep(10)
            )
          )
        const caller = yield* Effect.forkChild(app.lifecycle.reload(what, work))
        yield* TestClock.adjust(5)
        app.signalUnsafe("SIGTERM")
        yield* runToEnd(app)
        expect(yield* Fiber.join(caller)).toEqual(unchanged)
        expect(course(app.events).slice(2, 5)).toEqual(["0 ReloadStarted", "0 Reloaded", "5 LameDuck"])
        expect(course(app.events).filter((line) => line.includes("Reload"))).toHaveLength(3)
      })
  )

  it.effect("that itself brings the stop on, in its one step, is told as done", () =>
    Effect.gen(function* () {
      const app = yield* running
      const work = (swap: Swap) =>
        swap(() => {
          app.signalUnsafe("SIGTERM")
          return unchanged
        })
      expect(yield* app.lifecycle.reload(what, work)).toEqual(unchanged)
      yield* runToEnd(app)
      expect(course(app.events).filter((line) => line.startsWith("0 Reload"))).toEqual([
        "0 Reloading",
        "0 ReloadStarted",
        "0 Reloaded"
      ])
    })
  )

  it.effect("that was abandoned puts nothing in place any more", () =>
    Effect.gen(function* () {
      const app = yield* running
      const placed: Array<number> = []
      const work = (swap: Swap) =>
        Effect.uninterruptible(
          Effect.andThen(
            sleep(10),
            swap(() => (placed.push(1), unchanged))
          )
        )
      const caller = yield* Effect.forkChild(Effect.flip(app.lifecycle.reload(what, work)))
      yield* TestClock.adjust(5)
      app.signalUnsafe("SIGTERM")
      yield* TestClock.adjust(10)
      expect([(yield* Fiber.join(caller))._tag, placed]).toEqual(["ShuttingDown", []])
      expect(course(app.events).filter((line) => line.includes(" Reload"))).toEqual([
        "0 Reloading",
        "0 ReloadStarted",
        "5 ReloadAbandoned"
      ])
    })
  )

  it.effect("whose work fails after it is in place is told as done, and its caller gets the failure", () =>
    Effect.gen(function* () {
      const app = yield* running
      const work = (swap: Swap) =>
        Effect.andThen(
          swap(() => unchanged),
          Effect.fail("no such board")
        )
      expect(yield* Effect.flip(app.lifecycle.reload(what, work))).toBe("no such board")
      expect(course(app.events).slice(2)).toEqual(["0 ReloadStarted", "0 Reloaded", "0 Running"])
    })
  )

  it.effect("whose one step throws has failed", () =>
    Effect.gen(function* () {
      const app = yield* running
      const work = (swap: Swap) =>
        swap(() => {
          throw new Error("half of it")
        })
      expect(yield* Effect.exit(app.lifecycle.reload(what, work))).toEqual(Exit.die(new Error("half of it")))
      expect(course(app.events).slice(2)).toEqual(["0 ReloadStarted", "0 ReloadFailed half of it", "0 Running"])
    })
  )

  it.effect("may be asked for by a reload, and begins when that one has ended", () =>
    Effect.gen(function* () {
      const app = yield* running
      const again = yield* Deferred.make<Fiber.Fiber<Reloaded, unknown>>()
      const asks = Effect.flatMap(Effect.forkDetach(app.lifecycle.reload(what, Effect.succeed(unchanged))), (fiber) =>
        Deferred.succeed(again, fiber)
      )
      yield* app.lifecycle.reload(what, Effect.as(asks, unchanged))
      expect(yield* Effect.flatMap(Deferred.await(again), Fiber.join)).toEqual(unchanged)
      expect(course(app.events).filter((line) => line.endsWith("Reloaded"))).toEqual(["0 Reloaded", "0 Reloaded"])
    })
  )
})

describe("a request for a reload", () => {
  it.effect("reaches everyone who can, also when one of them throws, until its scope closes", () =>
    Effect.gen(function* () {
      const app = yield* running
      expect(yield* app.lifecycle.requestReload("test")).toBe(false)
      const heard: Array<string> = []
      yield* Effect.scoped(
        Effect.gen(function* () {
          yield* app.lifecycle.onReloadRequested("broken", () => {
            throw new Error("broken")
          })
          yield* app.lifecycle.onReloadRequested("settings", (trigger) => void heard.push(trigger))
          expect(app.requestReloadUnsafe("SIGHUP")).toBe(true)
        })
      )
      // Released by now, and yet a SIGHUP is no stop signal in such an application.
      expect([app.requestReloadUnsafe("SIGHUP"), heard]).toEqual([true, ["SIGHUP"]])
    })
  )
})
