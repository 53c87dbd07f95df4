/**
 * The laws hold because thousands of random programs fail to break them. A longer run:
 *
 *   PROGRAMS=200000 SEED=7 npm test -- --project testing search
 */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type { Behaviour } from "@quiesce/testing/Behaviour"
import * as Coverage from "@quiesce/testing/Coverage"
import * as Law from "@quiesce/testing/Law"
import * as Laws from "@quiesce/testing/Laws"
import type { Part } from "@quiesce/testing/Part"
import * as Plan from "@quiesce/testing/Plan"
import * as Search from "@quiesce/testing/Search"
import * as SignalStorm from "@quiesce/testing/SignalStorm"
import { only } from "@quiesce/testing/Timeline"
import { plans } from "./support/plans.ts"

const programs = Number(process.env["PROGRAMS"] ?? 5000)
const seed = Number(process.env["SEED"] ?? 2)
/** So many programs are a long run: then nothing that can be met may be left out. */
const long = 50_000

describe("random programs", () => {
  it.effect(
    `${programs} of them break no law (seed ${seed})`,
    () =>
      Effect.gen(function* () {
        const coverage = Coverage.make()
        let lived = 0
        let components = 0
        const found = yield* Search.run({
          programs,
          seed,
          onLife: (plan, life) => {
            lived++
            components = Math.max(components, plan.program.nodes.length)
            coverage.add(plan, life)
          }
        })
        expect(found === undefined ? "" : Search.explain(found)).toBe("")
        expect(lived).toBe(programs)
        if (programs >= 1000) expect(components).toBe(30)
        if (programs >= 5000 && programs < long) {
          // The table of a short run has holes, but none where a stop usually is.
          const usual = coverage.empty.filter((cell) => cell.signal <= 2 && cell.fault !== "blocks")
          expect(usual).toEqual([])
          expect(Coverage.encounters.filter((encounter) => coverage.met(encounter) === 0)).toEqual([])
        } else if (programs >= long) {
          console.log(coverage.table)
          expect(coverage.empty).toEqual([])
        }
      }),
    programs * 100
  )

  it.effect("a broken law is shrunk to a small plan, which breaks it when it is read back from its JSON", () =>
    Effect.gen(function* () {
      // What cannot hold: at most three components are left behind.
      const law = Law.make("three-are-left-behind", "every other component stops", ({ timeline }, violation) => {
        const left = only(timeline, "ComponentAbandoned").filter(({ name }) => /^c\d+$/.test(name))
        return left.length < 4 ? [] : [violation("left behind", ...left.map((entry) => timeline.indexOf(entry)))]
      })
      const found = yield* Search.run({ programs: 1000, seed: 16, laws: [law] })
      if (found === undefined) return yield* Effect.die(new Error("nothing was found"))
      const { nodes } = found.plan.program
      expect(nodes.length).toBe(4)
      expect(nodes.flatMap(({ parts }) => parts).length).toBeLessThanOrEqual(2)
      expect(Plan.toJson(found.plan).length).toBeLessThan(Plan.toJson(found.initial).length * 0.8)
      expect(found.plan.storm.length).toBeLessThanOrEqual(1)
      const again = yield* Effect.flatMap(Plan.fromJson(Plan.toJson(found.plan)), Plan.play)
      expect(Laws.check(again, [law])).toEqual(found.violations)
      const text = Search.explain(found)
      expect(text).toContain(Plan.toJson(found.plan))
      expect(text).toMatch(/^> .*ComponentAbandoned/m)
    })
  )

  it.effect("the same seed tries the same programs", () =>
    Effect.gen(function* () {
      expect(yield* plans(50, "a")).toEqual(yield* plans(50, "a"))
      expect(yield* plans(50, "a")).not.toEqual(yield* plans(50, "b"))
    })
  )

  it.effect("a program is found again after as many, whatever the number of programs", () =>
    Effect.gen(function* () {
      const tried = (programs: number) =>
        Effect.gen(function* () {
          const found: Array<string> = []
          yield* Search.run({ programs, seed: 2, laws: [], onLife: (plan) => found.push(Plan.toJson(plan)) })
          return found
        })
      const many = yield* tried(70)
      expect(many.length).toBe(70)
      expect(yield* tried(60)).toEqual(many.slice(0, 60))
      expect(yield* tried(7)).toEqual(many.slice(0, 7))
    })
  )

  it.effect("a file that is no plan is refused with the place of what is wrong", () =>
    Effect.gen(function* () {
      const [plan] = yield* plans(1, "file")
      const text = JSON.stringify({ ...plan, runFor: "long" })
      expect(String(yield* Effect.flip(Plan.fromJson(text)))).toMatch(/runFor/)
      expect(String(yield* Effect.flip(Plan.fromJson("{")))).not.toBe("")
    })
  )
})

const calm = { end: "return", after: 0, masked: false, blocks: false } as const

/** A plan of one component that does this, and stops for a while; it is struck while it runs, and as it is released. */
const planOf = (release: Behaviour, ...parts: ReadonlyArray<Part>): Plan.Plan => ({
  seed: 0,
  runFor: 1000,
  budgets: {
    gracePeriod: 25_000,
    lameDuck: 0,
    drain: 10_000,
    interrupt: 5000,
    stopTimeout: 5000,
    ladder: "patient"
  },
  storm: [SignalStorm.strike("SIGTERM", "Running"), SignalStorm.strike("SIGINT", "Releasing", 0.5)],
  program: {
    composition: "merged",
    nodes: [
      {
        needs: [],
        acquire: calm,
        release,
        stopTimeout: null,
        onBackgroundFailure: "stop",
        fresh: false,
        inside: 0,
        parts
      }
    ]
  }
})

describe("Coverage", () => {
  it.effect("counts a fault only when it happened, and in the state in which it did", () =>
    Effect.gen(function* () {
      // The stop comes long before.
      const late: Part = { _tag: "Background", when: 1000, behaviour: { ...calm, end: "die" } }
      const plan = planOf({ ...calm, after: 300 }, late)
      const coverage = Coverage.make()
      coverage.add(plan, yield* Plan.play(plan))
      const met = Coverage.faults.flatMap((fault) =>
        SignalStorm.places.flatMap((state) =>
          Coverage.signals.flatMap((signal) =>
            coverage.count({ state, fault, signal }) > 0 ? [`${state} ${fault} ${signal}`] : []
          )
        )
      )
      expect(met).toEqual(["Running none 1", "Releasing slow 2"])
    })
  )

  it.effect("counts the lives in which something rarer came about, each once", () =>
    Effect.gen(function* () {
      const line: Part = { _tag: "Requests", when: 0, every: 0, count: 5, takes: 600, masked: false, capacity: 2 }
      const finish: Part = {
        _tag: "Task",
        behaviour: { ...calm, after: 1200 },
        restarts: 0,
        every: 0,
        cleanup: 0,
        priority: 0,
        onFailure: "ignore",
        onStop: "finish"
      }
      const plan: Plan.Plan = { ...planOf(calm, line, finish), storm: [SignalStorm.strike("SIGTERM", "Running", 1)] }
      const coverage = Coverage.make()
      for (let lived = 0; lived < 2; lived++) coverage.add(plan, yield* Plan.play(plan))
      const met = Coverage.encounters.filter((encounter) => coverage.met(encounter) > 0)
      expect(met).toEqual([
        "a unit waits for a place",
        "a unit in line is refused by the drain",
        "a task finishes while draining"
      ])
      expect(met.map(coverage.met)).toEqual([2, 2, 2])
      expect(coverage.table).toContain("| a unit waits for a place | 2 |")
    })
  )

  it.effect("counts in which state, with which faults, which signal found the application", () =>
    Effect.gen(function* () {
      const coverage = Coverage.make()
      const cell = { state: "Running", fault: "hangs", signal: 1 } as const
      expect(coverage.count(cell)).toBe(0)
      expect(coverage.empty).toContainEqual(cell)
      yield* Search.run({ programs: 300, seed: 5, onLife: coverage.add })
      expect(coverage.count(cell)).toBeGreaterThan(0)
      expect(coverage.empty).not.toContainEqual(cell)
      // No second signal can find an application running: the first has ended that.
      expect(coverage.table).toMatch(/\| Running \| hangs \| \d+ \| - \| - \| - \| - \|/)
    })
  )
})
