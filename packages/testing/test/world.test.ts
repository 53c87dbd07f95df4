/** The invariants of the simulated world, each a test of that name. */
import { describe, expect, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Random from "effect/Random"
import { World } from "../src/internal/World.ts"

/** Runs an effect in a world of that seed until nothing can go on, and gives its value. */
const inWorld = <A>(seed: number, effect: Effect.Effect<A>): { readonly value: A; readonly world: World } => {
  const world = new World(seed)
  const fiber = Effect.runForkWith(world.context)(effect)
  while (world.isBusy || (fiber.pollUnsafe() === undefined && world.jump())) world.turn()
  const exit = fiber.pollUnsafe()
  if (exit?._tag !== "Success") throw new Error(`it did not end well: ${String(exit)}`)
  return { value: exit.value, world }
}

/** Three fibers of two steps each, and what was done in which order. */
const race = Effect.gen(function* () {
  const done: Array<string> = []
  const step = (name: string) => Effect.sync(() => void done.push(name))
  const fibers = yield* Effect.forEach(["a", "b", "c"], (name) =>
    Effect.forkChild(Effect.andThen(step(`${name}1`), step(`${name}2`)))
  )
  yield* Effect.forEach(fibers, Fiber.join)
  return done.join(" ")
})

describe("the simulated world", () => {
  it("same-seed-same-order: the order of everything is a function of the seed", () => {
    const chances = Effect.all([race, Random.next, Effect.andThen(Effect.sleep(10), race)])
    for (let seed = 0; seed < 50; seed++) expect(inWorld(seed, chances).value).toEqual(inWorld(seed, chances).value)
  })

  it("any-ready-may-run: every fiber can be first, and one can lose its turn between two steps", () => {
    const orders = new Set(Array.from({ length: 600 }, (_, seed) => inWorld(seed, race).value))
    for (const first of ["a1", "b1", "c1"]) {
      expect(
        Array.from(orders).some((order) => order.startsWith(first)),
        `${first} first`
      ).toBe(true)
    }
    expect(Array.from(orders).some((order) => order.startsWith("a1 b1"))).toBe(true)
    // Of the 90 orders that keep each fiber's own steps in order; some seeds take nobody's turn.
    expect(orders.size).toBeGreaterThan(20)
  })

  it("time-jumps: an hour takes no time, and time stands still while anything can go on", () => {
    const { value } = inWorld(
      1,
      Effect.gen(function* () {
        const before = yield* Clock.currentTimeMillis
        for (let n = 0; n < 500; n++) yield* Effect.yieldNow
        const still = yield* Clock.currentTimeMillis
        yield* Effect.sleep("1 hour")
        return [before, still, yield* Clock.currentTimeMillis]
      })
    )
    expect(value).toEqual([0, 0, 3_600_000])
  })

  it("time-jumps: timers of one instant come in any order, an earlier one always first", () => {
    const wake = Effect.gen(function* () {
      const woken: Array<string> = []
      const sleeper = (name: string, millis: number) =>
        Effect.andThen(
          Effect.sleep(millis),
          Effect.sync(() => void woken.push(name))
        )
      yield* Effect.all([sleeper("late", 20), sleeper("one", 10), sleeper("other", 10)], { concurrency: "unbounded" })
      return woken.join(" ")
    })
    const orders = new Set(Array.from({ length: 100 }, (_, seed) => inWorld(seed, wake).value))
    expect(orders).toEqual(new Set(["one other late", "other one late"]))
  })

  it("time-jumps: a blocked loop makes every timer late", () => {
    const world = new World(0)
    const fired: Array<number> = []
    world.after(10, () => void fired.push(world.now))
    world.block(70)
    while (world.isBusy) world.turn()
    expect(fired).toEqual([70])
  })

  it("time-jumps: time passes for who spins without end, so that a deadline still comes", () => {
    const spinning = Effect.raceFirst(Effect.forever(Effect.yieldNow), Effect.sleep("1 second"))
    expect(inWorld(0, spinning).world.now).toBeGreaterThanOrEqual(1000)
  })

  it("time-jumps: the time that somebody burns who spins is told, each millisecond of it", () => {
    const world = new World(0)
    let burnt = 0
    world.onSpinning = (millis) => {
      burnt += millis
      world.block(millis)
    }
    const fiber = Effect.runForkWith(world.context)(
      Effect.raceFirst(Effect.forever(Effect.yieldNow), Effect.sleep("1 second"))
    )
    while (world.isBusy) world.turn()
    expect(fiber.pollUnsafe()?._tag).toBe("Success")
    expect([burnt, world.now]).toEqual([world.now, world.now])
    expect(burnt).toBeGreaterThanOrEqual(1000)
  })

  it("time-jumps: an instant is the same in whatever way it adds up", () => {
    const world = new World(0)
    const fired: Array<number> = []
    const fire = () => void fired.push(world.now)
    world.after(0.1, () => world.after(0.2, fire))
    world.after(0.3, fire)
    while (world.jump()) while (world.isBusy) world.turn()
    expect(fired).toEqual([0.3, 0.3])
  })

  it("remembers the instants at which fibers woke up, each once", () => {
    const sleepers = Effect.all([Effect.sleep(20), Effect.sleep(10), Effect.sleep(10)], { concurrency: "unbounded" })
    const cut = Effect.timeoutOption(Effect.sleep(100), 50)
    expect(inWorld(0, Effect.all([sleepers, cut])).world.wakes).toEqual([10, 20, 70])
  })

  it("a cancelled timer never fires", () => {
    const world = new World(0)
    const fired: Array<string> = []
    const cancel = world.after(10, () => void fired.push("cancelled"))
    world.after(20, () => void fired.push("kept"))
    cancel()
    while (world.jump()) while (world.isBusy) world.turn()
    expect(fired).toEqual(["kept"])
  })
})
