/**
 * The settings of the dashboard: a file with the environment on top, complete or not at all, and read again when it changes.
 */
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { ConfigError, render } from "@quiesce/reload/ConfigError"
import * as ConfigFile from "@quiesce/reload/ConfigFile"
import * as Reload from "@quiesce/reload/Reload"
import * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Component from "quiesce/Component"
import { Configuration } from "./Configuration.ts"
import { names, processSettings, type ProcessSettings } from "./processOptions.ts"

/** What is in the file: ask `current` each time, and what can change while it runs does. */
export class Settings extends Context.Service<Settings, Reload.Reload<Configuration>>()("dashboard/Settings") {}

/** What is in the environment alone, see `processOptions`. */
export class Process extends Context.Service<Process, ProcessSettings>()("dashboard/Process") {}

/** Its own Postgres lets in one application at a time, so the name of the instance needs no other proof. */
export const instanceOf = ({ databaseUrl, instance }: Configuration): string | undefined =>
  instance ?? (databaseUrl === undefined ? "local" : undefined)

/** The file that CONFIG_FILE names must be there; a dashboard.yaml in the working folder need not. */
const fileOf = ({ configFile }: ProcessSettings): ConfigFile.ConfigFile<Configuration> =>
  ConfigFile.make(configFile ?? "dashboard.yaml", {
    schema: Configuration,
    env: "",
    optional: configFile === undefined
  })

const variable = (name: string) =>
  Effect.map(Effect.orDie(Config.option(Config.String(name))), (value) => [name, Option.getOrUndefined(value)] as const)

/** **Errors**: `ConfigError` has everything that is wrong with the file and the environment. */
export const layer = Layer.unwrap(
  Effect.gen(function* () {
    const { issues, settings } = processSettings(Object.fromEntries(yield* Effect.forEach(names, variable)))
    const file = fileOf(settings)
    const inFile = yield* Effect.match(ConfigFile.load(file), {
      onFailure: (error) => error.issues,
      onSuccess: () => []
    })
    const [first, ...rest] = [...issues, ...inFile]
    if (first !== undefined) {
      // One line for each: where the error is told, there is room for the first few only.
      yield* Effect.forEach([first, ...rest], (issue) => Effect.logError(render(issue)))
      return yield* new ConfigError({ issues: [first, ...rest] })
    }
    return Layer.merge(Reload.layer(Settings, file, { name: "settings" }), Layer.succeed(Process, settings))
  })
).pipe(Component.make("configuration"), Layer.provide(NodeFileSystem.layer))
