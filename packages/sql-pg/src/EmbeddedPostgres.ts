/**
 * A real Postgres server on this machine, for development and for tests, from the binaries in `node_modules`.
 *
 * A fresh clone then starts with nothing installed and nothing to configure, and tests meet the server that production
 * has. It is not for production: nobody backs it up, and it stops with the application.
 */
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import * as Component from "quiesce/Component"
import { Lifecycle } from "quiesce/Lifecycle"
import { rmSync } from "node:fs"
import { join } from "node:path"
import { EmbeddedPostgresError } from "./EmbeddedPostgresError.ts"
import { findBinaries, packageName } from "./internal/embedded/binaries.ts"
import { createDatabase } from "./internal/embedded/databases.ts"
import { passwordOf, prepare, writeSecret } from "./internal/embedded/folder.ts"
import { ensureCluster } from "./internal/embedded/initdb.ts"
import { serve } from "./internal/embedded/server.ts"
import { stopLimit } from "./internal/stopLimit.ts"

export interface Options {
  /**
   * The folder for its data, log, password and connection URL. Created when missing, reused when there.
   *
   * @default ".data/postgres", below the working folder: visible, ignored by git, removed with `rm -rf`
   */
  readonly dataDir?: string | undefined
  /**
   * The port on 127.0.0.1.
   *
   * @default the one of the last time if it is free, else any: it clashes with nothing, and `psql` sessions survive
   */
  readonly port?: number | undefined
  /**
   * The database that `url` names; created when missing.
   *
   * @default "app"
   */
  readonly database?: string | undefined
  /**
   * `"password"`: a generated one, in the file `password` that only you can read. `"trust"`: none, so every user of this
   * machine is the database's superuser.
   *
   * @default "password"
   */
  readonly auth?: "password" | "trust" | undefined
  /**
   * Whether data survives a power cut. Without it, writes are faster; a killed application or server loses nothing that was
   * committed either way.
   *
   * @default true
   */
  readonly durable?: boolean | undefined
  /**
   * More settings, as in postgresql.conf.
   *
   * @default none: Postgres' own
   */
  readonly settings?: Readonly<Record<string, string>> | undefined
  /**
   * How long it may take until it accepts connections, recovery after a crash included.
   *
   * @default 30 seconds; a start takes 0.1 s, a recovery a few
   */
  readonly startTimeout?: Duration.Input | undefined
  /**
   * How long the stop may take: three fifths for a fast shutdown, one for an immediate one, then SIGKILL.
   *
   * @default 5 seconds, as for every component; a stop takes 0.1 s
   */
  readonly stopTimeout?: Duration.Input | undefined
}

/** A database of the server, as `PgComponent.layer` takes it. */
export interface Database {
  readonly database: string
  readonly url: Redacted.Redacted
}

/** The running server, and where to connect to it. */
export class EmbeddedPostgres extends Context.Service<
  EmbeddedPostgres,
  Database & {
    readonly host: string
    readonly port: number
    readonly username: string
    readonly password: Redacted.Redacted | undefined
    /** With all links resolved. */
    readonly dataDir: string
    /** The process id of the server, for people; it is nothing to send signals by. */
    readonly pid: number
    /**
     * Creates a database, as a copy of `template` when given; 60 to 100 ms. The template must have no sessions.
     *
     * **When to use**: one database for each test file: migrate the template once, copy it for each.
     */
    readonly createDatabase: (
      name: string,
      options?: { readonly template?: string | undefined }
    ) => Effect.Effect<Database, EmbeddedPostgresError>
  }
>()("@quiesce/sql-pg/EmbeddedPostgres") {}

const USERNAME = "postgres"
const HOST = "127.0.0.1"

/**
 * Starts the server; it stops when the scope closes.
 *
 * **When to use**: where there is no layer, such as a test runner's global set-up. In an application use `layer`.
 *
 * **Details**: the first start in a folder runs initdb (1 s), later ones take 0.1 s. The server is in a session of its
 * own, so Ctrl+C in the terminal stops the application only. For root it runs as `nobody`, because Postgres refuses root;
 * where nobody cannot reach the folder (a clone in /root), the data goes to /var/lib/quiesce and the folder holds a link
 * `home` to it.
 *
 * When the application is killed (`kill -9`), the server stops too: at once on Linux with util-linux (`setpriv
 * --pdeathsig`), elsewhere at the next start in the folder. No data is lost.
 *
 * **Limits**: one application per folder, on one machine: the second gets `InUse`. A folder shared between containers is
 * not protected. When the thread that starts it is a worker thread, it ends with that thread. Windows is not tested.
 *
 * **Errors**: `EmbeddedPostgresError`, each reason with its remedy. When the server dies later, every use fails, and the
 * component fails (`ComponentFailed`), which stops the application with exit code 1.
 *
 * **Interruption safety**: can be interrupted at any instant, initdb included; then the server is stopped and a folder
 * that was being initialised is removed.
 *
 * @example
 * ```ts
 * import * as Effect from "effect/Effect"
 * import * as EmbeddedPostgres from "@quiesce/sql-pg/EmbeddedPostgres"
 *
 * const program = Effect.scoped(
 *   Effect.gen(function* () {
 *     const server = yield* EmbeddedPostgres.scoped({ dataDir: "/tmp/example-postgres" })
 *     yield* Effect.log(`Postgres listens on ${server.host}:${server.port}`)
 *   })
 * )
 * ```
 */
export const scoped = Effect.fnUntraced(function* (
  options: Options = {}
): Effect.fn.Return<EmbeddedPostgres["Service"], EmbeddedPostgresError, Scope.Scope> {
  const { auth = "password", database = "app", durable = true } = options
  const binaries = findBinaries()
  if (binaries === undefined) {
    return yield* new EmbeddedPostgresError({ reason: { _tag: "BinariesMissing", package: packageName } })
  }
  const folder = yield* prepare(options.dataDir ?? ".data/postgres", binaries)
  const secret = yield* passwordOf(folder)
  yield* ensureCluster(folder, { username: USERNAME, password: secret, durable })
  const server = yield* serve(folder, {
    port: options.port,
    auth,
    settings: { ...OURS, ...(durable ? {} : NOT_DURABLE), ...options.settings },
    startTimeout: Duration.fromInputUnsafe(options.startTimeout ?? "30 seconds"),
    stopLimit: yield* stopLimit(Duration.fromInputUnsafe(options.stopTimeout ?? "5 seconds"))
  })
  yield* Effect.forkScoped(watch(server.died))
  const lifecycle = yield* Effect.serviceOption(Lifecycle)
  if (Option.isSome(lifecycle)) yield* lifecycle.value.emergency("embedded-postgres", server.abandon)

  const password = auth === "trust" ? undefined : Redacted.make(secret)
  const at = (name: string): Database => {
    const user = auth === "trust" ? USERNAME : `${USERNAME}:${secret}`
    return {
      database: name,
      url: Redacted.make(`postgres://${user}@${HOST}:${server.port}/${encodeURIComponent(name)}`)
    }
  }
  const maintenance = at("postgres").url
  yield* createDatabase(maintenance, database, { ifMissing: true })

  const urlFile = join(folder.dataDir, "url")
  writeSecret(urlFile, Redacted.value(at(database).url))
  yield* Effect.addFinalizer(() => Effect.sync(() => rmSync(urlFile, { force: true })))
  return {
    ...at(database),
    host: HOST,
    port: server.port,
    username: USERNAME,
    password,
    dataDir: folder.dataDir,
    pid: server.pid,
    createDatabase: (name, options) => Effect.as(createDatabase(maintenance, name, options), at(name))
  }
})

/**
 * The server as a component named "embedded-postgres".
 *
 * **When to use**: in an application that always brings its own database. `PgComponent.layerUrlOrEmbedded` chooses.
 *
 * **Order**: it stops after everything that was built with it, pools included.
 *
 * **Errors**, **Limits**, **Interruption safety**: as for `scoped`.
 *
 * @example
 * ```ts
 * import * as Effect from "effect/Effect"
 * import * as Layer from "effect/Layer"
 * import * as EmbeddedPostgres from "@quiesce/sql-pg/EmbeddedPostgres"
 * import * as PgComponent from "@quiesce/sql-pg/PgComponent"
 *
 * const Server = EmbeddedPostgres.layer({ dataDir: ".data/shop", database: "shop" })
 * const Database = Layer.unwrap(
 *   Effect.map(EmbeddedPostgres.EmbeddedPostgres, ({ url }) => PgComponent.layer({ url }))
 * ).pipe(Layer.provide(Server))
 * ```
 */
export const layer = (options: Options = {}): Layer.Layer<EmbeddedPostgres, EmbeddedPostgresError> =>
  Layer.effect(EmbeddedPostgres, scoped(options)).pipe(
    Component.make("embedded-postgres", { stopTimeout: options.stopTimeout ?? "5 seconds" })
  )

/** Quiesce logs what a component's own fibers fail with; elsewhere nobody would. */
const watch = (died: Effect.Effect<never, EmbeddedPostgresError>) =>
  Effect.tapError(died, (error) =>
    Effect.flatMap(Effect.serviceOption(Lifecycle), (lifecycle) =>
      Option.isSome(lifecycle) ? Effect.void : Effect.logError(error.message)
    )
  )

/** The server notices that its client is gone also in the middle of a long query. */
const OURS = { client_connection_check_interval: "1s" }

/** What a test cluster gives up: it is thrown away with its machine. */
/** Not synchronous_commit: without it a killed server loses what it had acknowledged. */
const NOT_DURABLE = { fsync: "off", full_page_writes: "off" }
