import * as HttpRefusal from "@quiesce/http/HttpRefusal"
import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as HttpApiSchema from "effect/http-api/HttpApiSchema"
import * as OpenApi from "effect/http-api/OpenApi"
import * as Schema from "effect/Schema"
import { Conflict, NotFound, Unavailable } from "../domain/errors.ts"
import { Id, Page, PageQuery, TailQuery } from "../domain/Page.ts"
import { CaseResult, NewRun, Run, RunEvent, Status } from "../domain/Run.ts"

const IdempotencyKey = Schema.String.check(Schema.isNonEmpty(), Schema.isMaxLength(200))

export class RunsApi extends HttpApiGroup.make("runs")
  .add(
    // 202: it is in the queue, durably; the result comes later.
    HttpApiEndpoint.post("queueRun", "/suites/:suiteId/runs", {
      params: { suiteId: Id },
      headers: { "idempotency-key": Schema.optionalKey(IdempotencyKey) },
      payload: NewRun,
      success: Run.pipe(HttpApiSchema.status(202)),
      error: [NotFound, Conflict, Unavailable, HttpRefusal.error()]
    }).annotateMerge(
      OpenApi.annotations({
        summary: "Queue a run",
        description:
          "Send an Idempotency-Key and repeat the request as often as it takes: the same key queues one run, and every repeat answers with it."
      })
    ),
    HttpApiEndpoint.get("listRuns", "/runs", {
      query: { ...PageQuery, suiteId: Schema.optionalKey(Id), status: Schema.optionalKey(Status) },
      success: Page(Run),
      error: Unavailable
    }),
    HttpApiEndpoint.get("getRun", "/runs/:runId", {
      params: { runId: Id },
      success: Run,
      error: [NotFound, Unavailable]
    }),
    HttpApiEndpoint.get("getResults", "/runs/:runId/results", {
      params: { runId: Id },
      success: Schema.Array(CaseResult),
      error: [NotFound, Unavailable]
    }),
    HttpApiEndpoint.get("listEvents", "/runs/:runId/events", {
      params: { runId: Id },
      query: TailQuery,
      success: Page(RunEvent),
      error: [NotFound, Unavailable]
    })
  )
  .annotateMerge(OpenApi.annotations({ title: "Runs", description: "Runs of a suite: queued, executed, recorded." })) {}
