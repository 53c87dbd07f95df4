/**
 * From the driver's `SqlError` to our reasons: by SQLSTATE where the server spoke, by errno where the system did.
 */
import * as Predicate from "effect/Predicate"
import type { SqlError } from "effect/sql/SqlError"
import type { Reason } from "../PgUnavailable.ts"

const SYSTEM_ERRORS = new Set([
  "ECONNREFUSED",
  "ECONNRESET",
  "ECONNABORTED",
  "ENOTFOUND",
  "EAI_AGAIN",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "EHOSTDOWN",
  "EADDRNOTAVAIL",
  "EPIPE",
  "ENOENT",
  "EACCES"
])

/** cannot_connect_now, admin_shutdown, crash_shutdown, too_many_connections, insufficient resources. */
const NOT_ACCEPTING = new Set(["57P01", "57P02", "57P03", "53300", "53400"])

const text = (value: unknown): string | undefined => (typeof value === "string" && value !== "" ? value : undefined)

/** What `error` says about the server. The driver's own connect limit is `connectTimeout` milliseconds. */
export const classify = (error: SqlError, connectTimeout: number): Reason => {
  const cause: unknown = error.reason.cause
  const code = Predicate.hasProperty(cause, "code") ? text(cause.code) : undefined
  // An AggregateError (localhost is two addresses) has no message of its own.
  const detail =
    (Predicate.hasProperty(cause, "message") ? text(cause.message) : undefined) ??
    code ??
    error.reason.message ??
    error.reason._tag

  if (code === "ETIMEDOUT" || detail === "Connection timed out") {
    return { _tag: "TimedOut", after: connectTimeout, detail: "no connection" }
  }
  if (code !== undefined && SYSTEM_ERRORS.has(code)) return { _tag: "Unreachable", detail }
  if (code !== undefined && NOT_ACCEPTING.has(code)) return { _tag: "NotAccepting", detail }
  if (code === "3D000") return { _tag: "DatabaseMissing", detail }
  if (error.reason._tag === "AuthenticationError") return { _tag: "AuthenticationFailed", detail }
  const message = error.reason.message ?? ""
  if (/\bTLS\b|SSLRequest/.test(message) || /^(ERR_TLS|ERR_SSL|CERT_|DEPTH_|UNABLE_TO_|SELF_SIGNED)/.test(code ?? "")) {
    return { _tag: "TlsFailed", detail }
  }
  // Our own checks come first, so what the driver still refuses to begin with is a setting that only it knows.
  if (
    /Reserved startup|Startup parameter|keepAlive|connect_timeout|sslmode|Invalid port|percent-encoding/.test(message)
  ) {
    return { _tag: "Misconfigured", field: "url or startup parameters", detail }
  }
  if (error.reason._tag === "ConnectionError") return { _tag: "Unreachable", detail }
  return code === undefined ? { _tag: "Failed", detail } : { _tag: "Failed", detail, code }
}
