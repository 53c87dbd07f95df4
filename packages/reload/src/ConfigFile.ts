/**
 * Configuration from files: YAML, JSON or TOML, environment variables on top, validated by a Schema with all that is wrong at
 * once, versioned, and saved so that no crash can tear it.
 */
import * as Effect from "effect/Effect"
import type * as Context from "effect/Context"
import type * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as SchemaAST from "effect/SchemaAST"
import * as SchemaGetter from "effect/SchemaGetter"
import { ConfigError } from "./ConfigError.ts"
import { decode } from "./internal/decode.ts"
import type { Definition, Migration } from "./internal/Definition.ts"
import { formatOf, stringify } from "./internal/document.ts"
import { variableName } from "./internal/environment.ts"
import { logIssues } from "./internal/logIssues.ts"
import { isMapping } from "./internal/paths.ts"
import { split, writeAtomically } from "./internal/save.ts"
import * as Shape from "./internal/shape.ts"
import { defaultDebounce, readSources } from "./internal/sources.ts"

export interface Options<T, E> {
  /**
   * What the configuration has to be. Keys that it does not know are refused. It is decoded from what JSON can hold, so
   * `Schema.Redacted(Schema.String)` is written as a string; for durations use `Schema.DurationFromString` ("30 seconds").
   */
  readonly schema: Schema.Codec<T, E>
  /**
   * Environment variables with this prefix come before the files: with `"APP"`, `APP_SERVER_PORT` is `server.port` and
   * `APP_MAX_CONNECTIONS` is `maxConnections`. `""` for no prefix. Lists are written as `a,b` or as JSON, mappings as JSON. An
   * empty variable counts as not set.
   *
   * @default none: the environment is not looked at
   */
  readonly env?: string | undefined
  /**
   * Whether the first file may be missing too: then what is in the other files and the environment holds, and the defaults of
   * the schema.
   *
   * @default false
   */
  readonly optional?: boolean | undefined
  /**
   * The version of what the schema describes. A file says its own as `version: 2`; one that says nothing is of version 1.
   *
   * @default none: files have no version
   */
  readonly version?: number | undefined
  /**
   * How to get from each version to the next, oldest first: one fewer than `version`. A migration decodes plain data to plain
   * data, see `migration`. Files are migrated as they are read, and never written by that.
   */
  readonly migrations?: ReadonlyArray<Migration> | undefined
}

export interface ConfigFile<out T> {
  /** The files, the first one first. */
  readonly paths: ReadonlyArray<string>
  /** Names of the environment variables that are looked at. */
  readonly variables: ReadonlyArray<string>
  /** What reading and writing are made of; use `load`, `save` and `Reload.layer`. */
  readonly definition: Definition<T>
}

/**
 * Describes a configuration; reads nothing yet.
 *
 * **When to use**: once for each configuration of an application, at the top of a module.
 *
 * **Details**: several paths are laid over each other key by key, the later ones first; all but the first may be missing, for
 * what is only on one machine, and with `optional` the first too. A file that is there says something, if only in a comment: an
 * empty one is refused, because a save that has failed leaves one. The extension says the format: `.yaml`, `.yml`, `.json` (comments are allowed), `.toml`. The
 * schema must neither need services nor do anything asynchronous.
 *
 * **Errors**: a path of another format, or a version whose migrations are not complete, is a mistake in the program and
 * throws at once.
 *
 * @example
 * ```ts
 * import * as Schema from "effect/Schema"
 * import * as ConfigFile from "@quiesce/reload/ConfigFile"
 *
 * const settings = ConfigFile.make("settings.yaml", {
 *   schema: Schema.Struct({
 *     server: Schema.Struct({ port: Schema.Int.pipe(ConfigFile.restart), workers: Schema.Int }),
 *     password: Schema.Redacted(Schema.String)
 *   }),
 *   env: "APP" // APP_PASSWORD and APP_SERVER_PORT come before the file
 * })
 * ```
 */
export const make = <T, E>(
  path: string | readonly [string, ...ReadonlyArray<string>],
  options: Options<T, E>
): ConfigFile<T> => {
  const paths = typeof path === "string" ? [path] : path
  const { env, migrations = [], optional = false, schema, version } = options
  if (migrations.length !== (version ?? 1) - 1)
    throw new Error(
      `ConfigFile.make(${paths[0]}): version ${version ?? 1} needs ${(version ?? 1) - 1} migrations, one from each version before it, and has ${migrations.length}`
    )
  const codec = Schema.toCodecJson(schema)
  const leaves = env === undefined ? [] : Shape.leaves(SchemaAST.toEncoded(codec.ast))
  const variables = leaves.map((leaf) => ({ ...leaf, name: variableName(env ?? "", leaf.path) }))
  return {
    paths,
    variables: variables.map(({ name }) => name),
    definition: {
      files: paths.map((each, index) => {
        const format = formatOf(each)
        if (format === undefined) throw new Error(`ConfigFile.make(${each}): name a .yaml, .yml, .json or .toml file`)
        return { path: each, format, mayBeMissing: optional || index > 0 }
      }),
      codec,
      ast: schema.ast,
      variables,
      restart: Shape.restartPaths(schema.ast),
      version,
      migrations
    }
  }
}

/**
 * Marks a key of a struct that can only change with a restart: a port, a data directory. All others are live. A reload reports
 * that it has changed, and leaves its old value in force.
 *
 * **Details**: apply it last, after defaults and `optionalKey`.
 *
 * @example
 * ```ts
 * import * as Effect from "effect/Effect"
 * import * as Schema from "effect/Schema"
 * import * as ConfigFile from "@quiesce/reload/ConfigFile"
 *
 * const Server = Schema.Struct({
 *   port: Schema.Int.pipe(Schema.withDecodingDefaultKey(Effect.succeed(8080)), ConfigFile.restart)
 * })
 * ```
 */
export const restart = <S extends Schema.Top>(schema: S): S["Rebuild"] =>
  schema.annotateKey({ [Shape.restartKey]: true })

/**
 * A step from one version to the next, as a schema: plain data of the old version is checked, and turned into plain data of the
 * new one.
 *
 * **Details**: `from` need not know everything; with `Schema.Record(Schema.String, Schema.Unknown)` it takes a file as it is.
 *
 * @example
 * ```ts
 * import * as Schema from "effect/Schema"
 * import * as ConfigFile from "@quiesce/reload/ConfigFile"
 *
 * // Version 1 had the port at the top.
 * const toVersion2 = ConfigFile.migration(Schema.Struct({ port: Schema.Int }), ({ port }) => ({ server: { port } }))
 *
 * const settings = ConfigFile.make("settings.yaml", {
 *   schema: Schema.Struct({ server: Schema.Struct({ port: Schema.Int }) }),
 *   version: 2,
 *   migrations: [toVersion2]
 * })
 * ```
 */
export const migration = <T, E>(
  from: Schema.Codec<T, E>,
  migrate: (old: T) => Readonly<Record<string, unknown>>
): Migration =>
  from.pipe(
    Schema.decodeTo(Schema.Unknown, {
      decode: SchemaGetter.transform(migrate),
      encode: SchemaGetter.forbidden(() => "a migration goes one way")
    })
  )

/**
 * Reads a configuration once.
 *
 * **When to use**: in scripts and tests; in an application `layer`, or `Reload.layer`.
 *
 * **Details**: files that were changed in the last 10 seconds are taken when they are the same 100 ms later: somebody may be
 * writing them.
 *
 * **Errors**: `ConfigError` with everything that is wrong.
 *
 * **Interruption safety**: it only reads.
 */
export const load = <T>(file: ConfigFile<T>): Effect.Effect<T, ConfigError, FileSystem.FileSystem> =>
  Effect.flatMap(readSources(file.definition, defaultDebounce), (sources) =>
    Effect.map(Effect.fromResult(decode(sources, file.definition)), ({ value }) => value)
  )

/**
 * A configuration as a service of its own, read once, at the start.
 *
 * **When to use**: for programs that have no need to reload; else `Reload.layer`.
 *
 * **Errors**: `ConfigError`; an application ends with exit code 78.
 *
 * **Interruption safety**: it only reads.
 *
 * @example
 * ```ts
 * import * as Context from "effect/Context"
 * import * as Schema from "effect/Schema"
 * import * as ConfigFile from "@quiesce/reload/ConfigFile"
 *
 * class Settings extends Context.Service<Settings, { readonly port: number }>()("app/Settings") {}
 *
 * const file = ConfigFile.make("settings.yaml", { schema: Schema.Struct({ port: Schema.Int }) })
 * const SettingsLive = ConfigFile.layer(Settings, file) // needs a FileSystem: NodeFileSystem.layer
 * ```
 */
export const layer = <Self, T>(
  tag: Context.Key<Self, T>,
  file: ConfigFile<T>
): Layer.Layer<Self, ConfigError, FileSystem.FileSystem> => Layer.effect(tag, Effect.tapError(load(file), logIssues))

/**
 * Saves a configuration: whoever reads the file then, at whatever instant and after whatever crash, finds either the old one or
 * the new one, whole. It is written to a temporary file beside it, flushed, and renamed, and the folder is flushed too.
 *
 * **When to use**: for configuration that people change in the program itself. A reload that watches the file takes it up.
 *
 * **Details**: the first file is written, or the one named. The values are written as they are, secrets too; the permissions of
 * the file stay (0644 for a new one). Comments are lost. A temporary file that a killed save has left behind is taken away by a
 * later one, when it is a minute old. Two processes that save at once leave one of their files.
 *
 * **Errors**: `ConfigError` when the value does not fit the schema, or the file cannot be written; the old file stays.
 *
 * **Interruption safety**: an interruption leaves the old file, or the new one.
 */
export const save = <T>(
  file: ConfigFile<T>,
  value: T,
  options: { readonly path?: string | undefined } = {}
): Effect.Effect<void, ConfigError, FileSystem.FileSystem> => {
  const { codec, files, version } = file.definition
  const path = options.path ?? files[0]?.path ?? ""
  const failed = (message: string, remedy: string) =>
    new ConfigError({ issues: [{ file: path, path: "", message, remedy }] })
  return Effect.gen(function* () {
    const format = formatOf(path)
    if (format === undefined)
      return yield* failed("has a format that is not known", "name a .yaml, .json or .toml file")
    const plain = yield* Effect.mapError(Schema.encodeEffect(codec)(value), () =>
      failed("cannot hold this value: it does not fit the schema", "save what the schema can decode again")
    )
    if (!isMapping(plain)) return yield* failed("cannot hold this value", "save a mapping of keys to values")
    const text = stringify(format, version === undefined ? plain : { version, ...plain })
    yield* Effect.mapError(writeAtomically(path, text), (error) =>
      failed(
        `could not be written: ${error.message}`,
        `make ${split(path)[0]} a folder in which this process may write`
      )
    )
  })
}
