import { describe, expect, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Random from "effect/Random"
import { lookup } from "node:dns/promises"
import { open } from "node:fs/promises"
import * as DrainGate from "quiesce/DrainGate"
import { Lifecycle } from "quiesce/Lifecycle"
import * as Failpoint from "@quiesce/testing/Failpoint"
import * as Law from "@quiesce/testing/Law"
import * as Laws from "@quiesce/testing/Laws"
import * as Plan from "@quiesce/testing/Plan"
import * as Scripted from "@quiesce/testing/Scripted"
import { type SignalStorm, strike } from "@quiesce/testing/SignalStorm"
import * as Simulation from "@quiesce/testing/Simulation"
import { only } from "@quiesce/testing/Timeline"
import { MaySpin } from "../src/internal/MaySpin.ts"
import { plans } from "./support/plans.ts"

describe("Simulation.run", () => {
  it.effect("lives a whole life: by default one SIGTERM after a second of running", () =>
    Effect.gen(function* () {
      const db = Scripted.component("db", { acquire: { after: 50 }, release: { after: 300 } })
      const life = yield* Simulation.run(db)
      expect(only(life.timeline, "Signalled")).toEqual([{ _tag: "Signalled", at: 1050, signal: "SIGTERM" }])
      expect([life.report.outcome._tag, life.report.duration, life.report.exitCode]).toEqual(["Clean", 300, 0])
      expect(only(life.timeline, "Exited")).toEqual([{ _tag: "Exited", at: 1350, exitCode: 0 }])
    })
  )

  it.effect("a strike finds the application as far into the state as its fraction says", () =>
    Effect.gen(function* () {
      const db = () => Scripted.component("db", { release: { after: 800 } })
      const storm = [strike("SIGTERM", "Running"), strike("SIGINT", "Releasing", 0.75)]
      const life = yield* Simulation.run(db, { seed: 3, plan: { storm } })
      expect(only(life.timeline, "Signalled").map(({ at, signal }) => [signal, at])).toEqual([
        ["SIGTERM", 0],
        ["SIGINT", 600]
      ])
      expect([life.report.outcome, life.report.exitCode]).toEqual([{ _tag: "Forced", signal: "SIGINT" }, 130])
    })
  )

  it.effect("a strike at a wake-up comes in the very instant in which a timer of the application fires", () =>
    Effect.gen(function* () {
      const app = () =>
        Layer.effectDiscard(
          Effect.gen(function* () {
            yield* Effect.addFinalizer(() => Effect.andThen(Effect.sleep(100), Effect.sleep(200)))
            yield* Effect.forkScoped(Effect.forever(Effect.sleep("300.1 millis")))
          })
        )
      const struckAt = (...storm: SignalStorm) =>
        Effect.map(Simulation.run(app, { seed: 3, plan: { storm } }), ({ timeline }) =>
          only(timeline, "Signalled").map(({ at }) => at)
        )
      const met: Array<number> = []
      for (let wake = 0; wake < 6; wake++) met.push(...(yield* struckAt(strike("SIGTERM", "Running", { wake }))))
      expect(met).toEqual(expect.arrayContaining([300.1, 600.2, 900.3]))
      // Counted modulo their number.
      expect(new Set(met).size).toBeLessThan(6)
      const began = strike("SIGTERM", "Running")
      expect(yield* struckAt(began, strike("SIGINT", "Releasing", { wake: 0 }))).toEqual([0, 100])
      // Where no timer fires it comes as the state begins.
      expect(yield* struckAt(began, strike("SIGINT", "Draining", { wake: 0 }))).toEqual([0, 0])
    })
  )

  it.effect("a strike as the start begins finds an application that starts at once", () =>
    Effect.gen(function* () {
      for (let seed = 0; seed < 20; seed++) {
        const life = yield* Simulation.run(Scripted.component("db"), {
          seed,
          plan: { storm: [strike("SIGTERM", "Starting")] }
        })
        expect(only(life.timeline, "Signalled").map(({ at }) => at)).toEqual([0])
      }
    })
  )

  it.effect("a crash and a request are strikes as well", () =>
    Effect.gen(function* () {
      const crashed = yield* Simulation.run(Scripted.component("db"), { plan: { storm: [strike("crash", "Running")] } })
      expect([crashed.report.reason._tag, crashed.report.exitCode]).toEqual(["Crash", 1])
      const asked = yield* Simulation.run(Scripted.component("db"), { plan: { storm: [strike("request", "Running")] } })
      expect([asked.report.reason, asked.report.exitCode]).toEqual([{ _tag: "Requested", by: "the storm" }, 0])
    })
  )

  it.effect("an application that nobody stops gets a SIGTERM after a minute", () =>
    Effect.gen(function* () {
      const life = yield* Simulation.run(Scripted.component("db"), { plan: { storm: [] } })
      expect(only(life.timeline, "Signalled").map(({ at }) => at)).toEqual([60_000])
    })
  )

  it.effect("each life is a new one when the layer is given as a function", () =>
    Effect.gen(function* () {
      let made = 0
      const app = () => {
        made++
        return Scripted.component("db", { release: { after: 100 } })
      }
      yield* Simulation.run(app)
      expect(made).toBe(1)
      // A fraction of a state's length needs a rehearsal.
      yield* Simulation.run(app, {
        plan: { storm: [strike("SIGTERM", "Running"), strike("SIGTERM", "Releasing", 0.5)] }
      })
      expect(made).toBe(3)
    })
  )

  const promises: ReadonlyArray<readonly [what: string, promise: () => Promise<unknown>]> = [
    [
      "that only wait for each other",
      async () => {
        for (let hop = 0; hop < 100; hop++) await Promise.resolve()
      }
    ],
    [
      "that wait for the event loop, turn after turn",
      async () => {
        for (let turn = 0; turn < 10; turn++) await new Promise<void>((resolve) => setImmediate(resolve))
      }
    ],
    ["that wait for files", async () => (await open(import.meta.filename)).close()],
    ["that wait for the name of a host", () => lookup("localhost")]
  ]
  for (const [what, promise] of promises) {
    it.effect(`promises ${what} are waited for before time passes`, () =>
      Effect.gen(function* () {
        const Remote = Layer.effectDiscard(
          Effect.gen(function* () {
            // Once in the start, and again in the release.
            yield* Effect.timeout(Effect.promise(promise), "1 millis")
            yield* Effect.addFinalizer(() => Effect.orDie(Effect.timeout(Effect.promise(promise), "1 millis")))
          })
        )
        const { report, timeline } = yield* Simulation.run(Remote)
        expect([report.outcome._tag, report.duration]).toEqual(["Clean", 0])
        expect(only(timeline, "Signalled").map(({ at }) => at)).toEqual([1000])
      })
    )
  }

  describe("time that is burnt by spinning", () => {
    const now = Clock.currentTimeMillis
    const spinning = () =>
      Layer.effectDiscard(
        Effect.addFinalizer(() =>
          Effect.flatMap(now, (began) =>
            Effect.repeat(Effect.andThen(Effect.yieldNow, now), { while: (at) => at < began + 300 })
          )
        )
      )

    it.effect("is told where the application may have burnt it, and excuses whoever comes late for it", () =>
      Effect.gen(function* () {
        const life = yield* Simulation.run(spinning)
        expect(only(life.timeline, "Blocked").reduce((sum, { millis }) => sum + millis, 0)).toBeGreaterThan(290)
        expect(Laws.check(life)).toEqual([])
      })
    )

    it.effect("excuses nobody in the life of a plan, in which nothing but the engine could burn it", () =>
      Effect.gen(function* () {
        const life = yield* Effect.provideService(Simulation.run(spinning), MaySpin, false)
        expect(only(life.timeline, "Blocked")).toEqual([])
        expect(Laws.check(life).map(({ message }) => message)).toEqual([
          "Flushing went on for 1 ms, and there was nothing left to wait for"
        ])
      })
    )
  })

  it.effect("what the caller has armed is armed in the simulation", () =>
    Effect.gen(function* () {
      const app = Layer.effectDiscard(Effect.acquireRelease(Effect.void, () => Failpoint.site("close")))
      const life = yield* Simulation.run(app).pipe(Failpoint.arm({ close: Effect.die(new Error("no")) }))
      expect([life.report.outcome._tag, life.report.failures.length]).toEqual(["Degraded", 1])
    })
  )

  it.effect("a life that is longer than an hour says what it waits for", () =>
    Effect.gen(function* () {
      const stubborn = Scripted.component("db", { release: "hang", stopTimeout: "3 hours" })
      const error = yield* Effect.flip(Simulation.run(stubborn, { plan: { options: { gracePeriod: "4 hours" } } }))
      expect(error.message).toBe(
        "the life with seed 0 did not end within an hour of simulated time, waiting for db; a simulation needs budgets below that"
      )
    })
  )
})

describe("replay: the same seed gives the same event log", () => {
  it.effect(
    "over 1,000 seeds",
    () =>
      Effect.gen(function* () {
        const different = new Set<string>()
        for (const plan of yield* plans(1000, "replay")) {
          const life = yield* Plan.play(plan)
          expect(Laws.replay(life, yield* Plan.play(plan)), Plan.toJson(plan)).toEqual([])
          different.add(JSON.stringify(life.timeline))
        }
        expect(different.size).toBeGreaterThan(900)
      }),
    240_000
  )

  it.effect("and another seed gives another order of the same program", () =>
    Effect.gen(function* () {
      const app = () =>
        Layer.mergeAll(
          Scripted.component("a", { release: { after: 10 } }),
          Scripted.component("b", { release: { after: 10 } }),
          Scripted.component("c", { release: { after: 10 } })
        )
      const orders = new Set<string>()
      for (let seed = 0; seed < 60; seed++) {
        const life = yield* Simulation.run(app, { seed })
        orders.add(
          only(life.timeline, "Released")
            .map(({ component }) => component)
            .join()
        )
      }
      expect(orders.size).toBe(6)
    })
  )

  it.effect("random numbers of the application belong to the seed", () =>
    Effect.gen(function* () {
      const drawn = (seed: number) =>
        Effect.gen(function* () {
          let number = 0
          yield* Simulation.run(
            Layer.effectDiscard(
              Effect.tap(Random.next, (next) =>
                Effect.sync(() => {
                  number = next
                })
              )
            ),
            { seed }
          )
          return number
        })
      expect(yield* drawn(1)).toBe(yield* drawn(1))
      expect(yield* drawn(1)).not.toBe(yield* drawn(2))
    })
  )
})

describe("Simulation.explore", () => {
  /** A gate that looks, loses its turn, and then lets in: right on any quiet day. */
  const racyGate = () => {
    class Jobs extends Context.Service<Jobs, { readonly run: (job: Effect.Effect<void>) => Effect.Effect<void> }>()(
      "test/Jobs"
    ) {}
    const finished: Array<number> = []
    const accepted: Array<number> = []
    const gate = Layer.effect(
      Jobs,
      Effect.gen(function* () {
        const { drainable } = yield* Lifecycle
        let closed = false
        const inside = { count: 0 }
        yield* drainable({
          name: "jobs",
          inFlight: () => ({ jobs: inside.count }),
          drain: Effect.gen(function* () {
            closed = true
            while (inside.count > 0) yield* Effect.sleep(1)
          })
        })
        const isClosed = Effect.sync(() => closed)
        const enter = Effect.sync(() => void inside.count++)
        const leave = Effect.sync(() => void inside.count--)
        return {
          run: (job) =>
            Effect.flatMap(isClosed, (yes) => (yes ? Effect.void : Effect.ensuring(Effect.andThen(enter, job), leave)))
        }
      })
    )
    const source = Layer.effectDiscard(
      Effect.gen(function* () {
        const { run } = yield* Jobs
        const { lameDuck } = yield* Lifecycle
        // One comes just as the stop begins.
        const job = run(
          Effect.gen(function* () {
            accepted.push(1)
            yield* Effect.sleep(50)
            finished.push(1)
          })
        )
        yield* Effect.forkDetach(Effect.andThen(lameDuck, job))
      })
    )
    const lost = Law.make("no-job-lost", "every accepted job is finished", ({ timeline }, violation) =>
      accepted.length === finished.length ? [] : [violation("a job was accepted and lost", timeline.length - 1)]
    )
    return { app: Layer.provide(source, gate), lost }
  }

  it.effect("finds a race in a gate of the user's own in fewer than 300 seeds", () =>
    Effect.gen(function* () {
      let found: number | undefined
      for (let seed = 0; seed < 300 && found === undefined; seed++) {
        const { app, lost } = racyGate()
        const plan = { storm: [strike("SIGTERM", "Running", 1)] }
        const exit = yield* Effect.exit(Simulation.explore(app, { from: seed, seeds: 1, plan, laws: [lost] }))
        if (Exit.isFailure(exit)) found = seed
      }
      expect(found).toBeLessThan(300)
    })
  )

  /** A worker that looks, loses its turn, and then acts: right unless the stop begins in the instant in which it wakes up. */
  const racyWorker = () => {
    let late = 0
    const app = Layer.effectDiscard(
      Effect.gen(function* () {
        const { stateUnsafe } = yield* Lifecycle
        const isRunning = Effect.sync(() => stateUnsafe() === "Running")
        const act = Effect.sync(() => {
          if (stateUnsafe() !== "Running") late++
        })
        const tick = Effect.flatMap(isRunning, (yes) => (yes ? Effect.andThen(Effect.yieldNow, act) : Effect.void))
        yield* Effect.forkScoped(Effect.forever(Effect.andThen(Effect.sleep("70 millis"), tick)))
      })
    )
    const law = Law.make("never-late", "nothing is done after the stop has begun", ({ timeline }, violation) =>
      late === 0 ? [] : [violation("something was done too late", timeline.length - 1)]
    )
    return { app, law }
  }

  it.effect("finds a race at a timer of the user's own in fewer than 200 seeds", () =>
    Effect.gen(function* () {
      let found: number | undefined
      for (let seed = 0; seed < 200 && found === undefined; seed++) {
        const { app, law } = racyWorker()
        const exit = yield* Effect.exit(Simulation.explore(app, { from: seed, seeds: 1, laws: [law] }))
        if (Exit.isFailure(exit)) found = seed
      }
      expect(found).toBeLessThan(200)
    })
  )

  it.effect("says the seed and the storm, so that the life can be lived again", () =>
    Effect.gen(function* () {
      const never = Law.make("never", "nothing ever ends", ({ timeline }, violation) => [
        violation("it ended", timeline.length - 1)
      ])
      const broken = yield* Effect.flip(
        Simulation.explore(() => Scripted.component("db"), { from: 41, seeds: 5, laws: [never] })
      )
      expect(broken.message).toMatch(/^seed 41, struck by \[\{"state":/)
      expect(broken.message).toContain("never: it ended")
      expect(broken.message.split("\n").find((line) => line.startsWith("> "))).toContain("Exited")
    })
  )

  it.effect("gives each seed a random storm also where a plan only has options", () =>
    Effect.gen(function* () {
      const signals = new Set<string>()
      const seen = Law.make("seen", "signals are written down", ({ timeline }) => {
        signals.add(
          only(timeline, "Signalled")
            .map(({ signal }) => signal)
            .join()
        )
        return []
      })
      const plan = { options: { gracePeriod: "10 seconds" } } as const
      yield* Simulation.explore(() => Scripted.component("db", { release: { after: 300 } }), {
        seeds: 40,
        plan,
        laws: [seen]
      })
      expect(signals.size).toBeGreaterThan(3)
    })
  )

  it.effect("does not hold an application to an exit code that has a rule of its own", () =>
    Simulation.explore(() => Scripted.component("db"), { seeds: 10, plan: { options: { exitCode: () => 42 } } })
  )

  it.effect("holds for a gate of quiesce itself, whatever storms", () =>
    Simulation.explore(
      () =>
        Layer.mergeAll(
          Scripted.component("api", {
            parts: [{ _tag: "Requests", when: "lameDuck", every: 0, count: 3, takes: 100, masked: false }]
          }),
          Layer.effectDiscard(DrainGate.make("jobs"))
        ),
      { seeds: 200 }
    )
  )
})
