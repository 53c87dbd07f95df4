/** The laws leave a sound application alone, whatever it does: each of these lives is as it should be. */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as References from "effect/References"
import * as Schedule from "effect/Schedule"
import * as App from "quiesce/App"
import * as Component from "quiesce/Component"
import * as DrainGate from "quiesce/DrainGate"
import type { Lifecycle } from "quiesce/Lifecycle"
import * as StopReason from "quiesce/StopReason"
import * as Laws from "@quiesce/testing/Laws"
import * as Scripted from "@quiesce/testing/Scripted"
import { type SignalStorm, strike } from "@quiesce/testing/SignalStorm"
import * as Simulation from "@quiesce/testing/Simulation"
import * as TestApp from "@quiesce/testing/TestApp"
import { type Entry, only } from "@quiesce/testing/Timeline"

const patient: SignalStorm = [strike("SIGTERM", "Running", 1)]
const impatient: SignalStorm = [strike("SIGTERM", "Running", 1), strike("SIGINT", "Releasing")]

/** Lives it in the simulation, under these storms and under random ones, and in the hands of a test. */
const keepsEveryLaw = <A, E>(
  app: () => Layer.Layer<A, E, Lifecycle>,
  options: App.Options = {},
  storms: ReadonlyArray<SignalStorm> = [patient, impatient]
) =>
  Effect.gen(function* () {
    for (const storm of storms) yield* Simulation.explore(app, { seeds: 10, plan: { storm, options } })
    yield* Simulation.explore(app, { seeds: 30, plan: { options } })
    const held = yield* TestApp.make(app(), options)
    yield* held.advance("1 second")
    yield* held.signal()
    yield* held.runToEnd
    yield* held.assertLaws
  })

describe("a sound application", () => {
  for (const level of ["Error", "Fatal", "None"] as const) {
    const failing = () => Scripted.component("db", { acquire: { after: 1 }, release: "fail" })

    it.effect(`that is started where nothing below ${level} is logged`, () =>
      keepsEveryLaw(failing).pipe(Effect.provideService(References.MinimumLogLevel, level))
    )

    it.effect(`that itself logs nothing below ${level}`, () =>
      keepsEveryLaw(() => failing().pipe(Layer.provide(Layer.succeed(References.MinimumLogLevel, level))))
    )
  }

  it.effect("with two components that fail to stop, the name of one in that of the other", () =>
    keepsEveryLaw(() =>
      Layer.mergeAll(Scripted.component("db", { release: "fail" }), Scripted.component("userdb", { release: "fail" }))
    )
  )

  it.effect("with two components that die in the background, the name of one in that of the other", () => {
    const dying = (name: string) =>
      Scripted.component(name, {
        onBackgroundFailure: "log",
        during: Effect.forkScoped(Effect.andThen(Effect.sleep(10), Effect.die(new Error(`${name} is gone`))))
      })
    return keepsEveryLaw(() => Layer.mergeAll(dying("db"), dying("userdb")))
  })

  it.effect("that logs a failure which the framework logs as well", () =>
    keepsEveryLaw(() =>
      Scripted.component("db", {
        release: "fail",
        during: Effect.addFinalizer((exit) =>
          Exit.isSuccess(exit) ? Effect.logError("db: release failed on purpose") : Effect.void
        )
      })
    )
  )

  it.effect("that runs an application of its own, with work that is never finished", () =>
    keepsEveryLaw(() => {
      const inner = Layer.mergeAll(
        Scripted.component("db", { release: "hang", stopTimeout: "10 millis" }),
        Scripted.component("api", {
          release: "fail",
          parts: [
            { _tag: "Requests", when: 0, every: 10, count: 3, takes: -1, masked: true },
            { _tag: "Hook", on: "onStopping", behaviour: { end: "fail", after: 0, masked: false, blocks: false } }
          ]
        })
      )
      return Layer.mergeAll(
        Scripted.component("db", { release: { after: 10 } }),
        Layer.effectDiscard(Effect.forkScoped(App.launch(inner, { gracePeriod: "1 second" })))
      )
    })
  )

  it.effect("that starts and stops an application of its own again and again", () =>
    keepsEveryLaw(() =>
      Layer.effectDiscard(
        Effect.gen(function* () {
          const inner = yield* App.start(Scripted.component("db", { release: "fail" }))
          yield* Effect.sleep(50)
          inner.requestStopUnsafe(StopReason.finished)
          yield* inner.stopped
        }).pipe(Effect.forever, Effect.forkScoped)
      )
    )
  )

  /** Code that builds a component for itself, lets it go, and takes care of what that one fails with. */
  const using = (name: string, script: Scripted.Script = {}) =>
    Effect.exit(Effect.provide(Effect.sleep(20), Scripted.component(name, script)))

  it.effect("that builds a component while it runs, and lets it go", () =>
    keepsEveryLaw(() =>
      Layer.mergeAll(
        Scripted.component("db"),
        Scripted.component("tenants", {
          during: Effect.forkScoped(Effect.forever(using("tenant", { release: { after: 30 } })))
        })
      )
    )
  )

  it.effect("that builds components while it runs, which fail in each way", () =>
    keepsEveryLaw(() =>
      Scripted.component("tenants", {
        during: Effect.forkScoped(
          Effect.all([
            using("tenant", { release: "fail" }),
            using("tenant", { acquire: "fail" }),
            using("tenant", { acquire: "die" }),
            using("tenant", {
              parts: [
                {
                  _tag: "Hook",
                  on: "awaitBeforeStop",
                  behaviour: { end: "fail", after: 0, masked: false, blocks: false }
                }
              ]
            }),
            using("tenant", { release: { after: 30_000 } })
          ])
        )
      })
    )
  )

  it.effect("whose finalizer builds a component", () =>
    keepsEveryLaw(() =>
      Scripted.component("db", {
        during: Effect.addFinalizer(() => using("rescue", { acquire: { after: 5 }, release: "fail" }))
      })
    )
  )

  it.effect("one of whose components builds another as it starts", () =>
    keepsEveryLaw(() => {
      const db = Scripted.component("db", { release: "fail" })
      const pool = Scripted.component("pool", { needs: [db], release: "fail" })
      return Layer.mergeAll(db, Layer.effectDiscard(Effect.provide(Effect.void, pool)))
    })
  )

  it.effect("whose gates are full, with units of several kinds that wait, are turned away or lose patience", () =>
    keepsEveryLaw(() => {
      const crowd = { _tag: "Requests", when: 0, every: 10, count: 20, takes: 100, masked: false, kinds: 3 } as const
      return Layer.mergeAll(
        Scripted.component("uploads", { parts: [{ ...crowd, capacity: 2, patience: 150 }] }),
        Scripted.component("mails", { parts: [{ ...crowd, capacity: 1, whenFull: "reject" }] }),
        Scripted.component("orders", {
          parts: [
            { ...crowd, capacity: 1, takes: 0 },
            { ...crowd, capacity: 3, takes: -1, when: "lameDuck" }
          ]
        })
      )
    })
  )

  it.effect("that has a gate with a capacity in its own code, and counts its kinds", () =>
    keepsEveryLaw(() =>
      Layer.effectDiscard(
        Effect.gen(function* () {
          const gate = yield* DrainGate.make("uploads", { capacity: 2 })
          for (const kind of ["photo", "film", "photo", "film"])
            yield* Effect.forkScoped(Effect.ignore(gate.run(Effect.sleep(700), { kind })))
        })
      ).pipe(Component.make("uploads"))
    )
  )

  it.effect("whose sections all want one key, whatever they do with it", () =>
    keepsEveryLaw(() => {
      const save = { _tag: "Section", when: 0, takes: 400, atMost: 300, masked: false, key: "disk" } as const
      const others = [
        { ...save, allowDuringStop: false, fails: true },
        { ...save, allowDuringStop: true, when: 10 },
        { ...save, allowDuringStop: false, when: "lameDuck", patience: 50 },
        { ...save, allowDuringStop: true, when: "stopping" },
        { ...save, allowDuringStop: true, when: "stopping", masked: true },
        { ...save, allowDuringStop: true, when: "stopping", takes: -1, key: "net" }
      ] as const
      const db = Scripted.component("db", { parts: others })
      return Layer.mergeAll(db, Scripted.component("api", { needs: [db], parts: others, release: { after: 200 } }))
    })
  )

  it.effect("with tasks that a stop lets finish: they do, they fail, they never end", () =>
    keepsEveryLaw(
      () => {
        const task = {
          _tag: "Task",
          every: 100,
          cleanup: 20,
          priority: 0,
          onFailure: "stop",
          onStop: "finish"
        } as const
        const run = { end: "return", after: 1200, masked: false, blocks: false } as const
        return Scripted.component("jobs", {
          parts: [
            { ...task, restarts: 0, behaviour: run },
            { ...task, restarts: 2, behaviour: { ...run, end: "fail" } },
            { ...task, restarts: 0, behaviour: { ...run, end: "die", after: 1300 } },
            { ...task, restarts: 0, behaviour: { ...run, end: "hang" } },
            { ...task, restarts: 0, behaviour: { ...run, end: "hang", masked: true } }
          ]
        })
      },
      { drain: 500, interrupt: 300 }
    )
  )

  it.effect("that gets signals and crashes after its end", () =>
    Effect.gen(function* () {
      for (const release of ["return", "fail", "hang"] as const) {
        const app = yield* TestApp.make(Scripted.component("db", { release }))
        yield* app.signal("SIGTERM")
        yield* app.runToEnd
        const { length } = app.timeline
        for (const name of ["SIGINT", "SIGTERM", "SIGHUP"]) yield* app.signal(name)
        yield* app.crash(new Error("too late"))
        yield* app.advance("1 second")
        yield* app.signal("SIGTERM")
        expect(app.timeline.length).toBe(length)
        yield* app.assertLaws
      }
    })
  )

  const kinds = ["SIGTERM", "SIGINT", "SIGHUP", "crash", "request"] as const
  for (const first of kinds) {
    it.effect(`that is struck by ${first}, and then by anything else`, () =>
      keepsEveryLaw(
        () => Scripted.component("db", { release: { after: 500 } }),
        {},
        kinds.flatMap((second) => [
          [strike(first, "Running", 1), strike(second, "Releasing", 0.5)],
          [strike(first, "Running", 1), strike(second, "Releasing", 0.5), strike(first, "Releasing", 0.75)]
        ])
      )
    )
  }

  it.effect("that is told to leave by any signal that there is", () =>
    Effect.gen(function* () {
      const codes: Array<number | undefined> = []
      for (const name of ["SIGHUP", "SIGINT", "SIGQUIT", "SIGKILL", "SIGBREAK", "SIGUSR2", "SIGWHAT"]) {
        const app = yield* TestApp.make(Scripted.component("db", { release: "hang" }))
        yield* app.signal("SIGTERM")
        yield* app.signal(name)
        yield* app.assertLaws
        codes.push(app.report?.exitCode)
      }
      expect(codes).toEqual([129, 130, 131, 137, 149, 1, 1])
    })
  )

  const budgets: ReadonlyArray<readonly [what: string, options: App.Options]> = [
    ["a grace period that draws lots", { gracePeriod: Schedule.jittered(Schedule.duration("10 seconds")) }],
    [
      "a lame duck that draws lots at each step",
      { lameDuck: Schedule.jittered(Schedule.spaced("100 millis")).pipe(Schedule.upTo({ times: 10 })) }
    ],
    ["a drain that draws lots", { drain: Schedule.jittered(Schedule.duration("1 second")) }],
    ["an interrupt that draws lots", { interrupt: Schedule.jittered(Schedule.duration("1 second")) }],
    ["a grace period that looks at the clock", { gracePeriod: Schedule.during("5 seconds") }],
    ["a drain that looks at the clock", { drain: Schedule.during("2 seconds") }],
    [
      "a grace period of steps that looks at the clock",
      { gracePeriod: Schedule.max([Schedule.spaced("1 second"), Schedule.during("5 seconds")]) }
    ]
  ]
  for (const [what, options] of budgets) {
    it.effect(`with ${what}`, () =>
      keepsEveryLaw(
        () =>
          Scripted.component("db", {
            release: "hang",
            parts: [{ _tag: "Requests", when: 900, every: 0, count: 1, takes: -1, masked: true }]
          }),
        options
      )
    )
  }

  it.effect("that burns the processor: nobody can be in time then, and everybody else is", () =>
    Effect.gen(function* () {
      const app = () =>
        Layer.mergeAll(
          Scripted.component("db", { release: { after: 100 } }),
          Layer.effectDiscard(Effect.forkScoped(Effect.forever(Effect.yieldNow)))
        )
      yield* keepsEveryLaw(app)
      const life = yield* Simulation.run(app)
      expect(only(life.timeline, "Blocked").length).toBeGreaterThan(0)
      const late = { ...life, timeline: life.timeline.filter(({ _tag }) => _tag !== "Blocked") }
      expect(Laws.check(late).map(({ law }) => law)).toContain("ends-in-time")
    })
  )

  it.effect("that burns the processor for a while as it stops", () =>
    keepsEveryLaw(() =>
      Scripted.component("db", {
        during: Effect.addFinalizer(() => Effect.forEach(Array.from({ length: 30_000 }), () => Effect.yieldNow)),
        stopTimeout: "10 millis"
      })
    )
  )
})

describe("never-silent hears all the same", () => {
  /** What it says of a life without the framework's line about a component. */
  const withoutLineOf = (name: string, app: () => Scripted.AnyLayer) =>
    Effect.map(Simulation.run(app), (life) => {
      const isLine = (entry: Entry): boolean => entry._tag === "Logged" && entry.message.startsWith(`${name} failed`)
      expect(life.timeline.filter(isLine).length).toBe(1)
      const timeline = life.timeline.filter((entry) => !isLine(entry))
      return Laws.neverSilent.check({ ...life, timeline }).map(({ message }) => message)
    })

  const failing = (name: string) => Scripted.component(name, { release: { after: 10, end: "fail" } })

  it.effect("when a failure is only told by the line of another one with a longer name", () =>
    Effect.gen(function* () {
      const said = yield* withoutLineOf("db", () => Layer.mergeAll(failing("db"), failing("userdb")))
      expect(said).toContain('nothing was logged of "db: release failed on purpose"')
    })
  )

  it.effect("when a failure is only told by the user", () =>
    Effect.gen(function* () {
      const during = Effect.addFinalizer(() => Effect.logError("db: release failed on purpose"))
      const said = yield* withoutLineOf("db", () =>
        Scripted.component("db", { release: { after: 10, end: "fail" }, during })
      )
      expect(said).toContain('nothing was logged of "db: release failed on purpose"')
    })
  )
})
