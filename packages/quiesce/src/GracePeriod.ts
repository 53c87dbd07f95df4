/**
 * How long a stop may take, in all and phase by phase.
 *
 * The grace period is the total; the budgets of the phases are caps taken from what remains of it, and the reserve is kept
 * back for flushing. Every budget is a duration or a `Schedule`: a budget ends when its schedule ends.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Pull from "effect/Pull"
import * as Schedule from "effect/Schedule"

/** A time limit: a duration, or a schedule whose end is the limit. */
export type Budget = Duration.Input | Schedule.Schedule<unknown>

/**
 * Every member is a cap on what remains of the grace period at that moment.
 */
export interface Options {
  /**
   * From the first stop request to the exit.
   *
   * @default 25 seconds: Kubernetes kills after 30
   */
  readonly gracePeriod?: Budget | undefined
  /**
   * Not ready, still accepting. Behind a load balancer the few seconds it needs to notice.
   *
   * @default 0 seconds: without a load balancer every second of it is lost
   */
  readonly lameDuck?: Budget | undefined
  /**
   * For accepted work to finish.
   *
   * @default 10 seconds
   */
  readonly drain?: Budget | undefined
  /**
   * For interrupted work and critical sections to end.
   *
   * @default 5 seconds
   */
  readonly interrupt?: Budget | undefined
  /**
   * For each component's release, unless the component says otherwise.
   *
   * @default 5 seconds
   */
  readonly stopTimeout?: Duration.Input | undefined
  /**
   * Kept back at the end for hooks, telemetry and logs.
   *
   * @default 10 % of the grace period, at most 3 seconds
   */
  readonly reserve?: Duration.Input | undefined
}

/** The options with every default filled in; durations in milliseconds. */
export interface GracePeriod {
  readonly total: number
  readonly reserve: number
  readonly stopTimeout: number
  readonly deadline: Schedule.Schedule<unknown>
  readonly lameDuck: Schedule.Schedule<unknown>
  readonly drain: Schedule.Schedule<unknown>
  readonly interrupt: Schedule.Schedule<unknown>
}

/**
 * Fills in the defaults. The total of a grace period that is given as a schedule is found by stepping it without waiting;
 * one that has not ended after a day is cut there.
 *
 * @example
 * ```ts
 * import * as Effect from "effect/Effect"
 * import * as GracePeriod from "quiesce/GracePeriod"
 *
 * const budgets = GracePeriod.make({ gracePeriod: "10 seconds" })
 * const reserve = Effect.map(budgets, (_) => _.reserve) // 1000
 * ```
 */
export const make = Effect.fnUntraced(function* (options: Options = {}): Effect.fn.Return<GracePeriod> {
  const deadline = toSchedule(options.gracePeriod ?? "25 seconds")
  const total = yield* totalMillis(deadline)
  return {
    total,
    deadline,
    reserve:
      options.reserve === undefined ? Math.min(total / 10, 3000) : Math.min(Duration.toMillis(options.reserve), total),
    stopTimeout: Duration.toMillis(options.stopTimeout ?? "5 seconds"),
    lameDuck: toSchedule(options.lameDuck ?? 0),
    drain: toSchedule(options.drain ?? "10 seconds"),
    interrupt: toSchedule(options.interrupt ?? "5 seconds")
  }
})

/** A budget as a schedule: a duration becomes one recurrence after that duration. */
export const toSchedule = (budget: Budget): Schedule.Schedule<unknown> =>
  Schedule.isSchedule(budget) ? budget : Schedule.duration(budget)

const day = 86_400_000
const maxSteps = 100_000

const totalMillis = Effect.fnUntraced(function* (schedule: Schedule.Schedule<unknown>) {
  const step = yield* Schedule.toStep(schedule)
  let elapsed = 0
  for (let n = 0; n < maxSteps && elapsed < day; n++) {
    const delay = yield* step(elapsed, undefined).pipe(
      Effect.map(([, delay]) => Duration.toMillis(delay)),
      Pull.catchDone(() => Effect.succeed(undefined))
    )
    if (delay === undefined) return elapsed
    elapsed += delay
  }
  // A schedule that does not end, or not within any reason.
  return day
})
