/**
 * A run of a suite, from the queue to its result.
 *
 *     queued -> running -> passed | failed | errored
 *        ^________|  put back by a stop, or reclaimed because its executor is gone
 */
import * as Schema from "effect/Schema"
import { Id } from "./Page.ts"

/** `failed`: a test case did; `errored`: the executor could not do its work. */
export const Status = Schema.Literals(["queued", "running", "passed", "failed", "errored"])

export type Status = typeof Status.Type

export const Run = Schema.Struct({
  id: Id,
  suiteId: Id,
  label: Schema.NullOr(Schema.String),
  status: Status,
  /** How often it was begun. */
  attempt: Schema.Int,
  /** Who executes it, or did. */
  instance: Schema.NullOr(Schema.String),
  queuedAt: Schema.DateTimeUtcFromDate,
  startedAt: Schema.NullOr(Schema.DateTimeUtcFromDate),
  finishedAt: Schema.NullOr(Schema.DateTimeUtcFromDate)
}).annotate({ identifier: "Run" })

export type Run = typeof Run.Type

export const NewRun = Schema.Struct({
  label: Schema.optionalKey(Schema.Trimmed.check(Schema.isNonEmpty(), Schema.isMaxLength(100)))
}).annotate({ identifier: "NewRun" })

export type NewRun = typeof NewRun.Type

export const CaseResult = Schema.Struct({
  case: Schema.String,
  passed: Schema.Boolean,
  /** Milliseconds. */
  duration: Schema.Int
}).annotate({ identifier: "CaseResult" })

export type CaseResult = typeof CaseResult.Type

/** One line of a run's history, which only ever grows. At most one of a run is `completed`. */
export const RunEvent = Schema.Struct({
  id: Id,
  runId: Id,
  attempt: Schema.Int,
  kind: Schema.Literals(["queued", "started", "put_back", "reclaimed", "completed"]),
  instance: Schema.NullOr(Schema.String),
  at: Schema.DateTimeUtcFromDate
}).annotate({ identifier: "RunEvent" })

export type RunEvent = typeof RunEvent.Type
