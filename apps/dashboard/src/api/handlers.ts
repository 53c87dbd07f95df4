/** What each endpoint does; the work itself is in the stores. */
import * as Effect from "effect/Effect"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import * as Layer from "effect/Layer"
import * as DrainGate from "quiesce/DrainGate"
import { Settings } from "../settings/Settings.ts"
import { Projects } from "../store/Projects.ts"
import { RunQueue } from "../store/RunQueue.ts"
import { Runs } from "../store/Runs.ts"
import { Api } from "./Api.ts"

const ProjectsHandlers = HttpApiBuilder.group(
  Api,
  "projects",
  Effect.fnUntraced(function* (handlers) {
    const projects = yield* Projects
    return handlers.handleAll({
      createProject: ({ payload }) => projects.create(payload),
      listProjects: ({ query }) => projects.list(query),
      getProject: ({ params }) => projects.get(params.projectId),
      createSuite: ({ params, payload }) => projects.createSuite(params.projectId, payload),
      listSuites: ({ params, query }) => projects.listSuites(params.projectId, query),
      getSuite: ({ params }) => projects.getSuite(params.suiteId)
    })
  })
)

const RunsHandlers = HttpApiBuilder.group(
  Api,
  "runs",
  Effect.fnUntraced(function* (handlers) {
    const runs = yield* Runs
    const queue = yield* RunQueue
    const { intake } = yield* (yield* Settings).current
    // When the database is slow, requests wait for it: so many, and not all that clients have the patience to send.
    const gate = yield* DrainGate.make("intake", { capacity: intake, whenFull: "reject" })
    return handlers.handleAll({
      queueRun: ({ headers, params, payload }) =>
        gate.run(queue.enqueue(params.suiteId, payload, headers["idempotency-key"])),
      listRuns: ({ query }) => runs.list(query),
      getRun: ({ params }) => runs.get(params.runId),
      getResults: ({ params }) => runs.results(params.runId),
      listEvents: ({ params, query }) => runs.events(params.runId, query)
    })
  })
)

export const layer = Layer.mergeAll(ProjectsHandlers, RunsHandlers)
