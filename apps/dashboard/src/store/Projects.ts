/** Projects and their suites, as they are stored. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { SqlClient } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import * as SqlSchema from "effect/sql/SqlSchema"
import { Conflict, NotFound, type Unavailable } from "../domain/errors.ts"
import * as Page from "../domain/Page.ts"
import { type NewProject, Project } from "../domain/Project.ts"
import { type NewSuite, Suite } from "../domain/Suite.ts"
import { orUnavailable } from "./Database.ts"

export class Projects extends Context.Service<
  Projects,
  {
    readonly create: (project: NewProject) => Effect.Effect<Project, Conflict | Unavailable>
    readonly get: (id: number) => Effect.Effect<Project, NotFound | Unavailable>
    readonly list: (page: Page.PageRequest) => Effect.Effect<Page.Page<Project>, Unavailable>
    readonly createSuite: (
      projectId: number,
      suite: NewSuite
    ) => Effect.Effect<Suite, NotFound | Conflict | Unavailable>
    readonly getSuite: (id: number) => Effect.Effect<Suite, NotFound | Unavailable>
    readonly listSuites: (
      projectId: number,
      page: Page.PageRequest
    ) => Effect.Effect<Page.Page<Suite>, NotFound | Unavailable>
  }
>()("dashboard/Projects") {}

const conflictOn =
  (constraint: string, message: string) =>
  (error: SqlError): Effect.Effect<never, Conflict | SqlError> =>
    error.reason._tag === "UniqueViolation" && error.reason.constraint === constraint
      ? Effect.fail(new Conflict({ message }))
      : Effect.fail(error)

export const layer = Layer.effect(
  Projects,
  Effect.gen(function* () {
    const sql = yield* SqlClient

    const insertProject = SqlSchema.findOne({
      Request: Schema.Struct({ name: Schema.String, description: Schema.String }),
      Result: Project,
      execute: (row) => sql`insert into projects ${sql.insert(row)} returning *`
    })
    const findProject = SqlSchema.findOne({
      Request: Schema.Int,
      Result: Project,
      execute: (id) => sql`select * from projects where id = ${id}`
    })
    const findProjects = SqlSchema.findAll({
      Request: Schema.Struct({ limit: Schema.Int, before: Schema.optionalKey(Schema.Int) }),
      Result: Project,
      execute: ({ before, limit }) =>
        sql`select * from projects where ${before === undefined ? sql`true` : sql`id < ${before}`}
            order by id desc limit ${limit + 1}`
    })
    const insertSuite = SqlSchema.findOne({
      Request: Schema.Struct({ projectId: Schema.Int, name: Schema.String, cases: Schema.Array(Schema.String) }),
      Result: Suite,
      execute: (row) =>
        sql`insert into suites (project_id, name, cases)
            values (${row.projectId}, ${row.name}, ${row.cases}::text[]) returning *`
    })
    const findSuite = SqlSchema.findOne({
      Request: Schema.Int,
      Result: Suite,
      execute: (id) => sql`select * from suites where id = ${id}`
    })
    const findSuites = SqlSchema.findAll({
      Request: Schema.Struct({ projectId: Schema.Int, limit: Schema.Int, before: Schema.optionalKey(Schema.Int) }),
      Result: Suite,
      execute: ({ before, limit, projectId }) =>
        sql`select * from suites where project_id = ${projectId}
            and ${before === undefined ? sql`true` : sql`id < ${before}`} order by id desc limit ${limit + 1}`
    })

    // A row that does not fit its schema is a defect of ours, not something a caller can act on.
    const get = (id: number) =>
      findProject(id).pipe(
        Effect.catchTags({
          SchemaError: Effect.die,
          NoSuchElementError: () => Effect.fail(NotFound.of("project", id))
        }),
        orUnavailable
      )

    return Projects.of({
      get,
      create: ({ description = "", name }) =>
        insertProject({ name, description }).pipe(
          Effect.catchTag(
            "SqlError",
            conflictOn("project_name", `a project named "${name}" exists already; choose another name`)
          ),
          Effect.catchTags({ SchemaError: Effect.die, NoSuchElementError: Effect.die }),
          orUnavailable
        ),
      list: (page) =>
        findProjects(page).pipe(
          Effect.map((rows) => Page.fromRows(rows, page.limit)),
          Effect.catchTag("SchemaError", Effect.die),
          orUnavailable
        ),
      createSuite: (projectId, suite) =>
        Effect.andThen(
          get(projectId),
          insertSuite({ projectId, ...suite }).pipe(
            Effect.catchTag(
              "SqlError",
              conflictOn(
                "suite_name",
                `project ${projectId} has a suite named "${suite.name}" already; choose another name`
              )
            ),
            Effect.catchTags({ SchemaError: Effect.die, NoSuchElementError: Effect.die }),
            orUnavailable
          )
        ),
      getSuite: (id) =>
        findSuite(id).pipe(
          Effect.catchTags({
            SchemaError: Effect.die,
            NoSuchElementError: () => Effect.fail(NotFound.of("suite", id))
          }),
          orUnavailable
        ),
      listSuites: (projectId, page) =>
        Effect.andThen(
          get(projectId),
          findSuites({ projectId, ...page }).pipe(
            Effect.map((rows) => Page.fromRows(rows, page.limit)),
            Effect.catchTag("SchemaError", Effect.die),
            orUnavailable
          )
        )
    })
  })
)
