/** What a stop may take at worst: computed, said, and refused when it cannot be had. */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as TestClock from "effect/testing/TestClock"
import * as App from "quiesce/App"
import * as Component from "quiesce/Component"
import * as Plan from "quiesce/Plan"
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
