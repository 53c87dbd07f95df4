/**
 * A configuration that is replaced while the application runs: when its file changes, on SIGHUP, or when asked. A reload
 * prepares, validates, builds what is new, and puts all of it in place in one step; when anything fails, everything stays as it
 * was (law `reload-atomic`).
 */
import type * as Context from "effect/Context"
import * as Clock from "effect/Clock"
import * as ConfigProvider from "effect/ConfigProvider"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as SubscriptionRef from "effect/SubscriptionRef"
import * as Component from "quiesce/Component"
import { Lifecycle, type Reloaded } from "quiesce/Lifecycle"
import type { ShuttingDown } from "quiesce/ShuttingDown"
import type { ConfigError } from "./ConfigError.ts"
import type { ConfigFile } from "./ConfigFile.ts"
import { Coordinator, type Participant, type State } from "./internal/Coordinator.ts"
import { decode } from "./internal/decode.ts"
import { logIssues } from "./internal/logIssues.ts"
import * as Metrics from "./internal/metrics.ts"
import { split } from "./internal/save.ts"
import { defaultDebounce, readSources } from "./internal/sources.ts"
import { watchFolder } from "./internal/watch.ts"
import type { ReloadFailed } from "./ReloadFailed.ts"

/** How a configuration fares, as plain data. The application is Degraded while `failure` is there. */
export type Status = Omit<State<unknown>, "value">

/** The service of a configuration that reloads. */
export interface Reload<out T> {
  /** The configuration in force. Ask each time, and keep no copy. */
  readonly current: Effect.Effect<T>
  /** The same, for synchronous code. */
  readonly currentUnsafe: () => T
  /** The configuration in force, and each later one. */
  readonly changes: Stream.Stream<T>
  /** How the last reload went. */
  readonly status: Effect.Effect<Status>
  /** The status now, and each later one. */
  readonly statuses: Stream.Stream<Status>
  /**
   * Reloads, waits for the end, and says what came of it. When the file has just been changed, it has to be left alone for
   * `debounce` first. `trigger` is for the log.
   */
  readonly reload: (trigger: string) => Effect.Effect<Reloaded, ConfigError | ReloadFailed | ShuttingDown>
  /** Takes part in each reload until the scope closes; what `Reloadable` is made of. */
  readonly join: (participant: Participant<T>) => Effect.Effect<void, never, Scope.Scope>
}

export type { Participant } from "./internal/Coordinator.ts"

export interface Options {
  /**
   * In log, events and metrics.
   *
   * @default the name of the first file, without its folder
   */
  readonly name?: string | undefined
  /**
   * How long the file has to be left alone before it is taken, whatever the reason to look at it: one that was changed in the
   * last 10 seconds is taken when it is the same after this time, and refused when it is not after 50 times it. So a save in
   * place is never seen half-done, unless its writer pauses for longer in the middle of it.
   *
   * @default 100 milliseconds: editors write, and rename, in several steps within a few; people do not notice it
   */
  readonly debounce?: Duration.Input | undefined
  /**
   * How often it is looked at all the same, for folders that cannot be watched, network drives among them, and for a link into
   * another folder.
   *
   * @default 30 seconds: a file is read in no time, and nobody has to wait longer for a change
   */
  readonly poll?: Duration.Input | undefined
  /**
   * How long what has to be built for a new configuration may take.
   *
   * @default 30 seconds
   */
  readonly timeout?: Duration.Input | undefined
}

/**
 * Reads the configuration at the start, and again when there is a reason to.
 *
 * **When to use**: for every service that lives longer than its configuration.
 *
 * **Details**
 * - Reasons: a change in the folder of a file (renames over it and the `..data` link of Kubernetes included), SIGHUP under
 *   `NodeApp.run`, `reload`, and a slow poll. Reloads run one at a time, while the application is `Reloading`, and what is asked
 *   for meanwhile is one more. Content that has not changed is a success, and where nobody asked, silent.
 * - Keys marked with `ConfigFile.restart` keep their values; that they have changed is told as an event, in the log and in
 *   the status. Everything else is in force at once: `current` and all `Reloadable`s change in one step.
 * - A failure is told as `ReloadFailed`, in the log, in `status` and in the metrics, and makes the application Degraded until a
 *   reload succeeds; it is tried again when the file changes, or on request.
 * - Metrics, each with the attribute `config`: `quiesce_config_version`, `quiesce_config_last_success_seconds`,
 *   `quiesce_config_rejected`.
 *
 * **Errors**: at start `ConfigError`, exit code 78.
 *
 * **Interruption safety**: a stop abandons a reload that is going on; what it has built is released, and everything stays as it
 * was. One that comes when all is in place finds the reload done: what is in force is always what was told.
 *
 * @example
 * ```ts
 * import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
 * import * as Context from "effect/Context"
 * import * as Effect from "effect/Effect"
 * import * as Layer from "effect/Layer"
 * import * as Schema from "effect/Schema"
 * import * as ConfigFile from "@quiesce/reload/ConfigFile"
 * import * as Reload from "@quiesce/reload/Reload"
 *
 * const schema = Schema.Struct({ greeting: Schema.String })
 * const file = ConfigFile.make("settings.yaml", { schema, env: "APP" })
 *
 * class Settings extends Context.Service<Settings, Reload.Reload<typeof schema.Type>>()("app/Settings") {}
 * const SettingsLive = Reload.layer(Settings, file).pipe(Layer.provide(NodeFileSystem.layer))
 *
 * const greet = Effect.gen(function* () {
 *   const settings = yield* Settings
 *   yield* Effect.log((yield* settings.current).greeting)
 * })
 * ```
 */
export const layer = <Self, T>(
  tag: Context.Key<Self, Reload<T>>,
  file: ConfigFile<T>,
  options: Options = {}
): Layer.Layer<Self, ConfigError, FileSystem.FileSystem | Lifecycle> => {
  const name = options.name ?? split(file.paths[0] ?? "")[1]
  return Component.make(name)(Layer.effect(tag, make(name, file, options)))
}

const make = <T>(
  name: string,
  { definition, paths }: ConfigFile<T>,
  { debounce = defaultDebounce, poll = "30 seconds", timeout = "30 seconds" }: Options
): Effect.Effect<Reload<T>, ConfigError, FileSystem.FileSystem | Lifecycle | Scope.Scope> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const environment = yield* ConfigProvider.ConfigProvider
    const lifecycle = yield* Lifecycle
    const sources = yield* readSources(definition, debounce)
    const decoded = yield* Effect.tapError(Effect.fromResult(decode(sources, definition)), logIssues)
    const lastSuccess = yield* Clock.currentTimeMillis
    const first: State<T> = {
      value: decoded.value,
      version: 1,
      lastSuccess,
      rejected: 0,
      failure: undefined,
      restart: []
    }
    yield* Metrics.record(name, first)
    const state = yield* SubscriptionRef.make(first)
    const health = yield* lifecycle.health.contribute(name, "readiness", "Degraded", "pass")
    const coordinator = new Coordinator({ name, definition, debounce, timeout }, lifecycle, {
      sources,
      decoded,
      state,
      health
    })

    /** Who has asked, and what may have happened, since the last reload began; many are one. */
    const asked = new Set<string>()
    const looks = new Set<string>()
    const wake = yield* Queue.sliding<void>(1)
    const note = (set: Set<string>, trigger: string): void => {
      set.add(trigger)
      Queue.offerUnsafe(wake, undefined)
    }
    const take = (set: Set<string>): string | undefined => {
      const triggers = Array.from(set)
      set.clear()
      return triggers.length === 0 ? undefined : triggers.join(", ")
    }
    const next = Effect.gen(function* () {
      yield* Queue.take(wake)
      const why = take(asked)
      const look = take(looks)
      if (why !== undefined) yield* Effect.ignore(coordinator.reload(why))
      else if (look !== undefined) yield* coordinator.look(look)
    })
    yield* lifecycle.onReloadRequested(name, (trigger) => note(asked, trigger))
    yield* Effect.andThen(lifecycle.running, Effect.forever(next)).pipe(Effect.forkScoped)

    const folders = Map.groupBy(paths, (path) => split(path)[0])
    for (const [folder, within] of folders) {
      const names = within.map((path) => split(path)[1])
      const limits = { debounce, retry: poll }
      yield* Effect.forkScoped(watchFolder(folder, names, () => note(looks, "file"), limits))
    }
    yield* Effect.sleep(poll).pipe(
      Effect.andThen(Effect.sync(() => note(looks, "poll"))),
      Effect.forever,
      Effect.forkScoped
    )

    return {
      current: Effect.sync(() => coordinator.current),
      currentUnsafe: () => coordinator.current,
      changes: Stream.changesWith(
        Stream.map(SubscriptionRef.changes(state), ({ value }) => value),
        (a, b) => a === b
      ),
      status: Effect.map(SubscriptionRef.get(state), statusOf),
      statuses: Stream.map(SubscriptionRef.changes(state), statusOf),
      // The files and the environment of this layer, whoever asks.
      reload: (trigger) =>
        coordinator
          .reload(trigger)
          .pipe(
            Effect.provideService(FileSystem.FileSystem, fs),
            Effect.provideService(ConfigProvider.ConfigProvider, environment)
          ),
      join: (participant) =>
        Effect.asVoid(
          Effect.acquireRelease(
            Effect.sync(() => coordinator.participants.add(participant)),
            () => Effect.sync(() => coordinator.participants.delete(participant))
          )
        )
    }
  })

const statusOf = ({ failure, lastSuccess, rejected, restart, version }: State<unknown>): Status => ({
  version,
  lastSuccess,
  rejected,
  failure,
  restart
})
