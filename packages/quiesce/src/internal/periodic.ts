/** Work at intervals that keeps to its times. */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Random from "effect/Random"
import type * as Scope from "effect/Scope"
import { Lifecycle } from "../Lifecycle.ts"
import type { Task } from "../Task.ts"
import type { Options } from "../Tasks.ts"
import type { TaskControl } from "./SupervisedTask.ts"

interface Common {
  /**
   * Before the first run.
   *
   * @default none: the first run is at once
   */
  readonly startAfter?: Duration.Input | undefined
  /**
   * Each run begins later by a random part of this, so that many processes do not do the same thing at the same time. Below
   * the interval; times do not drift by it.
   *
   * @default none
   */
  readonly jitter?: Duration.Input | undefined
}

/**
 * - `rate`: a run is due every so long, counted from the first and never from the one before, so that it does not drift.
 * - `delay`: so long from the end of a run to the beginning of the next.
 */
type Interval =
  | {
      readonly delay: Duration.Input
      readonly rate?: undefined
      readonly overlap?: undefined
      readonly limit?: undefined
    }
  | {
      readonly rate: Duration.Input
      readonly delay?: undefined
      /**
       * What happens to a run that comes due while one goes on: of several the last one follows at once and the others are
       * missed (`skip`), all of them follow (`queue`), or it begins beside the other (`concurrent`).
       *
       * @default "skip": a loop that has fallen behind is not made slower by its past
       */
      readonly overlap?: "skip" | "queue" | "concurrent" | undefined
      /**
       * How many may wait (`queue`) or go on at the same time (`concurrent`); what is more is missed.
       *
       * @default 10
       */
      readonly limit?: number | undefined
    }

export type PeriodicOptions<E, R = never> = Omit<Options<void, E, R>, "onStop" | "onSuccess"> & Common & Interval

/** A periodic task that was started. */
export interface Periodic<out E> extends Task<void, E> {
  /** How many runs have begun, and how many came due and were missed. */
  readonly ticks: Effect.Effect<{ readonly runs: number; readonly missed: number }>
}

/**
 * Runs an effect at intervals, at a fixed rate or with a fixed delay, until the application stops.
 *
 * **When to use**: heartbeats, refreshes, sweeps, control loops. For a check that something depends on, `Task.monitor`.
 *
 * **Details**: with `rate` the n-th run is due n intervals after the first, whatever the runs between have done: a loop of
 * 60 a second does 60.0. What a busy process delays by less than an interval is late and not lost; what it delays by more is
 * missed, and counted in `ticks` and in the metric `quiesce_tasks_missed`, unless `overlap: "queue"` makes up for it. A run that fails is a failure
 * of the task: `restart` says when it goes on, in the old rhythm.
 *
 * **Interruption safety**: between two runs it ends as soon as draining begins. A run that goes on then is finished, for at
 * most the drain budget.
 *
 * @example
 * ```ts
 * import * as Effect from "effect/Effect"
 * import * as Layer from "effect/Layer"
 * import * as Schedule from "effect/Schedule"
 * import * as Task from "quiesce/Task"
 *
 * const Sweeper = Layer.effectDiscard(
 *   Task.periodic("sweeper", Effect.log("removing what has expired"), {
 *     delay: "1 minute",
 *     jitter: "5 seconds",
 *     restart: Schedule.spaced("1 minute")
 *   })
 * )
 * ```
 */
export const periodic = <E, R, R2 = never>(
  name: string,
  effect: Effect.Effect<unknown, E, R>,
  { delay, jitter = 0, limit = 10, overlap = "skip", rate, startAfter = 0, ...options }: PeriodicOptions<E, R2>
): Effect.Effect<Periodic<E>, never, R | R2 | Lifecycle | Scope.Scope> =>
  Effect.gen(function* () {
    const { stopping, tasks } = yield* Lifecycle
    const ticks = { runs: 0, missed: 0 }
    const miss = (control: TaskControl, count: number): void => {
      ticks.missed += count
      if (count > 0) control.missed(count)
    }
    const once = Effect.suspend(() => {
      ticks.runs++
      return effect
    })
    const late = Effect.map(Random.next, (part) => part * Duration.toMillis(jitter))

    const withDelay = (control: TaskControl) =>
      Effect.gen(function* () {
        for (let pause = startAfter; !control.isDraining(); pause = delay ?? 0) {
          yield* control.idle(Effect.flatMap(late, (more) => Effect.sleep(Duration.toMillis(pause) + more)))
          if (!control.isDraining()) yield* once
        }
      })

    // Kept through restarts: the rhythm is the task's, not the run's.
    let origin: bigint | undefined
    let tick = 0
    const interval = nanosOf(rate ?? 0)
    const due = (clock: Clock.Clock): Effect.Effect<void> =>
      Effect.flatMap(late, (more) => until(clock, (origin ?? 0n) + BigInt(tick) * interval + nanosOf(more)))
    /** The last tick that is due by now, at least the one that was waited for. */
    const latest = (clock: Clock.Clock): number =>
      interval === 0n ? tick : Math.max(Number((clock.monotonicTimeNanosUnsafe() - (origin ?? 0n)) / interval), tick)

    const inARow = (control: TaskControl) =>
      Effect.gen(function* () {
        const clock = yield* Clock.Clock
        origin ??= clock.monotonicTimeNanosUnsafe() + nanosOf(startAfter)
        const mayWait = overlap === "skip" ? 1 : limit
        while (!control.isDraining()) {
          yield* control.idle(due(clock))
          if (control.isDraining()) return
          const passed = Math.max(latest(clock) - tick - mayWait + 1, 0)
          miss(control, passed)
          tick += passed + 1
          yield* once
        }
      })

    const concurrently = (control: TaskControl) =>
      Effect.gen(function* () {
        const clock = yield* Clock.Clock
        origin ??= clock.monotonicTimeNanosUnsafe() + nanosOf(startAfter)
        const going = new Set<Fiber.Fiber<unknown, E>>()
        const broken = Deferred.makeUnsafe<unknown, E>()
        while (!control.isDraining()) {
          const next = Effect.raceFirst(due(clock), Deferred.await(broken))
          yield* going.size === 0 ? control.idle(next) : Effect.raceFirst(next, stopping)
          if (control.isDraining()) break
          const last = latest(clock)
          const places = Math.max(limit - going.size, 0)
          const begun = Math.min(last - tick + 1, places)
          miss(control, last - tick + 1 - begun)
          tick = last + 1
          for (let n = 0; n < begun; n++) {
            const fiber = yield* Effect.forkChild(once, { startImmediately: true })
            going.add(fiber)
            fiber.addObserver((exit) => {
              going.delete(fiber)
              if (Exit.isFailure(exit) && !Cause.hasInterruptsOnly(exit.cause)) Deferred.doneUnsafe(broken, exit)
            })
          }
        }
        yield* Effect.raceFirst(Fiber.awaitAll(Array.from(going)), Deferred.await(broken))
      })

    const run = rate === undefined ? withDelay : overlap === "concurrent" ? concurrently : inARow
    const task = yield* tasks.start<void, E, R, R2>({ name, run, options: { ...options, onStop: "finish" } })
    return {
      name,
      state: task.state,
      exit: task.exit,
      interrupt: task.interrupt,
      ticks: Effect.sync(() => ({ ...ticks }))
    }
  })

const nanosPerMilli = 1_000_000

const nanosOf = (duration: Duration.Input): bigint => BigInt(Math.round(Duration.toMillis(duration) * nanosPerMilli))

/** A timer may fire too early: what is left is slept again. What is due already still takes a turn. */
const until = (clock: Clock.Clock, due: bigint): Effect.Effect<void> =>
  Effect.suspend(() => {
    const left = Number(due - clock.monotonicTimeNanosUnsafe()) / nanosPerMilli
    return left < resolution
      ? Effect.yieldNow
      : Effect.flatMap(Effect.sleep(left), () =>
          clock.monotonicTimeNanosUnsafe() < due ? until(clock, due) : Effect.void
        )
  })

/** Milliseconds below which nobody waits. */
const resolution = 0.001
