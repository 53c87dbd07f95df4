/**
 * `PgClient` over `PgPool`, with a lease for everything that is lent out.
 *
 * The driver's own `PgClient.make` wires the same parts and hides them: nobody can ask it who holds a connection, refuse
 * a newcomer or take a session back. So this is its wiring once more, over the public parts (`PgPool`, `SqlClient.make`).
 */
import * as PgClient from "@effect/sql-pg/PgClient"
import type { PgConnection } from "@effect/sql-pg/PgConnection"
import * as PgPool from "@effect/sql-pg/PgPool"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type { Reactivity } from "effect/reactivity/Reactivity"
import * as Scope from "effect/Scope"
import * as SqlClient from "effect/sql/SqlClient"
import type { Borrower, Connection } from "effect/sql/SqlConnection"
import { SqlError, UnknownError } from "effect/sql/SqlError"
import * as Statement from "effect/sql/Statement"
import { ShuttingDown } from "quiesce/ShuttingDown"
import { type Kind, Lease, type Leases } from "./leases.ts"
import { Session } from "./session.ts"

/**
 * New work after the stop has begun. `SqlError` is all a query may fail with, so `ShuttingDown` is its cause; the reason
 * is not retryable, for this pool never comes back.
 */
const refusal = (component: string): SqlError => {
  const cause = new ShuttingDown({ kind: component })
  return new SqlError({ reason: new UnknownError({ cause, message: cause.message, operation: "acquire" }) })
}

/** Builds the client in the given scope; closing that scope waits for all leases, so end them first. */
export const make = Effect.fnUntraced(function* (
  component: string,
  config: PgClient.PgPoolConfig,
  leases: Leases
): Effect.fn.Return<PgClient.PgClient, SqlError, Scope.Scope | Reactivity> {
  const pool = yield* PgPool.make(config)

  // The path of every plain query: one object and two set operations, no scope.
  const borrower: Borrower = <A, E, R>(use: (connection: Connection) => Effect.Effect<A, E, R>) =>
    Effect.withFiber((fiber) => {
      const lease = new Lease("query", fiber)
      return Effect.onExitPrimitive(
        Effect.suspend(() =>
          leases.add(lease)
            ? pool.use((connection): Effect.Effect<A, E | SqlError, R> =>
                leases.grant(lease, connection) ? use(new Session(connection, lease)) : Effect.fail(refusal(component))
              )
            : Effect.fail(refusal(component))
        ),
        () => {
          leases.delete(lease)
          return undefined
        }
      )
    })

  const lend = (kind: Kind, acquire: Effect.Effect<PgConnection, SqlError, Scope.Scope>) =>
    Effect.withFiber<readonly [PgConnection, Lease], SqlError, Scope.Scope>((fiber) =>
      Effect.uninterruptibleMask((restore) =>
        Effect.gen(function* () {
          const lease = new Lease(kind, fiber)
          if (!leases.add(lease)) return yield* refusal(component)
          // A scope of its own inside the user's: it closes with the user's, or earlier when a stop needs it.
          const own = yield* Scope.fork(yield* Scope.Scope)
          yield* Scope.addFinalizer(
            own,
            Effect.sync(() => leases.delete(lease))
          )
          lease.takeAway = Scope.close(own, Exit.void)
          const connection = yield* restore(Scope.provide(acquire, own)).pipe(
            Effect.onError((cause) => Scope.close(own, Exit.failCause(cause)))
          )
          if (leases.grant(lease, connection)) return [connection, lease] as const
          yield* Scope.close(own, Exit.void)
          return yield* refusal(component)
        })
      )
    )
  const lendSession = (kind: Kind, acquire: Effect.Effect<PgConnection, SqlError, Scope.Scope>) =>
    Effect.map(lend(kind, acquire), ([connection, lease]): Connection => new Session(connection, lease))

  const transform = config.transformResultNames
  const client = yield* SqlClient.make({
    driver: "pg",
    acquirer: lendSession("stream", pool.get),
    borrower,
    transactionAcquirer: lendSession("transaction", pool.reserve),
    compiler: PgClient.makeCompiler(config.transformQueryNames, config.transformJson),
    prepareTransactionControls: true,
    commit,
    releaseSavepoint: (name) => `RELEASE SAVEPOINT ${name}`,
    spanAttributes: [
      ...Object.entries(config.spanAttributes ?? {}),
      ["db.system.name", "postgresql"],
      ["db.namespace", config.database ?? config.username ?? "postgres"],
      ["server.address", config.host ?? "localhost"],
      ["server.port", config.port ?? 5432]
    ],
    ...(transform === undefined
      ? {}
      : { transformRows: Statement.defaultTransforms(transform, config.transformJson).array })
  })

  const tooLong = (channel: string) => new TextEncoder().encode(channel).byteLength > 63
  return Object.assign(client, {
    [PgClient.TypeId]: PgClient.TypeId,
    config,
    reserve: lendSession("reserved", pool.reserve),
    json: (value: unknown) => Statement.fragment([pgJson(value, undefined, undefined)]),
    // The driver checks the length again where it counts, for LISTEN; pg_notify would cut the name in silence.
    listen: (channel: string) =>
      Effect.flatMap(lend("listener", pool.reserve), ([connection, lease]) => {
        lease.statement = `LISTEN ${channel}`
        return connection.listen(channel)
      }),
    notify: (channel: string, payload: string) =>
      tooLong(channel)
        ? Effect.fail(channelTooLong())
        : borrower((connection) => Effect.asVoid(connection.executeRaw("SELECT pg_notify($1, $2)", [channel, payload])))
  })
})

interface PgJson extends Statement.Custom<"PgJson", unknown> {}
const pgJson = Statement.custom<PgJson>("PgJson")

const failed = (message: string, operation: string): SqlError =>
  new SqlError({ reason: new UnknownError({ cause: new Error(message), message, operation }) })

const channelTooLong = () => failed("PostgreSQL channel names must not exceed 63 UTF-8 bytes", "notify")

/** Postgres answers COMMIT of an aborted transaction with a polite ROLLBACK; nothing of it was stored. */
const commit = (connection: Connection): Effect.Effect<void, SqlError> =>
  Effect.flatMap(connection.executeRaw("COMMIT", []), (result) =>
    (result as { readonly command?: string }).command === "ROLLBACK"
      ? Effect.fail(failed("COMMIT rolled back an aborted transaction", "commit"))
      : Effect.void
  )
