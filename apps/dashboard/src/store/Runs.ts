/** Runs as they are read: the run, its results, its history. What changes a run is in RunQueue. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { SqlClient } from "effect/sql/SqlClient"
import * as SqlSchema from "effect/sql/SqlSchema"
import { NotFound, type Unavailable } from "../domain/errors.ts"
import * as Page from "../domain/Page.ts"
import { CaseResult, Run, RunEvent, Status } from "../domain/Run.ts"
import { orUnavailable } from "./Database.ts"

export interface RunFilter extends Page.PageRequest {
  readonly suiteId?: number
  readonly status?: Status
}

export class Runs extends Context.Service<
  Runs,
  {
    readonly get: (id: number) => Effect.Effect<Run, NotFound | Unavailable>
    readonly list: (filter: RunFilter) => Effect.Effect<Page.Page<Run>, Unavailable>
    /** Empty until the run has ended; then one for each case, in the order of the suite. */
    readonly results: (id: number) => Effect.Effect<ReadonlyArray<CaseResult>, NotFound | Unavailable>
    readonly events: (id: number, page: Page.TailRequest) => Effect.Effect<Page.Page<RunEvent>, NotFound | Unavailable>
  }
>()("dashboard/Runs") {}

export const layer = Layer.effect(
  Runs,
  Effect.gen(function* () {
    const sql = yield* SqlClient

    const findRun = SqlSchema.findOne({
      Request: Schema.Int,
      Result: Run,
      execute: (id) => sql`select * from runs where id = ${id}`
    })
    const findRuns = SqlSchema.findAll({
      Request: Schema.Struct({
        limit: Schema.Int,
        before: Schema.optionalKey(Schema.Int),
        suiteId: Schema.optionalKey(Schema.Int),
        status: Schema.optionalKey(Status)
      }),
      Result: Run,
      execute: ({ before, limit, status, suiteId }) =>
        sql`select * from runs where ${sql.and([
          before === undefined ? sql`true` : sql`id < ${before}`,
          suiteId === undefined ? sql`true` : sql`suite_id = ${suiteId}`,
          status === undefined ? sql`true` : sql`status = ${status}`
        ])} order by id desc limit ${limit + 1}`
    })
    const findResults = SqlSchema.findAll({
      Request: Schema.Int,
      Result: CaseResult,
      execute: (id) => sql`select "case", passed, duration from case_results where run_id = ${id} order by position`
    })
    const findEvents = SqlSchema.findAll({
      Request: Schema.Struct({ id: Schema.Int, limit: Schema.Int, after: Schema.optionalKey(Schema.Int) }),
      Result: RunEvent,
      execute: ({ after = 0, id, limit }) =>
        sql`select * from run_events where run_id = ${id} and id > ${after} order by id limit ${limit + 1}`
    })

    const get = (id: number) =>
      findRun(id).pipe(
        Effect.catchTags({ SchemaError: Effect.die, NoSuchElementError: () => Effect.fail(NotFound.of("run", id)) }),
        orUnavailable
      )

    return Runs.of({
      get,
      list: (filter) =>
        findRuns(filter).pipe(
          Effect.map((rows) => Page.fromRows(rows, filter.limit)),
          Effect.catchTag("SchemaError", Effect.die),
          orUnavailable
        ),
      results: (id) =>
        Effect.andThen(get(id), findResults(id).pipe(Effect.catchTag("SchemaError", Effect.die), orUnavailable)),
      events: (id, page) =>
        Effect.andThen(
          get(id),
          findEvents({ id, ...page }).pipe(
            Effect.map((rows) => Page.fromRows(rows, page.limit)),
            Effect.catchTag("SchemaError", Effect.die),
            orUnavailable
          )
        )
    })
  })
)
