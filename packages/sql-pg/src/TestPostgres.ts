/**
 * Postgres for tests: one server a run, in a folder that is thrown away, and a database for whoever wants his own.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Scope from "effect/Scope"
import { randomBytes } from "node:crypto"
import * as fs from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as EmbeddedPostgres from "./EmbeddedPostgres.ts"
import type { EmbeddedPostgresError } from "./EmbeddedPostgresError.ts"
import { createDatabase, dropDatabase } from "./internal/embedded/databases.ts"
import { identify } from "./internal/embedded/identity.ts"

/** As for `EmbeddedPostgres`, but for where the data is and how well it is kept. */
export type Options = Omit<EmbeddedPostgres.Options, "dataDir" | "durable">

const PREFIX = "quiesce-test-postgres-"

/**
 * A server with fsync off in a new folder of the system's temporary one; stopped and removed when the scope closes.
 *
 * **When to use**: in a test that needs a server to itself, to kill it for example. Else start one for the run (`start`).
 *
 * **Limits**: about 0.9 s and 40 MB. A killed test run leaves its folder, not its server; the next run removes it.
 *
 * **Errors**, **Interruption safety**: as for `EmbeddedPostgres.scoped`.
 *
 * @example
 * ```ts
 * import * as Effect from "effect/Effect"
 * import * as PgComponent from "@quiesce/sql-pg/PgComponent"
 * import * as TestPostgres from "@quiesce/sql-pg/TestPostgres"
 *
 * const test = Effect.gen(function* () {
 *   const { url } = yield* TestPostgres.scoped()
 *   yield* PgComponent.ping.pipe(Effect.provide(PgComponent.layer({ url })))
 * }).pipe(Effect.scoped)
 * ```
 */
export const scoped = (
  options: Options = {}
): Effect.Effect<EmbeddedPostgres.EmbeddedPostgres["Service"], EmbeddedPostgresError, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => {
      removeLeftovers()
      return fs.mkdtempSync(join(tmpdir(), `${PREFIX}${process.pid}-`))
    }),
    (dataDir) => Effect.sync(() => fs.rmSync(dataDir, { recursive: true, force: true }))
  ).pipe(
    Effect.tap((dataDir) => Effect.sync(() => fs.chmodSync(dataDir, 0o711))),
    Effect.flatMap((dataDir) => EmbeddedPostgres.scoped({ ...options, dataDir, durable: false }))
  )

/** The same as a layer. */
export const layer = (options: Options = {}): Layer.Layer<EmbeddedPostgres.EmbeddedPostgres, EmbeddedPostgresError> =>
  Layer.effect(EmbeddedPostgres.EmbeddedPostgres, scoped(options))

/**
 * Starts the server of a test run, outside of Effect.
 *
 * **When to use**: in the global set-up of a test runner; the tests then make their own databases with `database`.
 *
 * **Errors**: the promise rejects with `EmbeddedPostgresError`.
 *
 * **Interruption safety**: call `stop` in any case; when the process is killed the server stops with it (Linux).
 *
 * @example
 * ```ts
 * // test/globalSetup.ts of vitest; a test says `inject("postgres")`
 * import * as TestPostgres from "@quiesce/sql-pg/TestPostgres"
 * import type { TestProject } from "vitest/node"
 *
 * declare module "vitest" {
 *   interface ProvidedContext {
 *     readonly postgres: string
 *   }
 * }
 *
 * export default async (project: TestProject) => {
 *   const server = await TestPostgres.start()
 *   project.provide("postgres", server.url)
 *   return server.stop
 * }
 * ```
 */
export const start = async (
  options: Options = {}
): Promise<{ readonly url: string; readonly stop: () => Promise<void> }> => {
  const scope = Scope.makeUnsafe()
  const stop = () => Effect.runPromise(Scope.close(scope, Exit.void))
  const server = await Effect.runPromise(Scope.provide(scoped(options), scope)).catch(async (error: unknown) => {
    await stop()
    throw error
  })
  return { url: Redacted.value(server.url), stop }
}

/**
 * A database of its own on the server at `url`, empty or a copy of `template`; dropped when the scope closes, whoever is
 * still connected. Takes 60 to 100 ms.
 *
 * **When to use**: for each test file, or each test that writes.
 *
 * **Errors**: `EmbeddedPostgresError` (`DatabaseFailed`).
 *
 * **Interruption safety**: what was created is dropped.
 *
 * @example
 * ```ts
 * import * as Effect from "effect/Effect"
 * import * as Layer from "effect/Layer"
 * import * as PgComponent from "@quiesce/sql-pg/PgComponent"
 * import * as TestPostgres from "@quiesce/sql-pg/TestPostgres"
 *
 * const databaseLayer = (server: string) =>
 *   Layer.unwrap(Effect.map(TestPostgres.database(server), ({ url }) => PgComponent.layer({ url })))
 * ```
 */
export const database = (
  url: string,
  options: { readonly template?: string | undefined } = {}
): Effect.Effect<EmbeddedPostgres.Database, EmbeddedPostgresError, Scope.Scope> => {
  const server = Redacted.make(url)
  const name = `test_${randomBytes(6).toString("hex")}`
  const own = new URL(url)
  own.pathname = `/${name}`
  return Effect.acquireRelease(
    Effect.as(createDatabase(server, name, options), { database: name, url: Redacted.make(own.href) }),
    () => Effect.ignore(dropDatabase(server, name))
  )
}

/** Folders of test runs that were killed. */
const removeLeftovers = (): void => {
  for (const name of fs.readdirSync(tmpdir())) {
    const pid = name.startsWith(PREFIX) ? Number.parseInt(name.slice(PREFIX.length), 10) : undefined
    if (pid === undefined || identify(pid) !== undefined) continue
    try {
      fs.rmSync(join(tmpdir(), name), { recursive: true, force: true })
    } catch {
      // somebody else's
    }
  }
}
