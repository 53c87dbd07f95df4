/** A scheduler that takes a fiber's turn away at one step, as the real one does after some thousand. */
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as Scheduler from "effect/Scheduler"

class TurnTaker implements Scheduler.Scheduler {
  readonly executionMode = "async"
  readonly #usual = new Scheduler.MixedScheduler()
  readonly #at: number
  readonly #giveBack: ((turn: () => void) => void) | undefined
  #steps = 0
  #taken = false

  constructor(at: number, giveBack: ((turn: () => void) => void) | undefined) {
    this.#at = at
    this.#giveBack = giveBack
  }

  shouldYield(fiber: Fiber.Fiber<unknown, unknown>): boolean {
    this.#taken = ++this.#steps === this.#at
    return this.#taken || this.#usual.shouldYield(fiber)
  }

  makeDispatcher(): Scheduler.SchedulerDispatcher {
    const dispatcher = this.#usual.makeDispatcher()
    return {
      scheduleTask: (task, priority) => {
        const givesBack = this.#taken ? this.#giveBack : undefined
        this.#taken = false
        if (givesBack === undefined) dispatcher.scheduleTask(task, priority)
        else givesBack(task)
      },
      flush: () => dispatcher.flush()
    }
  }
}

/**
 * Whoever takes the given step of all that this effect runs and forks loses the turn before it, and gets another one after
 * what is ready by then, or when `giveBack` says so.
 */
export const losingTurn =
  (at: number, giveBack?: (turn: () => void) => void) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.provideService(effect, Scheduler.Scheduler, new TurnTaker(at, giveBack))
