/**
 * The budgets of an application in milliseconds, from its options: the contract, written down a second time, so that the laws
 * do not take the word of what they judge.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type * as App from "quiesce/App"
import * as GracePeriod from "quiesce/GracePeriod"
import type { Limits } from "../Law.ts"

/** The grace period of an application inside another: less than a release may take by default. */
export const insideOptions = { gracePeriod: 1000 } as const

/** How long a schedule lasts is the one thing that the core is asked for; infinitely where it is longer than `atMost`. */
const millis = (budget: GracePeriod.Budget, atMost?: number): Effect.Effect<number> =>
  Schedule.isSchedule(budget) ? GracePeriod.lengthOf(budget, atMost) : Effect.succeed(Duration.toMillis(budget))

export const limitsOf = (options: App.Options, slack = 0.001): Effect.Effect<Limits> =>
  Effect.gen(function* () {
    const gracePeriod = yield* millis(options.gracePeriod ?? "25 seconds")
    const crashGracePeriod = Math.min(Duration.toMillis(options.crashGracePeriod ?? "5 seconds"), gracePeriod)
    const reserveOf = (total: number) =>
      Math.min(options.reserve === undefined ? Math.min(total / 10, 3000) : Duration.toMillis(options.reserve), total)
    return {
      slack,
      gracePeriod,
      reserve: reserveOf(gracePeriod),
      crashReserve: reserveOf(crashGracePeriod),
      stopTimeout: Duration.toMillis(options.stopTimeout ?? "5 seconds"),
      lameDuck: yield* millis(options.lameDuck ?? 0, gracePeriod),
      drain: yield* millis(options.drain ?? "10 seconds", gracePeriod),
      interrupt: yield* millis(options.interrupt ?? "5 seconds", gracePeriod),
      crashGracePeriod,
      cooldown: Duration.toMillis(options.signalCooldown ?? "250 millis"),
      ladder: options.escalation ?? ["Graceful", "Exit"]
    }
  })
