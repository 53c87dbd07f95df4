/**
 * Creates and drops databases, each time over a connection of its own, for the pool is in one of them.
 */
import * as PgConnection from "@effect/sql-pg/PgConnection"
import * as Effect from "effect/Effect"
import type * as Redacted from "effect/Redacted"
import type { SqlError } from "effect/sql/SqlError"
import { EmbeddedPostgresError } from "../../EmbeddedPostgresError.ts"

export const createDatabase = (
  url: Redacted.Redacted,
  name: string,
  options: { readonly template?: string | undefined; readonly ifMissing?: boolean } = {}
): Effect.Effect<void, EmbeddedPostgresError> =>
  connected(url, name, (connection) =>
    Effect.gen(function* () {
      const { rowCount } = yield* connection.query("select from pg_database where datname = $1", [name])
      if (options.ifMissing === true && rowCount > 0) return
      const template = options.template === undefined ? "" : ` template ${quote(options.template)}`
      yield* connection.query(`create database ${quote(name)}${template}`)
    })
  )

/** Whoever is still connected to it is thrown out. */
export const dropDatabase = (url: Redacted.Redacted, name: string): Effect.Effect<void, EmbeddedPostgresError> =>
  connected(url, name, (connection) => connection.query(`drop database if exists ${quote(name)} with (force)`))

const connected = (
  url: Redacted.Redacted,
  database: string,
  use: (connection: PgConnection.PgConnection) => Effect.Effect<unknown, SqlError>
): Effect.Effect<void, EmbeddedPostgresError> =>
  PgConnection.make({ url }).pipe(
    Effect.flatMap(use),
    Effect.scoped,
    Effect.mapError((error) => {
      const cause = error.reason.cause
      const detail = cause instanceof Error ? cause.message : error.message
      return new EmbeddedPostgresError({ reason: { _tag: "DatabaseFailed", database, detail } })
    }),
    Effect.asVoid
  )

const quote = (identifier: string): string => `"${identifier.replaceAll('"', '""')}"`
