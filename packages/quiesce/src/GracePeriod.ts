/**
 * How long a stop may take, in all and phase by phase.
 *
 * The grace period is the total; the budgets of the phases are caps taken from what remains of it, and the reserve is kept
 * back for flushing. Every budget is a duration or a `Schedule`: a budget ends when its schedule ends.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Pull from "effect/Pull"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"

/** A time limit: a duration, or a schedule whose end is the limit. */
export type Budget = Duration.Input | Schedule.Schedule<unknown>

/**
 * Every member is a cap on what remains of the grace period at that moment.
 */
export interface Options {
  /**
   * From the first stop request to the exit. A schedule is measured once, when the application starts; it must have an end.
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
   * @default 10 % of the grace period in force (after a crash that is `crashGracePeriod`), at most 3 seconds
   */
  readonly reserve?: Duration.Input | undefined
}

/** The grace period and the budgets of the states when none is given; the options say why. */
export const defaults = { gracePeriod: "25 seconds", lameDuck: 0, drain: "10 seconds", interrupt: "5 seconds" } as const

/** The options with every default filled in; durations in milliseconds. */
export interface GracePeriod {
  readonly total: number
  readonly reserve: number
  /** The reserve of a shorter grace period than the total, as a crash has it. */
  readonly reserveOf: (total: number) => number
  readonly stopTimeout: number
  readonly lameDuck: Schedule.Schedule<unknown>
  readonly drain: Schedule.Schedule<unknown>
  readonly interrupt: Schedule.Schedule<unknown>
  /** How long the budget of a state is; `undefined` for a schedule, which is not asked before it runs. */
  readonly lengths: Readonly<Record<"lameDuck" | "drain" | "interrupt", number | undefined>>
}

/** The grace period is the promise that a stop ends; thrown as a defect, since it is a mistake in the program. */
class EndlessGracePeriod extends Schema.TaggedError<EndlessGracePeriod>()("EndlessGracePeriod", {}) {
  override get message(): string {
    return (
      `the grace period has no end: what was given as gracePeriod goes on for more than a day, or for more than ` +
      `${mostSteps} recurrences. Give a duration, such as "25 seconds", or a schedule that ends, such as ` +
      `Schedule.spaced("5 seconds").pipe(Schedule.upTo({ times: 5 }))`
    )
  }
}

/**
 * Fills in the defaults.
 *
 * A grace period that is given as a schedule is measured here, once, without waiting: its length is drawn where it is random
 * (`Schedule.jittered`), and found where the schedule looks at the time (`Schedule.during`). That length is the total, and the
 * deadline of the stop. One without an end (`Schedule.forever`, `Schedule.spaced` alone, an infinite duration) is a defect
 * that says so. The budgets of the phases are not measured: they run when their phase does, and may have no end of their own.
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
  const total = yield* lengthOf(options.gracePeriod ?? defaults.gracePeriod)
  if (!Number.isFinite(total)) return yield* Effect.die(new EndlessGracePeriod())
  const reserve = options.reserve === undefined ? undefined : Duration.toMillis(options.reserve)
  const reserveOf = (total: number) => (reserve === undefined ? Math.min(total / 10, 3000) : Math.min(reserve, total))
  return {
    total,
    reserve: reserveOf(total),
    reserveOf,
    stopTimeout: Duration.toMillis(options.stopTimeout ?? "5 seconds"),
    lameDuck: toSchedule(options.lameDuck ?? defaults.lameDuck),
    drain: toSchedule(options.drain ?? defaults.drain),
    interrupt: toSchedule(options.interrupt ?? defaults.interrupt),
    lengths: {
      lameDuck: durationOf(options.lameDuck ?? defaults.lameDuck),
      drain: durationOf(options.drain ?? defaults.drain),
      interrupt: durationOf(options.interrupt ?? defaults.interrupt)
    }
  }
})

/**
 * A budget as a schedule: a duration becomes one recurrence after that duration. A schedule that recurs without a delay
 * recurs once a millisecond: what it bounds needs the processor more than it does.
 */
export const toSchedule = (budget: Budget): Schedule.Schedule<unknown> =>
  Schedule.isSchedule(budget)
    ? Schedule.modifyDelay(budget, ({ duration }) => Effect.succeed(Duration.max(duration, tick)))
    : Schedule.duration(budget)

const durationOf = (budget: Budget): number | undefined =>
  Schedule.isSchedule(budget) ? undefined : Duration.toMillis(budget)

const tick = Duration.millis(1)
const day = 86_400_000
const mostSteps = 1_000_000

/**
 * The milliseconds that a budget lasts; infinite when a schedule goes on for more than `atMost`. A schedule is stepped
 * without waiting, so that one whose end depends on anything but time and chance is asked too early.
 */
export const lengthOf = Effect.fnUntraced(function* (budget: Budget, atMost = day): Effect.fn.Return<number> {
  if (!Schedule.isSchedule(budget)) return Duration.toMillis(budget)
  const step = yield* Schedule.toStep(budget)
  const began = yield* Clock.currentTimeMillis
  let elapsed = 0
  // `Schedule.during` recurs still in the very millisecond in which it is over.
  let end = 0
  for (let n = 0; n < mostSteps && elapsed <= atMost; n++) {
    const delay = yield* step(began + elapsed, undefined).pipe(
      Effect.map(([, delay]) => Duration.toMillis(delay)),
      Pull.catchDone(() => Effect.succeed(undefined))
    )
    if (delay === undefined) return end
    end = elapsed + delay
    elapsed += Math.max(delay, 1)
  }
  return Number.POSITIVE_INFINITY
})
