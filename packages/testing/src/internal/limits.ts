/**
 * The budgets of an application in milliseconds, from its options.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type * as App from "quiesce/App"
import * as GracePeriod from "quiesce/GracePeriod"
import * as Phase from "quiesce/Phase"
import type { Limits } from "../Law.ts"

/** A schedule for a budget has a length as well: that of a grace period which is that schedule. */
const millis = (budget: GracePeriod.Budget | undefined, otherwise: Duration.Input): Effect.Effect<number> =>
  budget === undefined || !Schedule.isSchedule(budget)
    ? Effect.succeed(Duration.toMillis(budget ?? otherwise))
    : Effect.map(GracePeriod.make({ gracePeriod: budget }), (made) => made.total)

export const limitsOf = (options: App.Options, slack = 0.001): Effect.Effect<Limits> =>
  Effect.gen(function* () {
    const { reserve, stopTimeout, total } = yield* GracePeriod.make(options)
    return {
      slack,
      gracePeriod: total,
      reserve,
      stopTimeout,
      lameDuck: yield* millis(options.lameDuck, 0),
      drain: yield* millis(options.drain, "10 seconds"),
      interrupt: yield* millis(options.interrupt, "5 seconds"),
      crashGracePeriod: Math.min(Duration.toMillis(options.crashGracePeriod ?? "5 seconds"), total),
      cooldown: Duration.toMillis(options.signalCooldown ?? "250 millis"),
      ladder: options.escalation ?? Phase.defaultLadder
    }
  })
