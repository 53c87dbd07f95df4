/** What a failpoint does where nothing is armed, and where something is. */
import { assert, describe, expect, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as TestClock from "effect/testing/TestClock"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import * as Failpoint from "../src/Failpoint.ts"
import * as Simulation from "../src/Simulation.ts"
import { only } from "../src/Timeline.ts"

class DiskFull extends Schema.TaggedError<DiskFull>()("DiskFull", { message: Schema.String }) {}

/** Writes in two steps, with a place to break between them. */
const save = (written: Array<string>) =>
  Effect.gen(function* () {
    written.push("file")
    yield* Failpoint.site("save.between")
    written.push("index")
    yield* Failpoint.site("save.done", ({ message }) => new DiskFull({ message }))
  })

const dieOf = (exit: Exit.Exit<unknown, unknown>): unknown =>
  Exit.isFailure(exit) ? Cause.squash(exit.cause) : assert.fail("it succeeded")

describe("a failpoint", () => {
  it.effect("does nothing where nothing is armed", () =>
    Effect.gen(function* () {
      const written: Array<string> = []
      yield* save(written)
      expect(written).toEqual(["file", "index"])
    })
  )

  it("is a synchronous step where nothing is armed: no fiber comes in between", () => {
    const written: Array<string> = []
    Effect.runSync(save(written))
    expect(written).toEqual(["file", "index"])
  })

  it.effect("breaks exactly there, with the defect that it is armed with", () =>
    Effect.gen(function* () {
      const written: Array<string> = []
      const powerCut = new Error("power cut")
      const exit = yield* Effect.exit(save(written)).pipe(Failpoint.arm({ "save.between": Effect.die(powerCut) }))
      expect(dieOf(exit)).toBe(powerCut)
      expect(written).toEqual(["file"])
    })
  )

  it.effect("whose site says no error dies with a FailpointHit when its fault fails", () =>
    Effect.gen(function* () {
      const exit = yield* Effect.exit(save([])).pipe(Failpoint.arm({ "save.between": Effect.fail("no such disk") }))
      const hit = dieOf(exit)
      expect(Exit.isFailure(exit) && Cause.hasDies(exit.cause)).toBe(true)
      expect(hit).toBeInstanceOf(Failpoint.FailpointHit)
      expect(hit).toMatchObject({
        _tag: "FailpointHit",
        site: "save.between",
        message: "failpoint save.between was armed to fail: no such disk"
      })
    })
  )

  it.effect("whose site says its error fails with it, so that the code around it handles it as the real one", () =>
    Effect.gen(function* () {
      const handled = yield* save([]).pipe(
        Effect.as("saved"),
        Effect.catchTag("DiskFull", ({ message }) => Effect.succeed(message)),
        Failpoint.arm({ "save.done": Effect.fail("0 bytes left") })
      )
      expect(handled).toBe("failpoint save.done was armed to fail: 0 bytes left")
    })
  )

  it.effect("delays who has reached it, and lets go on", () =>
    Effect.gen(function* () {
      const written: Array<string> = []
      const saving = yield* save(written).pipe(
        Failpoint.arm({ "save.between": Effect.sleep("3 seconds") }),
        Effect.forkChild({ startImmediately: true })
      )
      yield* TestClock.adjust("2999 millis")
      expect(written).toEqual(["file"])
      yield* TestClock.adjust("1 millis")
      yield* Fiber.join(saving)
      expect(written).toEqual(["file", "index"])
    })
  )

  it.effect("that hangs can be interrupted where the code around it can be", () =>
    Effect.gen(function* () {
      const saving = yield* save([]).pipe(
        Failpoint.arm({ "save.between": Failpoint.hang }),
        Effect.forkChild({ startImmediately: true })
      )
      yield* Fiber.interrupt(saving)
      const exit = yield* Fiber.await(saving)
      expect(Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause)).toBe(true)
    })
  )

  it.effect("that hangs in an uninterruptible region holds the interruption up", () =>
    Effect.gen(function* () {
      const letGo = yield* Deferred.make<void>()
      const saving = yield* Effect.uninterruptible(save([])).pipe(
        Failpoint.arm({ "save.between": Deferred.await(letGo) }),
        Effect.forkChild({ startImmediately: true })
      )
      const interrupting = yield* Effect.forkChild(Fiber.interrupt(saving), { startImmediately: true })
      yield* TestClock.adjust("1 hour")
      expect(interrupting.pollUnsafe()).toBeUndefined()
      yield* Deferred.succeed(letGo, undefined)
      yield* Fiber.join(interrupting)
    })
  )

  it.effect("interrupts who has reached it", () =>
    Effect.gen(function* () {
      const exit = yield* save([]).pipe(
        Failpoint.arm({ "save.between": Effect.interrupt }),
        Effect.forkChild,
        Effect.flatMap(Fiber.await)
      )
      expect(Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause)).toBe(true)
    })
  )
})

describe("what is armed", () => {
  const attempt = (n: number) =>
    Effect.forEach(
      Array.from({ length: n }, (_, index) => index),
      () => Effect.map(Effect.exit(Failpoint.site("a")), Exit.isSuccess)
    )

  it.effect("happens once, or at the nth hit, or as a function of the hit", () =>
    Effect.gen(function* () {
      const bang = Effect.die("bang")
      const run = (fault: Failpoint.Fault) => attempt(4).pipe(Failpoint.arm({ a: fault }))
      expect(yield* run(bang)).toEqual([false, false, false, false])
      expect(yield* run(Failpoint.once(bang))).toEqual([false, true, true, true])
      expect(yield* run(Failpoint.nth(3, bang))).toEqual([true, true, false, true])
      expect(yield* run((hit) => (hit % 2 === 0 ? bang : undefined))).toEqual([true, false, true, false])
    })
  )

  it.effect("counts the hits of its own site alone", () =>
    Effect.gen(function* () {
      yield* Failpoint.site("z")
      yield* Failpoint.site("0")
      expect(yield* attempt(2)).toEqual([true, false])
    }).pipe(Failpoint.arm({ a: Failpoint.nth(2, Effect.die("bang")) }))
  )

  it.effect("counts from the beginning in every run", () =>
    Effect.gen(function* () {
      const armed = attempt(2).pipe(Failpoint.arm({ a: Failpoint.once(Effect.die("bang")) }))
      expect(yield* armed).toEqual([false, true])
      expect(yield* armed).toEqual([false, true])
    })
  )

  it.effect("tells which sites were reached, in order, armed or not", () =>
    Effect.gen(function* () {
      yield* save([])
      yield* Failpoint.site("a")
      yield* Failpoint.site("a")
      expect(yield* Failpoint.hits).toEqual(["save.between", "save.done", "a", "a"])
    }).pipe(Failpoint.arm({ a: Effect.void }))
  )

  it.effect("tells which names nothing has answered to", () =>
    Effect.gen(function* () {
      expect(yield* Failpoint.unreached).toEqual(["save.between", "save.betwen"])
      yield* save([])
      expect(yield* Failpoint.unreached).toEqual(["save.betwen"])
    }).pipe(Failpoint.arm({ "save.between": Effect.void, "save.betwen": Effect.void }))
  )

  it.effect("cannot be asked where nothing is armed: an empty answer would look like a good one", () =>
    Effect.gen(function* () {
      for (const question of [Failpoint.hits, Failpoint.unreached]) {
        expect(String(dieOf(yield* Effect.exit(question)))).toContain("no failpoints are armed here")
      }
    })
  )

  it.effect("is only what has that name: not what every object has", () =>
    Effect.gen(function* () {
      yield* Failpoint.site("constructor")
      yield* Failpoint.site("toString")
      expect(yield* Failpoint.hits).toEqual(["constructor", "toString"])
    }).pipe(Failpoint.arm({}))
  )

  it.effect("reaches what is forked inside, also what outlives it, and nothing else", () =>
    Effect.gen(function* () {
      const go = yield* Deferred.make<void>()
      const late = Effect.andThen(Deferred.await(go), Failpoint.site("late"))
      const before = yield* Effect.forkChild(late, { startImmediately: true })
      const inside = yield* Effect.forkDetach(late).pipe(Failpoint.arm({ late: Effect.die("bang") }))
      yield* Deferred.succeed(go, undefined)
      expect(Exit.isSuccess(yield* Fiber.await(before))).toBe(true)
      expect(Exit.isSuccess(yield* Fiber.await(inside))).toBe(false)
    })
  )

  it.effect("inside of something armed replaces its fault, and both count", () =>
    Effect.gen(function* () {
      const inner = yield* Effect.exit(Failpoint.site("a")).pipe(
        Effect.tap(() => Failpoint.site("b")),
        Effect.flatMap((exit) => Effect.map(Failpoint.hits, (hits) => ({ exit, hits }))),
        Failpoint.arm({ a: Effect.void })
      )
      expect(Exit.isSuccess(inner.exit)).toBe(true)
      expect(inner.hits).toEqual(["a", "b"])
      expect(yield* Failpoint.hits).toEqual(["a", "b"])
      expect(String(dieOf(yield* Effect.exit(Failpoint.site("a"))))).toBe("outer")
    }).pipe(Failpoint.arm({ a: Effect.die("outer") }))
  )

  it.effect("for one layer leaves the others alone, and is counted outside as well", () =>
    Effect.gen(function* () {
      const Store = Context.Service<{ readonly broken: boolean }>("test/Store")
      const store = Layer.effect(
        Store,
        Effect.map(Effect.exit(Failpoint.site("store.open")), (exit) => ({ broken: Exit.isFailure(exit) }))
      )
      const broken = Layer.provide(store, Failpoint.layer({ "store.open": Effect.die("no such file") }))
      const read = (layer: typeof store) =>
        Effect.provide(
          Effect.map(Effect.service(Store), (_) => _.broken),
          layer
        )
      expect([yield* read(store), yield* read(Layer.fresh(broken))]).toEqual([false, true])
      expect(yield* Failpoint.hits).toEqual(["store.open", "store.open"])
    }).pipe(Failpoint.arm({}))
  )

  it.effect("for one layer is armed wherever that layer is built, also in a simulated life", () =>
    Effect.gen(function* () {
      const Worker = Layer.effectDiscard(
        Effect.forkScoped(Effect.andThen(Effect.sleep(50), Failpoint.site("worker.work")))
      )
      const { report, timeline } = yield* Simulation.run(
        Layer.provide(Worker, Failpoint.layer({ "worker.work": Effect.die("out of paper") }))
      )
      expect([report.reason._tag, report.uptime]).toEqual(["ComponentFailed", 50])
      expect(only(timeline, "Struck")).toEqual([{ _tag: "Struck", at: 50, what: "failpoint worker.work" }])
    })
  )
})

describe("the module", () => {
  /** Everything that a module loads: its imports that are not types, and theirs. */
  const loads = (file: string): ReadonlyArray<string> =>
    Array.from(readFileSync(file, "utf8").matchAll(/^import (?!type )[^"]*"([^"]+)"/gm), ([, name = ""]) =>
      name.startsWith(".") ? loads(join(file, "..", name)) : [name]
    ).flat()

  it("loads nothing besides what every program with Effect has loaded: production code imports it", () => {
    expect(new Set(loads(join(import.meta.dirname, "../src/Failpoint.ts")))).toEqual(
      new Set(["effect/Context", "effect/Data", "effect/Effect", "effect/Layer"])
    )
  })
})
