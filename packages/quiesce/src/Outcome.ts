/**
 * How a stop ended, and the one rule that turns it into an exit code.
 */
import * as Schema from "effect/Schema"
import { isFailure, type StopReason } from "./StopReason.ts"

/**
 * - `Clean`: everything accepted was finished and everything acquired was released, in time.
 * - `Degraded`: out in time, but a finalizer failed, a component was left behind, accepted work had to be interrupted, a
 *   critical section exceeded its limit, or the final verification failed. The report names each.
 * - `TimedOut`: the grace period ran out.
 * - `Forced`: the last rung of the escalation was asked for; `signal` is what asked, when it was a signal. `SIGKILL`: the
 *   watchdog ended it, because the event loop was blocked and nothing else could.
 */
export const Outcome = Schema.TaggedUnion({
  Clean: {},
  Degraded: {},
  TimedOut: {},
  Forced: { signal: Schema.optionalKey(Schema.String) }
})

export type Outcome = typeof Outcome.Type

/**
 * The exit codes that say more than "it failed", as `sysexits.h` and `timeout` have them; the rule is `exitCode`.
 *
 * **When to use**: in an error of your own that ends the start of an application.
 *
 * @example
 * ```ts
 * import * as Runtime from "effect/Runtime"
 * import * as Schema from "effect/Schema"
 * import { exitCodes } from "quiesce/Outcome"
 *
 * class NoLicence extends Schema.TaggedError<NoLicence>()("NoLicence", {}) {
 *   override readonly [Runtime.errorExitCode] = exitCodes.configuration
 * }
 * ```
 */
export const exitCodes = { failure: 1, usage: 2, degraded: 70, configuration: 78, timedOut: 124 } as const

/** Those that have the same number everywhere; what is called differently here is no signal that a shell would know. */
const signalNumbers: Readonly<Record<string, number>> = {
  SIGHUP: 1,
  SIGINT: 2,
  SIGQUIT: 3,
  SIGKILL: 9,
  SIGTERM: 15,
  SIGBREAK: 21
}

/**
 * The exit code of a stop: a function of outcome and reason and of nothing else (law `exit-code`).
 *
 * | how it ended | exit code |
 * | --- | --- |
 * | `Forced` by a signal | 128 + its number (129 for SIGHUP, 130 for SIGINT, 143 for SIGTERM) |
 * | `Forced` by anything else | 1: a number that is made up would name a signal that nobody sent |
 * | `TimedOut` | 124 |
 * | the reason is a failure | the code its error asks for (2 usage, 78 configuration, ...), else 1 |
 * | `Degraded` | 70 |
 * | `Clean` | 0 |
 *
 * **When to use**: pass your own function of the same shape as `exitCode` to `App.launch` or `NodeApp.run` to replace the
 * rule; call this one for the cases that stay.
 *
 * @example
 * ```ts
 * import * as Outcome from "quiesce/Outcome"
 * import * as StopReason from "quiesce/StopReason"
 *
 * Outcome.exitCode({ _tag: "Clean" }, StopReason.signal("SIGTERM")) // 0
 * Outcome.exitCode({ _tag: "Forced", signal: "SIGINT" }, StopReason.signal("SIGINT")) // 130
 * ```
 */
export const exitCode = (outcome: Outcome, reason: StopReason): number => {
  switch (outcome._tag) {
    case "Forced":
      return forcedCode(outcome.signal === undefined ? undefined : signalNumbers[outcome.signal])
    case "TimedOut":
      return exitCodes.timedOut
    case "Degraded":
      return isFailure(reason) ? failureCode(reason) : exitCodes.degraded
    case "Clean":
      return isFailure(reason) ? failureCode(reason) : 0
  }
}

const failureCode = (reason: StopReason): number => ("code" in reason ? reason.code : undefined) ?? exitCodes.failure

const forcedCode = (number: number | undefined): number => (number === undefined ? exitCodes.failure : 128 + number)
