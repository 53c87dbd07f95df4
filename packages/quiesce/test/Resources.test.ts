/** Things that are made at run time: closed once, in order, each in its own time, and named. */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"
import * as App from "quiesce/App"
import type * as Component from "quiesce/Component"
import { Lifecycle } from "quiesce/Lifecycle"
import * as Resources from "quiesce/Resources"
import { running, runningWith, starting, stop } from "./support/running.ts"
import { only, runToEnd } from "./support/scripted.ts"

/** A running application with one component that has resources. */
const withResources = (policy: Component.Policy = {}) =>
  Effect.gen(function* () {
    const log: Array<string> = []
    const say = (what: string) => Effect.sync(() => log.push(what))
    const { app, made } = yield* runningWith<Resources.Resources>((made) =>
      starting(
        Effect.andThen(
          Effect.addFinalizer(() => say("component")),
          Effect.flatMap(Resources.make, made)
        ),
        "lamps",
        policy
      )
    )
    return { app, log, resources: made, say }
  })

describe("resources", () => {
  it.effect("by-priority: are closed with their component, lower first, those of one priority side by side", () =>
    Effect.gen(function* () {
      const { app, log, resources, say } = yield* withResources()
      const slowly = (name: string) => Effect.andThen(Effect.sleep("500 millis"), say(name))
      yield* resources.register("bus", slowly("bus"), { priority: 10 })
      yield* resources.register("left", slowly("left"))
      yield* resources.register("right", slowly("right"))
      yield* resources.register("socket", slowly("socket"), { priority: -1 })
      const report = yield* stop(app)
      expect([log, report.duration, report.outcome._tag]).toEqual([
        ["socket", "left", "right", "bus", "component"],
        1500,
        "Clean"
      ])
    })
  )

  it.effect("are named in the report and in the status, by kind", () =>
    Effect.gen(function* () {
      const { app, resources } = yield* withResources()
      yield* resources.register("left", Effect.sleep("500 millis"), { kind: "serial port" })
      app.signalUnsafe("SIGTERM")
      yield* TestClock.adjust("100 millis")
      expect(app.lifecycle.statusUnsafe().awaiting).toEqual(["serial port left", "lamps"])
      const report = yield* runToEnd(app)
      expect(report.awaited).toEqual([{ kind: "resource", name: "serial port left", waited: 500, result: "done" }])
    })
  )

  it.effect("each-bounded: one that hangs is left behind, one that fails is told, and the rest is closed", () =>
    Effect.gen(function* () {
      const { app, log, resources, say } = yield* withResources()
      yield* resources.register("deaf", Effect.uninterruptible(Effect.never), { stopTimeout: "200 millis" })
      yield* resources.register("broken", Effect.die(new Error("no such device")))
      yield* resources.register("last", say("last"), { priority: 1 })
      const report = yield* stop(app)
      expect([log, report.duration, report.outcome._tag, report.failures]).toEqual([
        ["last", "component"],
        200,
        "Degraded",
        ["resource broken (resource) failed: no such device"]
      ])
      expect(report.awaited.map(({ name, result }) => [name, result])).toEqual([
        ["resource deaf", "abandoned"],
        ["resource broken", "failed"],
        ["resource last", "done"]
      ])
    })
  )

  it.effect("are all closed although the component's own time is over in the middle", () =>
    Effect.gen(function* () {
      const { app, log, resources, say } = yield* withResources({ stopTimeout: "1 second" })
      for (let priority = 0; priority < 4; priority++) {
        yield* resources.register(`r${priority}`, Effect.andThen(Effect.sleep("800 millis"), say(`r${priority}`)), {
          priority
        })
      }
      const report = yield* stop(app)
      // At once and side by side: one after the other they would take until 3.2 s.
      yield* TestClock.adjust("900 millis")
      expect([report.duration, report.outcome._tag, log.filter((line) => line.startsWith("r")).toSorted()]).toEqual([
        1000,
        "Degraded",
        ["r0", "r1", "r2", "r3"]
      ])
    })
  )

  it.effect("that the stop timeout of their component cuts off are in the report, by name and kind", () =>
    Effect.gen(function* () {
      const { app, log, resources, say } = yield* withResources({ stopTimeout: "1 second" })
      const slowly = (name: string, millis: number) => Effect.delay(say(name), millis)
      yield* resources.register("quick", slowly("quick", 600), { kind: "socket" })
      yield* resources.register("slow", slowly("slow", 800), { kind: "serial port", priority: 1 })
      yield* resources.register("broken", Effect.delay(Effect.die(new Error("no such device")), 700), { priority: 2 })
      yield* resources.register("deaf", Effect.never, { kind: "device", priority: 3, stopTimeout: "500 millis" })
      const kept = yield* resources.register("kept", say("kept"), { priority: 4 })
      yield* kept.unregister
      const report = yield* stop(app)
      expect(report.awaited).toEqual([
        { kind: "resource", name: "socket quick", waited: 600, result: "done" },
        { kind: "resource", name: "serial port slow", waited: 400, result: "abandoned" },
        { kind: "resource", name: "resource broken", waited: 0, result: "abandoned" },
        { kind: "resource", name: "device deaf", waited: 0, result: "abandoned" }
      ])
      expect([report.components[0]?.end, report.duration, report.outcome._tag]).toEqual(["abandoned", 1000, "Degraded"])
      // Nobody waits for them any more, and they are closed all the same.
      yield* TestClock.adjust("1 second")
      expect(log.filter((line) => line !== "component")).toEqual(["quick", "slow"])
      expect(only(app.events, "AwaitedLate").map(({ failure, name }) => [name, failure])).toEqual([
        ["resource broken", "no such device"]
      ])
    })
  )

  it.effect("that are never closed, because something else of their component hangs, are in the report as well", () =>
    Effect.gen(function* () {
      const app = yield* running(
        starting(
          Effect.gen(function* () {
            yield* Resources.register("left", Effect.void, { kind: "serial port" })
            yield* Effect.addFinalizer(() => Effect.never)
          })
        )
      )
      const report = yield* stop(app)
      expect([report.components[0]?.end, report.awaited]).toEqual([
        "abandoned",
        [{ kind: "resource", name: "serial port left", waited: 0, result: "abandoned" }]
      ])
    })
  )

  it.effect(
    "closed-once: one with a scope of its own is closed with that, or with the component, and not by both",
    () =>
      Effect.gen(function* () {
        const { app, log, resources, say } = yield* withResources()
        const plug = (name: string, scope: Scope.Scope) =>
          resources.acquireRelease(name, Effect.succeed(name), (made) => say(made)).pipe(Scope.provide(scope))
        const [early, late] = [yield* Scope.make(), yield* Scope.make()]
        yield* plug("early", early)
        yield* plug("late", late)
        yield* Scope.close(early, Exit.void)
        expect([log, yield* resources.names]).toEqual([["early"], ["resource late"]])
        yield* stop(app)
        yield* Scope.close(late, Exit.void)
        expect(log).toEqual(["early", "late", "component"])
      })
  )

  it.effect("can be closed or given away before", () =>
    Effect.gen(function* () {
      const { app, log, resources, say } = yield* withResources()
      const closed = yield* resources.register("closed", say("closed"))
      const given = yield* resources.register("given away", say("given away"))
      yield* closed.close
      yield* closed.close
      yield* given.unregister
      yield* stop(app)
      expect(log).toEqual(["closed", "component"])
    })
  )

  it.effect("are closed at once when their component has been released already", () =>
    Effect.gen(function* () {
      const { app, log, resources, say } = yield* withResources()
      yield* stop(app)
      yield* resources.register("late", say("late"))
      expect(log).toEqual(["component", "late"])
    })
  )

  it.effect("of a failed start are closed by its rollback", () =>
    Effect.gen(function* () {
      const log: Array<string> = []
      const layer = Layer.effectDiscard(
        Effect.andThen(
          Resources.register(
            "left",
            Effect.sync(() => log.push("left"))
          ),
          Effect.fail("no bus")
        )
      )
      const report = yield* runToEnd(yield* App.start(layer))
      expect([log, report.reason._tag]).toEqual([["left"], "StartFailed"])
    })
  )

  it.effect("are closed in order also where an interruption closes their scope", () =>
    Effect.gen(function* () {
      const app = yield* App.start(Layer.empty)
      const log: Array<string> = []
      const work = Effect.gen(function* () {
        const resources = yield* Resources.make
        for (const priority of [2, 1]) {
          const say = Effect.sync(() => log.push(`${priority}`))
          yield* resources.register(`${priority}`, Effect.delay(say, "500 millis"), { priority })
        }
        return yield* Effect.never
      })
      const fiber = yield* Effect.forkChild(Effect.scoped(work).pipe(Effect.provideService(Lifecycle, app.lifecycle)))
      yield* TestClock.adjust(0)
      fiber.interruptUnsafe()
      yield* TestClock.adjust("900 millis")
      expect(log).toEqual(["1"])
      yield* TestClock.adjust("100 millis")
      expect([log, fiber.pollUnsafe() === undefined]).toEqual([["1", "2"], false])
    })
  )

  it.effect("are nothing but finalizers in a scope of one's own", () =>
    Effect.gen(function* () {
      const app = yield* App.start(Layer.empty)
      const log: Array<string> = []
      const work = Effect.gen(function* () {
        const resources = yield* Resources.make
        for (const priority of [2, 1]) {
          yield* resources.register(
            `${priority}`,
            Effect.sync(() => log.push(`${priority}`)),
            { priority }
          )
        }
      })
      yield* Effect.scoped(work).pipe(Effect.provideService(Lifecycle, app.lifecycle))
      expect([log, only(app.events, "Awaited").length]).toEqual([["1", "2"], 2])
    })
  )
})
