/** The gate: what gets in, what gets out, and what a stop does with the rest. */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Random from "effect/Random"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"
import * as App from "quiesce/App"
import * as DrainGate from "quiesce/DrainGate"
import { Lifecycle } from "quiesce/Lifecycle"
import { only, runToEnd, states } from "./support/scripted.ts"
import { losingTurn } from "./support/turns.ts"

/** A running application with one gate. */
const withGate = (options: App.Options = {}) =>
  Effect.gen(function* () {
    const made: Array<DrainGate.DrainGate> = []
    const layer = Layer.effectDiscard(Effect.map(DrainGate.make("jobs"), (gate) => made.push(gate)))
    const app = yield* App.start(layer, options)
    yield* TestClock.adjust(0)
    const [gate] = made
    if (gate === undefined) return yield* Effect.die(new Error("the gate was not made"))
    return { app, gate }
  })

const isRefused = (exit: Exit.Exit<unknown, unknown>): boolean =>
  Exit.isFailure(exit) && String(exit.cause).includes("ShuttingDown")

describe("a drain gate", () => {
  it.effect("no-late-acceptance: once closed, nothing gets in", () =>
    Effect.gen(function* () {
      const { gate } = yield* withGate()
      yield* gate.close
      yield* gate.close
      let ran = false
      const work = yield* Effect.exit(gate.run(Effect.sync(() => void (ran = true))))
      const scoped = yield* Effect.exit(Effect.scoped(gate.enter()))
      expect([ran, isRefused(work), isRefused(scoped), yield* gate.inFlight]).toEqual([false, true, true, 0])
    })
  )

  it.effect("closed-and-empty: waiting ends only when the gate is closed and everything accepted has left", () =>
    Effect.gen(function* () {
      const { gate } = yield* withGate()
      const empty = yield* Effect.forkChild(gate.awaitEmpty, { startImmediately: true })
      const ended = Effect.as(TestClock.adjust(0), undefined).pipe(Effect.map(() => empty.pollUnsafe() !== undefined))
      const history: Array<readonly [string, boolean]> = [["open and empty", yield* ended]]
      const work = yield* Effect.forkChild(gate.run(Effect.sleep("1 second")), { startImmediately: true })
      const scope = yield* Scope.make()
      yield* Scope.provide(gate.enter(), scope)
      history.push(["open with two", yield* ended])
      yield* gate.close
      history.push(["closed with two", yield* ended])
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(work)
      history.push(["closed with one", yield* ended])
      yield* Scope.close(scope, Exit.void)
      history.push(["closed and empty", yield* ended])
      expect(history).toEqual([
        ["open and empty", false],
        ["open with two", false],
        ["closed with two", false],
        ["closed with one", false],
        ["closed and empty", true]
      ])
    })
  )

  it.effect("counted-exactly: every way out of accepted work is counted once", () =>
    Effect.gen(function* () {
      const { gate } = yield* withGate()
      const ways: ReadonlyArray<Effect.Effect<unknown, unknown>> = [
        Effect.void,
        Effect.fail("no"),
        Effect.die("boom"),
        Effect.interrupt,
        Effect.timeoutOption(Effect.never, 0),
        gate.run(gate.run(Effect.fail("twice inside"))),
        Effect.scoped(Effect.andThen(gate.enter(), Effect.fail("with a scope"))),
        Effect.andThen(
          Effect.addFinalizer(() => Effect.die("a finalizer that dies")),
          Effect.void
        ).pipe(Effect.scoped)
      ]
      for (const way of ways) {
        const fiber = yield* Effect.forkChild(gate.run(way), { startImmediately: true })
        yield* TestClock.adjust(0)
        yield* Fiber.await(fiber)
        expect(yield* gate.inFlight).toBe(0)
      }
      const hanging = yield* Effect.forkChild(gate.run(Effect.never), { startImmediately: true })
      const unstarted = yield* Effect.forkChild(gate.run(Effect.never))
      yield* Fiber.interrupt(unstarted)
      expect(yield* gate.inFlight).toBe(1)
      yield* Fiber.interrupt(hanging)
      expect(yield* gate.inFlight).toBe(0)
    })
  )

  it.effect("keeps all three whatever the order in which work comes, ends, is interrupted, and the stop begins", () =>
    Effect.gen(function* () {
      for (let seed = 0; seed < 40; seed++) {
        yield* Effect.gen(function* () {
          const { app, gate } = yield* withGate({ drain: "400 millis" })
          const inside = new Set<number>()
          let closedAt = Number.POSITIVE_INFINITY
          let now = 0
          const late: Array<number> = []
          const fibers: Array<Fiber.Fiber<unknown, unknown>> = []
          const stopAt = yield* Random.nextIntBetween(0, 60)
          for (; now < 100; now++) {
            if (now === stopAt) {
              app.signalUnsafe("SIGTERM")
              closedAt = now
            }
            const job = now
            const duration = yield* Random.nextIntBetween(0, 80)
            const fails = (yield* Random.next) < 0.2
            const work = gate.run(
              Effect.suspend(() => {
                if (now >= closedAt) late.push(job)
                inside.add(job)
                return Effect.andThen(Effect.sleep(duration), fails ? Effect.fail("no") : Effect.void)
              }).pipe(Effect.ensuring(Effect.sync(() => inside.delete(job))))
            )
            fibers.push(yield* Effect.forkChild(work))
            if ((yield* Random.next) < 0.3) {
              const victim = fibers[yield* Random.nextIntBetween(0, fibers.length)]
              if (victim !== undefined) yield* Effect.forkChild(Fiber.interrupt(victim), { startImmediately: true })
            }
            yield* TestClock.adjust(1)
            expect(yield* gate.inFlight).toBe(inside.size)
          }
          const report = yield* runToEnd(app)
          expect({
            seed,
            late,
            inside: inside.size,
            outcome: report.outcome._tag,
            stragglers: report.stragglers
          }).toEqual({
            seed,
            late: [],
            inside: 0,
            outcome: "Clean",
            stragglers: []
          })
        }).pipe(Random.withSeed(`gate ${seed}`))
      }
    })
  )
})

describe("a gate whose scope closes before the application stops", () => {
  /** A gate in a scope of its own. */
  const scopedGate = (app: App.App) =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const gate = yield* DrainGate.make("short").pipe(
        Effect.provideService(Lifecycle, app.lifecycle),
        Scope.provide(scope)
      )
      return { gate, scope }
    })

  it.effect("closed-with-its-scope: it refuses, and its work is interrupted, named, and gone before the rest", () =>
    Effect.gen(function* () {
      const { app } = yield* withGate()
      const { gate, scope } = yield* scopedGate(app)
      const log: Array<string> = []
      const work = yield* Effect.forkChild(
        gate.run(
          Effect.ensuring(
            Effect.never,
            Effect.andThen(
              Effect.sleep("1 second"),
              Effect.sync(() => void log.push("work"))
            )
          )
        ),
        { startImmediately: true }
      )
      const closing = yield* Effect.forkChild(
        Effect.andThen(
          Scope.close(scope, Exit.void),
          Effect.sync(() => void log.push("scope"))
        ),
        { startImmediately: true }
      )
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(closing)
      expect([log, Exit.hasInterrupts(yield* Fiber.await(work))]).toEqual([["work", "scope"], true])
      expect(isRefused(yield* Effect.exit(gate.run(Effect.void)))).toBe(true)
      expect(only(app.events, "Straggler").map(({ count, kind }) => [kind, count])).toEqual([["short", 1]])
      yield* gate.awaitEmpty
      // It is not the stop that lost it.
      app.signalUnsafe("SIGTERM")
      const report = yield* runToEnd(app)
      expect([report.outcome._tag, report.stragglers, report.awaited]).toEqual(["Clean", [], []])
    })
  )

  it.effect("closed-with-its-scope: whoever loses a turn over it", () =>
    Effect.gen(function* () {
      for (let step = 1; step <= 120; step++) {
        const { app } = yield* withGate().pipe(losingTurn(step))
        const { gate, scope } = yield* scopedGate(app)
        yield* Scope.close(scope, Exit.void)
        expect({ step, refused: isRefused(yield* Effect.exit(gate.run(Effect.void))) }).toEqual({ step, refused: true })
        app.signalUnsafe("SIGTERM")
        yield* runToEnd(app)
      }
    })
  )

  it.effect("closed-with-its-scope: ten thousand idle ones leave nothing in the log", () =>
    Effect.gen(function* () {
      const { app } = yield* withGate()
      const before = app.events.length
      for (let n = 0; n < 10_000; n++) {
        const { gate, scope } = yield* scopedGate(app)
        yield* gate.run(Effect.void)
        yield* Scope.close(scope, Exit.void)
      }
      expect([app.events.length, app.lifecycle.statusUnsafe().awaiting]).toEqual([before, []])
    })
  )

  it.effect(
    "waits for its work no longer than a component may take to stop, even when that work closes the scope",
    () =>
      Effect.gen(function* () {
        const { app } = yield* withGate({ stopTimeout: "2 seconds" })
        const { gate, scope } = yield* scopedGate(app)
        const work = yield* Effect.forkChild(gate.run(Scope.close(scope, Exit.void)), { startImmediately: true })
        yield* TestClock.adjust("1999 millis")
        expect(work.pollUnsafe()).toBe(undefined)
        yield* TestClock.adjust("1 millis")
        expect([work.pollUnsafe() !== undefined, yield* gate.inFlight]).toEqual([true, 0])
      })
  )

  it.effect("while it drains lets its work go on, as every other does", () =>
    Effect.gen(function* () {
      const { app } = yield* withGate({ drain: "5 seconds" })
      const kept = yield* scopedGate(app)
      const cut = yield* scopedGate(app)
      const short = yield* Effect.forkChild(kept.gate.run(Effect.as(Effect.sleep("3 seconds"), "saved")), {
        startImmediately: true
      })
      const long = yield* Effect.forkChild(cut.gate.run(Effect.never), { startImmediately: true })
      app.signalUnsafe("SIGTERM")
      yield* TestClock.adjust("1 second")
      expect(app.lifecycle.stateUnsafe()).toBe("Draining")
      yield* Scope.close(kept.scope, Exit.void)
      yield* Scope.close(cut.scope, Exit.void)
      const report = yield* runToEnd(app)
      expect(yield* Fiber.join(short)).toBe("saved")
      expect(Exit.hasInterrupts(yield* Fiber.await(long))).toBe(true)
      expect([report.duration, report.stragglers]).toEqual([5000, [{ kind: "short", count: 1 }]])
    })
  )

  it.effect(
    "in the rollback of a failed start: its work is named and interrupted before what it needs is released",
    () =>
      Effect.gen(function* () {
        const log: Array<string> = []
        const gates: Array<DrainGate.DrainGate> = []
        const consumer = Layer.effectDiscard(
          Effect.gen(function* () {
            yield* Effect.addFinalizer(() => Effect.sync(() => void log.push("connection closed")))
            const gate = yield* DrainGate.make("jobs")
            gates.push(gate)
            const work = Effect.onInterrupt(Effect.never, () =>
              Effect.andThen(
                Effect.sleep("1 second"),
                Effect.sync(() => void log.push("job interrupted"))
              )
            )
            yield* Effect.forkDetach(gate.run(work), { startImmediately: true })
          })
        )
        const broken = Layer.effectDiscard(Effect.fail("no port")).pipe(Layer.provide(consumer))
        const app = yield* App.start(broken)
        const report = yield* runToEnd(app)
        const [gate] = gates
        expect(log).toEqual(["job interrupted", "connection closed"])
        expect([report.reason._tag, report.duration, report.stragglers]).toEqual([
          "StartFailed",
          1000,
          [{ kind: "jobs", count: 1 }]
        ])
        expect(only(app.events, "GateClosed").map(({ name }) => name)).toEqual(["jobs"])
        // It is closed, and says so to whoever waits.
        if (gate !== undefined) yield* gate.awaitEmpty
      })
  )
})

describe("while the application stops", () => {
  it.effect("no-late-acceptance: the state counts, not the turn of the fiber that closes the gate", () =>
    Effect.gen(function* () {
      for (const lameDuck of [0, 60_000]) {
        const seen: Array<readonly [string, boolean]> = []
        const made: Array<DrainGate.DrainGate> = []
        const app = yield* App.start(
          Layer.effectDiscard(Effect.map(DrainGate.make("jobs"), (gate) => made.push(gate))),
          {
            lameDuck,
            escalation: ["Graceful", "Interrupt", "Exit"],
            onEvent: (event) => {
              const [gate] = made
              if (event._tag !== "StateChanged" || gate === undefined) return
              seen.push([event.to, isRefused(Effect.runSyncExit(gate.run(Effect.void)))])
            }
          }
        )
        yield* TestClock.adjust(0)
        app.signalUnsafe("SIGTERM")
        yield* TestClock.adjust("1 second")
        app.signalUnsafe("SIGTERM")
        yield* runToEnd(app)
        const refusing = ["Interrupting", "Releasing", "Flushing", "Stopped"].map((state) => [state, true])
        expect(seen).toEqual([
          ["Running", false],
          ["LameDuck", false],
          ...(lameDuck === 0 ? [["Draining", true]] : []),
          ...refusing
        ])
      }
    })
  )

  it.effect("what was accepted is finished before the release begins", () =>
    Effect.gen(function* () {
      const { app, gate } = yield* withGate()
      const work = yield* Effect.forkChild(gate.run(Effect.as(Effect.sleep("3 seconds"), "saved")), {
        startImmediately: true
      })
      app.signalUnsafe("SIGTERM")
      const report = yield* runToEnd(app)
      expect(yield* Fiber.join(work)).toBe("saved")
      expect(report.awaited).toEqual([{ kind: "drainable", name: "jobs", waited: 3000, result: "done" }])
      expect(only(app.events, "InFlight").map((event) => event.counts)).toEqual([{ jobs: 1 }])
    })
  )

  it.effect("what does not finish within the drain budget is interrupted and named", () =>
    Effect.gen(function* () {
      const { app, gate } = yield* withGate({ drain: "2 seconds" })
      const work = yield* Effect.forkChild(gate.run(Effect.never), { startImmediately: true })
      app.signalUnsafe("SIGTERM")
      const report = yield* runToEnd(app)
      const exit = yield* Fiber.await(work)
      expect(Exit.hasInterrupts(exit)).toBe(true)
      expect([report.duration, report.outcome._tag, report.exitCode, report.stragglers]).toEqual([
        2000,
        "Degraded",
        70,
        [{ kind: "jobs", count: 1 }]
      ])
    })
  )

  it.effect("work that entered with a scope is never interrupted, and named when it is left behind", () =>
    Effect.gen(function* () {
      const { app, gate } = yield* withGate({ drain: "2 seconds", interrupt: "1 second" })
      const holder = yield* Effect.forkChild(Effect.scoped(Effect.andThen(gate.enter(), Effect.never)), {
        startImmediately: true
      })
      app.signalUnsafe("SIGTERM")
      const report = yield* runToEnd(app)
      expect(holder.pollUnsafe()).toBe(undefined)
      expect([report.duration, report.outcome._tag, report.stragglers]).toEqual([
        3000,
        "Degraded",
        [{ kind: "jobs", count: 1 }]
      ])
      yield* Fiber.interrupt(holder)
    })
  )

  it.effect("ten thousand fibers are interrupted in batches that leave the event loop alive", () =>
    Effect.gen(function* () {
      const { app, gate } = yield* withGate({ drain: "1 second" })
      const fibers = yield* Effect.forEach(Array.from({ length: 10_000 }), () =>
        Effect.forkChild(gate.run(Effect.never), { startImmediately: true })
      )
      const seen: Array<number> = []
      const onlooker = yield* Effect.forkChild(
        Effect.forever(
          Effect.andThen(
            Effect.flatMap(gate.inFlight, (n) => Effect.sync(() => seen.push(n))),
            Effect.yieldNow
          )
        )
      )
      app.signalUnsafe("SIGTERM")
      const ended = yield* Effect.forkChild(app.stopped, { startImmediately: true })
      yield* TestClock.adjust("1 second")
      yield* TestClock.adjust("1 second")
      const report = yield* Fiber.join(ended)
      yield* Fiber.interrupt(onlooker)
      const biggestStep = Math.max(...seen.slice(1).map((n, i) => (seen[i] ?? 0) - n))
      // Two fibers of two queues take turns: between two looks there may be two batches, never all.
      expect(biggestStep).toBeLessThanOrEqual(4000)
      expect(fibers.every((fiber) => fiber.pollUnsafe() !== undefined)).toBe(true)
      expect([report.stragglers, report.outcome._tag]).toEqual([[{ kind: "jobs", count: 10_000 }], "Degraded"])
    })
  )

  it.effect("an escalation during lame duck closes the gate as well", () =>
    Effect.gen(function* () {
      const { app, gate } = yield* withGate({ lameDuck: "1 minute", escalation: ["Graceful", "Interrupt", "Exit"] })
      app.signalUnsafe("SIGTERM")
      yield* TestClock.adjust("1 second")
      const accepted = yield* Effect.forkChild(gate.run(Effect.never), { startImmediately: true })
      app.signalUnsafe("SIGTERM")
      const late = yield* Effect.exit(gate.run(Effect.void))
      const report = yield* runToEnd(app)
      expect(Exit.hasInterrupts(yield* Fiber.await(accepted))).toBe(true)
      expect(isRefused(late)).toBe(true)
      expect(states(app.events)).toEqual(["Running", "LameDuck", "Interrupting", "Releasing", "Flushing", "Stopped"])
      expect(report.stragglers).toEqual([{ kind: "jobs", count: 1 }])
    })
  )

  it.effect("a gate that is made too late refuses from its first moment on", () =>
    Effect.gen(function* () {
      const late: Array<readonly [string, boolean]> = []
      const layer = Layer.effectDiscard(
        Effect.gen(function* () {
          const lifecycle = yield* Lifecycle
          const tryOne = Effect.gen(function* () {
            const gate = yield* DrainGate.make("late")
            late.push([lifecycle.stateUnsafe(), isRefused(yield* Effect.exit(gate.run(Effect.void)))])
          }).pipe(Effect.scoped, Effect.provideService(Lifecycle, lifecycle))
          yield* lifecycle.onStopping("one", tryOne)
          yield* lifecycle.onStopped("two", tryOne)
          yield* Effect.addFinalizer(() => tryOne)
        })
      )
      const app = yield* App.start(layer)
      yield* TestClock.adjust(0)
      app.signalUnsafe("SIGTERM")
      const report = yield* runToEnd(app)
      expect(late).toEqual([
        ["Draining", true],
        ["Releasing", true],
        ["Flushing", true]
      ])
      expect(report.outcome._tag).toBe("Clean")
    })
  )
})
