// One server for all tests. The end-to-end tests, which start servers of their own, copy an initialised data folder.
import * as Effect from "effect/Effect"
import { chmodSync, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { TestProject } from "vitest/node"
import * as EmbeddedPostgres from "../src/EmbeddedPostgres.ts"
import * as TestPostgres from "../src/TestPostgres.ts"

declare module "vitest" {
  interface ProvidedContext {
    /** The URL of the run's server. */
    readonly postgres: string
    /** A data folder as the first start leaves it. */
    readonly seed: string
  }
}

export default async (project: TestProject) => {
  const seed = mkdtempSync(join(tmpdir(), "quiesce-seed-"))
  chmodSync(seed, 0o755)
  const server = await TestPostgres.start()
  if (project.name.endsWith("e2e")) {
    await Effect.runPromise(Effect.scoped(EmbeddedPostgres.scoped({ dataDir: seed, durable: false })))
    rmSync(join(seed, "port")) // or every copy would ask for the same
  }
  project.provide("postgres", server.url)
  project.provide("seed", seed)
  return async () => {
    await server.stop()
    rmSync(seed, { recursive: true, force: true })
  }
}
