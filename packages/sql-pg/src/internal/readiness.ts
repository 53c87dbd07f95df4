/**
 * One question to the server, with a time limit and an answer for people.
 */
import type { PgClient } from "@effect/sql-pg/PgClient"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { PgUnavailable, type Reason } from "../PgUnavailable.ts"
import { classify } from "./classify.ts"
import type { Leases } from "./leases.ts"
import type { Target } from "./target.ts"
import { within } from "./within.ts"

interface Known {
  readonly target: Target
  readonly leases: Leases
  readonly maxConnections: number
  readonly connectTimeout: Duration.Input | undefined
}

const clients = new WeakMap<object, Known>()

/** Remembers what errors and pings of this client need to say. */
export const register = (client: PgClient, known: Known): void => void clients.set(client, known)

/**
 * Runs `select 1`. With `"connect"` as the limit, connecting and asking may take the connect timeout (5 s) each.
 */
export const ask = (
  client: PgClient,
  limit: Duration.Duration | "connect",
  attempts = 1
): Effect.Effect<void, PgUnavailable> =>
  Effect.gen(function* () {
    const known = clients.get(client)
    const connect = Duration.fromInputUnsafe(known?.connectTimeout ?? Duration.seconds(5))
    const after = limit === "connect" ? Duration.times(connect, 2) : limit
    const unavailable = (reason: Reason) =>
      new PgUnavailable({ ...(known?.target ?? targetOf(client)), attempts, reason })

    const answer = yield* within(client`select 1`, after).pipe(
      Effect.mapError((error) => unavailable(classify(error, Duration.toMillis(connect))))
    )
    if (Option.isSome(answer)) return
    const detail = known === undefined ? "no answer" : yield* whySilent(known)
    return yield* unavailable({ _tag: "TimedOut", after: Duration.toMillis(after), detail })
  })

const whySilent = ({ leases, maxConnections }: Known) =>
  Effect.map(Clock.currentTimeMillis, (now) => {
    const busy = leases.open.filter((lease) => lease.connection !== undefined)
    return busy.length < maxConnections || busy[0] === undefined
      ? "no answer"
      : `all ${maxConnections} connections of the pool are in use, the longest by a ${busy[0].describe(now)}`
  })

/** A client that is not ours, for example a test's. */
const targetOf = ({ config }: PgClient): Target => ({
  component: "postgres",
  host: config.host ?? config.path ?? "localhost",
  port: config.port ?? 5432,
  database: config.database ?? config.username ?? "",
  username: config.username ?? ""
})
