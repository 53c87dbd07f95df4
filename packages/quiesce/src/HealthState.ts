/**
 * How an application is, and what its checks have said, as plain data: it appears in events, in the status and in probes.
 */
import * as Schema from "effect/Schema"

/**
 * - `Healthy`: everything that is checked passes.
 * - `Degraded`: it serves, but not all of it: an optional part is missing, or a check with the impact `"Degraded"` fails.
 * - `Unhealthy`: it cannot serve; readiness is false.
 */
export const HealthState = Schema.Literals(["Healthy", "Degraded", "Unhealthy"])

export type HealthState = typeof HealthState.Type

/**
 * - `startup`: must pass once before the application is ready, and is then not run again: migrations, warm caches.
 * - `readiness`: as long as it fails the application gets no new work.
 * - `liveness`: when it fails the process should be killed and started anew. See `liveness`.
 */
export const Kind = Schema.Literals(["startup", "readiness", "liveness"])

export type Kind = typeof Kind.Type

/**
 * The last word of a check. Times are milliseconds since the application began to start, `took` is milliseconds.
 *
 * - `status`: `pending` until it has run for the first time.
 * - `since`: when the status last changed. `checkedAt`: when it last ran.
 * - `failure`: why it failed, also while it has not failed often enough to flip.
 */
export const Check = Schema.Struct({
  name: Schema.String,
  kind: Kind,
  impact: Schema.Literals(["Degraded", "Unhealthy"]),
  status: Schema.Literals(["pending", "pass", "fail"]),
  since: Schema.Number,
  checkedAt: Schema.optionalKey(Schema.Number),
  took: Schema.optionalKey(Schema.Number),
  failure: Schema.optionalKey(Schema.String)
})

export type Check = typeof Check.Type

export const Summary = Schema.Struct({ state: HealthState, checks: Schema.Array(Check) })

export type Summary = typeof Summary.Type
