/** What running code sees of its own application, and how it takes part in the stop. */
import { describe, expect, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import * as App from "quiesce/App"
import * as Component from "quiesce/Component"
import { Lifecycle } from "quiesce/Lifecycle"
import * as StopReason from "quiesce/StopReason"
import { type AnyLayer, lifeOf, only, runToEnd } from "./support/scripted.ts"
import { losingTurn } from "./support/turns.ts"

/** A component that does something with the lifecycle of its application. */
const using = (
  name: string,
  use: (lifecycle: Lifecycle["Service"]) => Effect.Effect<unknown, never, Scope.Scope>
): AnyLayer => Layer.effectDiscard(Effect.flatMap(Lifecycle, use)).pipe(Component.make(name))

const waits = (report: {
  readonly awaited: ReadonlyArray<{ readonly name: string; readonly waited: number; readonly result: string }>
}) => report.awaited.map(({ name, result, waited }) => `${name} ${waited} ${result}`).toSorted()

describe("hooks", () => {
  it.effect("run when draining begins, all in parallel, with what was there when they were registered", () =>
    Effect.gen(function* () {
      class Greeting extends Context.Service<Greeting, string>()("test/Greeting") {}
      const log: Array<string> = []
      const layer = using("announcer", (lifecycle) =>
        Effect.all([
          lifecycle.onStopping(
            "first",
            Effect.andThen(
              Effect.sleep("2 seconds"),
              Effect.flatMap(Greeting, (greeting) => Effect.sync(() => void log.push(greeting)))
            )
          ),
          lifecycle.onStopping(
            "second",
            Effect.andThen(
              Effect.sleep("3 seconds"),
              Effect.sync(() => void log.push(lifecycle.stateUnsafe()))
            )
          )
        ]).pipe(Effect.provideService(Greeting, "bye"))
      )
      const { report } = yield* lifeOf(layer)
      expect([log, report.duration, waits(report)]).toEqual([
        ["bye", "Draining"],
        3000,
        ["first 2000 done", "second 3000 done"]
      ])
    })
  )

  it.effect("begin together, notifications and what is waited for alike, when the gates have closed", () =>
    Effect.gen(function* () {
      const log: Array<string> = []
      const layer = using("c", (lifecycle) => {
        const hook = (name: string) =>
          Effect.gen(function* () {
            log.push(`${name} begins: ${(yield* lifecycle.status).state}`)
            yield* Effect.sleep("1 second")
            log.push(`${name} has ended`)
          })
        return Effect.all([
          lifecycle.awaitBeforeStop("waiter", hook("waiter")),
          lifecycle.onStopping("notified", hook("notified")),
          lifecycle.drainable({
            name: "gate",
            inFlight: () => ({}),
            drain: Effect.sync(() => void log.push("the gate closes"))
          })
        ])
      })
      const { report } = yield* lifeOf(layer)
      expect(log).toEqual([
        "the gate closes",
        "notified begins: Draining",
        "waiter begins: Draining",
        "notified has ended",
        "waiter has ended"
      ])
      expect([report.duration, report.outcome._tag]).toEqual([1000, "Clean"])
    })
  )

  it.effect("belong to the drain: lame duck waits for nobody, whatever is begun in it", () =>
    Effect.gen(function* () {
      const log: Array<string> = []
      const slowly = (name: string) =>
        Effect.andThen(
          Effect.sleep("1 second"),
          Effect.sync(() => void log.push(name))
        )
      const layer = using("c", (lifecycle) =>
        Effect.gen(function* () {
          yield* Effect.forkScoped(Effect.andThen(lifecycle.lameDuck, slowly("of my own accord")))
          yield* lifecycle.drainable({
            name: "server",
            inFlight: () => ({}),
            lameDuck: slowly("announced"),
            drain: Effect.void
          })
        })
      )
      const states = (lameDuck: number) =>
        Effect.map(lifeOf(layer, { lameDuck }), ({ report }) =>
          report.states.slice(0, 2).map(({ duration, state }) => `${state} ${duration}`)
        )
      // What a drainable announces is what the drain waits for.
      expect(yield* states(0)).toEqual(["LameDuck 0", "Draining 1000"])
      log.length = 0
      expect([yield* states(3000), log]).toEqual([
        ["LameDuck 3000", "Draining 0"],
        ["of my own accord", "announced"]
      ])
    })
  )

  it.effect("that fail are told once and degrade; those that do not end are named and left", () =>
    Effect.gen(function* () {
      const layer = using("c", (lifecycle) =>
        Effect.all([
          lifecycle.onStopping("fails", Effect.fail("no consul")),
          lifecycle.onStopping("dies", Effect.die(new Error("boom"))),
          lifecycle.awaitBeforeStop("hangs", Effect.never),
          lifecycle.awaitBeforeStop("ignores interruption", Effect.uninterruptible(Effect.never))
        ])
      )
      const { report } = yield* lifeOf(layer, { drain: "1 second" })
      expect([report.duration, report.outcome._tag, waits(report), report.failures]).toEqual([
        1000,
        "Degraded",
        ["dies 0 failed", "fails 0 failed", "hangs 1000 abandoned", "ignores interruption 1000 abandoned"],
        ["fails (onStopping) failed: no consul", "dies (onStopping) failed: boom"]
      ])
    })
  )

  it.effect("that fail when they are not waited for any longer are told of all the same", () =>
    Effect.gen(function* () {
      const late = Effect.andThen(Effect.sleep("2 seconds"), Effect.fail("the journal is full"))
      const layer = using("c", (lifecycle) =>
        Effect.all([
          lifecycle.onStopping("ignores interruption", Effect.uninterruptible(late)),
          lifecycle.awaitBeforeStop(
            "fails as it is interrupted",
            Effect.onInterrupt(Effect.never, () => Effect.die(new Error("torn")))
          ),
          lifecycle.awaitBeforeStop("ends after all", Effect.uninterruptible(Effect.sleep("2 seconds"))),
          Effect.addFinalizer(() => Effect.sleep("3 seconds"))
        ])
      )
      const lines: Array<string> = []
      const logger = Logger.make(({ message }) => void lines.push([message].flat(2).map(String).join(" ")))
      const { events, report } = yield* lifeOf(layer, { drain: "1 second" }).pipe(
        Effect.provide(Logger.layer([logger]))
      )
      expect(only(events, "AwaitedLate").map(({ failure, kind, name }) => ({ kind, name, failure }))).toEqual([
        { kind: "awaitBeforeStop", name: "fails as it is interrupted", failure: "torn" },
        { kind: "onStopping", name: "ignores interruption", failure: "the journal is full" }
      ])
      const told = [
        "fails as it is interrupted (awaitBeforeStop) failed after it had been given up: torn",
        "ignores interruption (onStopping) failed after it had been given up: the journal is full"
      ]
      expect([report.failures, report.outcome._tag]).toEqual([told, "Degraded"])
      expect(told.map((text) => lines.filter((line) => line.startsWith(text)).length)).toEqual([1, 1])
    })
  )

  it.effect("are undone with the scope that registered them", () =>
    Effect.gen(function* () {
      const layer = using("c", (lifecycle) =>
        Effect.scoped(
          Effect.all([
            lifecycle.onStopping("gone", Effect.never),
            lifecycle.awaitBeforeStop("gone", Effect.never),
            lifecycle.drainable({ name: "gone", inFlight: () => ({ gone: 1 }), drain: Effect.never }),
            lifecycle.emergency("gone", () => undefined)
          ])
        )
      )
      const { report } = yield* lifeOf(layer)
      expect([report.duration, report.awaited, report.outcome._tag]).toEqual([0, [], "Clean"])
    })
  )

  it.effect("that are registered while draining take part at once, also while only a critical section is left", () =>
    Effect.gen(function* () {
      const layer = using("late", (lifecycle) =>
        Effect.gen(function* () {
          const scope = yield* Scope.Scope
          yield* lifecycle.onStopping(
            "first",
            Effect.gen(function* () {
              yield* Effect.sleep("1 second")
              yield* lifecycle.awaitBeforeStop("second", Effect.sleep("2 seconds"))
              yield* lifecycle.drainable({ name: "third", inFlight: () => ({}), drain: Effect.sleep("3 seconds") })
            }).pipe(Scope.provide(scope))
          )
        })
      )
      const { report } = yield* lifeOf(layer)
      expect([report.duration, report.outcome._tag, waits(report)]).toEqual([
        4000,
        "Clean",
        ["first 1000 done", "second 2000 done", "third 3000 done"]
      ])
    })
  )

  it.effect("that are registered as the drain begins, by who waited for it or by another hook, run once", () =>
    Effect.gen(function* () {
      const log: Array<string> = []
      const say = (word: string) => Effect.sync(() => void log.push(word))
      const layer = using("c", (lifecycle) =>
        Effect.gen(function* () {
          const scope = yield* Scope.Scope
          const announced = lifecycle.drainable({
            name: "late",
            inFlight: () => ({}),
            lameDuck: say("announced"),
            drain: say("drained")
          })
          yield* Effect.forkScoped(Effect.andThen(lifecycle.lameDuck, announced))
          yield* Effect.forkScoped(
            Effect.andThen(lifecycle.stopping, lifecycle.onStopping("waiter", say("by a waiter")))
          )
          const byHook = Scope.provide(lifecycle.awaitBeforeStop("second", say("by a hook")), scope)
          yield* lifecycle.onStopping("first", Effect.andThen(say("first"), byHook))
        })
      )
      const { report } = yield* lifeOf(layer, { lameDuck: "1 second" })
      expect([log.toSorted(), report.outcome._tag]).toEqual([
        ["announced", "by a hook", "by a waiter", "drained", "first"],
        "Clean"
      ])
    })
  )

  it.effect("that are registered in the instant in which all has come to rest are waited for, or do not run", () =>
    Effect.gen(function* () {
      const seen = new Set<string>()
      // A turn that is lost for so long lets the other timers of the same instant go first.
      const later = (turn: () => void): void => void setImmediate(() => setImmediate(turn))
      for (let step = 1; step <= 600; step++) {
        let ran = false
        const layer = using("c", (lifecycle) => {
          const late = lifecycle.awaitBeforeStop(
            "late",
            Effect.andThen(
              Effect.sync(() => void (ran = true)),
              Effect.sleep("1 second")
            )
          )
          return Effect.andThen(
            lifecycle.awaitBeforeStop("rest", Effect.sleep("2 seconds")),
            // Its timer is set after that of the other.
            Effect.forkScoped(
              Effect.gen(function* () {
                yield* lifecycle.stopping
                yield* Effect.yieldNow
                yield* Effect.sleep("2 seconds")
                yield* late
              })
            )
          )
        })
        const { report } = yield* lifeOf(layer).pipe(losingTurn(step, later))
        seen.add(`${report.outcome._tag} after ${report.duration}, ${ran ? "it ran" : "too late"}`)
      }
      expect(Array.from(seen).toSorted()).toEqual(["Clean after 2000, too late", "Clean after 3000, it ran"])
    })
  )

  it.effect("after the stop run when every component has been released; a failure there degrades", () =>
    Effect.gen(function* () {
      const log: Array<string> = []
      const layer = using("c", (lifecycle) =>
        Effect.gen(function* () {
          yield* Effect.addFinalizer(() =>
            Effect.andThen(
              Effect.sleep("1 second"),
              Effect.sync(() => void log.push("released"))
            )
          )
          yield* lifecycle.onStopped(
            "verify",
            Effect.andThen(
              Effect.sync(() => void log.push(lifecycle.stateUnsafe())),
              Effect.fail("one order is missing")
            )
          )
        })
      )
      const { report } = yield* lifeOf(layer)
      expect([log, report.outcome._tag, report.failures]).toEqual([
        ["released", "Flushing"],
        "Degraded",
        ["verify (onStopped) failed: one order is missing"]
      ])
    })
  )
})

describe("a drainable", () => {
  it.effect("is announced, drained and interrupted in this order, interrupted only when work is left", () =>
    Effect.gen(function* () {
      const log: Array<string> = []
      const drainable = (name: string, left: number) => ({
        name,
        inFlight: () => ({ [name]: left }),
        lameDuck: Effect.sync(() => void log.push(`${name} lameDuck`)),
        drain: Effect.andThen(
          Effect.sync(() => void log.push(`${name} drain`)),
          Effect.sleep(left * 10_000)
        ),
        interrupt: Effect.sync(() => void log.push(`${name} interrupt`))
      })
      const layer = using("c", (lifecycle) =>
        Effect.all([lifecycle.drainable(drainable("idle", 0)), lifecycle.drainable(drainable("busy", 3))])
      )
      const { events, report } = yield* lifeOf(layer, { lameDuck: "1 second" })
      expect(log).toEqual(["idle lameDuck", "busy lameDuck", "idle drain", "busy drain", "busy interrupt"])
      expect(report.stragglers).toEqual([{ kind: "busy", count: 3 }])
      expect(only(events, "InFlight").map((event) => event.counts)).toEqual([{ busy: 3 }])
    })
  )

  it.effect("whose scope closes while the application runs is closed, given up and interrupted, each bounded", () =>
    Effect.gen(function* () {
      const log: Array<string> = []
      const drainable = (name: string, interrupt: Effect.Effect<void>) => ({
        name,
        inFlight: () => ({ [name]: 1 }),
        drain: Effect.onInterrupt(
          Effect.andThen(
            Effect.sync(() => void log.push(`${name} refuses`)),
            Effect.never
          ),
          () => Effect.sync(() => void log.push(`${name} is given up`))
        ),
        interrupt: Effect.andThen(
          Effect.sync(() => void log.push(`${name} interrupts`)),
          interrupt
        )
      })
      const layer = using("c", (lifecycle) =>
        Effect.forkScoped(
          Effect.gen(function* () {
            yield* Effect.sleep("1 second")
            yield* Effect.scoped(lifecycle.drainable(drainable("quick", Effect.void)))
            yield* Effect.scoped(lifecycle.drainable(drainable("hangs", Effect.never)))
            yield* Effect.scoped(lifecycle.drainable(drainable("dies", Effect.die(new Error("boom")))))
            log.push("done")
          })
        )
      )
      const { report } = yield* lifeOf(layer, { runFor: "1 minute", stopTimeout: "3 seconds" })
      const steps = (name: string) => [`${name} refuses`, `${name} interrupts`, `${name} is given up`]
      expect(log).toEqual([...steps("quick"), ...steps("hangs"), ...steps("dies"), "done"])
      expect([report.outcome._tag, report.awaited, report.stragglers]).toEqual(["Clean", [], []])
      expect(report.failures.map((line) => line.split(":")[0])).toEqual([
        "hangs (interrupt) failed",
        "dies (interrupt) failed"
      ])
    })
  )

  it.effect("whose count throws does not hold up the stop", () =>
    Effect.gen(function* () {
      const layer = using("c", (lifecycle) =>
        lifecycle.drainable({
          name: "broken",
          inFlight: () => {
            throw new Error("no count")
          },
          drain: Effect.void
        })
      )
      const graceful = yield* lifeOf(layer)
      expect(graceful.report.duration).toBe(0)
      const forced = yield* lifeOf(layer, { lameDuck: "1 minute", signals: [1000] })
      expect(forced.report.exitCode).toBe(143)
    })
  )
})

describe("the time left", () => {
  it.effect("is nothing before the stop, and runs down to the deadline", () =>
    Effect.gen(function* () {
      const app = yield* App.start(using("c", () => Effect.addFinalizer(() => Effect.sleep("4 seconds"))))
      const left = () => Effect.map(app.lifecycle.remaining, Option.map(Duration.toMillis))
      const forReleases = () => Effect.map(app.lifecycle.releaseRemaining, Option.map(Duration.toMillis))
      expect([yield* left(), yield* forReleases()]).toEqual([Option.none(), Option.none()])
      app.signalUnsafe("SIGTERM")
      // The reserve is not for releases.
      expect([yield* left(), yield* forReleases()]).toEqual([Option.some(25_000), Option.some(22_500)])
      yield* TestClock.adjust("3 seconds")
      expect([yield* left(), yield* forReleases()]).toEqual([Option.some(22_000), Option.some(19_500)])
      yield* TestClock.adjust("1 minute")
      expect([yield* left(), yield* forReleases()]).toEqual([Option.some(0), Option.some(0)])
    })
  )

  it.effect("can be extended by a component for its own release, within the grace period", () =>
    Effect.gen(function* () {
      const granted: Array<number> = []
      const slow = (name: string, ask: Duration.Input, takes: Duration.Input) =>
        using(name, (lifecycle) =>
          Effect.addFinalizer(() =>
            Effect.gen(function* () {
              granted.push(Duration.toMillis(yield* lifecycle.extendStop(ask)))
              yield* Effect.sleep(takes)
            })
          )
        )
      const layer = Layer.mergeAll(slow("modest", "2 seconds", "6 seconds"), slow("greedy", "1 hour", "1 hour"))
      const { events, report } = yield* lifeOf(layer, { gracePeriod: "10 seconds", reserve: "1 second" })
      expect(granted.toSorted((a, b) => a - b)).toEqual([2000, 9000])
      expect(report.components.map((row) => `${row.name} ${row.working} ${row.end}`).toSorted()).toEqual([
        "greedy 9000 abandoned",
        "modest 6000 stopped"
      ])
      expect(
        only(events, "LeaseGranted")
          .map((event) => event.to)
          .toSorted()
      ).toEqual(["greedy", "modest"])
    })
  )

  it.effect("can be extended while draining, and is not when no stop is going on", () =>
    Effect.gen(function* () {
      const granted: Array<number> = []
      const layer = using("c", (lifecycle) => {
        const ask = Effect.flatMap(lifecycle.extendStop("3 seconds"), (by) =>
          Effect.sync(() => void granted.push(Duration.toMillis(by)))
        )
        return Effect.andThen(ask, lifecycle.awaitBeforeStop("upload", Effect.andThen(ask, Effect.sleep("4 seconds"))))
      })
      const { report } = yield* lifeOf(layer, { drain: "2 seconds" })
      expect([granted, report.duration, report.outcome._tag]).toEqual([[0, 3000], 4000, "Clean"])
    })
  )

  it.effect("is given where it is granted, also to who asks in the instant in which the budget ends", () =>
    Effect.gen(function* () {
      const life = (granted: Array<number>) =>
        lifeOf(
          using("c", (lifecycle) => {
            const upload = Effect.gen(function* () {
              yield* Effect.sleep("2 seconds")
              const by = Duration.toMillis(yield* lifecycle.extendStop("3 seconds"))
              if (by > 0) granted.push(by)
              yield* Effect.sleep("1 second")
            })
            // The timer of the first is set before that of the budget, the second's after it.
            return Effect.andThen(
              lifecycle.awaitBeforeStop("first", Effect.uninterruptible(upload)),
              lifecycle.awaitBeforeStop("second", Effect.uninterruptible(Effect.andThen(Effect.yieldNow, upload)))
            )
          }),
          { drain: "2 seconds", interrupt: 0 }
        )
      const told = new Set<string>()
      // A turn that is lost for so long lets the other timers of the same instant go first.
      const later = (turn: () => void): void => void setImmediate(() => setImmediate(turn))
      for (let step = 1; step <= 500; step++) {
        const granted: Array<number> = []
        const { events, report } = yield* life(granted).pipe(losingTurn(step, later))
        const draining = report.states.find((row) => row.state === "Draining")?.duration ?? 0
        expect(only(events, "LeaseGranted").map((event) => event.millis)).toEqual(granted)
        told.add(
          granted.length === 0 ? `refused after ${draining} ms` : draining > 2000 ? "given" : "granted for nothing"
        )
      }
      expect(Array.from(told).toSorted()).toEqual(["given", "refused after 2000 ms"])
    })
  )

  it.effect("is given where it is granted to a component, also in the instant in which its stop timeout ends", () =>
    Effect.gen(function* () {
      const told = new Set<string>()
      const later = (turn: () => void): void => void setImmediate(() => setImmediate(turn))
      for (let step = 1; step <= 500; step++) {
        const release = (lifecycle: Lifecycle["Service"], turns: number) =>
          Effect.gen(function* () {
            for (let n = 0; n < turns; n++) yield* Effect.yieldNow
            yield* Effect.sleep("2 seconds")
            yield* lifecycle.extendStop("3 seconds")
            yield* Effect.sleep("1 second")
          })
        const slow = (name: string, turns: number) =>
          using(name, (lifecycle) => Effect.addFinalizer(() => Effect.uninterruptible(release(lifecycle, turns))))
        const { events } = yield* lifeOf(Layer.mergeAll(slow("first", 0), slow("second", 1)), {
          stopTimeout: "2 seconds"
        }).pipe(losingTurn(step, later))
        const leases = new Set(only(events, "LeaseGranted").map((event) => event.to))
        for (const { name } of only(events, "ComponentAbandoned"))
          told.add(leases.has(name) ? "granted for nothing" : "refused")
        for (const { name } of only(events, "ComponentStopped")) told.add(leases.has(name) ? "given" : "stopped")
      }
      expect(Array.from(told).toSorted()).toEqual(["given", "refused"])
    })
  )

  it.effect("is not extended by who hears that the state it was for is over", () =>
    Effect.gen(function* () {
      const granted: Array<string> = []
      let ask = (_in: string): void => undefined
      const app = yield* App.start(
        using("c", () => Effect.addFinalizer(() => Effect.sleep("1 second"))),
        {
          lameDuck: "1 second",
          onEvent: (event) => {
            if (event._tag === "StateChanged") ask(event.to)
          }
        }
      )
      ask = (state) =>
        void granted.push(`${state} ${Duration.toMillis(Effect.runSync(app.lifecycle.extendStop("3 seconds")))}`)
      yield* TestClock.adjust("1 second")
      app.signalUnsafe("SIGTERM")
      const report = yield* runToEnd(app)
      expect(only(app.events, "LeaseGranted")).toEqual([])
      expect(granted.length).toBe(6)
      expect(report.duration).toBe(2000)
    })
  )

  it.effect("cannot be extended after the release, where everything that is left is given already", () =>
    Effect.gen(function* () {
      const granted: Array<number> = []
      const layer = using("c", (lifecycle) =>
        lifecycle.onStopped(
          "verify",
          Effect.flatMap(lifecycle.extendStop("3 seconds"), (by) =>
            Effect.sync(() => void granted.push(Duration.toMillis(by)))
          )
        )
      )
      const { events } = yield* lifeOf(layer)
      expect([granted, only(events, "LeaseGranted")]).toEqual([[0], []])
    })
  )
})

describe("unfinished work", () => {
  /** Accepted, and neither finished nor interrupted. */
  const stuck = using("c", (lifecycle) =>
    Effect.andThen(
      lifecycle.drainable({
        name: "queue",
        inFlight: () => ({ job: 2 }),
        drain: Effect.never,
        interrupt: Effect.never
      }),
      Effect.addFinalizer(() => Effect.sleep("2 seconds"))
    )
  )

  it.effect("is told once, whichever state a second signal or the deadline cuts off", () =>
    Effect.gen(function* () {
      const lives: ReadonlyArray<readonly [cutOff: string, options: Parameters<typeof lifeOf>[1]]> = [
        ["LameDuck", { lameDuck: "1 second", signals: [500] }],
        ["Draining", { signals: [500] }],
        ["Interrupting", { drain: "1 second", signals: [1500] }],
        ["Releasing", { drain: "1 second", interrupt: "1 second", signals: [2500] }],
        ["Interrupting", { drain: "1 second", interrupt: "1 hour", gracePeriod: "3 seconds", reserve: 0 }]
      ]
      for (const [cutOff, options] of lives) {
        const { events, report } = yield* lifeOf(stuck, options)
        expect([only(events, "StateChanged").at(-1)?.from, report.stragglers]).toEqual([
          cutOff,
          [{ kind: "job", count: 2 }]
        ])
      }
    })
  )
})

describe("the streams", () => {
  const all = ["Running", "LameDuck", "Draining", "Interrupting", "Releasing", "Flushing", "Stopped"]

  it.effect("give every state and every event once, in order, to whoever joins, and end with the application", () =>
    Effect.gen(function* () {
      const app = yield* App.start(using("c", () => Effect.addFinalizer(() => Effect.sleep("1 second"))))
      const collect = () =>
        Effect.forkChild(
          Effect.all([Stream.runCollect(app.lifecycle.changes), Stream.runCollect(app.lifecycle.events)], {
            concurrency: 2
          }),
          {
            startImmediately: true
          }
        )
      const early = yield* collect()
      yield* TestClock.adjust("1 second")
      app.signalUnsafe("SIGTERM")
      yield* TestClock.adjust("500 millis")
      const middle = yield* collect()
      yield* runToEnd(app)
      const late = yield* collect()
      for (const [fiber, states] of [
        [early, all],
        [middle, all.slice(4)],
        [late, all.slice(6)]
      ] as const) {
        const [changes, events] = yield* Fiber.join(fiber)
        expect(changes).toEqual(states)
        expect(events).toEqual(app.events)
      }
    })
  )

  it.effect("keep their order when a listener causes further events", () =>
    Effect.gen(function* () {
      const heard: Array<string> = []
      let stop = (): void => undefined
      const app = yield* App.start(Layer.effectDiscard(Effect.sleep("1 second")), {
        onEvent: (event) => {
          if (event._tag === "ComponentStarted") stop()
          heard.push(event._tag)
        }
      })
      const second: Array<string> = []
      stop = () => app.requestStopUnsafe(StopReason.finished)
      yield* Effect.forkChild(
        Stream.runForEach(app.lifecycle.events, (event) => Effect.sync(() => void second.push(event._tag))),
        { startImmediately: true }
      )
      yield* runToEnd(app)
      expect(heard).toEqual(app.events.map((event) => event._tag))
      expect(second).toEqual(heard)
    })
  )
})

describe("the status", () => {
  it.effect("says what goes on: states, counts, who is awaited", () =>
    Effect.gen(function* () {
      const layer = using("api", (lifecycle) =>
        Effect.gen(function* () {
          yield* lifecycle.drainable({
            name: "http",
            inFlight: () => ({ request: 2 }),
            drain: Effect.sleep("2 seconds")
          })
          yield* Effect.addFinalizer(() => Effect.sleep("1 second"))
        })
      )
      const app = yield* App.start(layer)
      yield* TestClock.adjust("5 seconds")
      const running = yield* app.lifecycle.status
      app.signalUnsafe("SIGTERM")
      yield* TestClock.adjust("1 second")
      const draining = app.lifecycle.statusUnsafe()
      yield* TestClock.adjust("1500 millis")
      const releasing = app.lifecycle.statusUnsafe()
      yield* runToEnd(app)
      const health = { state: "Healthy", checks: [] }
      const idle = { health, inFlight: { request: 2 }, criticalSections: [], tasks: [] }
      const api = { name: "api", since: 0, state: "Running" }
      expect([running, draining, releasing]).toEqual([
        {
          ...idle,
          state: "Running",
          reason: undefined,
          uptime: 5000,
          remaining: undefined,
          components: [api],
          awaiting: []
        },
        {
          ...idle,
          state: "Draining",
          reason: StopReason.signal("SIGTERM"),
          uptime: 6000,
          remaining: 24_000,
          components: [api],
          awaiting: ["http"]
        },
        {
          ...idle,
          state: "Releasing",
          reason: StopReason.signal("SIGTERM"),
          uptime: 7500,
          remaining: 22_500,
          components: [{ name: "api", since: 7000, state: "Stopping" }],
          awaiting: ["api"]
        }
      ])
    })
  )

  it.effect("lets running code wait for lame duck, for draining and for the end", () =>
    Effect.gen(function* () {
      const log: Array<string> = []
      const app = yield* App.start(Layer.empty, { lameDuck: "1 second" })
      const { lameDuck, stopped, stopping } = app.lifecycle
      for (const [name, wait] of [
        ["stopped", stopped],
        ["stopping", stopping],
        ["lameDuck", lameDuck]
      ] as const) {
        yield* Effect.forkChild(
          Effect.andThen(
            wait,
            Effect.sync(() => void log.push(`${name} in ${app.lifecycle.stateUnsafe()}`))
          ),
          { startImmediately: true }
        )
      }
      yield* TestClock.adjust("1 second")
      app.signalUnsafe("SIGTERM")
      yield* runToEnd(app)
      expect(log).toEqual(["lameDuck in LameDuck", "stopping in Draining", "stopped in Stopped"])
    })
  )
})

describe("emergency hooks", () => {
  it.effect("run at a forced exit only, each guarded, none asynchronous", () =>
    Effect.gen(function* () {
      const log: Array<string> = []
      const layer = using("c", (lifecycle) =>
        Effect.gen(function* () {
          yield* lifecycle.emergency("first", () => void log.push("first"))
          yield* lifecycle.emergency("throws", () => {
            throw new Error("disk full")
          })
          yield* lifecycle.emergency("throws nonsense", () => {
            throw Object.create(null)
          })
          yield* lifecycle.emergency("last", () => void log.push("last"))
          yield* Effect.addFinalizer(() => Effect.sleep("2 seconds"))
        })
      )
      yield* lifeOf(layer)
      expect(log).toEqual([])
      const { events, report } = yield* lifeOf(layer, { signals: [1000] })
      expect(log).toEqual(["first", "last"])
      expect(only(events, "EmergencyRan").map((event) => event.failure)).toEqual([
        undefined,
        "disk full",
        "something without a text was thrown",
        undefined
      ])
      expect(report.outcome).toEqual({ _tag: "Forced", signal: "SIGTERM" })
    })
  )
})

describe("a finalizer", () => {
  it.effect("may do what it likes: fork, ask for a stop, open a scope, build a layer, register hooks", () =>
    Effect.gen(function* () {
      const log: Array<string> = []
      const extra = Layer.effectDiscard(Effect.addFinalizer(() => Effect.sync(() => void log.push("extra released"))))
      const layer = using("busy", (lifecycle) =>
        Effect.addFinalizer(() =>
          Effect.gen(function* () {
            yield* lifecycle.requestStop(StopReason.requested("finalizer"))
            yield* lifecycle.onStopped(
              "late verify",
              Effect.sync(() => void log.push("verified"))
            )
            const child = yield* Effect.forkChild(Effect.sleep("1 second"))
            yield* Effect.scoped(Effect.andThen(Layer.build(extra), Effect.sleep("1 second")))
            yield* Fiber.join(child)
            log.push(
              Exit.isSuccess(yield* Effect.exit(Effect.timeoutOption(Effect.never, "1 second")))
                ? "timed out as always"
                : "not interruptible"
            )
          })
        )
      )
      const { report } = yield* lifeOf(layer)
      expect([log, report.duration, report.outcome._tag, report.reason._tag]).toEqual([
        ["extra released", "timed out as always", "verified"],
        2000,
        "Clean",
        "Signal"
      ])
    })
  )
})
