import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Chaos from "../src/Chaos.ts"
import * as ChildApp from "../src/ChildApp.ts"
import { phases, plan } from "../src/internal/process/ChaosPlan.ts"

interface World {
  readonly folder: string
  readonly acknowledged: Set<string>
  next: number
}

const folder: Effect.Effect<string, never, Scope.Scope> = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "quiesce-chaos-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true }))
)

const stored = (world: World): ReadonlyArray<string> => {
  const file = join(world.folder, "items")
  return existsSync(file) ? readFileSync(file, "utf8").trim().split("\n") : []
}

/** Whether a process runs; one that has ended and that nobody has collected does not. */
const isRunning = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
  } catch {
    return false
  }
  const stat = `/proc/${pid}/stat`
  return !existsSync(stat) || !readFileSync(stat, "utf8").includes(") Z ")
}

/** The store of the fixture: nothing that it acknowledged is lost, nothing is stored twice. */
const store = (mode = ""): Chaos.ChaosApp<World> => ({
  name: "store",
  options: { gracePeriod: "2 seconds" },
  world: () => Effect.map(folder, (folder): World => ({ folder, acknowledged: new Set(), next: 1 })),
  start: (world) =>
    ChildApp.start({
      args: ["chaosStore.ts"],
      cwd: join(import.meta.dirname, "fixtures"),
      env: { MODE: mode, FOLDER: world.folder }
    }),
  load: (world, child) =>
    Effect.gen(function* () {
      const port = /listens on (\d+);/.exec(yield* child.output)?.[1]
      const one = Effect.promise(async (signal) => {
        const item = String(world.next++)
        const answer = await fetch(`http://127.0.0.1:${port}/${item}`, { signal }).catch(() => undefined)
        if (answer?.status === 200) world.acknowledged.add(item)
        if (answer?.status === 500) throw new Error("it answered 500")
      })
      return yield* Effect.forever(Effect.andThen(one, Effect.sleep(5)))
    }),
  faults: [],
  check: (world) =>
    Effect.sync(() => {
      const items = stored(world)
      expect(items).toEqual(expect.arrayContaining(Array.from(world.acknowledged)))
      expect(new Set(items).size).toBe(items.length)
    })
})

/** A short run of a store with a planted fault. */
const failureOf = (mode: string, rounds = 24) =>
  Effect.flip(Chaos.run(store(mode), { rounds, lanes: 2, seed: 37, runFor: "200 millis" }))

describe("the plan of a chaos run", () => {
  const faults = ["SIGTERM", "the database is cut", "the disk is full"].map((name) => ({
    name,
    ends: name === "SIGTERM"
  }))

  it("is the same for the same seed, and another one for another", () => {
    expect(plan(7, 100, faults)).toEqual(plan(7, 100, faults))
    expect(plan(7, 100, faults)).not.toEqual(plan(8, 100, faults))
  })

  it("deals every fault to every phase before any pair comes again", () => {
    for (let seed = 0; seed < 100; seed++) {
      const pairs = plan(seed, 9, faults).map(({ fault, phase }) => `${fault}, ${phase}`)
      expect(new Set(pairs).size).toBe(9)
    }
  })

  it("always ends the application, and what it does comes in order", () => {
    for (const { fault, phase, steps } of plan(1, 500, faults)) {
      expect(steps.some(({ what }) => what === "SIGTERM" || what === "SIGINT")).toBe(true)
      expect(steps.findLast(({ heals, what }) => what === fault && !heals)?.at.phase).toBe(phase)
      const instants = steps.map(({ at }) => phases.indexOf(at.phase) * 10 + at.fraction)
      expect(instants).toEqual(instants.toSorted((a, b) => a - b))
    }
  })
})

describe("a chaos run", () => {
  it.live("of a sound application has nothing to say, and has met every fault in every phase", () =>
    Effect.gen(function* () {
      let finished = 0
      const summary = yield* Chaos.run(
        { ...store(), finish: (world) => Effect.sync(() => (finished += world.acknowledged.size)) },
        { rounds: 12, lanes: 2, runFor: "200 millis" }
      )
      console.log(Chaos.render(summary))
      expect(summary.rounds).toBe(12)
      for (const { name } of Chaos.signals)
        expect([name, summary.cells[name]]).toEqual([name, { starting: 1, running: 1, stopping: 1 }])
      expect(finished).toBeGreaterThan(0)
    })
  )

  it.live("finds an application that loses what it acknowledged, and tells how to see it again", () =>
    Effect.gen(function* () {
      const failure = yield* failureOf("loses")
      expect(failure.wrong.join()).toContain("a promise is broken")
      expect(failure.done.join()).toContain("SIGKILL")
      expect(failure.message).toMatch(/chaos of store: round \d+ of 24 rounds with seed 37 failed/)
      expect(failure.message).toMatch(/SIGKILL \(at \d+ ms, 0\.\d\d of (starting|running|stopping)\)/)
      expect(failure.message).toContain("SEED=37 CHAOS_ROUNDS=24")
      expect(failure.message).toContain("listens on")
    })
  )

  it.live("finds a process that outlives its application, names it, and does not leave it behind itself", () =>
    Effect.gen(function* () {
      const { wrong } = yield* failureOf("orphan")
      expect(wrong.join()).toMatch(/a process that it had started outlives it: pid \d+ \(.*setTimeout/)
      expect(isRunning(Number(/pid (\d+)/.exec(wrong.join())?.[1]))).toBe(false)
    })
  )

  it.live("finds an application that does not leave in time", () =>
    Effect.gen(function* () {
      const { wrong } = yield* failureOf("blocks")
      expect(wrong.join()).toMatch(/it is still there \d+ ms after the last thing that was done to it/)
    })
  )

  it.live("finds a lock that a killed process has left behind, and tells of the life before", () =>
    Effect.gen(function* () {
      const failure = yield* failureOf("lock")
      expect(failure.wrong.join()).toMatch(
        /has the life before it left a lock behind|lock could not start: .* is held by/
      )
      expect(failure.before).toContain("SIGKILL")
    })
  )

  it.live("finds an exit code that nothing excuses, and says what failed", () =>
    Effect.gen(function* () {
      const { wrong } = yield* failureOf("fails")
      expect(wrong.join()).toMatch(/exit code 70 \(Degraded, Signal\), which nothing that was done excuses/)
      expect(wrong.join()).toContain("cannot be released")
    })
  )

  it.live("finds an answer that should never have been given", () =>
    Effect.gen(function* () {
      const { wrong } = yield* failureOf("answers")
      expect(wrong.join()).toMatch(/the load failed: .*it answered 500/)
    })
  )
})
