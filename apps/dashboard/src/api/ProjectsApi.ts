import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as HttpApiSchema from "effect/http-api/HttpApiSchema"
import * as OpenApi from "effect/http-api/OpenApi"
import { Conflict, NotFound, Unavailable } from "../domain/errors.ts"
import { Id, Page, PageQuery } from "../domain/Page.ts"
import { NewProject, Project } from "../domain/Project.ts"
import { NewSuite, Suite } from "../domain/Suite.ts"

const created = HttpApiSchema.status(201)

export class ProjectsApi extends HttpApiGroup.make("projects")
  .add(
    HttpApiEndpoint.post("createProject", "/projects", {
      payload: NewProject,
      success: Project.pipe(created),
      error: [Conflict, Unavailable]
    }),
    HttpApiEndpoint.get("listProjects", "/projects", { query: PageQuery, success: Page(Project), error: Unavailable }),
    HttpApiEndpoint.get("getProject", "/projects/:projectId", {
      params: { projectId: Id },
      success: Project,
      error: [NotFound, Unavailable]
    }),
    HttpApiEndpoint.post("createSuite", "/projects/:projectId/suites", {
      params: { projectId: Id },
      payload: NewSuite,
      success: Suite.pipe(created),
      error: [NotFound, Conflict, Unavailable]
    }),
    HttpApiEndpoint.get("listSuites", "/projects/:projectId/suites", {
      params: { projectId: Id },
      query: PageQuery,
      success: Page(Suite),
      error: [NotFound, Unavailable]
    }),
    HttpApiEndpoint.get("getSuite", "/suites/:suiteId", {
      params: { suiteId: Id },
      success: Suite,
      error: [NotFound, Unavailable]
    })
  )
  .annotateMerge(OpenApi.annotations({ title: "Projects", description: "Projects and their suites of test cases." })) {}
