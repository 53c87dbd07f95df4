/** Tasks by name: their metrics, and what becomes of names that are made up for ever. */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Metric from "effect/Metric"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"
import type { Lifecycle } from "quiesce/Lifecycle"
import * as Task from "quiesce/Task"
import * as Tasks from "quiesce/Tasks"
import { runningJobs, stop } from "./support/running.ts"
import { only } from "./support/scripted.ts"

/** A start of very many steps takes several turns. */
const started = (effect: Effect.Effect<unknown, never, Lifecycle | Scope.Scope>) =>
  Effect.tap(runningJobs(effect), (app) => app.lifecycle.running)

/** What a metric of tasks says, of those with these attributes. */
const metric = (what: string, attributes: Record<string, string>) =>
  Effect.map(Metric.snapshot, (snapshots) => {
    const found = snapshots.find(
      (one) => one.id === `quiesce_tasks_${what}` && JSON.stringify(one.attributes) === JSON.stringify(attributes)
    )
    return found?.type === "Counter" ? found.state.count : found?.type === "Gauge" ? found.state.value : found
  })

/** Metrics of its own, so that no other test counts. */
const measured = Effect.provideServiceEffect(
  Metric.MetricRegistry,
  Effect.sync(() => new Map())
)

describe("the metrics of tasks", () => {
  it.effect("count by name and tags what was started, restarted, failed and interrupted", () =>
    Effect.gen(function* () {
      const loop = { task: "loop", tags: "io,hot" }
      const flaky = { task: "flaky" }
      const app = yield* started(
        Effect.gen(function* () {
          yield* Tasks.start("loop", Effect.never, { tags: ["io", "hot"] })
          yield* Tasks.start("loop", Effect.never, { tags: ["io", "hot"] })
          yield* Tasks.start("flaky", Effect.fail("no"), { restart: Schedule.recurs(2), onFailure: "ignore" })
        })
      )
      yield* TestClock.adjust("1 second")
      expect(yield* metric("started", loop)).toBe(2)
      expect(yield* metric("running", loop)).toBe(2)
      expect(yield* metric("failed", flaky)).toBe(3)
      expect(yield* metric("restarted", flaky)).toBe(2)
      expect(yield* metric("running", flaky)).toBe(0)
      yield* stop(app)
      expect(yield* metric("running", loop)).toBe(0)
      expect(yield* metric("interrupted", loop)).toBe(2)
    }).pipe(measured)
  )

  it.effect("do not take for interrupted what has nothing in hand, whether the application or its scope ends it", () =>
    Effect.gen(function* () {
      const tick = { task: "tick", tags: "timer" }
      const app = yield* started(
        Effect.gen(function* () {
          const idle = Task.periodic("tick", Effect.void, { rate: "1 minute", tags: ["timer"] })
          const scope = yield* Scope.make()
          yield* Scope.provide(idle, scope)
          yield* idle
          yield* Effect.forkScoped(Effect.delay(Scope.close(scope, Exit.void), "1 second"))
        })
      )
      yield* TestClock.adjust("2 seconds")
      expect(yield* metric("running", tick)).toBe(1)
      yield* stop(app)
      expect([yield* metric("running", tick), yield* metric("interrupted", tick)]).toEqual([0, undefined])
    }).pipe(measured)
  )

  it.effect("measure how long each takes from being told to stop to its end", () =>
    Effect.gen(function* () {
      const after = (millis: number) => Effect.onExit(Effect.never, () => Effect.sleep(millis))
      const app = yield* started(
        Effect.gen(function* () {
          yield* Tasks.start("loop", after(0), { tags: ["io"] })
          yield* Tasks.start("loop", after(50), { tags: ["io"] })
          yield* Tasks.start("loop", after(3000), { tags: ["io"] })
        })
      )
      yield* stop(app)
      const found = yield* metric("stop_millis", { task: "loop", tags: "io" })
      expect(found).toMatchObject({ type: "Histogram", state: { count: 3, min: 0, max: 3000, sum: 3050 } })
    }).pipe(measured)
  )

  it.effect("count the runs of a periodic task that were missed, by name and tags as well", () =>
    Effect.gen(function* () {
      const app = yield* started(
        Task.periodic("tick", Effect.sleep("350 millis"), { rate: "100 millis", tags: ["timer"] })
      )
      yield* TestClock.adjust("350 millis")
      expect(yield* metric("missed", { task: "tick", tags: "timer" })).toBe(2)
      yield* stop(app)
    }).pipe(measured)
  )
})

describe("names that are made up for ever", () => {
  const many = 1500

  it.effect("past a thousand share one in log and metrics, apart by their tags, and keep their own in the status", () =>
    Effect.gen(function* () {
      const app = yield* started(
        Effect.forEach(
          Array.from({ length: many }, (_, n) => n),
          (n) =>
            Tasks.start(`device-${n}`, Effect.never, {
              tags: [n % 2 === 0 ? "even" : "odd"],
              priority: n === 1499 ? 7 : 0
            })
        )
      )
      const { tasks } = app.lifecycle.statusUnsafe()
      expect([tasks.length, tasks.at(-1)]).toMatchObject([
        many,
        { name: "device-1499", component: "jobs", tags: ["odd"], priority: 7, running: 1 }
      ])
      expect(yield* metric("running", { task: "device-999", tags: "odd" })).toBe(1)
      expect(yield* metric("running", { task: "device-1000", tags: "even" })).toBe(undefined)
      expect(yield* metric("running", { task: "(other tasks)", tags: "even" })).toBe(250)
      const report = yield* stop(app)
      expect(yield* metric("interrupted", { task: "(other tasks)", tags: "odd" })).toBe(250)
      expect(only(app.events, "TaskStarted").length).toBe(1002)
      expect(only(app.events, "TaskInterrupted").reduce((sum, { count }) => sum + count, 0)).toBe(many)
      expect(report.tasks.slice(-2)).toEqual([
        { name: "device-999", component: "jobs", failures: 0, restarts: 0, end: "interrupted" },
        { name: "(other tasks)", failures: 0, restarts: 0, end: "interrupted" }
      ])
    }).pipe(measured)
  )

  it.effect("are named where they fail, and where they are left behind", () =>
    Effect.gen(function* () {
      const app = yield* started(
        Effect.gen(function* () {
          for (let n = 0; n < many; n++) yield* Tasks.start(`device-${n}`, Effect.never)
          yield* Tasks.start("broken", Effect.fail("no answer"), { onFailure: "ignore" })
          yield* Tasks.start("deaf", Effect.uninterruptible(Effect.never))
        })
      )
      const report = yield* stop(app)
      expect(report.failures).toEqual(["task broken failed: no answer"])
      expect(report.tasks.find(({ name }) => name === "broken")).toMatchObject({ component: "jobs", end: "failed" })
      expect(report.stragglers).toEqual([{ kind: "task deaf", count: 1 }])
    }).pipe(measured)
  )

  it.effect("fill neither log nor status when their tasks end", () =>
    Effect.gen(function* () {
      const app = yield* started(
        Effect.gen(function* () {
          for (let n = 0; n < 5000; n++) yield* Tasks.start(`upload-${n}`, Effect.void)
        })
      )
      expect(app.lifecycle.statusUnsafe().tasks).toEqual([])
      expect(only(app.events, "TaskStarted").length + only(app.events, "TaskEnded").length).toBe(2002)
      yield* stop(app)
    }).pipe(measured)
  )
})
