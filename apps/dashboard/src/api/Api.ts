/** The HTTP API as a value: the server, the OpenAPI document and typed clients are made from it. */
import * as HttpApi from "effect/http-api/HttpApi"
import * as OpenApi from "effect/http-api/OpenApi"
import { ProjectsApi } from "./ProjectsApi.ts"
import { RequestErrors } from "./RequestErrors.ts"
import { RunsApi } from "./RunsApi.ts"

export class Api extends HttpApi.make("dashboard")
  .add(ProjectsApi)
  .add(RunsApi)
  .middleware(RequestErrors)
  .annotateMerge(
    OpenApi.annotations({
      title: "QA dashboard",
      version: "0.1.0",
      description: "Projects, their test suites, and runs of those: queue one and watch it."
    })
  ) {}
