/** The log of a life that lasts: it forgets nothing that a stop is judged by, and grows no further by what recurs. */
import { describe, expect, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import * as App from "quiesce/App"
import * as Component from "quiesce/Component"
import * as DrainGate from "quiesce/DrainGate"
import { type Event, isRecurring } from "quiesce/Event"
import { Lifecycle } from "quiesce/Lifecycle"
import * as Report from "quiesce/Report"
import * as Tasks from "quiesce/Tasks"
import { EventLog } from "../src/internal/EventLog.ts"

const flip = (at: number): Event => ({ _tag: "CheckPassed", at, name: "database", kind: "readiness" })
const failed: Event = { _tag: "Crashed", at: 0, kind: "unhandledRejection", message: "boom" }
const term: Event = { _tag: "StopRequested", at: 5000, reason: { _tag: "Signal", signal: "SIGTERM" } }
const waited = (at: number, result: "done" | "abandoned"): Event => ({
  _tag: "Awaited",
  at,
  kind: "interrupt",
  name: "socket",
  waited: 1,
  result
})
const ended: Event = { _tag: "Ended", at: 5000, outcome: { _tag: "Clean" }, exitCode: 0 }

describe("the event log", () => {
  it.effect("keeps the latest thousand of what recurs, and all of the rest", () =>
    Effect.sync(() => {
      const log = new EventLog(Context.empty(), [])
      log.emit(failed, undefined)
      for (let at = 0; at < 5000; at++) log.emit(flip(at), undefined)
      expect(log.events.length).toBe(1001)
      expect([log.events[0], log.events[1], log.events.at(-1)]).toEqual([failed, flip(4000), flip(4999)])
    })
  )

  it.effect("forgets nothing of a stop, however much there is to wait for: it is judged by that", () =>
    Effect.sync(() => {
      const log = new EventLog(Context.empty(), [])
      for (let at = 0; at < 2000; at++) log.emit(waited(at, "abandoned"), undefined)
      log.emit(term, undefined)
      log.emit(waited(5000, "abandoned"), undefined)
      for (let at = 5001; at < 7000; at++) log.emit(waited(at, "done"), undefined)
      expect(log.events.length).toBe(1000 + 1 + 2000)
      expect(Report.outcomeOf(log.events)._tag).toBe("Degraded")
    })
  )

  it.effect("of an application keeps no more of what fails, or is left unfinished, again and again as it runs", () =>
    Effect.gen(function* () {
      const unfinished = Effect.scoped(
        Effect.flatMap(DrainGate.make("visitor"), (gate) =>
          Effect.forkDetach(gate.run(Effect.never), { startImmediately: true })
        )
      )
      const hour = Effect.gen(function* () {
        yield* Tasks.start("report", Effect.fail("no data"), { onFailure: "ignore" })
        yield* Effect.forkScoped(Effect.fail("no answer"))
        yield* unfinished
        yield* Effect.sleep("1 hour")
      })
      const Running = Layer.effectDiscard(
        Effect.gen(function* () {
          const { running } = yield* Lifecycle
          yield* Effect.forkScoped(Effect.andThen(running, Effect.repeat(hour, { times: 400 })))
        })
      ).pipe(Component.make("worker", { onBackgroundFailure: "log" }))
      const app = yield* App.start(Running)
      yield* TestClock.adjust("60 days")
      const kept = app.events.filter(isRecurring)
      expect(kept.length).toBe(1000)
      expect(new Set(kept.map(({ _tag }) => _tag))).toEqual(
        new Set(["TaskFailed", "BackgroundFailed", "Straggler", "Awaited"])
      )
      yield* app.lifecycle.requestStop({ _tag: "Finished" })
      yield* TestClock.adjust("1 minute")
      yield* app.stopped
    }).pipe(Effect.provide(Logger.layer([])))
  )

  it.effect("is streamed whole to who listens from the start, and each event once, although it forgets meanwhile", () =>
    Effect.gen(function* () {
      const log = new EventLog(Context.empty(), [])
      for (let at = 0; at < 10; at++) log.emit(flip(at), undefined)
      const listening = yield* log.since(5).pipe(Stream.runCollect, Effect.forkChild({ startImmediately: true }))
      for (let at = 10; at < 5000; at++) log.emit(flip(at), undefined)
      log.emit(ended, undefined)
      const heard = yield* Fiber.join(listening)
      expect(heard).toEqual([...Array.from({ length: 4995 }, (_, index) => flip(index + 5)), ended])
      const late = yield* Stream.runCollect(log.since(0))
      expect([late.length, late[0]]).toEqual([1001, flip(4000)])
    })
  )
})
