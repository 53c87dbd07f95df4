/** The kinds of tasks: at intervals, a check, a worker of a queue, a consumer of a stream. */
import { describe, expect, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as Random from "effect/Random"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import * as App from "quiesce/App"
import { Lifecycle } from "quiesce/Lifecycle"
import * as StopReason from "quiesce/StopReason"
import * as Task from "quiesce/Task"
import { runningWith, starting, stop } from "./support/running.ts"
import { only, runToEnd } from "./support/scripted.ts"
import { losingTurn } from "./support/turns.ts"

/** Runs one task in an application of its own, and answers what it was started as. */
const running = <A>(start: Effect.Effect<A, never, Lifecycle | Scope.Scope>, options: App.Options = {}) =>
  Effect.map(
    runningWith<A>((made) => starting(Effect.flatMap(start, made)), options),
    ({ app, made }) => ({ app, task: made })
  )

/** Notes the time of the application at which each run begins, and takes so long. */
const noting = (at: Array<number>, takes: () => number = () => 0) =>
  Effect.flatMap(Lifecycle, ({ statusUnsafe }) =>
    Effect.suspend(() => {
      at.push(statusUnsafe().uptime)
      const millis = takes()
      return millis === 0 ? Effect.void : Effect.sleep(millis)
    })
  )

describe("a periodic task", () => {
  it.effect("with a rate keeps to its times, whatever its runs take", () =>
    Effect.gen(function* () {
      const at: Array<number> = []
      const lasting = [30, 0, 70, 10, 0]
      const { app, task } = yield* running(
        Task.periodic(
          "tick",
          noting(at, () => lasting.shift() ?? 0),
          { rate: "100 millis", startAfter: "50 millis" }
        )
      )
      yield* TestClock.adjust("500 millis")
      expect(at).toEqual([50, 150, 250, 350, 450])
      expect(yield* task.ticks).toEqual({ runs: 5, missed: 0 })
      expect(yield* task.state).toBe("Idle")
      const report = yield* stop(app)
      expect([report.outcome._tag, report.duration]).toEqual(["Clean", 0])
    })
  )

  it.effect("with a delay counts from the end of a run", () =>
    Effect.gen(function* () {
      const at: Array<number> = []
      const { app } = yield* running(
        Task.periodic(
          "tick",
          noting(at, () => 30),
          { delay: "100 millis" }
        )
      )
      yield* TestClock.adjust("400 millis")
      expect(at).toEqual([0, 130, 260, 390])
      yield* stop(app)
    })
  )

  it.effect("does 60.0 a second for an hour", () =>
    Effect.gen(function* () {
      const at: Array<number> = []
      const { app, task } = yield* running(
        Task.periodic(
          "frame",
          noting(at, () => (at.length % 7 === 0 ? 12 : 0)),
          { rate: 1000 / 60 }
        )
      )
      for (let n = 0; n < 60; n++) yield* TestClock.adjust("1 second")
      const { missed, runs } = yield* task.ticks
      expect([runs, missed]).toEqual([60 * 60, 0])
      yield* TestClock.adjust("1 second")
      // Nothing is added up: the last one is as exact as the first.
      expect(Math.max(...at.map((time, n) => Math.abs(time - (n * 1000) / 60)))).toBeLessThan(0.01)
      yield* stop(app)
    })
  )

  it.effect("skips what came due during a long run, save the last, and counts what it missed", () =>
    Effect.gen(function* () {
      const at: Array<number> = []
      const lasting = [350, 0, 120, 0]
      const { app, task } = yield* running(
        Task.periodic(
          "tick",
          noting(at, () => lasting.shift() ?? 0),
          { rate: "100 millis" }
        )
      )
      yield* TestClock.adjust("800 millis")
      // Due at 100, 200 and 300 while the first ran; only the last of them follows it.
      expect(at).toEqual([0, 350, 400, 520, 600, 700, 800])
      expect(yield* task.ticks).toEqual({ runs: 7, missed: 2 })
      yield* stop(app)
    })
  )

  it.effect("queues what came due during a long run, up to its limit", () =>
    Effect.gen(function* () {
      const at: Array<number> = []
      const lasting = [350, 10, 10, 10]
      const { app, task } = yield* running(
        Task.periodic(
          "tick",
          noting(at, () => lasting.shift() ?? 0),
          { rate: "100 millis", overlap: "queue" }
        )
      )
      yield* TestClock.adjust("400 millis")
      expect(at).toEqual([0, 350, 360, 370, 400])
      expect(yield* task.ticks).toEqual({ runs: 5, missed: 0 })
      lasting.push(1000)
      yield* TestClock.adjust("100 millis")
      lasting.push(0)
      yield* stop(app)

      const few: Array<number> = []
      const long = [350]
      const limited = yield* running(
        Task.periodic(
          "tick",
          noting(few, () => long.shift() ?? 0),
          { rate: "100 millis", overlap: "queue", limit: 2 }
        )
      )
      yield* TestClock.adjust("400 millis")
      expect(few).toEqual([0, 350, 350, 400])
      expect(yield* limited.task.ticks).toEqual({ runs: 4, missed: 1 })
      yield* stop(limited.app)
    })
  )

  it.effect("runs side by side when it may, up to its limit", () =>
    Effect.gen(function* () {
      const at: Array<number> = []
      const { app, task } = yield* running(
        Task.periodic(
          "tick",
          noting(at, () => 250),
          { rate: "100 millis", overlap: "concurrent", limit: 2 }
        )
      )
      yield* TestClock.adjust("590 millis")
      expect(at).toEqual([0, 100, 300, 400])
      expect(yield* task.ticks).toEqual({ runs: 4, missed: 2 })
      // One goes on, until 650.
      const report = yield* stop(app)
      expect([report.outcome._tag, report.duration]).toEqual(["Clean", 60])
      expect((yield* task.ticks).runs).toBe(4)
    })
  )

  it.effect("that fails side by side fails as any task", () =>
    Effect.gen(function* () {
      const { app } = yield* running(
        Task.periodic("tick", Effect.fail("no"), { rate: "100 millis", overlap: "concurrent", startAfter: "1 second" })
      )
      yield* TestClock.adjust("1 second")
      const report = yield* runToEnd(app)
      expect(report.reason).toEqual({ _tag: "TaskFailed", task: "tick", message: "no" })
    })
  )

  it.effect("begins later by a random part of its jitter, and does not drift by it", () =>
    Effect.gen(function* () {
      const at: Array<number> = []
      const { app } = yield* running(
        Task.periodic("tick", noting(at), { rate: "100 millis", jitter: "40 millis" })
      ).pipe(Random.withSeed("jitter"))
      yield* TestClock.adjust("1 second")
      const late = at.map((time, n) => time - n * 100)
      expect(late.every((by) => by >= 0 && by < 40)).toBe(true)
      expect(new Set(late).size).toBe(late.length)
      yield* stop(app)
    })
  )

  it.effect("keeps its rhythm through a restart", () =>
    Effect.gen(function* () {
      const at: Array<number> = []
      const { app } = yield* running(
        Task.periodic(
          "tick",
          Effect.andThen(
            noting(at),
            Effect.suspend(() => (at.length === 2 ? Effect.fail("no") : Effect.void))
          ),
          { rate: "100 millis", restart: Schedule.spaced("250 millis") }
        )
      )
      yield* TestClock.adjust("500 millis")
      expect(at).toEqual([0, 100, 350, 400, 500])
      yield* stop(app)
    })
  )

  it.effect("finishes the run in hand when the application stops, and begins no other", () =>
    Effect.gen(function* () {
      for (const overlap of ["skip", "queue", "concurrent"] as const) {
        const at: Array<number> = []
        let finished = 0
        const run = Effect.andThen(
          noting(at, () => 700),
          Effect.sync(() => finished++)
        )
        const { app } = yield* running(Task.periodic("tick", run, { rate: "300 millis", overlap, limit: 1 }))
        yield* TestClock.adjust("250 millis")
        const report = yield* stop(app)
        expect([overlap, at, finished, report.outcome._tag, report.duration]).toEqual([overlap, [0], 1, "Clean", 450])
      }
    })
  )

  it.live("keeps to 60.0 a second in real time while the process is busy", () =>
    Effect.gen(function* () {
      const at: Array<number> = []
      let lost = 0
      // Half of the time, in pieces of 5 ms.
      const busy = Effect.forever(
        Effect.suspend(() => {
          const until = performance.now() + 5
          while (performance.now() < until);
          return Effect.sleep("5 millis")
        })
      )
      const layer = Layer.effectDiscard(
        Effect.gen(function* () {
          const lifecycle = yield* Lifecycle
          yield* Effect.forkScoped(busy)
          const task = yield* Task.periodic(
            "frame",
            Effect.sync(() => void at.push(performance.now())),
            {
              rate: 1000 / 60,
              overlap: "queue",
              limit: 60
            }
          )
          yield* Effect.forkScoped(
            Effect.andThen(Effect.delay(task.ticks, "2 seconds"), ({ missed }) => {
              lost = missed
              return lifecycle.requestStop(StopReason.finished)
            })
          )
        })
      )
      const report = yield* App.launch(layer)
      expect(report.outcome._tag).toBe("Clean")
      // The n-th one is as late as a busy loop makes it, and never later for what came before.
      const [first = 0] = at
      const lateness = at.map((time, n) => time - first - (n * 1000) / 60)
      const slip = Math.min(...lateness.slice(-40)) - Math.min(...lateness.slice(0, 40))
      // A machine that stands still for longer than the queue is long loses ticks, and shifts what comes then.
      if (lost === 0) expect(Math.abs(slip)).toBeLessThan(1000 / 60)
      expect(at.length + lost).toBeGreaterThan(110)
    })
  )
})

describe("a monitor", () => {
  const watching = (
    results: Array<"up" | "down" | "hang">,
    log: Array<string>,
    options: { readonly successes?: number } = {}
  ) =>
    running(
      Effect.flatMap(Lifecycle, ({ statusUnsafe }) => {
        const note = (what: string) => Effect.sync(() => void log.push(`${what} at ${statusUnsafe().uptime}`))
        const check = Effect.suspend(() => {
          const result = results.shift() ?? "up"
          return result === "up" ? Effect.void : result === "down" ? Effect.fail("refused") : Effect.never
        })
        return Task.monitor("tunnel", check, {
          every: "1 second",
          failures: 3,
          onUnhealthy: (cause) => note(`unhealthy (${Cause.hasFails(cause) ? "failed" : "other"})`),
          onRecovered: note("recovered"),
          ...options
        })
      })
    )

  it.effect("acts after so many failures in a row, again after as many more, and when it has recovered", () =>
    Effect.gen(function* () {
      const log: Array<string> = []
      const { app, task } = yield* watching(
        ["down", "down", "up", "down", "down", "down", "down", "down", "down", "up"],
        log
      )
      yield* TestClock.adjust("6 seconds")
      expect([log, yield* task.healthy]).toEqual([["unhealthy (failed) at 5000"], false])
      yield* TestClock.adjust("4 seconds")
      expect(log).toEqual(["unhealthy (failed) at 5000", "unhealthy (failed) at 8000", "recovered at 9000"])
      expect(yield* task.healthy).toBe(true)
      expect(only(app.events, "TaskFailed")).toEqual([])
      yield* stop(app)
    })
  )

  it.effect("takes a check that hangs for one that fails, and waits for as many successes as it is told", () =>
    Effect.gen(function* () {
      const log: Array<string> = []
      const { app } = yield* watching(["hang", "hang", "hang", "up", "down", "up", "up"], log, { successes: 2 })
      yield* TestClock.adjust("20 seconds")
      expect(log).toEqual(["unhealthy (failed) at 5000", "recovered at 9000"])
      yield* stop(app)
    })
  )

  it.effect("ends in the middle of a check when the application stops, and finishes its action", () =>
    Effect.gen(function* () {
      const checking = yield* watching(["hang"], [])
      yield* TestClock.adjust("500 millis")
      expect((yield* stop(checking.app)).duration).toBe(0)

      let done = false
      const acting = yield* running(
        Task.monitor("tunnel", Effect.fail("refused"), {
          every: "1 second",
          failures: 1,
          onUnhealthy: () =>
            Effect.andThen(
              Effect.sleep("3 seconds"),
              Effect.sync(() => (done = true))
            )
        })
      )
      yield* TestClock.adjust("1 second")
      const report = yield* stop(acting.app)
      expect([done, report.outcome._tag, report.duration]).toEqual([true, "Clean", 2000])
    })
  )

  it.effect("whose action fails has failed", () =>
    Effect.gen(function* () {
      const { app } = yield* running(
        Task.monitor("tunnel", Effect.delay(Effect.fail("refused"), "500 millis"), {
          every: "1 second",
          failures: 1,
          onUnhealthy: () => Effect.fail("cannot reopen")
        })
      )
      yield* TestClock.adjust("500 millis")
      expect((yield* runToEnd(app)).reason).toEqual({ _tag: "TaskFailed", task: "tunnel", message: "cannot reopen" })
    })
  )
})

describe("a stream task", () => {
  it.effect("handles one element after the other and ends with the stream", () =>
    Effect.gen(function* () {
      const seen: Array<number> = []
      const { app, task } = yield* running(
        Task.stream("audit", Stream.make(1, 2, 3), (n) =>
          Effect.delay(
            Effect.sync(() => seen.push(n)),
            "100 millis"
          )
        )
      )
      yield* TestClock.adjust("1 second")
      expect([seen, yield* task.state]).toEqual([[1, 2, 3], "Ended"])
      yield* stop(app)
    })
  )

  it.effect("finishes what it was given when the application stops, and runs the stream's finalizers", () =>
    Effect.gen(function* () {
      const seen: Array<string> = []
      const source = Stream.fromSchedule(Schedule.spaced("1 second")).pipe(
        Stream.ensuring(Effect.sync(() => void seen.push("closed")))
      )
      const { app } = yield* running(
        Task.stream("audit", source, (n) =>
          Effect.andThen(
            Effect.sync(() => void seen.push(`begun ${n}`)),
            Effect.delay(
              Effect.sync(() => void seen.push(`done ${n}`)),
              "600 millis"
            )
          )
        )
      )
      yield* TestClock.adjust("1100 millis")
      const report = yield* stop(app)
      expect(seen).toEqual(["begun 0", "done 0", "closed"])
      expect([report.outcome._tag, report.duration]).toEqual(["Clean", 500])
    })
  )

  it.effect("runs the stream anew after a failure", () =>
    Effect.gen(function* () {
      const seen: Array<number> = []
      let runs = 0
      const { app } = yield* running(
        Task.stream(
          "audit",
          Stream.suspend(() => Stream.concat(Stream.make(++runs), Stream.fail("closed"))),
          (n) => Effect.sync(() => seen.push(n)),
          { restart: Schedule.spaced("1 second"), onSuccess: "restart" }
        )
      )
      yield* TestClock.adjust("2 seconds")
      expect([seen, only(app.events, "TaskFailed").length]).toEqual([[1, 2, 3], 3])
      yield* stop(app)
    })
  )
})

describe("a worker", () => {
  /** A worker of a queue of numbers, each of which takes as many milliseconds; what became of each is in the log. */
  const working = (
    options: { readonly concurrency?: number; readonly app?: App.Options; readonly dies?: number } = {}
  ) => {
    const log: Array<string> = []
    return Effect.gen(function* () {
      const queue = yield* Queue.unbounded<number, Cause.Done>()
      const { app, task } = yield* running(
        Task.worker("mail", {
          take: queue,
          handle: (unit) =>
            Effect.suspend(() => {
              log.push(`begun ${unit}`)
              return Effect.andThen(
                Effect.sleep(unit),
                unit === options.dies ? Effect.fail("poisoned") : Effect.sync(() => void log.push(`done ${unit}`))
              )
            }),
          handBack: (unit, cause) =>
            Effect.sync(() => {
              const why = Cause.hasInterruptsOnly(cause) ? "interrupted" : Cause.hasFails(cause) ? "failed" : "left"
              log.push(`back ${unit} ${cause.reasons.length === 0 ? "left" : why}`)
            }),
          concurrency: options.concurrency ?? 1,
          restart: Schedule.spaced("1 second")
        }),
        options.app
      )
      return { app, task, queue, log }
    })
  }

  it.effect("no-new-units: finishes the unit in hand when the application stops, and hands back what is left", () =>
    Effect.gen(function* () {
      const { app, log, queue } = yield* working()
      yield* Queue.offerAll(queue, [100, 300, 500, 700])
      yield* TestClock.adjust("200 millis")
      expect(app.lifecycle.statusUnsafe().inFlight).toEqual({ mail: 1 })
      const report = yield* stop(app)
      expect(log).toEqual(["begun 100", "done 100", "begun 300", "done 300", "back 500 left", "back 700 left"])
      expect([report.outcome._tag, report.duration, report.stragglers]).toEqual(["Clean", 200, []])
      expect(only(app.events, "GateClosed").map(({ name }) => name)).toEqual(["mail"])
    })
  )

  it.effect("handles so many at a time, and all of them are finished", () =>
    Effect.gen(function* () {
      const { app, log, queue } = yield* working({ concurrency: 2 })
      yield* Queue.offerAll(queue, [300, 400, 500])
      yield* TestClock.adjust("100 millis")
      const report = yield* stop(app)
      expect(log).toEqual(["begun 300", "begun 400", "done 300", "done 400", "back 500 left"])
      expect([report.outcome._tag, report.duration]).toEqual(["Clean", 300])
    })
  )

  it.effect("is interrupted at the end of the drain; the unit in hand is named and handed back", () =>
    Effect.gen(function* () {
      const { app, log, queue } = yield* working({ app: { drain: "1 second" } })
      yield* Queue.offerAll(queue, [5000, 1])
      yield* TestClock.adjust("100 millis")
      const report = yield* stop(app)
      expect(log).toEqual(["begun 5000", "back 5000 interrupted", "back 1 left"])
      expect([report.outcome._tag, report.duration, report.stragglers]).toEqual([
        "Degraded",
        1000,
        [{ kind: "mail", count: 1 }]
      ])
    })
  )

  it.effect("hands back also what comes into the queue after the drain", () =>
    Effect.gen(function* () {
      const { app, log, queue } = yield* working()
      yield* TestClock.adjust("100 millis")
      app.signalUnsafe("SIGTERM")
      yield* Queue.offer(queue, 7)
      const report = yield* runToEnd(app)
      expect([log, report.outcome._tag]).toEqual([["back 7 left"], "Clean"])
    })
  )

  it.effect("hands back a unit that fails, lets the others finish, and is restarted", () =>
    Effect.gen(function* () {
      const { app, log, queue } = yield* working({ concurrency: 2, dies: 100 })
      yield* Queue.offerAll(queue, [100, 300])
      yield* TestClock.adjust("200 millis")
      yield* Queue.offer(queue, 50)
      yield* TestClock.adjust("2 seconds")
      expect(log).toEqual(["begun 100", "begun 300", "back 100 failed", "done 300", "begun 50", "done 50"])
      expect(only(app.events, "TaskFailed").map(({ at, message, next }) => [at, message, next])).toEqual([
        [300, "poisoned", "restart"]
      ])
      yield* stop(app)
    })
  )

  it.effect("ends when the queue has ended and everything in it is handled", () =>
    Effect.gen(function* () {
      const { app, log, queue, task } = yield* working({ concurrency: 3 })
      yield* Queue.offerAll(queue, [30, 20])
      yield* Queue.end(queue)
      yield* TestClock.adjust("1 second")
      expect([log.length, yield* task.state, (yield* task.exit)._tag]).toEqual([4, "Ended", "Success"])
      yield* stop(app)
    })
  )

  it.effect("takes with any effect, and fails as that does", () =>
    Effect.gen(function* () {
      let next = 0
      const taken: Array<number> = []
      const { app } = yield* running(
        Task.worker("poll", {
          take: Effect.suspend(() => (next < 2 ? Effect.succeed(next++) : Effect.fail("broker gone"))),
          handle: (unit) => Effect.sync(() => taken.push(unit)),
          handBack: () => Effect.void
        })
      )
      const report = yield* runToEnd(app)
      expect([taken, report.reason]).toEqual([[0, 1], { _tag: "TaskFailed", task: "poll", message: "broker gone" }])
    })
  )

  it.effect("tells of a unit that could not be handed back", () =>
    Effect.gen(function* () {
      const { app } = yield* running(
        Task.worker("mail", {
          take: Effect.succeed(1),
          handle: () => Effect.never,
          handBack: () => Effect.die(new Error("the table is gone"))
        }),
        { drain: 0 }
      )
      const report = yield* stop(app)
      expect(report.failures).toContain("task mail failed: the table is gone")
    })
  )

  it.effect("never-lost: a unit that comes in the very instant of the stop is handled or handed back, once", () =>
    Effect.gen(function* () {
      // One turn after the other is lost, so that the stop gets between any two steps.
      for (let step = 1; step < 160; step++) {
        const log: Array<string> = []
        const offered: Array<number> = []
        const left = yield* Effect.gen(function* () {
          const queue = yield* Queue.unbounded<number>()
          const { app } = yield* running(
            Task.worker("mail", {
              take: queue,
              handle: (unit) =>
                Effect.andThen(
                  Effect.sleep(1),
                  Effect.sync(() => void log.push(`${unit}`))
                ),
              handBack: (unit) => Effect.sync(() => void log.push(`${unit}`)),
              concurrency: 2
            })
          )
          const offer = Effect.forEach([1, 2, 3, 4], (unit) =>
            Effect.andThen(
              Queue.offer(queue, unit),
              Effect.sync(() => offered.push(unit))
            )
          )
          yield* Effect.forkChild(offer)
          yield* Effect.yieldNow
          app.signalUnsafe("SIGTERM")
          yield* runToEnd(app)
          return yield* Queue.size(queue)
        }).pipe(losingTurn(step))
        expect([step, log.toSorted(), left]).toEqual([
          step,
          offered
            .map(String)
            .toSorted()
            .slice(0, 4 - left),
          left
        ])
      }
    })
  )

  /** A table with units 1 to n: a claim is answered after some time, and one is never taken by two. */
  const table = (units: number, answersAfter: number) => {
    const rows = Array.from({ length: units }, (_, n) => n + 1)
    const log: Array<string> = []
    const seen = { asked: 0, asking: 0, mostAsking: 0 }
    const claim = Effect.gen(function* () {
      seen.asked++
      seen.mostAsking = Math.max(seen.mostAsking, ++seen.asking)
      // The statement is at work there, whatever becomes of whoever waits for the answer.
      const row = rows.shift()
      yield* Effect.sleep(answersAfter)
      seen.asking--
      return Option.fromUndefinedOr(row)
    })
    const claiming = (handling: number) =>
      running(
        Task.worker("row", {
          take: { claim, wait: Effect.sleep("1 minute") },
          handle: (row) =>
            Effect.andThen(
              Effect.sleep(handling),
              Effect.sync(() => void log.push(`done ${row}`))
            ),
          handBack: (row, cause) =>
            Effect.sync(() => void log.push(`back ${row} ${cause.reasons.length === 0 ? "not begun" : "begun"}`)),
          concurrency: 3
        })
      )
    return { rows, log, seen, claiming }
  }

  it.effect("claims one unit after the other, however many it handles, and waits when there is none", () =>
    Effect.gen(function* () {
      const { claiming, log, rows, seen } = table(5, 10)
      const { app } = yield* claiming(100)
      yield* TestClock.adjust("1 second")
      expect([log, seen]).toEqual([
        ["done 1", "done 2", "done 3", "done 4", "done 5"],
        { asked: 6, asking: 0, mostAsking: 1 }
      ])
      rows.push(6)
      yield* TestClock.adjust("1 minute")
      expect(log.at(-1)).toBe("done 6")
      const report = yield* stop(app)
      expect([report.outcome._tag, only(app.events, "Awaited").map(({ waited }) => waited)]).toEqual(["Clean", [0]])
    })
  )

  it.effect("lets a claim finish that the stop comes in, hands back what it took, and claims no other", () =>
    Effect.gen(function* () {
      const { claiming, log, rows, seen } = table(5, 500)
      const { app } = yield* claiming(2000)
      yield* TestClock.adjust("700 millis")
      const report = yield* stop(app)
      expect([log, rows, seen.asked]).toEqual([["back 2 not begun", "done 1"], [3, 4, 5], 2])
      expect([report.outcome._tag, report.duration, report.stragglers]).toEqual(["Clean", 1800, []])
    })
  )

  it.effect("no-new-units: claims nothing from the first instant of the drain on, whatever tells it to", () =>
    Effect.gen(function* () {
      for (let turns = 0; turns < 20; turns++) {
        const states = new Set<string>()
        const { app } = yield* running(
          Effect.flatMap(Lifecycle, ({ lameDuck, stateUnsafe }) =>
            Task.worker("row", {
              take: {
                claim: Effect.sync(() => {
                  states.add(stateUnsafe())
                  return Option.none()
                }),
                // The hint comes so many turns after the stop has begun.
                wait: Effect.andThen(lameDuck, Effect.repeat(Effect.yieldNow, { times: turns }))
              },
              handle: () => Effect.void,
              handBack: () => Effect.void
            })
          )
        )
        yield* stop(app)
        states.delete("LameDuck")
        expect([turns, Array.from(states)]).toEqual([turns, ["Starting"]])
      }
    })
  )

  it.effect("lets a claim finish that its own end comes in, and hands back what it took", () =>
    Effect.gen(function* () {
      const { claiming, log, rows } = table(5, 500)
      const { app, task } = yield* claiming(2000)
      yield* TestClock.adjust("700 millis")
      const ending = yield* Effect.forkChild(task.interrupt)
      yield* TestClock.adjust("300 millis")
      yield* Fiber.join(ending)
      expect([log.toSorted(), rows]).toEqual([
        ["back 1 begun", "back 2 not begun"],
        [3, 4, 5]
      ])
      yield* stop(app)
    })
  )

  it.effect("never-lost: a unit that is claimed at any instant of a stop is handled or handed back, once", () =>
    Effect.gen(function* () {
      for (let step = 1; step < 160; step++) {
        const { claiming, log, rows } = table(4, 1)
        yield* Effect.gen(function* () {
          const { app } = yield* claiming(1)
          yield* TestClock.adjust(1)
          app.signalUnsafe("SIGTERM")
          yield* runToEnd(app)
        }).pipe(losingTurn(step))
        const settled = log.map((entry) => Number(entry.split(" ")[1]))
        expect([step, [...settled, ...rows].toSorted((a, b) => a - b)]).toEqual([step, [1, 2, 3, 4]])
      }
    })
  )
})
