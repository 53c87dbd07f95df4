/** The laws of the lifecycle, each a test of that name. */
import { describe, expect, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Queue from "effect/Queue"
import * as Random from "effect/Random"
import * as Schedule from "effect/Schedule"
import * as TestClock from "effect/testing/TestClock"
import * as App from "quiesce/App"
import * as CriticalSection from "quiesce/CriticalSection"
import * as DrainGate from "quiesce/DrainGate"
import { Lifecycle } from "quiesce/Lifecycle"
import * as Outcome from "quiesce/Outcome"
import type { StopReason } from "quiesce/StopReason"
import * as Task from "quiesce/Task"
import * as Tasks from "quiesce/Tasks"
import {
  type AnyLayer,
  lifeOf,
  merge,
  only,
  orderViolations,
  releases,
  runToEnd,
  scripted,
  sleep,
  states
} from "./support/scripted.ts"

/** Eight components: two chains that share a base, a diamond, and one on its own. */
const program = (log: Array<string>, faults: Readonly<Record<string, Effect.Effect<unknown>>> = {}): AnyLayer => {
  const part = (name: string, ...needs: ReadonlyArray<AnyLayer>): AnyLayer =>
    scripted(name, { log, needs, start: sleep(20), stop: faults[name] ?? sleep(30), stopTimeout: "1 second" })
  const config = part("config")
  const db = part("db", config)
  const cache = part("cache", config)
  const repo = part("repo", db, cache)
  const api = part("api", repo)
  const jobs = part("jobs", db)
  const metrics = part("metrics")
  return merge(api, jobs, metrics, part("cli", repo, metrics))
}

const names = ["api", "cache", "cli", "config", "db", "jobs", "metrics", "repo"]
const hang = Effect.never
const faults = [
  ["hang", hang],
  ["die", Effect.die(new Error("boom"))],
  ["ignore interruption", Effect.uninterruptible(Effect.never)],
  ["take too long", sleep("30 seconds")]
] as const

describe("the laws", () => {
  it.effect("released-once: every acquired component is released exactly once, whatever the instant of the stop", () =>
    Effect.gen(function* () {
      for (let instant = 0; instant <= 100; instant += 5) {
        const log: Array<string> = []
        const { events } = yield* lifeOf(program(log), { runFor: instant })
        const acquired = log.filter((entry) => entry.startsWith("+")).map((entry) => entry.slice(1))
        const released = log.filter((entry) => entry.startsWith("-")).map((entry) => entry.slice(1))
        expect(released.toSorted(), `stopped after ${instant} ms`).toEqual(acquired.toSorted())
        expect(new Set(released).size).toBe(released.length)
        expect(Object.values(releases(events)).every((count) => count === 1)).toBe(true)
      }
    })
  )

  it.effect(
    "reverse-order: a component starts stopping only when every component that was built with it has settled",
    () =>
      Effect.gen(function* () {
        for (const [, fault] of [["nothing", undefined], ...faults] as const) {
          for (const name of names) {
            const { events } = yield* lifeOf(program([], fault === undefined ? {} : { [name]: fault }))
            expect(orderViolations(events)).toEqual([])
            expect(
              only(events, "ComponentStopping")
                .map((event) => event.name)
                .toSorted()
            ).toEqual(names)
          }
        }
      })
  )

  it.effect("reverse-order: also where only the services, or only the composition, say what depends on what", () =>
    Effect.gen(function* () {
      class Config extends Context.Service<Config, { readonly of: string }>()("test/Config") {}
      class Client extends Context.Service<Client, { readonly config: string }>()("test/Client") {}
      const log: Array<string> = []
      const resource = <A>(name: string, value: A, stop: number) =>
        Effect.acquireRelease(Effect.succeed(value), () =>
          Effect.andThen(
            sleep(stop),
            Effect.sync(() => log.push(name))
          )
        )
      const configOf = (of: string) => Layer.effect(Config, resource(`config ${of}`, { of }, 10))
      // One client, shared by two compositions: built with the config of the first, held the longest by the second.
      const client = Layer.effect(
        Client,
        Effect.flatMap(Config, ({ of }) => resource("client", { config: of }, 10))
      )
      const first = client.pipe(Layer.provide(configOf("first")))
      const second = Layer.effectDiscard(Effect.andThen(Client, resource("second", undefined, 500))).pipe(
        Layer.provide(client),
        Layer.provide(Layer.effectDiscard(sleep(50)).pipe(Layer.provideMerge(configOf("second"))))
      )
      const silent = Layer.effectDiscard(resource("user", undefined, 300)).pipe(
        Layer.provide(Layer.effectDiscard(resource("used", undefined, 10)))
      )
      const { events } = yield* lifeOf(Layer.mergeAll(first, second, silent))
      expect(orderViolations(events)).toEqual([])
      expect(log.filter((name) => name !== "config second")).toEqual([
        "user",
        "used",
        "second",
        "client",
        "config first"
      ])
    })
  )

  it.effect(
    "no-late-acceptance: nothing is accepted after the gate closes, and everything accepted is finished or named",
    () =>
      Effect.gen(function* () {
        const accepted: Array<number> = []
        const finished: Array<number> = []
        const refusedAt: Array<string> = []
        const source = Layer.effectDiscard(
          Effect.gen(function* () {
            const gate = yield* DrainGate.make("jobs")
            const { stateUnsafe } = yield* Lifecycle
            let next = 0
            const work = Effect.gen(function* () {
              const job = next++
              yield* gate.run(
                Effect.gen(function* () {
                  accepted.push(job)
                  yield* sleep(700 + job * 40)
                  finished.push(job)
                })
              )
            }).pipe(Effect.catchTag("ShuttingDown", () => Effect.sync(() => refusedAt.push(stateUnsafe()))))
            yield* Effect.forkScoped(Effect.forever(Effect.andThen(Effect.forkDetach(work), sleep(100))))
          })
        )
        const { report } = yield* lifeOf(source, { runFor: "1 second", lameDuck: "300 millis", drain: "800 millis" })
        expect(refusedAt.length).toBeGreaterThan(0)
        expect(new Set(refusedAt)).toEqual(new Set(["Draining"]))
        const unfinished = accepted.length - finished.length
        expect(unfinished).toBeGreaterThan(0)
        expect(report.stragglers).toEqual([{ kind: "jobs", count: unfinished }])
        expect(report.outcome._tag).toBe("Degraded")
      })
  )

  it.effect("ready-before-refuse: readiness is false before the first refusal", () =>
    Effect.gen(function* () {
      const gated = Layer.effectDiscard(DrainGate.make("requests"))
      const { events } = yield* lifeOf(gated, { lameDuck: "5 seconds" })
      const notReady = events.findIndex((event) => event._tag === "StateChanged" && event.to === "LameDuck")
      const refusing = events.findIndex((event) => event._tag === "GateClosed")
      expect(notReady).toBeGreaterThan(-1)
      expect(refusing).toBeGreaterThan(notReady)
      expect((events[refusing]?.at ?? 0) - (events[notReady]?.at ?? 0)).toBe(5000)
    })
  )

  it.effect(
    "ends-in-time: from the first stop request to the end is at most the grace period, in every fault mode",
    () =>
      Effect.gen(function* () {
        const stubborn = Layer.effectDiscard(
          Effect.gen(function* () {
            const lifecycle = yield* Lifecycle
            const gate = yield* DrainGate.make("stubborn")
            yield* lifecycle.onStopping("hangs", Effect.never)
            yield* lifecycle.awaitBeforeStop("hangs too", Effect.uninterruptible(Effect.never))
            yield* lifecycle.onStopped("hangs last", Effect.uninterruptible(Effect.never))
            yield* Effect.forkDetach(gate.run(Effect.uninterruptible(Effect.never)))
            yield* Effect.forkDetach(
              CriticalSection.run("endless", Effect.uninterruptible(Effect.never), { atMost: "1 hour" })
            )
          })
        )
        const everything = Object.fromEntries(names.map((name) => [name, Effect.uninterruptible(Effect.never)]))
        const modes: ReadonlyArray<AnyLayer> = [
          ...faults.map(([, fault]) => program([], { db: fault, api: fault })),
          program([], everything),
          merge(stubborn, program([], everything)),
          merge(stubborn, scripted("endless start", { start: Effect.uninterruptible(Effect.never) }))
        ]
        for (const layer of modes) {
          for (const runFor of [0, 30, 1000]) {
            for (const gracePeriod of [1000, 5000]) {
              const last: Array<string> = []
              const farewell = Layer.effectDiscard(
                Effect.flatMap(Lifecycle, ({ onStopped }) =>
                  onStopped(
                    "farewell",
                    Effect.sync(() => last.push("said"))
                  )
                )
              )
              const { report } = yield* lifeOf(merge(farewell, layer), { runFor, gracePeriod })
              expect(report.duration).toBeLessThanOrEqual(gracePeriod)
              // The reserve is kept: whatever hung before, the end gets its turn.
              expect(last).toEqual(["said"])
            }
          }
        }
      })
  )

  it.effect("isolation: one component's failing, hanging or dying finalizer never keeps another's from running", () =>
    Effect.gen(function* () {
      for (const [, fault] of faults) {
        for (const broken of names) {
          const log: Array<string> = []
          yield* lifeOf(program(log, { [broken]: fault }))
          const released = log.filter((entry) => entry.startsWith("-")).map((entry) => entry.slice(1))
          expect(released.toSorted()).toEqual(names.filter((name) => name !== broken))
        }
      }
    })
  )

  it.effect(
    "accounted: the report names every component and straggler; along the critical chain waiting + working = wall time",
    () =>
      Effect.gen(function* () {
        const { events, report } = yield* lifeOf(program([], { repo: sleep(400), db: hang }))
        expect(report.components.map((component) => component.name).toSorted()).toEqual(names)
        expect(
          report.components.filter((component) => component.end !== "stopped").map(({ end, name }) => [name, end])
        ).toEqual([["db", "abandoned"]])
        const wall = report.states.find(({ state }) => state === "Releasing")?.duration
        const along = report.criticalChain.reduce((sum, link) => sum + link.waiting + link.working, 0)
        expect(along).toBe(wall)
        expect(report.criticalChain.map((link) => link.name)).toEqual([
          expect.stringMatching(/api|cli/),
          "repo",
          "db",
          "config"
        ])
        expect(report.states.reduce((sum, { duration }) => sum + duration, 0)).toBe(report.duration)
        expect(only(events, "ComponentAbandoned").map((event) => event.after)).toEqual([1000])
      })
  )

  it.effect("replay: the same seed gives the same event log", () =>
    Effect.gen(function* () {
      const once = (seed: string) =>
        Effect.gen(function* () {
          const delays = yield* Effect.forEach(names, () => Random.nextIntBetween(0, 500))
          const stops = Object.fromEntries(names.map((name, index) => [name, sleep(delays[index] ?? 0)]))
          const { events } = yield* lifeOf(program([], stops), { runFor: delays[0] ?? 0 })
          // What is left to the wall clock: the instant at which the application began.
          return events.map((event) => (event._tag === "AppStarting" ? { ...event, epochMillis: 0 } : event))
        }).pipe(Random.withSeed(seed))
      for (const seed of ["a", "b", "c"]) expect(yield* once(seed)).toEqual(yield* once(seed))
      expect(yield* once("a")).not.toEqual(yield* once("b"))
    })
  )

  it.effect(
    "escalation-forward: 1 to 5 stop signals at any instants only move forward, and the last rung always exits",
    () =>
      Effect.gen(function* () {
        const order = [
          "Starting",
          "Running",
          "LameDuck",
          "Draining",
          "Interrupting",
          "Releasing",
          "Flushing",
          "Stopped",
          "Exit"
        ]
        const slow = merge(
          program([], { api: sleep(300) }),
          Layer.effectDiscard(
            Effect.gen(function* () {
              const gate = yield* DrainGate.make("work")
              yield* Effect.forkDetach(gate.run(sleep("3 seconds")))
            })
          )
        )
        const cooldown = 250
        for (const escalation of [
          ["Graceful", "Exit"],
          ["Graceful", "Interrupt", "Exit"]
        ] as const) {
          for (const gaps of [[], [300], [1], [300, 300], [260, 300], [0, 0, 0, 0], [1700, 260]]) {
            const { events, report } = yield* lifeOf(slow, { escalation, signals: gaps, lameDuck: "500 millis" })
            const positions = states(events).map((state) => order.indexOf(state))
            expect(positions).toEqual(positions.toSorted((a, b) => a - b))
            expect(new Set(positions).size).toBe(positions.length)
            let since = 0
            const counted = gaps.filter((gap) => {
              since += gap
              const counts = since >= cooldown
              if (counts) since = 0
              return counts
            }).length
            // The work takes three seconds, so that every signal of these finds the application stopping.
            const expected = escalation.slice(1, counted + 1)
            expect(only(events, "Escalated").map((event) => event.rung)).toEqual(expected)
            const forced = expected.includes("Exit")
            const interrupted = expected.includes("Interrupt")
            expect([report.outcome._tag, report.exitCode]).toEqual(
              forced ? ["Forced", 143] : interrupted ? ["Degraded", 70] : ["Clean", 0]
            )
          }
        }
      })
  )

  it.effect(
    "critical-section-whole: a graceful stop never interrupts a critical section, and one that exceeds its limit is named",
    () =>
      Effect.gen(function* () {
        const log: Array<string> = []
        const section = (name: string, millis: number, atMost: number) =>
          CriticalSection.run(
            name,
            Effect.onExit(sleep(millis), (exit) =>
              Effect.sync(() => void log.push(`${name} ${Exit.isSuccess(exit) ? "whole" : "torn"}`))
            ),
            { atMost }
          )
        const device = Layer.effectDiscard(
          Effect.gen(function* () {
            yield* Effect.forkScoped(Effect.andThen(sleep(900), section("within", 1200, 1000)))
            yield* Effect.forkScoped(Effect.andThen(sleep(900), section("beyond", 9000, 1000)))
            yield* Effect.forkScoped(Effect.andThen(sleep(900), section("longer than the budget", 9000, 60_000)))
          })
        )
        const { report } = yield* lifeOf(device, { drain: "500 millis", interrupt: "2 seconds" })
        expect(log).toEqual(["within whole", "beyond torn", "longer than the budget torn"])
        expect(report.criticalSections.toSorted((a, b) => a.name.localeCompare(b.name))).toEqual([
          { name: "beyond", waited: 1000, exceeded: true },
          { name: "longer than the budget", waited: 2000, exceeded: true },
          { name: "within", waited: 600, exceeded: false }
        ])
      })
  )

  it.effect("exit-code: the exit code is the function of the outcome and the reason, nothing else", () =>
    Effect.gen(function* () {
      // What each reason says after a clean, a degraded and a late stop.
      const reasons: ReadonlyArray<readonly [StopReason, number, number, number]> = [
        [{ _tag: "Requested", by: "test" }, 0, 70, 124],
        [{ _tag: "Finished" }, 0, 70, 124],
        [{ _tag: "ComponentFailed", component: "db", message: "gone", code: 78 }, 78, 78, 124],
        [{ _tag: "Crash", kind: "uncaughtException", message: "boom" }, 1, 1, 124]
      ]
      for (const [reason, clean, degraded, late] of reasons) {
        for (const [fault, gracePeriod, tag, code] of [
          [sleep(10), 20_000, "Clean", clean],
          [hang, 20_000, "Degraded", degraded],
          [Effect.die(new Error("boom")), 20_000, "Degraded", degraded],
          [hang, 900, "TimedOut", late]
        ] as const) {
          const app = yield* App.start(program([], { db: fault }), { gracePeriod })
          yield* TestClock.adjust("1 second")
          yield* app.lifecycle.requestStop(reason)
          const report = yield* runToEnd(app)
          expect([report.outcome._tag, report.exitCode]).toEqual([tag, code])
          expect(report.exitCode).toBe(Outcome.exitCode(report.outcome, reason))
        }
      }
      const replaced = yield* lifeOf(program([]), { exitCode: () => 42 })
      expect(replaced.report.exitCode).toBe(42)
    })
  )

  it.effect("never-silent: every failure is logged once, with its component's name and its cause", () =>
    Effect.gen(function* () {
      const lines: Array<string> = []
      const logger = Logger.make(({ message }) => void lines.push(JSON.stringify([message].flat(2).map(String))))
      const worker = Layer.effectDiscard(
        Effect.forkScoped(Effect.andThen(sleep(500), Effect.die(new Error("worker exploded"))))
      )
      const hooks = Layer.effectDiscard(
        Effect.gen(function* () {
          const lifecycle = yield* Lifecycle
          yield* lifecycle.onStopping("farewell", Effect.fail("nobody listens"))
          yield* lifecycle.awaitBeforeStop("never comes", Effect.never)
        })
      )
      const program = merge(
        hooks,
        worker,
        scripted("hanging", { stop: hang }),
        scripted("dying", { stop: Effect.die(new Error("cannot close")) })
      )
      const app = yield* App.start(program).pipe(Effect.provide(Logger.layer([logger])))
      const report = yield* runToEnd(app)
      const about = (...words: ReadonlyArray<string>) =>
        lines.filter((line) => words.every((word) => line.includes(word))).length
      expect(about("a background fiber of", "worker exploded")).toBe(1)
      expect(about("farewell", "nobody listens")).toBe(1)
      expect(about("never comes")).toBe(1)
      expect(about("hanging", "left behind")).toBe(1)
      expect(about("dying", "cannot close")).toBe(1)
      expect([report.reason._tag, report.outcome._tag, report.exitCode]).toEqual(["ComponentFailed", "Degraded", 1])
    })
  )

  it.effect("start-rollback: a failed or stopped start releases exactly what it had acquired, in reverse order", () =>
    Effect.gen(function* () {
      for (const broken of names) {
        for (const start of [
          Effect.fail("no"),
          Effect.die(new Error("no")),
          Effect.andThen(sleep(10), Effect.fail("late"))
        ]) {
          const log: Array<string> = []
          const part = (name: string, ...needs: ReadonlyArray<AnyLayer>): AnyLayer =>
            scripted(name, { log, needs, start: name === broken ? start : sleep(20), stop: sleep(5) })
          const config = part("config")
          const db = part("db", config)
          const cache = part("cache", config)
          const repo = part("repo", db, cache)
          const layer = merge(part("api", repo), part("jobs", db), part("cli", repo, part("metrics")))
          const app = yield* App.start(layer)
          const report = yield* runToEnd(app)
          const acquired = log.filter((entry) => entry.startsWith("+")).map((entry) => entry.slice(1))
          const released = log.filter((entry) => entry.startsWith("-")).map((entry) => entry.slice(1))
          expect(released.toSorted()).toEqual(acquired.toSorted())
          expect(acquired).not.toContain(broken)
          expect(orderViolations(app.events)).toEqual([])
          expect([report.reason._tag, report.exitCode]).toEqual(["StartFailed", 1])
        }
      }
    })
  )

  it.effect("reload-atomic: a failed reload leaves the old configuration and the old instances serving", () =>
    Effect.gen(function* () {
      // What a failed reload does to the configuration is tested with @quiesce/reload; here, what it does to everything else.
      const log: Array<string> = []
      const app = yield* App.start(program(log))
      yield* TestClock.adjust("1 second")
      const before = log.length
      for (const work of [Effect.fail("no such host"), Effect.die("defect"), Effect.interrupt]) {
        yield* Effect.exit(app.lifecycle.reload({ name: "settings", trigger: "test" }, work))
        expect(app.lifecycle.stateUnsafe()).toBe("Running")
      }
      expect(log.slice(before)).toEqual([])
      expect((yield* app.lifecycle.status).components.every(({ state }) => state === "Running")).toBe(true)
    })
  )

  it.effect(
    "tasks-supervised: tasks are restarted as their schedule says and interrupted by descending priority; a worker loses no unit",
    () =>
      Effect.gen(function* () {
        const log: Array<string> = []
        const loop = (name: string, priority: number) =>
          Tasks.start(
            name,
            Effect.onInterrupt(Effect.never, () => Effect.sync(() => log.push(name))),
            { priority }
          )
        const work = Effect.gen(function* () {
          const queue = yield* Queue.unbounded<number>()
          yield* Task.worker("mail", {
            take: queue,
            handle: (unit) =>
              Effect.andThen(
                sleep(600),
                Effect.sync(() => log.push(`sent ${unit}`))
              ),
            handBack: (unit) => Effect.sync(() => log.push(`back ${unit}`))
          })
          for (const unit of [1, 2, 3]) yield* Queue.offer(queue, unit)
          let runs = 0
          const failing = Effect.suspend(() => {
            runs++
            return Effect.fail(`run ${runs}`)
          })
          const restart = Schedule.spaced(100).pipe(Schedule.upTo({ times: 2 }))
          yield* Tasks.start("flaky", failing, { restart, onFailure: "ignore" })
          yield* loop("low", 1)
          yield* loop("high", 2)
        })
        const { events } = yield* lifeOf(Layer.effectDiscard(work), { runFor: 500 })
        expect(only(events, "TaskFailed").map(({ at, message, next }) => [at, message, next])).toEqual([
          [0, "run 1", "restart"],
          [100, "run 2", "restart"],
          [200, "run 3", "ignore"]
        ])
        expect(log.toSorted()).toEqual(["back 2", "back 3", "high", "low", "sent 1"])
        expect(log.indexOf("high")).toBeLessThan(log.indexOf("low"))
      })
  )

  it.effect(
    "within-capacity: a gate has never more than its capacity, and a key one section; who waits gets the first free place, in order, or is refused when the drain begins",
    () =>
      Effect.gen(function* () {
        const log: Array<string> = []
        const ask = (
          name: string,
          work: (own: Effect.Effect<unknown>) => Effect.Effect<unknown, string, Lifecycle>
        ) => {
          const own = Effect.andThen(
            Effect.sync(() => log.push(`+${name}`)),
            sleep(100)
          )
          const told = Effect.ensuring(
            own,
            Effect.sync(() => log.push(`-${name}`))
          )
          return work(told).pipe(
            Effect.catch((error) => Effect.sync(() => log.push(`${name} ${error}`))),
            Effect.forkDetach
          )
        }
        const work = Effect.gen(function* () {
          const gate = yield* DrainGate.make("uploads", { capacity: 2 })
          for (const unit of ["u1", "u2", "u3", "u4", "u5"])
            yield* ask(unit, (own) => Effect.mapError(gate.run(own), ({ _tag }) => _tag))
          for (const name of ["s1", "s2", "s3"])
            yield* ask(name, (own) =>
              Effect.mapError(CriticalSection.run(name, own, { key: "disk" }), ({ _tag }) => _tag)
            )
        })
        yield* lifeOf(Layer.effectDiscard(work), { runFor: 150 })
        const of = (kind: string) => log.filter((entry) => entry.replace(/^[+-]/, "").startsWith(kind))
        expect(of("u")).toEqual(["+u1", "+u2", "-u1", "+u3", "-u2", "+u4", "u5 ShuttingDown", "-u3", "-u4"])
        expect(of("s")).toEqual(["+s1", "-s1", "+s2", "s3 ShuttingDown", "-s2"])
      })
  )

  it.effect("an interrupted launch is a graceful stop", () =>
    Effect.gen(function* () {
      const log: Array<string> = []
      const launched = yield* Effect.forkChild(App.launch(program(log)), { startImmediately: true })
      yield* TestClock.adjust("1 second")
      const interrupting = yield* Effect.forkChild(Fiber.interrupt(launched), { startImmediately: true })
      yield* TestClock.adjust("10 seconds")
      yield* Fiber.join(interrupting)
      expect(log.filter((entry) => entry.startsWith("-")).length).toBe(names.length)
    })
  )
})
