/** A gate that takes only so much at once: who waits, who is turned away, and what a stop does with those who wait. */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Random from "effect/Random"
import type * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"
import * as App from "quiesce/App"
import * as DrainGate from "quiesce/DrainGate"
import type { Lifecycle } from "quiesce/Lifecycle"
import { runToEnd } from "./support/scripted.ts"

/** A running application with such a gate. */
const withGate = <Full>(
  make: Effect.Effect<DrainGate.DrainGate<Full>, never, Lifecycle | Scope.Scope>,
  options: App.Options = {}
) =>
  Effect.gen(function* () {
    const made: Array<DrainGate.DrainGate<Full>> = []
    const app = yield* App.start(Layer.effectDiscard(Effect.map(make, (gate) => made.push(gate))), options)
    yield* TestClock.adjust(0)
    const [gate] = made
    if (gate === undefined) return yield* Effect.die(new Error("the gate was not made"))
    return { app, gate }
  })

const start = <A, E>(effect: Effect.Effect<A, E>) => Effect.forkChild(effect, { startImmediately: true })

const failure = (exit: Exit.Exit<unknown, unknown>): string =>
  Exit.isFailure(exit) ? (String(exit.cause).split("\n")[0] ?? "") : "success"

describe("a drain gate with a capacity", () => {
  it.effect("within-capacity: the next gets in when one has left, first come, first served", () =>
    Effect.gen(function* () {
      const { gate } = yield* withGate(DrainGate.make("jobs", { capacity: 2 }))
      const began: Array<number> = []
      for (let job = 0; job < 5; job++) {
        yield* start(
          gate.run(
            Effect.andThen(
              Effect.sync(() => began.push(job)),
              Effect.sleep("1 second")
            )
          )
        )
      }
      expect([began, yield* gate.inFlight, yield* gate.waiting]).toEqual([[0, 1], 2, 3])
      yield* TestClock.adjust("1 second")
      expect([began, yield* gate.inFlight, yield* gate.waiting]).toEqual([[0, 1, 2, 3], 2, 1])
      yield* TestClock.adjust("2 seconds")
      expect([began, yield* gate.inFlight, yield* gate.waiting]).toEqual([[0, 1, 2, 3, 4], 0, 0])
    })
  )

  it.effect("within-capacity: one that rejects says which gate is full, and how much it takes", () =>
    Effect.gen(function* () {
      const { gate } = yield* withGate(DrainGate.make("uploads", { capacity: 1, whenFull: "reject" }))
      yield* start(gate.run(Effect.sleep("1 second")))
      const handled = gate
        .run(Effect.void)
        .pipe(Effect.catchTag("AtCapacity", (error) => Effect.succeed(error.message)))
      const full = "uploads takes no more work now: 1 are in flight, its whole capacity; retry later"
      expect([yield* handled, yield* Effect.flip(Effect.scoped(gate.enter()))]).toMatchObject([
        full,
        { _tag: "AtCapacity", kind: "uploads", capacity: 1 }
      ])
      yield* TestClock.adjust("1 second")
      expect(yield* handled).toBe(undefined)
    })
  )

  it.effect("refuses at the stop what waits for a place, and finishes what has one", () =>
    Effect.gen(function* () {
      const { app, gate } = yield* withGate(DrainGate.make("jobs", { capacity: 1 }))
      const inside = yield* start(gate.run(Effect.sleep("2 seconds")))
      const waiting = yield* start(gate.run(Effect.die(new Error("it ran"))))
      const scoped = yield* start(Effect.scoped(gate.enter()))
      app.signalUnsafe("SIGTERM")
      yield* TestClock.adjust(0)
      expect([failure(yield* Fiber.await(waiting)), failure(yield* Fiber.await(scoped))].join()).toMatch(
        /ShuttingDown.*ShuttingDown/
      )
      const report = yield* runToEnd(app)
      expect([failure(yield* Fiber.await(inside)), report.duration, report.outcome._tag]).toEqual([
        "success",
        2000,
        "Clean"
      ])
    })
  )

  it.effect("gives up its place in the line when who waits is interrupted, and nobody else's", () =>
    Effect.gen(function* () {
      const { gate } = yield* withGate(DrainGate.make("jobs", { capacity: 1 }))
      yield* start(gate.run(Effect.sleep("1 second")))
      const impatient = yield* start(Effect.timeoutOption(gate.run(Effect.void), "500 millis"))
      const patient = yield* start(gate.run(Effect.succeed("done")))
      yield* TestClock.adjust("500 millis")
      yield* Fiber.join(impatient)
      expect(yield* gate.waiting).toBe(1)
      yield* TestClock.adjust("500 millis")
      expect([yield* Fiber.join(patient), yield* gate.inFlight, yield* gate.waiting]).toEqual(["done", 0, 0])
    })
  )

  it.effect("within-capacity: whatever the order in which work comes, ends, is interrupted, and the stop begins", () =>
    Effect.gen(function* () {
      for (let seed = 0; seed < 40; seed++) {
        yield* Effect.gen(function* () {
          const { app, gate } = yield* withGate(DrainGate.make("jobs", { capacity: 3 }), { drain: "400 millis" })
          let inside = 0
          let most = 0
          const fibers: Array<Fiber.Fiber<unknown, unknown>> = []
          const stopAt = yield* Random.nextIntBetween(20, 60)
          for (let now = 0; now < 100; now++) {
            if (now === stopAt) app.signalUnsafe("SIGTERM")
            const duration = yield* Random.nextIntBetween(0, 20)
            const work = Effect.suspend(() => {
              inside++
              most = Math.max(most, inside)
              return Effect.sleep(duration)
            }).pipe(Effect.ensuring(Effect.sync(() => inside--)))
            fibers.push(yield* Effect.forkChild(gate.run(work)))
            if ((yield* Random.next) < 0.3) {
              const victim = fibers[yield* Random.nextIntBetween(0, fibers.length)]
              if (victim !== undefined) yield* start(Fiber.interrupt(victim))
            }
            yield* TestClock.adjust(1)
            expect(yield* gate.inFlight).toBe(inside)
          }
          const report = yield* runToEnd(app)
          const left = [yield* gate.inFlight, yield* gate.waiting, inside]
          expect({ seed, most, left, outcome: report.outcome._tag }).toEqual({
            seed,
            most: 3,
            left: [0, 0, 0],
            outcome: "Clean"
          })
          for (const fiber of fibers) yield* Fiber.await(fiber)
        }).pipe(Random.withSeed(`capacity ${seed}`))
      }
    })
  )

  it.effect("a capacity that is none is said at the start", () =>
    Effect.gen(function* () {
      const app = yield* App.start(Layer.effectDiscard(DrainGate.make("jobs", { capacity: 0 })))
      const report = yield* runToEnd(app)
      expect(report.reason).toMatchObject({
        _tag: "StartFailed",
        message: expect.stringContaining("the capacity of the gate jobs is 0; give a whole number above zero")
      })
    })
  )
})

describe("a drain gate for several kinds of work", () => {
  it.effect("counts by kind, in its own answer, in the status, and in the report", () =>
    Effect.gen(function* () {
      const { app, gate } = yield* withGate(DrainGate.make("rpc"), { drain: "1 second" })
      yield* start(gate.run(Effect.never, { kind: "upload" }))
      yield* start(gate.run(Effect.never, { kind: "upload" }))
      yield* start(gate.run(Effect.sleep("500 millis")))
      const all = { rpc: 1, upload: 2 }
      expect([yield* gate.remaining, app.lifecycle.statusUnsafe().inFlight]).toEqual([all, all])
      const report = yield* Effect.andThen(
        Effect.sync(() => app.signalUnsafe("SIGTERM")),
        runToEnd(app)
      )
      expect(report.stragglers).toEqual([{ kind: "upload", count: 2 }])
    })
  )

  it.effect("says, as often as it is asked to close, what is left", () =>
    Effect.gen(function* () {
      const { gate } = yield* withGate(DrainGate.make("rpc"))
      yield* start(gate.run(Effect.sleep("1 second"), { kind: "upload" }))
      yield* start(gate.run(Effect.sleep("2 seconds")))
      const first = yield* gate.close
      yield* TestClock.adjust("1 second")
      const second = yield* gate.close
      yield* TestClock.adjust("1 second")
      expect([first, second, yield* gate.close]).toEqual([{ rpc: 1, upload: 1 }, { rpc: 1 }, {}])
    })
  )
})
