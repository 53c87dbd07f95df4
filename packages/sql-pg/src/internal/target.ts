/**
 * Where a pool connects to, read once from url and fields, so that errors can name it and `PgClient.config` carries it.
 *
 * The driver parses URLs too, but reports a bad one with the URL, and so the password, inside the cause.
 */
import type { PgPoolConfig } from "@effect/sql-pg/PgClient"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { PgUnavailable } from "../PgUnavailable.ts"

/** The names of a server and of a database in it; nothing secret. */
export interface Target {
  readonly component: string
  readonly host: string
  readonly port: number
  readonly database: string
  readonly username: string
}

const PASSWORD_HINT =
  'a character of the password may have to be percent-encoded: "@" is %40, "/" %2F, "#" %23, "?" %3F, ":" %3A'

/**
 * The target and the configuration to give to the driver, with host, port, database, username and password spelled out.
 * `url` stays in it for what only the driver reads there (`sslmode`, `options`, ...). Fields win over the URL.
 *
 * `urlField` is what the user calls the URL: an environment variable's name, or "url".
 */
export const resolve = (
  component: string,
  config: PgPoolConfig,
  urlField: string
): Effect.Effect<{ readonly target: Target; readonly config: PgPoolConfig }, PgUnavailable> =>
  Effect.suspend(() => {
    const parsed = config.url === undefined ? {} : parse(Redacted.value(config.url))
    const partial = typeof parsed === "string" ? {} : parsed
    const host = config.host ?? config.path ?? partial.host ?? "localhost"
    const port = config.port ?? partial.port ?? 5432
    const username = config.username ?? partial.username ?? ""
    const database = config.database ?? partial.database ?? username
    const target: Target = { component, host, port, database, username }
    const misconfigured = (field: string, detail: string) =>
      Effect.fail(new PgUnavailable({ ...target, attempts: 0, reason: { _tag: "Misconfigured", field, detail } }))

    if (typeof parsed === "string") return misconfigured(urlField, parsed)
    if (username === "") {
      return misconfigured(
        config.url === undefined ? "username" : urlField,
        "no username; the form is postgres://username:password@host:5432/database"
      )
    }
    if (!Number.isInteger(port) || port < 1 || port > 65535)
      return misconfigured("port", `${port} is not a port (1 to 65535)`)
    const connections = config.maxConnections
    if (connections !== undefined && (!Number.isInteger(connections) || connections < 1)) {
      return misconfigured("maxConnections", `${connections} is not a number of connections; the least is 1`)
    }
    return Effect.succeed({
      target,
      config: {
        ...config,
        ...(config.path === undefined ? { host } : {}),
        port,
        username,
        database,
        password: config.password ?? (partial.password === undefined ? undefined : Redacted.make(partial.password))
      }
    })
  })

interface Parsed {
  readonly host?: string | undefined
  readonly port?: number | undefined
  readonly database?: string | undefined
  readonly username?: string | undefined
  readonly password?: string | undefined
}

/** The parts of a libpq URL, or what is wrong with it, in words that repeat nothing of it. */
const parse = (text: string): Parsed | string => {
  let url: URL
  try {
    url = new URL(text)
  } catch {
    return text.trim() === ""
      ? "it is empty; the form is postgres://username:password@host:5432/database"
      : `not a URL of the form postgres://username:password@host:5432/database; ${PASSWORD_HINT}`
  }
  if (url.protocol !== "postgres:" && url.protocol !== "postgresql:") {
    return "it must begin with postgres:// or postgresql://"
  }
  // "postgres://me:12/34@host" parses as host "me", port 12: never show the rest of such a password as a database.
  const keys = Array.from(url.searchParams.keys()).join()
  if (url.pathname.includes("@") || url.hash !== "" || keys.includes("@"))
    return `the "@" is out of place; ${PASSWORD_HINT}`
  try {
    const parameter = (name: string) => url.searchParams.get(name) ?? undefined
    const nonEmpty = (part: string) => (part === "" ? undefined : decodeURIComponent(part))
    const port = parameter("port") ?? nonEmpty(url.port)
    return {
      host: parameter("host") ?? nonEmpty(url.hostname.replace(/^\[(.*)\]$/, "$1")),
      port: port === undefined ? undefined : Number(port),
      database: parameter("dbname") ?? nonEmpty(url.pathname.slice(1)),
      username: parameter("user") ?? nonEmpty(url.username),
      password: parameter("password") ?? nonEmpty(url.password)
    }
  } catch {
    return `it has a "%" that is not followed by two hexadecimal digits; "%" itself is %25`
  }
}
