/**
 * Postgres as a component: a bounded pool that starts when the server answers and stops in time whoever uses it.
 *
 * `@effect/sql-pg` brings the protocol, the pool and the types. What a service needs around it is here: a start that
 * waits for the database and then says clearly what is wrong, and a stop that cannot be held up by an open transaction.
 */
import * as PgClient from "@effect/sql-pg/PgClient"
import * as Config from "effect/Config"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type { Reactivity } from "effect/reactivity/Reactivity"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import type { SqlClient } from "effect/sql/SqlClient"
import * as Component from "quiesce/Component"
import type * as EmbeddedPostgres from "./EmbeddedPostgres.ts"
import type { EmbeddedPostgresError } from "./EmbeddedPostgresError.ts"
import * as Client from "./internal/client.ts"
import { Leases } from "./internal/leases.ts"
import { ask, register } from "./internal/readiness.ts"
import { closePool, stop } from "./internal/stop.ts"
import { stopLimit } from "./internal/stopLimit.ts"
import { resolve } from "./internal/target.ts"
import { isRetryable, PgUnavailable } from "./PgUnavailable.ts"

/** How the component starts and stops; the same for every source of the connection settings. */
export interface Policy {
  /**
   * Its name in log, report and errors.
   *
   * @default "postgres"
   */
  readonly name?: string | undefined
  /**
   * When to try again while the server is unreachable, silent or not accepting connections yet. When it ends, the start
   * fails with the last error. A wrong password or a missing database is never retried.
   *
   * @default `defaultStartSchedule`: 100 ms, growing by half up to 1 s, for 15 s in all; longer than a Postgres restart
   * takes, shorter than an orchestrator's patience
   */
  readonly startSchedule?: Schedule.Schedule<unknown, PgUnavailable> | undefined
  /**
   * How long the stop may take: a fifth each for open work to finish, to be interrupted, to be cancelled by the server,
   * for the pool to close; the last fifth is margin. An idle pool stops at once.
   *
   * @default 5 seconds, as for every component
   */
  readonly stopTimeout?: Duration.Input | undefined
}

/**
 * Connection settings of `@effect/sql-pg`, and the policy. Two of its defaults differ: `keepAlive` is 30 s (a dead peer
 * is noticed; the driver's is never), and `maxConnections` 10 is stated here because the stop and the errors rely on it:
 * ten processes fit into Postgres' own default of 100, and one Node process rarely keeps more than ten busy.
 */
export interface Options extends PgClient.PgPoolConfig, Policy {}

/** What `layerUrlOrEmbedded` needs for each of its two cases. */
export interface UrlOrEmbeddedOptions extends Omit<
  Options,
  "url" | "host" | "port" | "path" | "database" | "username" | "password"
> {
  /**
   * The URL of a real server, where the application has read its settings already.
   *
   * @default what `urlFrom` names
   */
  readonly url?: Redacted.Redacted | undefined
  /**
   * The name of the configuration value (usually an environment variable) that holds the URL of a real server. In errors also
   * for a `url` that was given.
   *
   * @default "DATABASE_URL"
   */
  readonly urlFrom?: string | undefined
  /** The server to run when there is no URL. */
  readonly embedded?: EmbeddedPostgres.Options | undefined
}

const defaultStopTimeout = Duration.seconds(5)

/** 100 ms, growing by half up to 1 s, for 15 s in all. */
export const defaultStartSchedule: Schedule.Schedule<unknown> = Schedule.min([
  Schedule.exponential("100 millis", 1.5),
  Schedule.spaced("1 second")
]).pipe(Schedule.upTo({ duration: "15 seconds" }))

/**
 * A pool that is ready: the layer is built when the server has answered a query.
 *
 * **When to use**: for every Postgres database of an application, with settings at hand. Not for a one-off script, where
 * `PgClient.layer` does.
 *
 * **Order**: it stops after everything that was built with it. Open work at that time is a straggler: it may finish for a
 * fifth of `stopTimeout`, then it is interrupted and rolled back, named in a warning and in the failure of the release.
 * New queries fail with an `SqlError` whose `reason.cause` is `ShuttingDown`.
 *
 * **Limits**: at most `maxConnections` (10) sessions; the stop returns within four fifths of `stopTimeout` (5 s).
 *
 * **Errors**: `PgUnavailable`, after `startSchedule`.
 *
 * **Interruption safety**: a start can be interrupted at any instant and leaves no connection behind. An interrupted query
 * is cancelled on the server, an interrupted transaction rolled back.
 *
 * @example
 * ```ts
 * import * as Redacted from "effect/Redacted"
 * import * as PgComponent from "@quiesce/sql-pg/PgComponent"
 *
 * const Database = PgComponent.layer({ url: Redacted.make("postgres://app:secret@db.internal/app"), maxConnections: 20 })
 * ```
 */
export const layer = (options: Options): Layer.Layer<PgClient.PgClient | SqlClient, PgUnavailable> =>
  named(options, PgClient.layerFrom(make(options, "url")))

/**
 * The same with the connection settings from Config.
 *
 * **When to use**: when host, database and password come as separate variables. For one URL see `layerUrlOrEmbedded`.
 *
 * **Errors**: `ConfigError` names the variable; `PgUnavailable` as for `layer`.
 *
 * **Interruption safety**: as for `layer`.
 *
 * @example
 * ```ts
 * import * as Config from "effect/Config"
 * import * as PgComponent from "@quiesce/sql-pg/PgComponent"
 *
 * const Database = PgComponent.layerConfig({
 *   host: Config.String("PGHOST"),
 *   database: Config.String("PGDATABASE"),
 *   username: Config.String("PGUSER"),
 *   password: Config.Redacted("PGPASSWORD")
 * })
 * ```
 */
export const layerConfig = (
  config: Config.Wrap<PgClient.PgPoolConfig>,
  policy: Policy = {}
): Layer.Layer<PgClient.PgClient | SqlClient, PgUnavailable | Config.ConfigError> =>
  named(
    policy,
    PgClient.layerFrom(Effect.flatMap(Config.unwrap(config), (settings) => make({ ...settings, ...policy }, "url")))
  )

/**
 * The server that `DATABASE_URL` names, or else an embedded one with its data in `.data/postgres`.
 *
 * **When to use**: at the top of an application, so that a fresh clone starts with nothing installed and production sets
 * one variable. Keep the layer in a constant: each call makes its own pool.
 *
 * **Details**: the code of the embedded server is loaded only when it runs. An empty variable counts as unset. With
 * `NODE_ENV=production` and no URL the start fails: a production database must not begin empty on a local disk because
 * a variable was forgotten.
 *
 * **Errors**: `PgUnavailable` (`Misconfigured` names the variable), `EmbeddedPostgresError`, `ConfigError`.
 *
 * **Interruption safety**: as for `layer`; the embedded server stops after the pool.
 *
 * @example
 * ```ts
 * import * as Effect from "effect/Effect"
 * import * as Layer from "effect/Layer"
 * import { SqlClient } from "effect/sql/SqlClient"
 * import * as PgComponent from "@quiesce/sql-pg/PgComponent"
 *
 * const Database = PgComponent.layerUrlOrEmbedded({ embedded: { database: "shop" } })
 * const App = Layer.effectDiscard(Effect.flatMap(SqlClient, (sql) => sql`select 1`)).pipe(Layer.provide(Database))
 * ```
 */
export const layerUrlOrEmbedded = (
  options: UrlOrEmbeddedOptions = {}
): Layer.Layer<PgClient.PgClient | SqlClient, PgUnavailable | EmbeddedPostgresError | Config.ConfigError> => {
  const { embedded, url: given, urlFrom = "DATABASE_URL", ...rest } = options
  return Layer.unwrap(
    Effect.gen(function* () {
      const url = given === undefined ? yield* Config.option(Config.Redacted(urlFrom)) : Option.some(given)
      if (Option.isSome(url) && Redacted.value(url.value).trim() !== "") {
        return named(rest, PgClient.layerFrom(make({ ...rest, url: url.value }, urlFrom)))
      }
      const environment = yield* Config.option(Config.String("NODE_ENV"))
      if (Option.contains(environment, "production"))
        return yield* missingInProduction(rest.name ?? "postgres", urlFrom)

      const server = yield* Effect.promise(() => import("./EmbeddedPostgres.ts"))
      const pool = Effect.flatMap(server.EmbeddedPostgres, ({ url }) => make({ ...rest, url }, urlFrom))
      return named(rest, PgClient.layerFrom(pool)).pipe(Layer.provide(server.layer(embedded)))
    })
  )
}

/**
 * Asks the server now, over the pool.
 *
 * **When to use**: as a readiness check. Not as a liveness check: restarting the application does not heal its database.
 *
 * **Limits**: 900 ms, a little below the default limit of a Kubernetes probe, so that the answer can say why. When all
 * connections are busy for as long, that is a failure too, and it names the longest user.
 *
 * **Interruption safety**: interruptible at any time.
 *
 * @example
 * ```ts
 * import * as Effect from "effect/Effect"
 * import * as PgComponent from "@quiesce/sql-pg/PgComponent"
 *
 * const ready = PgComponent.ping.pipe(
 *   Effect.as("ok"),
 *   Effect.catchTag("PgUnavailable", (error) => Effect.succeed(error.message))
 * )
 * ```
 */
export const ping: Effect.Effect<void, PgUnavailable, PgClient.PgClient> = Effect.flatMap(PgClient.PgClient, (client) =>
  ask(client, Duration.millis(900))
)

const named = <E, R>(policy: Policy, pool: Layer.Layer<PgClient.PgClient | SqlClient, E, R>) =>
  Component.make(policy.name ?? "postgres", { stopTimeout: policy.stopTimeout ?? defaultStopTimeout })(pool)

const make = Effect.fnUntraced(function* (
  { name = "postgres", startSchedule = defaultStartSchedule, stopTimeout = defaultStopTimeout, ...settings }: Options,
  urlField: string
): Effect.fn.Return<PgClient.PgClient, PgUnavailable, Scope.Scope | Reactivity> {
  const { maxConnections = 10, keepAlive = "30 seconds" } = settings
  const { target, config } = yield* resolve(name, { ...settings, maxConnections, keepAlive }, urlField)
  const leases = new Leases()
  const scope = yield* Scope.make()
  const close = Scope.close(scope, Exit.void)
  const limit = yield* stopLimit(Duration.fromInputUnsafe(stopTimeout))
  let ready = false

  // In a fiber of its own: time limits do not work in the finalizer of an interrupted fiber. Without a start there are
  // no users, and a failing release would hide why the start failed.
  const release = Effect.suspend(() =>
    ready
      ? Effect.flatMap(limit, (timeout) => stop(name, leases, close, timeout))
      : closePool(leases, close, Duration.seconds(1))
  )
  yield* Effect.addFinalizer(() =>
    Effect.flatMap(Effect.forkDetach(release, { startImmediately: true }), (fiber) => Fiber.join<unknown, never>(fiber))
  )

  const client = yield* Scope.provide(Client.make(name, config, leases), scope).pipe(Effect.orDie)
  register(client, {
    target,
    leases,
    maxConnections,
    connectTimeout: config.connectTimeout
  })

  let attempts = 0
  yield* Effect.suspend(() => ask(client, "connect", ++attempts)).pipe(
    Effect.tapError((error) =>
      attempts === 1 && isRetryable(error.reason) ? Effect.logInfo(`Waiting: ${error.message}`) : Effect.void
    ),
    Effect.retry({ schedule: startSchedule, while: (error) => isRetryable(error.reason) })
  )
  ready = true
  return client
})

const missingInProduction = (component: string, field: string) => {
  const detail =
    "it is not set, and NODE_ENV is production, where no embedded server is started; set it to postgres://username:password@host:5432/database"
  return new PgUnavailable({
    component,
    host: "",
    port: 0,
    database: "",
    username: "",
    attempts: 0,
    reason: { _tag: "Misconfigured", field, detail }
  })
}
