import * as TestPostgres from "@quiesce/sql-pg/TestPostgres"
import type { TestProject } from "vitest/node"

declare module "vitest" {
  interface ProvidedContext {
    readonly postgres: string
  }
}

/** One server for the whole run; each test takes a database of its own. */
export default async (project: TestProject) => {
  const server = await TestPostgres.start()
  project.provide("postgres", server.url)
  return server.stop
}
