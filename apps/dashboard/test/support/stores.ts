/** The dashboard's stores over a migrated database of their own, on the run's server. */
import * as TestPostgres from "@quiesce/sql-pg/TestPostgres"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import { inject } from "vitest"
import * as Settings from "../../src/settings/Settings.ts"
import * as Database from "../../src/store/Database.ts"
import * as Projects from "../../src/store/Projects.ts"
import * as RunQueue from "../../src/store/RunQueue.ts"
import * as Runs from "../../src/store/Runs.ts"
import { running } from "./running.ts"

export const environment = (env: Record<string, string>) => ConfigProvider.layer(ConfigProvider.fromEnv({ env }))

const OwnDatabase = (env: Record<string, string>) =>
  Layer.unwrap(
    Effect.map(
      Effect.suspend(() => TestPostgres.database(inject("postgres"))),
      ({ url }) => environment({ DATABASE_URL: Redacted.value(url), ...env })
    )
  )

export const storesWith = (env: Record<string, string>) =>
  running(
    Layer.mergeAll(Projects.layer, Runs.layer, RunQueue.layer).pipe(
      Layer.provideMerge(Database.layer),
      Layer.provideMerge(Settings.layer),
      Layer.provide(OwnDatabase(env))
    )
  )

export const stores = storesWith({})

/** A suite to run. */
export const aSuite = Effect.fnUntraced(function* (cases: ReadonlyArray<string> = ["one", "two"]) {
  const projects = yield* Projects.Projects
  const project = yield* projects.create({ name: `project ${crypto.randomUUID()}` })
  return yield* projects.createSuite(project.id, { name: "suite", cases })
})
