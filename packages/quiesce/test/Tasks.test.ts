/** Tasks: how they start, fail, are restarted and end, and what a stop does with them. */
import { describe, expect, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Logger from "effect/Logger"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import * as App from "quiesce/App"
import * as CriticalSection from "quiesce/CriticalSection"
import type { Event } from "quiesce/Event"
import { Lifecycle } from "quiesce/Lifecycle"
import * as Task from "quiesce/Task"
import * as Tasks from "quiesce/Tasks"
import { runningJobs, starting, stop } from "./support/running.ts"
import { lifeOf, only, runToEnd } from "./support/scripted.ts"

/** Notes its end under a name. */
const noting = (log: Array<string>, name: string) =>
  Effect.onExit(Effect.never, () => Effect.sync(() => void log.push(name)))

const told = (events: ReadonlyArray<Event>) =>
  events.flatMap((event) =>
    event._tag === "TaskFailed" ? [[event.at, event.attempt, event.next, event.restartIn ?? null, event.message]] : []
  )

describe("a task", () => {
  it.effect("runs beside everything else, and says how it ended", () =>
    Effect.gen(function* () {
      const seen: Array<unknown> = []
      const app = yield* runningJobs(
        Effect.gen(function* () {
          const task = yield* Tasks.start("sum", Effect.as(Effect.sleep("1 second"), 42), { tags: ["once"] })
          seen.push(task.name, yield* task.state)
          yield* Effect.forkScoped(Effect.map(task.exit, (exit) => seen.push(exit)))
        })
      )
      expect(app.lifecycle.statusUnsafe().tasks).toEqual([
        {
          name: "sum",
          component: "jobs",
          priority: 0,
          tags: ["once"],
          running: 1,
          waiting: 0,
          restarting: 0,
          stopping: 0,
          failures: 0
        }
      ])
      yield* TestClock.adjust("1 second")
      expect(seen).toEqual(["sum", "Running", Exit.succeed(42)])
      expect(app.lifecycle.statusUnsafe().tasks).toEqual([])
      const report = yield* stop(app)
      expect([report.outcome._tag, report.exitCode, report.tasks]).toEqual([
        "Clean",
        0,
        [{ name: "sum", component: "jobs", failures: 0, restarts: 0, end: "done" }]
      ])
      const who = { name: "sum", component: "jobs" }
      expect(app.events.filter(({ _tag }) => _tag.startsWith("Task"))).toEqual([
        { _tag: "TaskStarted", at: 0, ...who, priority: 0, tags: ["once"] },
        { _tag: "TaskEnded", at: 1000, ...who }
      ])
    })
  )

  it.effect("that fails ends the application with exit code 1, and its cause is logged once", () =>
    Effect.gen(function* () {
      const lines: Array<string> = []
      const logger = Logger.make(({ cause, logLevel, message }) => {
        if (logLevel === "Error") lines.push(`${String(message)} | ${Cause.pretty(cause)}`)
      })
      const app = yield* runningJobs(
        Tasks.start("sweeper", Effect.andThen(Effect.sleep("1 second"), Effect.die(new Error("disk full"))))
      ).pipe(Effect.provide(Logger.layer([logger])))
      yield* TestClock.adjust("1 second")
      const report = yield* runToEnd(app)
      expect(report.reason).toEqual({ _tag: "TaskFailed", task: "sweeper", message: "disk full" })
      expect([report.exitCode, report.outcome._tag, report.failures]).toEqual([
        1,
        "Clean",
        ["task sweeper failed: disk full"]
      ])
      expect(lines.length).toBe(1)
      expect(lines[0]).toMatch(/^task sweeper of jobs failed: disk full; the application stops \| Error: disk full/)
    })
  )

  it.effect("that fails without need goes missing, or leaves the application degraded until it is started again", () =>
    Effect.gen(function* () {
      let app: App.App | undefined
      const fail = Effect.andThen(Effect.sleep("1 second"), Effect.fail("gone"))
      app = yield* runningJobs(
        Effect.gen(function* () {
          yield* Tasks.start("luxury", fail, { onFailure: "ignore" })
          yield* Tasks.start("cache", fail, { onFailure: "degrade" })
          yield* Effect.forkScoped(Effect.delay(Tasks.start("cache", Effect.never), "5 seconds"))
        })
      )
      yield* TestClock.adjust("2 seconds")
      expect(app.lifecycle.stateUnsafe()).toBe("Running")
      expect(app.lifecycle.statusUnsafe().health).toMatchObject({
        state: "Degraded",
        checks: [{ name: "task cache", status: "fail", failure: "gone", since: 1000 }]
      })
      yield* TestClock.adjust("3 seconds")
      expect(app.lifecycle.statusUnsafe().health).toEqual({ state: "Healthy", checks: [] })
      expect(only(app.events, "TaskFailed").map(({ name, next }) => [name, next])).toEqual([
        ["luxury", "ignore"],
        ["cache", "degrade"]
      ])
      expect((yield* stop(app)).outcome._tag).toBe("Clean")
    })
  )

  it.effect("that succeeds ends the application when it says so", () =>
    Effect.gen(function* () {
      const app = yield* runningJobs(Tasks.start("import", Effect.sleep("1 second"), { onSuccess: "stop" }))
      yield* TestClock.adjust("1 second")
      const report = yield* runToEnd(app)
      expect([report.reason, report.exitCode]).toEqual([{ _tag: "Finished" }, 0])
    })
  )

  it.effect("that was interrupted by no stop has failed", () =>
    Effect.gen(function* () {
      const app = yield* runningJobs(Tasks.start("joiner", Effect.andThen(Effect.sleep("1 second"), Effect.interrupt)))
      yield* TestClock.adjust("1 second")
      const report = yield* runToEnd(app)
      expect([report.reason._tag, report.exitCode]).toEqual(["TaskFailed", 1])
      expect(report.failures[0]).toContain("it was interrupted, and not by a stop")
    })
  )

  it.effect("can be interrupted by whoever holds it, which is no failure", () =>
    Effect.gen(function* () {
      const exits: Array<string> = []
      const app = yield* runningJobs(
        Effect.gen(function* () {
          const task = yield* Tasks.start("sub", Effect.never, {
            restart: Schedule.forever,
            onExit: (exit) => Effect.sync(() => void exits.push(exit._tag))
          })
          yield* Effect.forkScoped(Effect.delay(task.interrupt, "1 second"))
        })
      )
      yield* TestClock.adjust("1 second")
      expect([exits, app.lifecycle.statusUnsafe().tasks, only(app.events, "TaskFailed")]).toEqual([["Failure"], [], []])
      yield* stop(app)
    })
  )

  it.effect("is told once, and not again as a fiber of its component", () =>
    Effect.gen(function* () {
      const app = yield* runningJobs(Tasks.start("t", Effect.fail("no")))
      const report = yield* runToEnd(app)
      expect([only(app.events, "TaskFailed").length, only(app.events, "BackgroundFailed").length]).toEqual([1, 0])
      expect(report.reason._tag).toBe("TaskFailed")
    })
  )

  it.effect("never-silent: is told also when it fails in its clean-up", () =>
    Effect.gen(function* () {
      const { events, report } = yield* lifeOf(
        starting(
          Tasks.start(
            "t",
            Effect.onExit(Effect.never, () => Effect.die(new Error("torn")))
          )
        )
      )
      expect(only(events, "TaskFailed").map(({ message }) => message)).toEqual(["torn"])
      expect([report.outcome._tag, report.failures]).toEqual(["Degraded", ["task t failed: torn"]])
    })
  )

  it.effect("whose onExit dies is told", () =>
    Effect.gen(function* () {
      const app = yield* runningJobs(
        Tasks.start("t", Effect.void, { onExit: () => Effect.die(new Error("in onExit")) })
      )
      expect(only(app.events, "TaskFailed").map(({ message, next }) => [message, next])).toEqual([
        ["in onExit", "ignore"]
      ])
      yield* stop(app)
    })
  )
})

describe("a restart", () => {
  it.effect("follows the schedule, and when that ends the policy", () =>
    Effect.gen(function* () {
      let runs = 0
      const app = yield* runningJobs(
        Tasks.start(
          "tunnel",
          Effect.suspend(() => Effect.fail(`no ${++runs}`)),
          { restart: Schedule.exponential("100 millis").pipe(Schedule.upTo({ times: 3 })), onFailure: "degrade" }
        )
      )
      yield* TestClock.adjust("10 seconds")
      expect(told(app.events)).toEqual([
        [0, 1, "restart", 100, "no 1"],
        [100, 2, "restart", 200, "no 2"],
        [300, 3, "restart", 400, "no 3"],
        [700, 4, "degrade", null, "no 4"]
      ])
      expect(runs).toBe(4)
      const report = yield* stop(app)
      expect(report.failures).toEqual(["task tunnel failed 4 times, in the end: no 4"])
      expect(report.tasks).toEqual([{ name: "tunnel", component: "jobs", failures: 4, restarts: 3, end: "failed" }])
    })
  )

  it.effect("begins anew after a run that was healthy", () =>
    Effect.gen(function* () {
      const lasting = [0, 0, 5000, 0]
      const app = yield* runningJobs(
        Tasks.start(
          "tunnel",
          Effect.suspend(() => Effect.andThen(Effect.sleep(lasting.shift() ?? 60_000), Effect.fail("no"))),
          { restart: Schedule.exponential("100 millis"), resetAfter: "5 seconds" }
        )
      )
      yield* TestClock.adjust("10 seconds")
      expect(told(app.events).map(([, attempt, , delay]) => [attempt, delay])).toEqual([
        [1, 100],
        [2, 200],
        [1, 100],
        [2, 200]
      ])
      yield* stop(app)
    })
  )

  it.effect("that never helps does not fill the log", () =>
    Effect.gen(function* () {
      let runs = 0
      const app = yield* runningJobs(
        Tasks.start(
          "t",
          Effect.suspend(() => Effect.fail(`no ${++runs}`)),
          { restart: Schedule.spaced("10 millis") }
        )
      )
      yield* TestClock.adjust("20 seconds")
      const kept = told(app.events)
      expect([runs, kept.length, kept.at(-1)?.at(-1)]).toEqual([2001, 1000, "no 2001"])
      expect((yield* stop(app)).failures).toEqual(["task t failed 1000 times, in the end: no 2001"])
    })
  )

  it.effect("is given the cause, so that a schedule can choose", () =>
    Effect.gen(function* () {
      const seen: Array<string> = []
      const app = yield* runningJobs(
        Tasks.start("t", Effect.fail("why"), {
          restart: Schedule.recurs(1).pipe(
            Schedule.setInputType<Cause.Cause<string>>(),
            Schedule.tap(({ input }) => Effect.sync(() => void seen.push(String(Cause.squash(input)))))
          ),
          onFailure: "ignore"
        })
      )
      yield* TestClock.adjust("1 second")
      expect(seen).toEqual(["why"])
      yield* stop(app)
    })
  )

  it.effect("may follow a success, too", () =>
    Effect.gen(function* () {
      const at: Array<number> = []
      const app = yield* runningJobs(
        Effect.gen(function* () {
          const { statusUnsafe } = yield* Lifecycle
          const note = Effect.sync(() => void at.push(statusUnsafe().uptime))
          yield* Tasks.start("poll", note, { onSuccess: "restart", restart: Schedule.spaced("1 second") })
        })
      )
      yield* TestClock.adjust("3 seconds")
      expect([at, only(app.events, "TaskFailed")]).toEqual([[0, 1000, 2000, 3000], []])
      const report = yield* stop(app)
      expect([report.outcome._tag, report.duration]).toEqual(["Clean", 0])
    })
  )

  it.effect("follows a success at once where there is no schedule, and lets others have their turn", () =>
    Effect.gen(function* () {
      let runs = 0
      const app = yield* runningJobs(
        Tasks.start(
          "poll",
          Effect.sync(() => void runs++),
          { onSuccess: "restart" }
        )
      )
      yield* app.lifecycle.running
      const before = runs
      yield* TestClock.adjust(0)
      expect([before > 0, runs > before, only(app.events, "TaskFailed")]).toEqual([true, true, []])
      const report = yield* stop(app)
      expect([report.outcome._tag, report.duration, report.tasks[0]?.end]).toEqual(["Clean", 0, "interrupted"])
    })
  )

  it.effect("no-new-runs: none begins when draining has begun", () =>
    Effect.gen(function* () {
      let runs = 0
      const app = yield* runningJobs(
        Effect.gen(function* () {
          const { awaitBeforeStop } = yield* Lifecycle
          yield* awaitBeforeStop("slow", Effect.sleep("5 seconds"))
          const failing = (after: number) =>
            Effect.suspend(() =>
              Effect.andThen(
                Effect.sync(() => runs++),
                Effect.delay(Effect.fail("no"), after)
              )
            )
          yield* Tasks.start("waiting", failing(0), { restart: Schedule.spaced("2 seconds") })
          yield* Tasks.start("failing", failing(1500), { restart: Schedule.spaced("100 millis") })
        })
      )
      yield* TestClock.adjust("1 second")
      const report = yield* stop(app)
      expect([runs, report.outcome._tag, report.duration]).toEqual([2, "Clean", 5000])
      expect(only(app.events, "TaskFailed").map(({ name, next }) => [name, next])).toEqual([
        ["waiting", "restart"],
        ["failing", "stopping"]
      ])
    })
  )
})

describe("a stop", () => {
  it.effect("does not wait in the drain for what runs for ever, and tells it that it stops", () =>
    Effect.gen(function* () {
      const log: Array<string> = []
      const { report } = yield* lifeOf(
        starting(
          Effect.gen(function* () {
            const { stopping } = yield* Lifecycle
            yield* Tasks.start("loop", noting(log, "loop interrupted"))
            yield* Tasks.start(
              "polite",
              Effect.andThen(
                stopping,
                Effect.sync(() => void log.push("polite heard of it"))
              )
            )
          })
        )
      )
      expect(log).toEqual(["polite heard of it", "loop interrupted"])
      expect([report.outcome._tag, report.duration]).toEqual(["Clean", 0])
    })
  )

  it.effect("waits for a task that finishes, within the drain budget", () =>
    Effect.gen(function* () {
      const finishing = (millis: number) =>
        starting(
          Effect.gen(function* () {
            const { stopping } = yield* Lifecycle
            yield* Tasks.start("saver", Effect.andThen(stopping, Effect.sleep(millis)), { onStop: "finish" })
          })
        )
      const good = yield* lifeOf(finishing(3000))
      expect([good.report.outcome._tag, good.report.duration]).toEqual(["Clean", 3000])
      expect(good.report.awaited).toEqual([{ kind: "task", name: "saver", waited: 3000, result: "done" }])
      const late = yield* lifeOf(finishing(3000), { drain: "1 second" })
      expect([late.report.outcome._tag, late.report.duration]).toEqual(["Degraded", 1000])
      expect(late.report.awaited[0]).toMatchObject({ kind: "task", name: "saver", result: "abandoned" })
    })
  )

  it.effect("takes what only waits for its next run or its restart for stopped, and not for interrupted", () =>
    Effect.gen(function* () {
      const { events, report } = yield* lifeOf(
        starting(
          Effect.gen(function* () {
            yield* Task.periodic("tick", Effect.void, { rate: "1 minute", priority: 3 })
            yield* Task.periodic("beat", Effect.void, { rate: "1 minute", overlap: "concurrent" })
            yield* Task.periodic("sweep", Effect.void, { delay: "1 minute" })
            yield* Task.monitor("tunnel", Effect.never, { every: "1 minute", onUnhealthy: () => Effect.void })
            yield* Task.stream("audit", Stream.never, () => Effect.void)
            yield* Tasks.start("flaky", Effect.fail("no"), { restart: Schedule.spaced("1 minute") })
            yield* Tasks.start("loop", Effect.never)
          })
        )
      )
      expect(report.tasks.map(({ end, name }) => [name, end])).toEqual([
        ["tick", "stopped"],
        ["beat", "stopped"],
        ["sweep", "stopped"],
        ["tunnel", "stopped"],
        ["audit", "stopped"],
        ["flaky", "stopped"],
        ["loop", "interrupted"]
      ])
      expect(only(events, "TaskStopped").map(({ count, name, priority }) => [name, priority, count])).toEqual([
        ["tick", 3, 1],
        ["beat", 0, 1],
        ["sweep", 0, 1],
        ["tunnel", 0, 1],
        ["audit", 0, 1],
        ["flaky", 0, 1]
      ])
      expect(only(events, "TaskInterrupted").map(({ name }) => name)).toEqual(["loop"])
      expect([report.outcome._tag, report.stragglers, report.awaited]).toEqual(["Clean", [], []])
    })
  )

  it.effect(
    "tells of those with nothing in hand once, also when there are so many that they end in several turns",
    () =>
      Effect.gen(function* () {
        const many = 3000
        const app = yield* runningJobs(
          Effect.gen(function* () {
            for (let n = 0; n < many; n++) yield* Task.periodic("tick", Effect.void, { rate: "1 minute" })
          })
        )
        yield* app.lifecycle.running
        // All of them have had their first run.
        yield* TestClock.adjust("1 second")
        const report = yield* stop(app)
        expect(only(app.events, "TaskStopped").map(({ count }) => count)).toEqual([many])
        expect([only(app.events, "TaskInterrupted"), report.tasks[0]?.end]).toEqual([[], "stopped"])
      })
  )

  it.effect("interrupts a run that does not end within the drain budget, and says so", () =>
    Effect.gen(function* () {
      const { report } = yield* lifeOf(
        starting(Task.periodic("tick", Effect.sleep("1 minute"), { rate: "1 minute" })),
        { drain: "2 seconds" }
      )
      expect(report.tasks.map(({ end, name }) => [name, end])).toEqual([["tick", "interrupted"]])
      expect(report.awaited).toEqual([{ kind: "task", name: "tick", waited: 2000, result: "abandoned" }])
    })
  )

  it.effect("by-priority: interrupts by descending priority, each level when the one above has ended", () =>
    Effect.gen(function* () {
      const log: Array<string> = []
      const task = (name: string, priority: number, millis: number) =>
        Tasks.start(
          name,
          Effect.onExit(Effect.never, () =>
            Effect.andThen(
              Effect.sync(() => void log.push(`${name} asked`)),
              Effect.andThen(
                Effect.sleep(millis),
                Effect.sync(() => void log.push(`${name} ended`))
              )
            )
          ),
          { priority }
        )
      const { events, report } = yield* lifeOf(
        starting(
          Effect.all([task("low", -1, 0), task("high a", 5, 100), task("plain", 0, 300), task("high b", 5, 200)])
        )
      )
      expect(log).toEqual([
        "high a asked",
        "high b asked",
        "high a ended",
        "high b ended",
        "plain asked",
        "plain ended",
        "low asked",
        "low ended"
      ])
      expect(only(events, "TaskInterrupted").map(({ at, name, priority }) => [at - 1000, name, priority])).toEqual([
        [0, "high a", 5],
        [0, "high b", 5],
        [200, "plain", 0],
        [500, "low", -1]
      ])
      expect([report.outcome._tag, report.duration]).toEqual(["Clean", 500])
    })
  )

  it.effect("one that hangs takes its share and not that of the lower ones, and is named", () =>
    Effect.gen(function* () {
      const log: Array<string> = []
      const { events, report } = yield* lifeOf(
        starting(
          Effect.gen(function* () {
            yield* Tasks.start("deaf", Effect.uninterruptible(Effect.never), { priority: 9 })
            yield* Tasks.start("middle", noting(log, "middle"), { priority: 5 })
            yield* Tasks.start("low", noting(log, "low"))
          })
        ),
        { interrupt: "3 seconds", stopTimeout: "1 second" }
      )
      expect(log).toEqual(["middle", "low"])
      expect(only(events, "TaskInterrupted").map(({ at, name }) => [at - 1000, name])).toEqual([
        [0, "deaf"],
        [1000, "middle"],
        [1000, "low"]
      ])
      expect(report.stragglers).toEqual([{ kind: "task deaf", count: 1 }])
      expect(report.tasks.map(({ end, name }) => [name, end])).toEqual([
        ["deaf", "left behind"],
        ["middle", "interrupted"],
        ["low", "interrupted"]
      ])
      expect(report.components.find(({ name }) => name === "jobs")?.end).toBe("abandoned")
      expect([report.outcome._tag, report.duration]).toEqual(["Degraded", 4000])
    })
  )

  it.effect("does not tear a critical section of a task", () =>
    Effect.gen(function* () {
      const log: Array<string> = []
      const save = CriticalSection.run(
        "save",
        Effect.andThen(
          Effect.sleep("1 second"),
          Effect.sync(() => void log.push("saved"))
        )
      )
      const { report } = yield* lifeOf(starting(Tasks.start("saver", save)), { runFor: 0 })
      expect([log, report.outcome._tag]).toEqual([["saved"], "Clean"])
    })
  )

  it.effect("a task that is started when it is too late never runs", () =>
    Effect.gen(function* () {
      const seen: Array<unknown> = []
      yield* lifeOf(
        starting(
          Effect.gen(function* () {
            const { onStopped, tasks: _ } = yield* Lifecycle
            const scope = yield* Effect.scope
            const late = Effect.flatMap(
              Tasks.start(
                "late",
                Effect.sync(() => void seen.push("ran"))
              ),
              (task) =>
                Effect.map(task.exit, (exit) => seen.push(Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause)))
            )
            yield* onStopped("hook", Scope.provide(late, scope))
          })
        )
      )
      expect(seen).toEqual([true])
    })
  )

  it.effect("of a start that fails ends its tasks before what they use is released", () =>
    Effect.gen(function* () {
      const log: Array<string> = []
      const app = yield* App.start(
        starting(
          Effect.gen(function* () {
            yield* Effect.addFinalizer(() => Effect.sync(() => void log.push("released")))
            yield* Tasks.start("t", noting(log, "t"))
            return yield* Effect.die(new Error("no"))
          })
        )
      )
      const report = yield* runToEnd(app)
      expect([log, report.reason._tag, report.outcome._tag]).toEqual([["t", "released"], "StartFailed", "Clean"])
    })
  )
})

describe("a scope that closes", () => {
  it.effect("ends-with-its-scope: interrupts its tasks in reverse order with what was acquired between them", () =>
    Effect.gen(function* () {
      const log: Array<string> = []
      const acquired = (name: string) => Effect.addFinalizer(() => Effect.sync(() => void log.push(name)))
      const app = yield* runningJobs(
        Effect.gen(function* () {
          const scope = yield* Scope.make()
          yield* Scope.provide(
            Effect.gen(function* () {
              yield* acquired("db")
              yield* Tasks.start("a", noting(log, "a"))
              yield* acquired("queue")
              yield* Tasks.start("b", noting(log, "b"))
            }),
            scope
          )
          yield* Effect.forkScoped(Effect.delay(Scope.close(scope, Exit.void), "1 second"))
        })
      )
      yield* TestClock.adjust("1 second")
      expect([log, app.lifecycle.stateUnsafe()]).toEqual([["b", "queue", "a", "db"], "Running"])
      expect((yield* stop(app)).outcome._tag).toBe("Clean")
    })
  )

  it.effect("of a component ends tasks that were started in a row at the same time, the highest first", () =>
    Effect.gen(function* () {
      const log: Array<string> = []
      const slow = (name: string, priority: number) =>
        Tasks.start(
          name,
          Effect.onExit(Effect.never, () =>
            Effect.delay(
              Effect.sync(() => void log.push(name)),
              1000
            )
          ),
          {
            priority
          }
        )
      const acquired = (name: string) => Effect.addFinalizer(() => Effect.sync(() => void log.push(name)))
      const app = yield* App.start(
        starting(
          Effect.gen(function* () {
            yield* acquired("db")
            yield* slow("a", 0)
            yield* acquired("queue")
            yield* slow("b", 0)
            yield* slow("c", 1)
            yield* slow("d", 0)
            // The release of a failed start, which interrupts nothing before.
            return yield* Effect.die(new Error("no"))
          })
        )
      )
      const report = yield* runToEnd(app)
      expect(log).toEqual(["c", "d", "b", "queue", "a", "db"].toSpliced(1, 2, "b", "d"))
      expect(report.duration).toBe(3000)
    })
  )

  it.effect("from within one of its tasks does not wait for that task", () =>
    Effect.gen(function* () {
      const log: Array<string> = []
      const app = yield* runningJobs(
        Effect.gen(function* () {
          const scope = yield* Scope.make()
          yield* Scope.provide(
            Tasks.start(
              "suicidal",
              Effect.onExit(Effect.andThen(Effect.sleep("1 second"), Scope.close(scope, Exit.void)), () =>
                Effect.sync(() => void log.push("ended"))
              )
            ),
            scope
          )
        })
      )
      yield* TestClock.adjust("1 second")
      expect([log, app.lifecycle.stateUnsafe(), app.lifecycle.statusUnsafe().tasks]).toEqual([["ended"], "Running", []])
      yield* stop(app)
    })
  )

  it.effect("keeps nothing of tasks that have ended", () =>
    Effect.gen(function* () {
      let size = -1
      const app = yield* runningJobs(
        Effect.gen(function* () {
          const scope = yield* Effect.scope
          const finalizers = () => (scope.state._tag === "Open" ? (scope.state.finalizers?.size ?? 0) : -1)
          const before = finalizers()
          for (let n = 0; n < 100; n++) yield* Tasks.start("short", Effect.void)
          size = finalizers() - before
        })
      )
      expect(size).toBe(0)
      expect(only(app.events, "TaskStarted").length).toBe(1)
      yield* stop(app)
    })
  )
})

describe("very many tasks", () => {
  const many = 100_000

  it.live.each([
    ["of one name", () => "sleeper"],
    ["with a name each", (n: number) => `sleeper-${n}`]
  ] as const)(
    "100,000 that sleep, %s, are started and interrupted without a long block of the event loop",
    ([, nameOf]) =>
      Effect.gen(function* () {
        const app = yield* App.start(
          starting(
            Effect.gen(function* () {
              for (let n = 0; n < many; n++) yield* Tasks.start(nameOf(n), Effect.never)
            })
          )
        )
        yield* app.lifecycle.running
        const { tasks } = app.lifecycle.statusUnsafe()
        expect(tasks.reduce((sum, { running }) => sum + running, 0)).toBe(many)
        // The processor time of this thread alone: the machine may be busy with other tests.
        const cpu = () => process.threadCpuUsage().user / 1000
        let longest = 0
        let last = cpu()
        const beat = setInterval(() => {
          longest = Math.max(longest, cpu() - last)
          last = cpu()
        }, 1)
        app.signalUnsafe("SIGTERM")
        const report = yield* app.stopped
        clearInterval(beat)
        const told = only(app.events, "TaskInterrupted")
        expect([report.outcome._tag, told.reduce((sum, { count }) => sum + count, 0)]).toEqual(["Clean", many])
        // A third of it on an idle machine; `bench/tasks.bench.ts` measures it beside a FiberSet.
        expect(longest).toBeLessThan(120)
      })
  )
})
