/** What a stop may take at worst: computed, said, and refused when it cannot be had. */
import { describe, expect, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import * as TestClock from "effect/testing/TestClock"
import * as App from "quiesce/App"
import * as Component from "quiesce/Component"
import * as Optional from "quiesce/Optional"
import * as Plan from "quiesce/Plan"
import * as Resources from "quiesce/Resources"
import { type AnyLayer, only, runToEnd, scripted } from "./support/scripted.ts"

const db = scripted("db", { stopTimeout: "4 seconds" })
const cache = scripted("cache", { stopTimeout: "1 second" })
const api = scripted("api", { needs: [db, cache], stopTimeout: "2 seconds" })
const service = Layer.mergeAll(api, db, cache)

const briefly = { drain: "3 seconds", interrupt: "1 second", gracePeriod: "20 seconds" } as const

describe("a plan", () => {
  it.effect("adds up the budgets and the slowest chain of releases", () =>
    Effect.gen(function* () {
      const plan = yield* App.plan(service, { ...briefly, name: "shop" })
      expect(plan).toEqual({
        name: "shop",
        gracePeriod: 20_000,
        budgets: { lameDuck: 0, drain: 3000, interrupt: 1000, reserve: 2000 },
        components: [
          { name: "api", builtWith: ["db", "cache"], stopTimeout: 2000, own: true, from: 0, to: 2000 },
          { name: "cache", builtWith: [], stopTimeout: 1000, own: true, from: 2000, to: 3000 },
          { name: "db", builtWith: [], stopTimeout: 4000, own: true, from: 2000, to: 6000 }
        ],
        criticalChain: ["api", "db"],
        release: 6000,
        worstCase: 12_000,
        verdict: "fits",
        problems: [],
        advice: []
      })
    })
  )

  it.effect("is a text, and a graph", () =>
    Effect.gen(function* () {
      const plan = yield* App.plan(service, { ...briefly, name: "shop", platformGrace: "15 seconds" })
      expect(Plan.render(plan).split("\n")).toEqual([
        "shop: 12 s at worst of 20 s, the platform gives 15 s: fits, even when everything takes as long as it may",
        "",
        "  lame duck      0 ms",
        "  drain           3 s",
        "  interrupt       1 s",
        "  release         6 s",
        "  reserve         2 s",
        "",
        "  releases, each as slow as it may be:",
        "    api        0 ms ..      2 s  (its own limit)  *",
        "    cache       2 s ..      3 s  (its own limit)",
        "    db          2 s ..      6 s  (its own limit)  *",
        "",
        "  * critical chain: api, then db",
        "",
        "  problem: the platform kills after 15 s, and the grace period is 20 s: set gracePeriod below what the platform gives, or have it give more"
      ])
      expect(Plan.mermaid(plan).split("\n")).toEqual([
        "flowchart TD",
        '  c0["api<br/>2 s"]',
        '  c1["cache<br/>1 s"]',
        '  c2["db<br/>4 s"]',
        "  c0 --> c2",
        "  c0 --> c1",
        "  classDef critical stroke-width:3px",
        "  class c0,c2 critical"
      ])
    })
  )

  it.effect("is tight when only defaults are too long, and names who would be cut short", () =>
    Effect.gen(function* () {
      const slow = scripted("slow")
      const plan = yield* App.plan(Layer.mergeAll(scripted("user", { needs: [slow] }), slow))
      expect([plan.verdict, plan.worstCase, plan.problems]).toEqual(["tight", 27_500, []])
      expect(plan.advice[0]).toMatch(/^if everything took as long as it may, slow would be cut short/)
    })
  )

  it.effect("is an overrun when what was asked for cannot be had, schedules and defaults aside", () =>
    Effect.gen(function* () {
      const given = { drain: "20 seconds", lameDuck: "4 seconds" } as const
      const planOf = (layer: AnyLayer, options: App.Options) =>
        Effect.gen(function* () {
          const planning = yield* Effect.forkChild(App.plan(layer, options))
          yield* TestClock.adjust("1 minute") // it is stopped in order, lame duck and all
          return yield* Fiber.join(planning)
        })
      const plan = yield* planOf(scripted("db", { stopTimeout: "2 seconds" }), given)
      expect([plan.verdict, plan.worstCase, plan.problems]).toEqual([
        "overrun",
        33_500,
        [
          "what was asked for takes up to 26 s, and the grace period is 25 s: raise gracePeriod, or lower the budgets or stop timeouts that were given"
        ]
      ])
      // A schedule is no promise, and a default was not asked for.
      const drain = Schedule.spaced("1 second").pipe(Schedule.upTo({ times: 20 }))
      const fits = yield* planOf(scripted("db"), { ...given, drain })
      expect([fits.verdict, fits.problems]).toEqual(["tight", []])
    })
  )

  it.effect("says what is in a row only because of how it is combined", () =>
    Effect.gen(function* () {
      const announcer = (name: string) =>
        Layer.effectDiscard(Effect.acquireRelease(Effect.void, () => Effect.void)).pipe(
          Component.make(name, { stopTimeout: "1 second" })
        )
      const chained = announcer("c").pipe(Layer.provideMerge(announcer("b")), Layer.provideMerge(announcer("a")))
      const plan = yield* App.plan(chained, briefly)
      expect([plan.release, plan.advice]).toEqual([
        3000,
        [
          "c, b, a are released one after the other only because of how they are combined: combine them with " +
            "Layer.mergeAll instead of a chain of provides, and they are released in parallel, at worst in 1 s instead of 3 s"
        ]
      ])
    })
  )

  it.effect("asks whether a chain of services that is too long is needed", () =>
    Effect.gen(function* () {
      const chained = ["a", "b"].reduce<AnyLayer>(
        (below, name) => scripted(name).pipe(Layer.provideMerge(below)),
        Layer.empty
      )
      const plan = yield* App.plan(chained)
      expect(plan.advice[1]).toMatch(
        /^b, a are released one after the other: where one does not use the other, combine/
      )
    })
  )

  it.effect("counts nothing for a component that has nothing to release", () =>
    Effect.gen(function* () {
      const plan = yield* App.plan(Layer.mergeAll(Layer.empty, Layer.effectDiscard(Effect.void)), briefly)
      expect([plan.release, plan.worstCase]).toEqual([0, 6000])
    })
  )

  it.effect("knows what an optional part shares with others while it is up", () =>
    Effect.gen(function* () {
      class Database extends Context.Service<Database, string>()("test/Database") {}
      class Cache extends Context.Service<Cache, string>()("test/Cache") {}
      const acquired = (what: string) => Effect.acquireRelease(Effect.succeed(what), () => Effect.void)
      const database = Layer.effect(Database, acquired("db")).pipe(Component.make("db", { stopTimeout: "4 seconds" }))
      const cache = Layer.effect(
        Cache,
        Effect.flatMap(Database, (db) => acquired(`cache over ${db}`))
      ).pipe(Layer.provide(database))
      const main = Layer.mergeAll(database, Optional.layer(Cache, cache, { stopTimeout: "2 seconds" }))
      const app = yield* App.start(main, briefly)
      yield* app.lifecycle.running
      yield* TestClock.adjust(0)
      const plan = yield* app.lifecycle.plan
      expect(plan.components.map(({ builtWith, from, name, to }) => [name, builtWith, from, to])).toEqual([
        ["Cache", ["db"], 0, 2000],
        ["db", [], 2000, 6000]
      ])
      expect([plan.criticalChain, Plan.mermaid(plan).includes("undefined")]).toEqual([["Cache", "db"], false])
      app.signalUnsafe("SIGTERM")
      // And that is the order in which they are released.
      yield* runToEnd(app)
      expect(only(app.events, "ComponentStopped").map(({ name }) => name)).toEqual(["Cache", "db"])
    })
  )

  it.effect("says which component has less time than the resources that it has registered", () =>
    Effect.gen(function* () {
      const port = (name: string, stopTimeout: number, priority: number) =>
        Resources.register(name, Effect.void, { kind: "port", stopTimeout, priority })
      const lamps = (stopTimeout: number) =>
        Layer.effectDiscard(Effect.all([port("left", 1000, 0), port("right", 3000, 0), port("main", 2000, 1)])).pipe(
          Component.make("lamps", { stopTimeout })
        )
      const problem =
        "the resources of lamps take up to 5 s to be closed, and its stop timeout is 4 s: " +
        "give lamps a longer stopTimeout, or its resources shorter ones"
      expect((yield* App.plan(lamps(5000))).problems).toEqual([])
      expect((yield* App.plan(lamps(4000))).problems).toEqual([problem])
      const app = yield* App.start(lamps(4000))
      yield* TestClock.adjust(0)
      expect(only(app.events, "PlanDoesNotFit").flatMap(({ problems }) => problems)).toEqual([problem])
    })
  )

  it.effect("is not to be had of an application that cannot start, and says why", () =>
    Effect.gen(function* () {
      const log: Array<string> = []
      const broken = scripted("api", {
        needs: [scripted("db", { log })],
        start: Effect.fail("no such table")
      })
      const error = yield* Effect.flip(App.plan(broken))
      expect([error.message, log]).toEqual([
        "there is no plan of an application that cannot start: no such table",
        ["+db", "-db"]
      ])
    })
  )

  it.effect("leaves nothing behind", () =>
    Effect.gen(function* () {
      const log: Array<string> = []
      yield* App.plan(scripted("db", { log }))
      expect(log).toEqual(["+db", "-db"])
    })
  )
})

describe("an application that starts", () => {
  const tooMuch = scripted("db", { stopTimeout: "30 seconds" })
  const problem =
    "what was asked for takes up to 30 s, and the grace period is 25 s: raise gracePeriod, or lower the budgets or stop timeouts that were given"

  it.effect("warns of a plan that does not fit, and runs", () =>
    Effect.gen(function* () {
      const app = yield* App.start(tooMuch)
      yield* TestClock.adjust(0)
      expect([app.lifecycle.stateUnsafe(), only(app.events, "PlanDoesNotFit").map(({ problems }) => problems)]).toEqual(
        ["Running", [[problem]]]
      )
    })
  )

  it.effect("warns of a platform that gives less than the grace period", () =>
    Effect.gen(function* () {
      const app = yield* App.start(scripted("db"), { platformGrace: "10 seconds" })
      yield* TestClock.adjust(0)
      expect(only(app.events, "PlanDoesNotFit").flatMap(({ problems }) => problems)).toEqual([
        "the platform kills after 10 s, and the grace period is 25 s: set gracePeriod below what the platform gives, or have it give more"
      ])
    })
  )

  it.effect("refuses it when it is strict: rolled back, with the exit code of a configuration error", () =>
    Effect.gen(function* () {
      const log: Array<string> = []
      const app = yield* App.start(scripted("db", { stopTimeout: "30 seconds", log }), { plan: "strict" })
      const report = yield* runToEnd(app)
      expect([report.reason, report.exitCode, log]).toEqual([
        { _tag: "StartFailed", message: problem, code: 78 },
        78,
        ["+db", "-db"]
      ])
      expect(only(app.events, "StateChanged").map(({ to }) => to)).not.toContain("Running")
    })
  )

  it.effect("says nothing of a plan that is only tight, nor when it is told not to look", () =>
    Effect.gen(function* () {
      const tight = yield* App.start(Layer.mergeAll(scripted("a", { needs: [scripted("b")] })))
      const off = yield* App.start(tooMuch, { plan: "off" })
      yield* TestClock.adjust(0)
      expect([...only(tight.events, "PlanDoesNotFit"), ...only(off.events, "PlanDoesNotFit")]).toEqual([])
    })
  )

  it.effect("answers with its plan at any time", () =>
    Effect.gen(function* () {
      const app = yield* App.start(service, { ...briefly, name: "shop" })
      yield* TestClock.adjust("1 hour")
      expect(yield* app.lifecycle.plan).toEqual(yield* App.plan(service, { ...briefly, name: "shop" }))
    })
  )
})
