/**
 * The queue of runs, and everything that moves a run through it.
 *
 * Invariants, each a test of that name:
 * 1. `fenced`: only the holder of the current attempt's token extends, completes or puts back a run.
 * 2. `completed-once`: a run is completed at most once; status, results and the event of it are one transaction.
 * 3. `never-lost`: a run that is not completed is in the queue, or under a lease that ends.
 * 4. `queued-once`: one idempotency key queues one run.
 *
 * All times are the database's own, so that the clocks of several instances need not agree.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"
import type * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { SqlClient } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import * as SqlSchema from "effect/sql/SqlSchema"
import { Conflict, NotFound, type Unavailable } from "../domain/errors.ts"
import { type CaseResult, type NewRun, Run, type Status } from "../domain/Run.ts"
import { abandonable, orUnavailable } from "./Database.ts"

/** A run under execution; whoever has the token has the run. */
export const Claim = Schema.Struct({
  id: Schema.Int,
  attempt: Schema.Int,
  token: Schema.String,
  cases: Schema.Array(Schema.String)
})

export type Claim = typeof Claim.Type

export interface Result {
  readonly status: Extract<Status, "passed" | "failed" | "errored">
  readonly cases: ReadonlyArray<CaseResult>
}

export class RunQueue extends Context.Service<
  RunQueue,
  {
    /** With a key that was seen before for this suite, the run that was queued then. */
    readonly enqueue: (
      suiteId: number,
      run: NewRun,
      idempotencyKey: string | undefined
    ) => Effect.Effect<Run, NotFound | Conflict | Unavailable>
    /** Completes when this process has queued a run: a hint, not a promise that there is one. */
    readonly queued: Effect.Effect<void>
    /** Takes the oldest queued run, which nobody else gets then, under a lease of so many milliseconds. */
    readonly claim: (instance: string, lease: number) => Effect.Effect<Option.Option<Claim>, SqlError>
    /** Renews the lease; false when the run is no longer ours. */
    readonly extend: (claim: Claim, lease: number) => Effect.Effect<boolean, SqlError>
    /** Stores the result; false when the run is no longer ours, and then nothing is stored. May be repeated. */
    readonly complete: (claim: Claim, instance: string, result: Result) => Effect.Effect<boolean, SqlError>
    /** Back to its place in the queue; false when the run is no longer ours. */
    readonly putBack: (claim: Claim, instance: string) => Effect.Effect<boolean, SqlError>
    /** Queues again the runs of one instance, or those whose lease has ended. Returns them. */
    readonly reclaim: (of: { readonly instance: string } | "expired") => Effect.Effect<ReadonlyArray<number>, SqlError>
  }
>()("dashboard/RunQueue") {}

/** The rows of the first query that has any. */
const firstFound = Effect.fnUntraced(function* (
  queries: ReadonlyArray<Effect.Effect<ReadonlyArray<unknown>, SqlError>>
) {
  for (const query of queries) {
    const rows = yield* query
    if (rows.length > 0) return rows
  }
  return []
})

export const layer = Layer.effect(
  RunQueue,
  Effect.gen(function* () {
    const sql = yield* SqlClient
    const queued = yield* Latch.make()

    const insert = (suiteId: number, label: string | null, key: string | null) =>
      sql`with run as (
            insert into runs (suite_id, label, idempotency_key) values (${suiteId}, ${label}, ${key})
            on conflict (suite_id, idempotency_key) where idempotency_key is not null do nothing returning *
          ), event as (
            insert into run_events (run_id, attempt, kind) select id, 0, 'queued' from run
          ) select * from run`
    const byKey = (suiteId: number, key: string) =>
      sql`select * from runs where suite_id = ${suiteId} and idempotency_key = ${key}`

    const decodeRun = Schema.decodeUnknownEffect(Schema.Array(Run))
    const enqueue = Effect.fn("RunQueue.enqueue")(function* (
      suiteId: number,
      { label = null }: { readonly label?: string | null },
      key: string | undefined
    ) {
      // A repeat is looked up first, because an insert that conflicts uses up a number all the same.
      const rows = yield* (
        key === undefined
          ? insert(suiteId, label, null)
          : firstFound([byKey(suiteId, key), insert(suiteId, label, key), byKey(suiteId, key)])
      ).pipe(
        Effect.catchTag("SqlError", (error): Effect.Effect<never, NotFound | SqlError> =>
          error.reason._tag === "ConstraintError" ? Effect.fail(NotFound.of("suite", suiteId)) : Effect.fail(error)
        )
      )
      const [run] = yield* Effect.orDie(decodeRun(rows))
      if (run === undefined) return yield* Effect.die(new Error(`run of suite ${suiteId} vanished while it was queued`))
      if (run.label !== label) {
        return yield* new Conflict({
          message: `Idempotency-Key "${key}" was used for run ${run.id} with another body; use a new key for a new run`
        })
      }
      yield* queued.release
      return run
    }, orUnavailable)

    const claim = SqlSchema.findOneOption({
      Request: Schema.Struct({ instance: Schema.String, lease: Schema.Finite }),
      Result: Claim,
      execute: ({ instance, lease }) =>
        sql`with next as (
              select id from runs where status = 'queued' order by id limit 1 for update skip locked
            ), claimed as (
              update runs set status = 'running', attempt = attempt + 1, attempt_token = gen_random_uuid(),
                instance = ${instance}, started_at = now(), lease_until = now() + ${lease} * interval '1 ms'
              from next where runs.id = next.id
              returning runs.id, runs.suite_id, runs.attempt, runs.attempt_token
            ), event as (
              insert into run_events (run_id, attempt, kind, instance)
              select id, attempt, 'started', ${instance} from claimed
            )
            select claimed.id, claimed.attempt, claimed.attempt_token as token, suites.cases
            from claimed join suites on suites.id = claimed.suite_id`
    })

    /** Whether there was a row to change. */
    const changes = (statement: Effect.Effect<ReadonlyArray<unknown>, SqlError>) =>
      abandonable(Effect.map(statement, (rows) => rows.length > 0))
    const ours = (claim: Claim) => sql`id = ${claim.id} and attempt_token = ${claim.token} and status = 'running'`
    const isDone = (claim: Claim) =>
      Effect.map(
        sql`select 1 from runs where id = ${claim.id} and attempt_token = ${claim.token} and finished_at is not null`,
        (rows) => rows.length > 0
      )

    return RunQueue.of({
      enqueue,
      queued: queued.await,
      claim: (instance, lease) => abandonable(Effect.catchTag(claim({ instance, lease }), "SchemaError", Effect.die)),
      extend: (claim, lease) =>
        changes(
          sql`update runs set lease_until = now() + ${lease} * interval '1 ms' where ${ours(claim)} returning id`
        ),
      complete: Effect.fn("RunQueue.complete")(
        function* (claim, instance, { cases, status }) {
          const done = yield* sql`update runs set status = ${status}, finished_at = now(), lease_until = null
                                where ${ours(claim)} returning id`
          // None: lost, or an earlier try was stored and only its answer did not arrive.
          if (done.length === 0) return yield* isDone(claim)
          yield* sql`insert into case_results (run_id, position, "case", passed, duration)
                   select ${claim.id}, * from unnest(
                     ${cases.map((_, position) => position)}::int[], ${cases.map((result) => result.case)}::text[],
                     ${cases.map((result) => result.passed)}::bool[], ${cases.map((result) => result.duration)}::int[])`
          yield* sql`insert into run_events (run_id, attempt, kind, instance)
                   values (${claim.id}, ${claim.attempt}, 'completed', ${instance})`
          return true
        },
        sql.withTransaction,
        abandonable
      ),
      putBack: (claim, instance) =>
        changes(
          sql`with back as (
                update runs set status = 'queued', attempt_token = null, instance = null, started_at = null,
                  lease_until = null where ${ours(claim)} returning id
              ), event as (
                insert into run_events (run_id, attempt, kind, instance)
                select id, ${claim.attempt}, 'put_back', ${instance} from back
              ) select id from back`
        ),
      reclaim: (of) =>
        Effect.map(
          sql<{ readonly id: number }>`with lost as (
                select id, instance from runs
                where status = 'running' and ${of === "expired" ? sql`lease_until < now()` : sql`instance = ${of.instance}`}
                for update skip locked
              ), back as (
                update runs set status = 'queued', attempt_token = null, instance = null, started_at = null,
                  lease_until = null from lost where runs.id = lost.id returning runs.id, runs.attempt
              ), event as (
                insert into run_events (run_id, attempt, kind, instance)
                select back.id, back.attempt, 'reclaimed', lost.instance from back join lost on lost.id = back.id
              ) select id from back order by id`,
          (rows) => rows.map((row) => row.id)
        ).pipe(abandonable)
    })
  })
)
