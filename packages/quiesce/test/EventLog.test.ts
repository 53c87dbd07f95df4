/** The log of a life that lasts: it forgets nothing that a stop is judged by, and grows no further by what recurs. */
import { describe, expect, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import type { Event } from "quiesce/Event"
import { EventLog } from "../src/internal/EventLog.ts"

const flip = (at: number): Event => ({ _tag: "CheckPassed", at, name: "database", kind: "readiness" })
const failed: Event = { _tag: "BackgroundFailed", at: 0, id: 1, name: "worker", message: "boom", policy: "log" }
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
