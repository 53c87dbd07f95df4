/**
 * The database as a component: a server of our own or the one that DATABASE_URL names, migrated before anything uses it.
 */
import * as PgComponent from "@quiesce/sql-pg/PgComponent"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import * as Migrator from "effect/sql/Migrator"
import { isSqlError, type SqlError } from "effect/sql/SqlError"
import * as String from "effect/String"
import * as Component from "quiesce/Component"
import * as Health from "quiesce/Health"
import { join } from "node:path"
import { Unavailable } from "../domain/errors.ts"
import { share } from "../settings/processOptions.ts"
import { Process, Settings } from "../settings/Settings.ts"
import { migrations } from "./migrations.ts"

const Pool = Layer.unwrap(
  Effect.gen(function* () {
    const { databaseUrl, databaseWait, dataDir, workers } = yield* (yield* Settings).current
    // Of what there is for the release a Postgres of its own takes the most at worst: it writes down what it has in memory.
    const release = share(yield* Process, "release")
    const stopTimeout = databaseUrl === undefined ? release / 4 : release
    return PgComponent.layerUrlOrEmbedded({
      url: databaseUrl,
      embedded: { dataDir: join(dataDir, "postgres"), database: "dashboard", stopTimeout: release - stopTimeout },
      startSchedule: Schedule.min([Schedule.exponential("100 millis", 1.5), Schedule.spaced("1 second")]).pipe(
        Schedule.upTo({ duration: databaseWait })
      ),
      // Every worker may write a result and a heartbeat at the same moment, and the API must not wait for them. Workers that a
      // reload adds share what there is.
      maxConnections: 2 * workers + 8,
      applicationName: "dashboard",
      stopTimeout,
      transformQueryNames: String.camelToSnake,
      transformResultNames: String.snakeToCamel
    })
  })
)

const Migrations = Layer.effectDiscard(
  Migrator.make({})({ loader: Migrator.fromRecord(migrations), table: "dashboard_migrations" })
).pipe(Component.make("migrations"))

/** Without it nothing of the API works, so the application is not ready then; it recovers by itself. */
const Checked = Layer.effectDiscard(
  Health.check("database", PgComponent.ping, { every: "2 seconds", failuresToFlip: 2 })
).pipe(Component.make("database-health"))

export const layer = Layer.merge(Migrations, Checked).pipe(Layer.provideMerge(Pool))

/**
 * A query whose interruption waits for nobody. The driver asks the server to cancel what is interrupted and waits for the
 * answer, for seconds when there is none; here it does that by itself. A stop has to get on when the database is silent.
 */
export const abandonable = <A, E, R>(query: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.flatMap(Effect.forkDetach(query, { startImmediately: true, uninterruptible: false }), (fiber) =>
      Effect.onInterrupt(restore(Fiber.join(fiber)), () => Effect.sync(() => fiber.interruptUnsafe()))
    )
  )

/**
 * What a query can fail with, as the API says it: 503 for a database that does not answer now, a defect (500, logged) for a
 * statement that is wrong.
 */
export const orUnavailable = <A, E, R>(
  effect: Effect.Effect<A, E | SqlError, R>
): Effect.Effect<A, Exclude<E, SqlError> | Unavailable, R> =>
  abandonable(effect).pipe(
    Effect.catch((error): Effect.Effect<never, Exclude<E, SqlError> | Unavailable> => {
      // The guard narrows the one branch only; what is left of a generic union the compiler cannot work out.
      if (!isSqlError(error)) return Effect.fail(error as Exclude<E, SqlError>)
      if (!isOutage(error)) return Effect.die(error)
      const message = `the database does not answer now (${error.message}); try again in a few seconds`
      return Effect.fail(new Unavailable({ message }))
    })
  )

const outages: ReadonlySet<string> = new Set([
  "ConnectionError",
  "AuthenticationError",
  "DeadlockError",
  "SerializationError",
  "LockTimeoutError",
  "StatementTimeoutError",
  "UnknownError"
])

/** Whether the same statement may succeed later. */
const isOutage = (error: SqlError): boolean => outages.has(error.reason._tag)
