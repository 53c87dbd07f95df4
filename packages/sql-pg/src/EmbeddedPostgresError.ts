/**
 * The one error of `EmbeddedPostgres`: what went wrong with the server on this machine, and what to do about it.
 */
import * as Schema from "effect/Schema"

const dataDir = Schema.String
const detail = Schema.String

/**
 * Why the embedded server cannot be used, as plain data. `detail` is the last of what Postgres itself said.
 *
 * - `BinariesMissing`: the package with the binaries for this platform is not installed.
 * - `InUse`: a running process, `pid`, uses the data folder: another application, this one, or a Postgres started by hand.
 * - `PortTaken`: the port that was asked for is not free.
 * - `DataUnusable`: the data folder is there and cannot be used: other owner, other version, lost password.
 * - `InitFailed`: the data folder could not be created.
 * - `StartFailed`: Postgres ended during its start.
 * - `TimedOut`: Postgres was not ready within `after` milliseconds.
 * - `Died`: Postgres ended while the application ran.
 * - `DatabaseFailed`: a database could not be created.
 */
export const Reason = Schema.TaggedUnion({
  BinariesMissing: { package: Schema.String },
  InUse: { dataDir, pid: Schema.Number, by: Schema.Literals(["application", "self", "postgres"]) },
  PortTaken: { port: Schema.Number },
  DataUnusable: { dataDir, detail },
  InitFailed: { dataDir, detail },
  StartFailed: { dataDir, detail },
  TimedOut: { dataDir, after: Schema.Number, detail },
  Died: { dataDir, detail },
  DatabaseFailed: { database: Schema.String, detail }
})

export type Reason = typeof Reason.Type

const REAL_SERVER = "set DATABASE_URL to use a real server instead"

/**
 * The embedded server cannot be used. The message names the folder and the next step; no password is in it.
 *
 * **When to use**: match on `reason._tag` (`Effect.catchReason("EmbeddedPostgresError", "InUse", ...)`).
 *
 * @example
 * ```ts
 * import { EmbeddedPostgresError } from "@quiesce/sql-pg/EmbeddedPostgresError"
 *
 * const error = new EmbeddedPostgresError({ reason: { _tag: "PortTaken", port: 5432 } })
 * error.message // "embedded Postgres cannot listen on 127.0.0.1:5432: ..."
 * ```
 */
export class EmbeddedPostgresError extends Schema.TaggedError<EmbeddedPostgresError>()("EmbeddedPostgresError", {
  reason: Reason
}) {
  override get message(): string {
    const reason = this.reason
    switch (reason._tag) {
      case "BinariesMissing":
        return `no Postgres binaries for this platform: install ${reason.package} (an optional dependency of @quiesce/sql-pg), or ${REAL_SERVER}`
      case "InUse": {
        const who = {
          application: `the application with pid ${reason.pid}`,
          self: `this application (pid ${reason.pid}) already`,
          postgres: `a Postgres that was started by hand, pid ${reason.pid}`
        }[reason.by]
        return `the data folder ${reason.dataDir} is in use by ${who}: stop it first, give another dataDir, or ${REAL_SERVER}`
      }
      case "PortTaken":
        return `embedded Postgres cannot listen on 127.0.0.1:${reason.port}: another process does; give another port, or none to get a free one`
      case "DataUnusable":
        return `embedded Postgres cannot use the data folder ${reason.dataDir}: ${reason.detail}`
      case "InitFailed":
        return `embedded Postgres could not create its data folder ${reason.dataDir}: ${reason.detail}; free space and permissions are the usual causes; or ${REAL_SERVER}`
      case "StartFailed":
        return `embedded Postgres did not start on ${reason.dataDir}: ${reason.detail}; all it said is in ${reason.dataDir}/server.log`
      case "TimedOut":
        return `embedded Postgres was not ready within ${reason.after} ms on ${reason.dataDir}: ${reason.detail}; raise startTimeout or look into ${reason.dataDir}/server.log`
      case "Died":
        return `embedded Postgres ended on its own on ${reason.dataDir}: ${reason.detail}; all it said is in ${reason.dataDir}/server.log; start the application again, the data is recovered then`
      case "DatabaseFailed":
        return `embedded Postgres could not create database "${reason.database}": ${reason.detail}`
    }
  }
}
