/**
 * The one error of `PgComponent`: Postgres cannot be used, and what to do about it.
 */
import * as Runtime from "effect/Runtime"
import * as Schema from "effect/Schema"
import { exitCodes } from "quiesce/Outcome"

const detail = Schema.String

/**
 * Why Postgres is unavailable, as plain data. `detail` is what the operating system or the server said.
 *
 * - `Unreachable`: nothing answers there (refused, unknown host, no route). Retried at start.
 * - `TimedOut`: no answer within `after` milliseconds. Retried at start.
 * - `NotAccepting`: the server answers and refuses for now: starting up, shutting down, no connection slots. Retried.
 * - `AuthenticationFailed`: user, password or `pg_hba.conf`. Never retried, as the next one is.
 * - `DatabaseMissing`: the server has no such database.
 * - `TlsFailed`: the two sides do not agree on TLS, or the certificate is not trusted.
 * - `Misconfigured`: `field` of the configuration cannot be used. Exit code 78.
 * - `Failed`: anything else, with the server's SQLSTATE if there is one.
 */
export const Reason = Schema.TaggedUnion({
  Unreachable: { detail },
  TimedOut: { after: Schema.Number, detail },
  NotAccepting: { detail },
  AuthenticationFailed: { detail },
  DatabaseMissing: { detail },
  TlsFailed: { detail },
  Misconfigured: { field: Schema.String, detail },
  Failed: { detail, code: Schema.optionalKey(Schema.String) }
})

export type Reason = typeof Reason.Type

/** Whether the same attempt may succeed a little later, so that a start waits for it. */
export const isRetryable = (reason: Reason): boolean =>
  reason._tag === "Unreachable" || reason._tag === "TimedOut" || reason._tag === "NotAccepting"

/**
 * Postgres cannot be used: at start, after the retries of the start schedule, or now, from `PgComponent.ping`.
 *
 * The message names component, host, port, database and the next step. The password is in no part of this error: it
 * carries what the server said as text and no cause.
 *
 * **When to use**: match on `reason._tag` (`Effect.catchReason("PgUnavailable", "DatabaseMissing", ...)`).
 *
 * @example
 * ```ts
 * import { PgUnavailable } from "@quiesce/sql-pg/PgUnavailable"
 *
 * const error = new PgUnavailable({
 *   component: "postgres",
 *   host: "127.0.0.1",
 *   port: 5432,
 *   database: "app",
 *   username: "app",
 *   attempts: 1,
 *   reason: { _tag: "DatabaseMissing", detail: 'database "app" does not exist' }
 * })
 * error.message // "postgres has no database \"app\" at 127.0.0.1:5432 ..."
 * ```
 */
export class PgUnavailable extends Schema.TaggedError<PgUnavailable>()("PgUnavailable", {
  component: Schema.String,
  host: Schema.String,
  port: Schema.Number,
  database: Schema.String,
  username: Schema.String,
  /** How often it was tried. */
  attempts: Schema.Number,
  reason: Reason
}) {
  /** A configuration that cannot work exits with 78, as `sysexits.h` has it; the rest is a plain failure. */
  override get [Runtime.errorExitCode](): number {
    return this.reason._tag === "Misconfigured" ? exitCodes.configuration : exitCodes.failure
  }

  override get message(): string {
    const server = this.host.startsWith("/") ? this.host : `${this.host}:${this.port}`
    const at = `${this.component} at ${server}/${this.database}`
    const tries = this.attempts > 1 ? ` (${this.attempts} attempts)` : ""
    const reason = this.reason
    switch (reason._tag) {
      case "Unreachable":
        return `${at} is not reachable${tries}: ${reason.detail}; start the server there or correct host and port`
      case "TimedOut":
        return `${at} did not answer within ${reason.after} ms${tries}: ${reason.detail}; look at the server's load and the network between`
      case "NotAccepting":
        return `${at} takes no connections now${tries}: ${reason.detail}; wait for the server, or give it more connection slots`
      case "AuthenticationFailed":
        return `${at} refused user "${this.username}": ${reason.detail}; correct username and password, or the server's pg_hba.conf`
      case "DatabaseMissing":
        return `${at} has no such database: ${reason.detail}; create it (createdb -h ${this.host} -p ${this.port} ${this.database}) or correct the database name`
      case "TlsFailed":
        return `${at} and TLS: ${reason.detail}; set sslmode in the URL, or ssl, to what the server offers`
      case "Misconfigured":
        return `${this.component} cannot use its configuration, ${reason.field}: ${reason.detail}`
      case "Failed":
        return `${at} failed its readiness query: ${reason.detail}${reason.code === undefined ? "" : ` (SQLSTATE ${reason.code})`}`
    }
  }
}
