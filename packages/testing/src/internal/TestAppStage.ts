/**
 * The clock and the scheduler that the fibers of an application under test live on: those of the test, and a count of what
 * is ready and which timers are set. So time can be moved from timer to timer, and not before everything that needs no time
 * has been done.
 *
 * Fibers of the test itself that touch the application are not counted, and promises are not: nobody can see them. For
 * these there are some turns of patience, and steps that are never long.
 */
import type * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import type * as Scheduler from "effect/Scheduler"
import type * as TestClock from "effect/testing/TestClock"

/** Turns of the event loop with nothing ready before it counts as rest: a chain of promises that are settled already. */
const patience = 5
/** Something that never rests must not keep time from passing. */
const spinning = 2000
/** Milliseconds. */
const longestStep = 50

export class TestAppStage implements Scheduler.Scheduler {
  readonly executionMode: "sync" | "async"
  readonly clock: Clock.Clock
  readonly #testClock: TestClock.TestClock
  readonly #scheduler: Scheduler.Scheduler
  readonly #timers = new Set<{ readonly at: number }>()
  #ready = 0
  /** Steps of the test that are under way, each of which leaves all at rest. */
  #steps = 0

  constructor(testClock: TestClock.TestClock, scheduler: Scheduler.Scheduler) {
    this.#testClock = testClock
    this.#scheduler = scheduler
    this.executionMode = scheduler.executionMode
    // All of it, so that `TestClock.adjust` and `TestClock.withLive` still find their own.
    this.clock = Object.assign({ ...testClock }, { sleep: (duration: Duration.Duration) => this.#sleep(duration) })
  }

  /** Milliseconds since the test began. */
  get now(): number {
    return this.#testClock.currentTimeMillisUnsafe()
  }

  /** Whether no timer is set: if nothing is ready either, only the outside can move it. */
  get isWaitingForOutside(): boolean {
    return this.#timers.size === 0
  }

  /** Runs what needs no time, until all is at rest or `enough` says so. */
  settle(enough: () => boolean = () => false): Effect.Effect<void> {
    return this.#step(this.#settle(enough))
  }

  /** Lets time pass, from rest to rest, until `enough` says so or the time has come; answers whether it was enough. */
  pass(until: number, enough: () => boolean = () => false): Effect.Effect<boolean> {
    return this.#step(
      Effect.gen({ self: this }, function* () {
        yield* this.#settle(enough)
        while (!enough() && this.now < until) {
          yield* this.#testClock.setTime(Math.min(this.#next, this.now + longestStep, until))
          yield* this.#settle(enough)
        }
        return enough()
      })
    )
  }

  /** Comes to rest, unless a step of the test is under way: that one does, and may let time pass at once. */
  readonly rest: Effect.Effect<void> = Effect.suspend(() => (this.#steps > 0 ? Effect.void : this.#settle(() => false)))

  #step<A>(effect: Effect.Effect<A>): Effect.Effect<A> {
    return Effect.acquireUseRelease(
      Effect.sync(() => this.#steps++),
      () => effect,
      () => Effect.sync(() => this.#steps--)
    )
  }

  #settle(enough: () => boolean): Effect.Effect<void> {
    return Effect.gen({ self: this }, function* () {
      let still = 0
      for (let turn = 0; turn < spinning && still < patience && !enough(); turn++) {
        yield* Effect.yieldNow
        still = this.#ready === 0 ? still + 1 : 0
      }
    })
  }

  /** When the next timer is due. */
  get #next(): number {
    let next = Number.POSITIVE_INFINITY
    for (const { at } of this.#timers) next = Math.min(next, Math.max(at, this.now))
    return next
  }

  #sleep(duration: Duration.Duration): Effect.Effect<void> {
    return Effect.suspend(() => {
      const at = this.now + Duration.toMillis(duration)
      if (!Number.isFinite(at)) return this.#testClock.sleep(duration)
      return Effect.acquireUseRelease(
        Effect.sync(() => {
          const timer = { at }
          this.#timers.add(timer)
          return timer
        }),
        () => this.#testClock.sleep(duration),
        (timer) => Effect.sync(() => this.#timers.delete(timer))
      )
    })
  }

  // --- Scheduler --------------------------------------------------------------------------------------------------------

  shouldYield(fiber: Fiber.Fiber<unknown, unknown>): boolean {
    return this.#scheduler.shouldYield(fiber)
  }

  makeDispatcher(): Scheduler.SchedulerDispatcher {
    const dispatcher = this.#scheduler.makeDispatcher()
    return {
      scheduleTask: (task, priority) => {
        this.#ready++
        dispatcher.scheduleTask(() => {
          this.#ready--
          task()
        }, priority)
      },
      flush: () => dispatcher.flush()
    }
  }
}
