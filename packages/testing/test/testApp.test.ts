/** What a test can do with an application that it holds in its hand, and that it always gets it off again. */
import { assert, describe, expect, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as References from "effect/References"
import * as Scope from "effect/Scope"
import * as CriticalSection from "quiesce/CriticalSection"
import * as DrainGate from "quiesce/DrainGate"
import { Lifecycle } from "quiesce/Lifecycle"
import * as StopReason from "quiesce/StopReason"
import * as Failpoint from "../src/Failpoint.ts"
import { record } from "../src/internal/Journal.ts"
import * as PartialOrder from "../src/PartialOrder.ts"
import * as Scripted from "../src/Scripted.ts"
import * as TestApp from "../src/TestApp.ts"
import { only } from "../src/Timeline.ts"

/** Milliseconds of virtual time since the test began. */
const now = Clock.currentTimeMillis

const dieOf = (exit: Exit.Exit<unknown, unknown>): string =>
  Exit.isFailure(exit) ? String(Cause.squash(exit.cause)) : assert.fail("it succeeded")

/** A queue of jobs, as a service that a test can send work to. */
class Jobs extends Context.Service<Jobs, { readonly run: (millis: number) => Effect.Effect<string> }>()("test/Jobs") {}

const JobsLive = Layer.effect(
  Jobs,
  Effect.gen(function* () {
    const gate = yield* DrainGate.make("job")
    return {
      run: (millis) =>
        gate
          .run(Effect.as(Effect.sleep(millis), "done"))
          .pipe(Effect.catchTag("ShuttingDown", () => Effect.succeed("refused")))
    }
  })
)

describe("a TestApp", () => {
  it.effect("runs when it is made, and ends as the report says", () =>
    Effect.gen(function* () {
      const app = yield* TestApp.make(Scripted.component("db", { release: { after: 300 } }))
      expect([app.state, app.report]).toEqual(["Running", undefined])
      yield* app.signal()
      expect(app.state).toBe("Releasing")
      const report = yield* app.runToEnd
      expect([report.outcome._tag, report.duration, report.exitCode]).toEqual(["Clean", 300, 0])
      expect([app.state, app.report]).toEqual(["Stopped", report])
      yield* app.assertLaws
    })
  )

  it.effect("shows its events, and in the timeline also what the kit saw between them", () =>
    Effect.gen(function* () {
      const app = yield* TestApp.make(Scripted.component("db"))
      yield* app.advance("1 second")
      yield* app.signal("SIGINT")
      yield* app.runToEnd
      expect(app.timeline.filter((entry) => app.events.some((event) => event === entry))).toEqual(app.events)
      expect(only(app.timeline, "Signalled")).toEqual([{ _tag: "Signalled", at: 1000, signal: "SIGINT" }])
      expect(only(app.timeline, "Exited")).toEqual([{ _tag: "Exited", at: 1000, exitCode: 0 }])
      expect(only(app.timeline, "Logged").map(({ message }) => message)).toContain("stopping: SIGINT")
      expect(only(app.timeline, "Released").map(({ component }) => component)).toEqual(["db"])
    })
  )

  it.effect("is the application as it is: nothing of the kit is in its events", () =>
    Effect.gen(function* () {
      const app = yield* TestApp.make(JobsLive)
      expect(only(app.timeline, "ComponentStarted").map(({ name }) => name)).toEqual(["Jobs"])
    })
  )

  it.effect("leaves the test's own loggers where they are", () =>
    Effect.gen(function* () {
      const heard: Array<unknown> = []
      const mine = Logger.make(({ message }) => void heard.push(message))
      yield* TestApp.make(Scripted.component("db")).pipe(Effect.provide(Logger.layer([mine])))
      expect(heard).toEqual([["Starting -> Running"]])
    })
  )

  it.effect("lets them hear no more than without it, where the test wants to see little", () =>
    Effect.gen(function* () {
      const heard: Array<unknown> = []
      const mine = Logger.make(({ message }) => void heard.push(message))
      const App = Layer.effectDiscard(
        Effect.gen(function* () {
          yield* Effect.logWarning("careful")
          yield* Effect.logError("broken")
          yield* Effect.logDebug("told").pipe(Effect.provideService(References.MinimumLogLevel, "Debug"))
        })
      )
      const app = yield* TestApp.make(Layer.mergeAll(App, Scripted.component("db", { release: "hang" }))).pipe(
        Effect.provide(Logger.layer([mine])),
        Effect.provideService(References.MinimumLogLevel, "Error")
      )
      yield* app.signal("SIGTERM")
      yield* app.signal("SIGINT")
      expect(heard).toEqual([["broken"], ["told"]])
      expect(only(app.timeline, "Logged").map(({ message }) => message)).toEqual([
        "broken",
        "told",
        "SIGINT again: leaving at once"
      ])
    })
  )

  it("says what it needs where there is no TestClock", async () => {
    const exit = await Effect.runPromiseExit(Effect.scoped(TestApp.make(Layer.empty)))
    expect(dieOf(exit)).toContain("TestApp needs the TestClock: use it.effect, or provide TestClock.layer()")
  })
})

describe("time", () => {
  it.effect("passes exactly as told, and the events bear it", () =>
    Effect.gen(function* () {
      const app = yield* TestApp.make(Scripted.component("db"))
      yield* app.advance("90 seconds")
      yield* app.advance(0.25)
      yield* app.signal()
      expect(yield* now).toBe(90_000.25)
      expect(only(app.timeline, "StopRequested").map(({ at }) => at)).toEqual([90_000.25])
    })
  )

  it.effect("does not pass before everything that needs none has been done", () =>
    Effect.gen(function* () {
      const ticks: Array<number> = []
      const hops = Effect.forEach(
        Array.from({ length: 300 }),
        () => Effect.flatMap(Effect.forkChild(Effect.yieldNow), Fiber.join),
        { discard: true }
      )
      const tick = hops.pipe(
        Effect.andThen(Effect.sleep(100)),
        Effect.andThen(Effect.flatMap(now, (at) => Effect.sync(() => ticks.push(at))))
      )
      const app = yield* TestApp.make(Layer.effectDiscard(Effect.forkScoped(Effect.forever(tick))))
      yield* app.advance(350)
      expect(ticks).toEqual([100, 200, 300])
    })
  )

  it.effect("does not pass before promises that only wait for each other have settled", () =>
    Effect.gen(function* () {
      const ticks: Array<number> = []
      const tick = Effect.promise(async () => {
        for (let hop = 0; hop < 50; hop++) await Promise.resolve()
      }).pipe(
        Effect.andThen(Effect.sleep(100)),
        Effect.andThen(Effect.flatMap(now, (at) => Effect.sync(() => ticks.push(at))))
      )
      const app = yield* TestApp.make(Layer.effectDiscard(Effect.forkScoped(Effect.forever(tick))))
      yield* app.advance(350)
      expect(ticks).toEqual([100, 200, 300])
    })
  )

  it.effect("does not pass before a fiber of the test, too, has had a few turns", () =>
    Effect.gen(function* () {
      const app = yield* TestApp.make(JobsLive)
      const client = yield* Effect.forEach([1, 2, 3, 4, 5], () => Effect.yieldNow).pipe(
        Effect.andThen(app.use(Effect.flatMap(Jobs, (jobs) => jobs.run(100)))),
        Effect.andThen(now),
        Effect.forkChild
      )
      yield* app.advance(100)
      expect(yield* Fiber.join(client)).toBe(100)
    })
  )

  it.effect("passes also where something never rests", () =>
    Effect.gen(function* () {
      const app = yield* TestApp.make(Layer.effectDiscard(Effect.forkScoped(Effect.forever(Effect.yieldNow))))
      yield* app.advance("100 millis")
      expect(yield* now).toBe(100)
    })
  )

  it.effect("is the same for the application, for whoever uses it and for the test", () =>
    Effect.gen(function* () {
      const app = yield* TestApp.make(JobsLive)
      const inside = yield* Effect.forkChild(app.use(Effect.andThen(Effect.sleep(70), now)))
      const outside = yield* Effect.forkChild(Effect.andThen(Effect.sleep(70), now))
      yield* app.advance(100)
      expect([yield* Fiber.join(inside), yield* Fiber.join(outside), yield* now]).toEqual([70, 70, 100])
    })
  )
})

describe("until", () => {
  it.effect("stops at the very instant at which a state is entered", () =>
    Effect.gen(function* () {
      const app = yield* TestApp.make(Scripted.component("db", { acquire: { after: 1234.5 }, release: { after: 777 } }))
      expect(app.state).toBe("Starting")
      yield* app.until("Running")
      expect([app.state, yield* now]).toEqual(["Running", 1234.5])
      yield* app.signal()
      yield* app.until("Flushing")
      expect(yield* now).toBe(2011.5)
    })
  )

  it.effect("waits for any entry of the timeline", () =>
    Effect.gen(function* () {
      const app = yield* TestApp.make(
        Layer.mergeAll(
          Scripted.component("quick", { release: { after: 10 } }),
          Scripted.component("slow", { release: { after: 400 } })
        )
      )
      yield* app.signal()
      yield* app.until(PartialOrder.stopped("quick"))
      expect([app.state, yield* now]).toEqual(["Releasing", 10])
    })
  )

  it.effect("returns at once for what has happened already", () =>
    Effect.gen(function* () {
      const app = yield* TestApp.make(Scripted.component("db"))
      yield* app.until("Starting")
      yield* app.until("Running")
      yield* app.signal()
      yield* app.runToEnd
      yield* app.until("Draining")
      expect(yield* now).toBe(0)
    })
  )

  it.effect("fails at once when the end has come without it", () =>
    Effect.gen(function* () {
      const app = yield* TestApp.make(Scripted.component("db"))
      yield* app.signal()
      const error = yield* Effect.flip(app.until(PartialOrder.event("Straggler", { kind: "job" })))
      expect(error).toMatchObject({ _tag: "NotReached", awaited: "Straggler kind=job", state: "Stopped" })
      expect(error.message).toContain("Straggler kind=job was not reached: it has ended without it")
      expect(yield* now).toBe(0)
    })
  )

  it.effect("fails with the name of the component whose start does not end", () =>
    Effect.gen(function* () {
      const app = yield* TestApp.make(
        Layer.mergeAll(Scripted.component("db"), Scripted.component("broker", { acquire: "hang" }))
      )
      const error = yield* Effect.flip(app.until("Running"))
      expect(error.message).toContain(
        "StateChanged to=Running was not reached: after 85 s of virtual time the application is still Starting and waits for broker. No timer is set"
      )
      expect(error.message).toMatch(/0\.0 ComponentStarted id=\d name=db/)
    })
  )
})

describe("runToEnd", () => {
  it.effect("says what is missing when nobody has asked the application to stop", () =>
    Effect.gen(function* () {
      const app = yield* TestApp.make(Scripted.component("db"), { gracePeriod: "10 seconds" })
      const error = yield* Effect.flip(app.runToEnd)
      expect(error.message).toContain(
        "the end was not reached: after 70 s of virtual time the application is still Running, and nobody has asked it to stop; app.signal() does"
      )
      expect([error.state, yield* now]).toEqual(["Running", 70_000])
    })
  )

  it.effect("gives the report of a job that ends by itself", () =>
    Effect.gen(function* () {
      const job = Effect.gen(function* () {
        const lifecycle = yield* Lifecycle
        yield* Effect.sleep("40 seconds").pipe(
          Effect.andThen(lifecycle.requestStop(StopReason.finished)),
          Effect.forkScoped
        )
      })
      const app = yield* TestApp.make(Layer.effectDiscard(job))
      const report = yield* app.runToEnd
      expect([report.reason._tag, report.uptime, report.outcome._tag]).toEqual(["Finished", 40_000, "Clean"])
    })
  )

  it.effect("comes to the end whatever hangs, dies or ignores interruption, in virtual time", () =>
    Effect.gen(function* () {
      const app = yield* TestApp.make(
        Layer.mergeAll(
          Scripted.component("hangs", { release: "hang" }),
          Scripted.component("deaf", { release: "deaf" }),
          Scripted.component("dies", { release: "die" }),
          Scripted.component("busy", {
            parts: [{ _tag: "Requests", when: 0, every: 0, count: 3, takes: -1, masked: true }]
          })
        )
      )
      yield* app.advance("1 second")
      yield* app.signal()
      const report = yield* app.runToEnd
      expect([report.outcome._tag, report.exitCode, report.duration]).toEqual(["Degraded", 70, 20_000])
      yield* app.assertLaws
    })
  )
})

describe("what comes from outside", () => {
  it.effect("a second signal leaves at once; a repeat of the first within its cooldown does not count", () =>
    Effect.gen(function* () {
      const app = yield* TestApp.make(Scripted.component("db", { release: "hang" }))
      yield* app.signal("SIGTERM")
      yield* app.signal("SIGTERM")
      expect(app.state).toBe("Releasing")
      yield* app.signal("SIGINT")
      expect([app.state, app.report?.exitCode, yield* now]).toEqual(["Exit", 130, 0])
      yield* app.assertLaws
    })
  )

  it.effect("a crash is the reason for a stop that exits with 1", () =>
    Effect.gen(function* () {
      const app = yield* TestApp.make(Scripted.component("db"))
      yield* app.crash(new Error("boom"))
      const report = yield* app.runToEnd
      expect([report.reason, report.exitCode]).toEqual([
        { _tag: "Crash", kind: "uncaughtException", message: "boom" },
        1
      ])
      yield* app.assertLaws
    })
  )

  it.effect("work is sent through the services of the application, and the stop waits for it", () =>
    Effect.gen(function* () {
      const app = yield* TestApp.make(JobsLive)
      const accepted = yield* Effect.forkChild(app.use(Effect.flatMap(Jobs, (jobs) => jobs.run(800))))
      yield* app.advance(100)
      yield* app.signal()
      expect(app.state).toBe("Draining")
      expect(yield* app.use(Effect.flatMap(Jobs, (jobs) => jobs.run(800)))).toBe("refused")
      const report = yield* app.runToEnd
      expect([yield* Fiber.join(accepted), report.duration]).toEqual(["done", 700])
      yield* app.assertLaws
    })
  )

  it.effect("work that is interrupted is interrupted: a client that hangs up", () =>
    Effect.gen(function* () {
      const app = yield* TestApp.make(JobsLive)
      const client = yield* Effect.forkChild(app.use(Effect.flatMap(Jobs, (jobs) => jobs.run(800))))
      yield* app.advance(100)
      expect((yield* app.lifecycle.status).inFlight).toEqual({ job: 1 })
      yield* Fiber.interrupt(client)
      expect((yield* app.lifecycle.status).inFlight).toEqual({})
    })
  )

  it.effect("what is run with its services sees its Lifecycle too", () =>
    Effect.gen(function* () {
      const app = yield* TestApp.make(Layer.empty)
      yield* app.use(CriticalSection.run("save", Effect.void))
      yield* app.use(Effect.flatMap(Lifecycle, (lifecycle) => lifecycle.requestStop(StopReason.requested("test"))))
      expect((yield* app.runToEnd).reason).toEqual({ _tag: "Requested", by: "test" })
    })
  )

  it.effect("what it starts has been done when it is over, however it ends", () =>
    Effect.gen(function* () {
      const done: Array<string> = []
      const hops = (name: string) =>
        Effect.forEach(Array.from({ length: 100 }), () => Effect.yieldNow).pipe(
          Effect.andThen(Effect.sync(() => done.push(name))),
          Effect.forkDetach
        )
      const app = yield* TestApp.make(JobsLive)
      yield* app.use(hops("succeeded"))
      expect(done).toEqual(["succeeded"])
      yield* Effect.exit(app.use(Effect.andThen(hops("failed"), Effect.fail("no"))))
      expect(done).toEqual(["succeeded", "failed"])
      const client = yield* Effect.forkChild(app.use(Effect.onInterrupt(Effect.never, () => hops("interrupted"))))
      yield* app.advance(0)
      yield* Fiber.interrupt(client)
      expect(done).toEqual(["succeeded", "failed", "interrupted"])
    })
  )

  it.effect("one request follows the other at once, whatever else is going on", () =>
    Effect.gen(function* () {
      const app = yield* TestApp.make(JobsLive)
      const asked: Array<number> = []
      const ask = app.use(
        Effect.andThen(
          Effect.tap(now, (at) => Effect.sync(() => asked.push(at))),
          Effect.sleep(100)
        )
      )
      yield* Effect.forkChild(Effect.all([ask, ask, ask]))
      yield* Effect.forkChild(app.use(Effect.forever(Effect.sleep(1))))
      yield* app.advance(300)
      expect(asked).toEqual([0, 100, 200])
    })
  )

  it.effect("services that are not there yet cannot be used, and it says when", () =>
    Effect.gen(function* () {
      const app = yield* TestApp.make(Layer.mergeAll(JobsLive, Scripted.component("slow", { acquire: { after: 10 } })))
      const early = yield* Effect.flip(app.use(Jobs))
      expect([early._tag, early.message]).toEqual([
        "NotInUse",
        'the application is Starting: its services can be used once it is Running; app.until("Running") waits for that'
      ])
    })
  )

  it.effect("services can be used until the end, and after it nothing is run", () =>
    Effect.gen(function* () {
      const app = yield* TestApp.make(Layer.mergeAll(JobsLive, Scripted.component("db", { release: { after: 100 } })))
      yield* app.signal()
      expect([app.state, yield* app.use(Effect.flatMap(Jobs, (jobs) => jobs.run(10)))]).toEqual([
        "Releasing",
        "refused"
      ])
      yield* app.runToEnd
      let ran = false
      const late = yield* Effect.flip(app.use(Effect.sync(() => void (ran = true))))
      expect([late._tag, late.message, ran]).toEqual([
        "NotInUse",
        "the application is Stopped: nothing of it can be used any more; use it before the end",
        false
      ])
    })
  )

  it.effect("services of an application that could not start cannot be used either", () =>
    Effect.gen(function* () {
      const app = yield* TestApp.make(Layer.mergeAll(JobsLive, Scripted.component("db", { acquire: "fail" })))
      expect((yield* Effect.flip(app.use(Jobs))).state).toBe("Stopped")
    })
  )

  it.effect("armed failpoints reach its layers, its background fibers and its finalizers", () =>
    Effect.gen(function* () {
      const Worker = Layer.effectDiscard(
        Effect.gen(function* () {
          yield* Effect.acquireRelease(Failpoint.site("worker.open"), () => Failpoint.site("worker.close"))
          yield* Effect.forkScoped(Effect.andThen(Effect.sleep(500), Failpoint.site("worker.work")))
        })
      )
      const app = yield* TestApp.make(Worker)
      const report = yield* app.runToEnd
      expect(yield* Failpoint.hits).toEqual(["worker.open", "worker.work", "worker.close"])
      expect(yield* Failpoint.unreached).toEqual([])
      expect([report.reason._tag, report.uptime, report.failures.length]).toEqual(["ComponentFailed", 500, 2])
      yield* PartialOrder.assert(app.timeline, [
        PartialOrder.chain(
          PartialOrder.event("Struck", { what: "failpoint worker.work" }),
          PartialOrder.event("StopRequested"),
          PartialOrder.event("Struck", { what: "failpoint worker.close" })
        )
      ])
      yield* app.assertLaws
    }).pipe(Failpoint.arm({ "worker.work": Effect.die("out of paper"), "worker.close": Effect.die("jammed") }))
  )

  it.effect("a signal can be armed at a failpoint: a stop that begins exactly between two steps", () =>
    Effect.gen(function* () {
      const written: Array<string> = []
      const Writer = Layer.effectDiscard(
        CriticalSection.run(
          "save",
          Effect.gen(function* () {
            written.push("file")
            yield* Failpoint.site("save.between")
            yield* Effect.sleep(200)
            written.push("index")
          })
        ).pipe(Effect.delay(300), Effect.forkScoped)
      )
      const app = yield* TestApp.make(Writer)
      const report = yield* app.runToEnd
      expect([report.reason, report.uptime, report.duration]).toEqual([StopReason.signal("SIGTERM"), 300, 200])
      expect(written).toEqual(["file", "index"])
      yield* app.assertLaws
    }).pipe(Failpoint.arm({ "save.between": TestApp.signal() }))
  )

  it.effect("TestApp.signal outside of an application says so", () =>
    Effect.gen(function* () {
      expect(dieOf(yield* Effect.exit(TestApp.signal()))).toContain("outside of an application")
    })
  )
})

describe("assertLaws", () => {
  it.effect("runs to the end by itself", () =>
    Effect.gen(function* () {
      const app = yield* TestApp.make(Scripted.component("db", { release: { after: 100 } }))
      yield* app.signal()
      yield* app.assertLaws
      expect([app.state, yield* now]).toEqual(["Stopped", 100])
    })
  )

  it.effect("fails with the law's name, and with the log in which the line is marked", () =>
    Effect.gen(function* () {
      const Silent = Layer.effectDiscard(
        record({ _tag: "Failed", component: "mailer", message: "mailer: nobody was told of this" })
      )
      const app = yield* TestApp.make(Silent)
      yield* app.signal()
      const broken = yield* Effect.flip(app.assertLaws)
      assert(broken._tag === "LawsBroken")
      expect(broken.laws).toEqual(["never-silent"])
      expect(broken.message).toMatch(/^> .*Failed component=mailer/m)
    })
  )

  it.effect("does not hold a rule of one's own for exit codes against the law", () =>
    Effect.gen(function* () {
      const app = yield* TestApp.make(Scripted.component("db", { release: "die" }), { exitCode: () => 3 })
      yield* app.signal()
      expect((yield* app.runToEnd).exitCode).toBe(3)
      yield* app.assertLaws
    })
  )

  it.effect("knows the application's own budgets and ladder", () =>
    Effect.gen(function* () {
      const app = yield* TestApp.make(
        Scripted.component("busy", {
          release: "hang",
          parts: [{ _tag: "Requests", when: 0, every: 0, count: 1, takes: -1, masked: false }]
        }),
        { gracePeriod: "3 seconds", lameDuck: "500 millis", escalation: ["Graceful", "Interrupt", "Exit"] }
      )
      yield* app.advance("1 second")
      yield* app.signal()
      yield* app.advance("700 millis")
      yield* app.signal("SIGINT")
      expect(app.state).toBe("Releasing")
      const report = yield* app.runToEnd
      expect(report.duration).toBeLessThanOrEqual(3000)
      yield* app.assertLaws
    })
  )
})

describe("leaving the test", () => {
  /** What becomes of an application whose scope is closed: its timeline. */
  const leave = (
    layer: Scripted.AnyLayer,
    then: (app: TestApp.TestApp) => Effect.Effect<unknown, unknown> = () => Effect.void
  ) =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const app = yield* Scope.provide(TestApp.make(layer), scope)
      yield* Effect.exit(then(app))
      yield* Scope.close(scope, Exit.void)
      return app
    })

  it.effect("stops the application in order", () =>
    Effect.gen(function* () {
      const db = Scripted.component("db", { release: { after: 300 } })
      const app = yield* leave(Scripted.component("api", { needs: [db], release: { after: 200 } }))
      expect([app.state, app.report?.reason._tag, app.report?.duration]).toEqual(["Stopped", "Interrupted", 500])
      expect(only(app.timeline, "Released").map(({ component }) => component)).toEqual(["api", "db"])
    })
  )

  it.effect("is never held up: not by a release that hangs, not by a start that does, not by what never rests", () =>
    Effect.gen(function* () {
      const restless = Layer.effectDiscard(Effect.forkScoped(Effect.forever(Effect.yieldNow)))
      const apps = [
        yield* leave(Scripted.component("deaf", { release: "deaf" })),
        yield* leave(Scripted.component("stuck", { acquire: "deaf" })),
        yield* leave(restless),
        yield* leave(Scripted.component("db"), (app) => Effect.andThen(app.signal(), app.runToEnd)),
        yield* leave(Scripted.component("db", { release: "hang" }), (app) => app.signal())
      ]
      expect(apps.map((app) => app.state)).toEqual(["Stopped", "Stopped", "Stopped", "Stopped", "Stopped"])
    })
  )

  it.effect("also when the test is interrupted, in whatever step", () =>
    Effect.gen(function* () {
      const log: Array<string> = []
      const Db = Layer.effectDiscard(
        Effect.acquireRelease(
          Effect.sync(() => log.push("opened")),
          () => Effect.andThen(Effect.sleep(50), () => Effect.sync(() => log.push("closed")))
        )
      )
      const test = Effect.gen(function* () {
        const app = yield* TestApp.make(Db)
        yield* app.advance("1 hour")
        return yield* Effect.never
      })
      for (const turns of [0, 1, 2, 5, 10, 100]) {
        log.length = 0
        const running = yield* Effect.forkChild(Effect.scoped(test), { startImmediately: true })
        for (let turn = 0; turn < turns; turn++) yield* Effect.yieldNow
        yield* Fiber.interrupt(running)
        expect([turns, ...log]).toEqual([turns, "opened", "closed"])
      }
    })
  )

  it.effect("is not held up by a request whose interruption takes time, which nobody lets pass any more", () =>
    Effect.gen(function* () {
      const request = Effect.onInterrupt(Effect.never, () => Effect.sleep("1 second"))
      const test = Effect.gen(function* () {
        const app = yield* TestApp.make(JobsLive)
        yield* Effect.forkChild(app.use(request))
        yield* app.advance("1 second")
        return yield* Effect.die("an expectation that fails")
      })
      const exit = yield* Effect.exit(Effect.scoped(test)).pipe(Effect.forkChild, Effect.flatMap(Fiber.join))
      expect(dieOf(exit)).toBe("an expectation that fails")
      expect(yield* now).toBe(1000)
    })
  )

  const left: Array<TestApp.TestApp> = []
  it.effect("(a test that leaves its application running,", () =>
    Effect.gen(function* () {
      left.push(yield* TestApp.make(Scripted.component("db", { release: { after: 5 } })))
    })
  )
  it("has it stopped by it.effect itself)", () => {
    expect(left.map((app) => app.state)).toEqual(["Stopped"])
  })
})
