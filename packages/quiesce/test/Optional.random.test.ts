/** Random lives of an optional part. */
import { describe, expect, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import * as TestClock from "effect/testing/TestClock"
import * as Optional from "quiesce/Optional"
import { Cache, running, runningOver } from "./support/optional.ts"
import { stop } from "./support/running.ts"
import { only } from "./support/scripted.ts"
import { losingTurn } from "./support/turns.ts"

describe("random lives", () => {
  /** Mulberry32. */
  const generator = (seed: number) => {
    let at = seed
    const next = (): number => {
      at = (at + 0x6d2b79f5) | 0
      let mixed = Math.imul(at ^ (at >>> 15), 1 | at)
      mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
      return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296
    }
    return (limit: number): number => Math.floor(next() * limit)
  }

  const lifeOf = (seed: number) =>
    Effect.gen(function* () {
      const below = generator(seed)
      const log: Array<string> = []
      const wrong: Array<string> = []
      const open = new Set<number>()
      let acquired = 0
      const maybe = Effect.suspend((): Effect.Effect<unknown, string> => {
        const chance = below(10)
        if (chance < 4) return Effect.void
        if (chance < 6) return Effect.fail("refused")
        if (chance === 6) return Effect.die("bug")
        if (chance === 7) return Effect.uninterruptible(Effect.sleep(below(3000)))
        return Effect.sleep(below(2000))
      })
      const live = Layer.effect(
        Cache,
        Effect.gen(function* () {
          yield* maybe
          const number = yield* Effect.acquireRelease(
            Effect.sync(() => {
              const number = ++acquired
              if (open.size > 0) wrong.push(`${number} beside ${Array.from(open).join()}`)
              open.add(number)
              log.push(`+${number}`)
              return number
            }),
            (number) =>
              Effect.andThen(
                Effect.sync(() => {
                  if (!open.delete(number)) wrong.push(`${number} twice`)
                  log.push(`-${number}`)
                }),
                Effect.sleep(below(3) * 200)
              )
          )
          yield* maybe
          const dies = Effect.andThen(Effect.sleep(500 + below(4000)), Effect.fail("socket"))
          if (below(3) === 0) yield* Effect.forkScoped(dies)
          return { number, get: Effect.succeed(number) }
        })
      )
      const retry = Schedule.spaced(below(3) * 300)
      const check = {
        effect: () => (below(4) === 0 ? Effect.fail("check") : Effect.void),
        every: 700,
        failuresToFlip: 2
      }
      const optional = Optional.layer(Cache, live, {
        retry,
        startTimeout: 1500,
        ...(below(2) === 0 ? { check } : {})
      })
      const { app, cache } = yield* runningOver(optional, { lameDuck: below(2) * 1000 })
      const use = cache.use(({ number }, generation) =>
        Effect.gen(function* () {
          for (let step = below(5); step >= 0; step--) {
            if (!open.has(number)) wrong.push(`${number} was used after its release`)
            yield* Effect.sleep(below(600))
          }
          if (below(6) === 0) yield* cache.fail(Cause.fail("user"), generation)
        })
      )
      const uses: Array<Fiber.Fiber<unknown, unknown>> = []
      for (let step = 0; step < 40; step++) {
        const using = yield* Effect.forkChild(Effect.exit(use), { startImmediately: true })
        uses.push(using)
        if (below(5) === 0) yield* Effect.forkChild(Fiber.interrupt(using))
        yield* TestClock.adjust(below(400))
      }
      const report = yield* stop(app)
      yield* TestClock.adjust("10 seconds")
      const unfinished = uses.filter((fiber) => fiber.pollUnsafe() === undefined).length
      const generations = only(app.events, "OptionalUp").map(({ generation }) => generation)
      return { acquired, generations, log, open: open.size, outcome: report.outcome._tag, unfinished, wrong }
    })

  it.effect("released-once, one-at-a-time, never-after-release: whatever fails, and whenever the stop comes", () =>
    Effect.gen(function* () {
      let up = 0
      for (let seed = 1; seed <= 60; seed++) {
        const { acquired, generations, log, open, unfinished, wrong } = yield* lifeOf(seed)
        up += generations.length
        expect({ seed, wrong, open, unfinished, releases: log.length }).toEqual({
          seed,
          wrong: [],
          open: 0,
          unfinished: 0,
          releases: acquired * 2
        })
        expect(generations).toEqual(Array.from(new Set(generations)).toSorted((a, b) => a - b))
      }
      // Otherwise it would have tested nothing.
      expect(up).toBeGreaterThan(60)
    })
  )

  it.effect("released-once: also when any one step of it all comes late", () =>
    Effect.gen(function* () {
      for (let at = 1; at <= 250; at++) {
        const life = Effect.gen(function* () {
          const { app, cache, outside } = yield* running()
          yield* cache.fail(Cause.fail("broken"))
          yield* TestClock.adjust("1 second")
          const using = yield* Effect.forkChild(Effect.exit(cache.use(() => Effect.never)), { startImmediately: true })
          yield* cache.fail(Cause.fail("broken again"))
          yield* TestClock.adjust("1 second")
          const report = yield* stop(app)
          return [report.outcome._tag, report.failures, using.pollUnsafe() === undefined, outside.mostOpen, outside.log]
        })
        expect([at, ...(yield* losingTurn(at)(life))]).toEqual([at, "Clean", [], false, 1, ["+1", "-1", "+2", "-2"]])
      }
    })
  )
})
