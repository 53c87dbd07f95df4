/** Configuration for Quiesce: files, environment, validation, reload. Prefer the deep imports (`@quiesce/reload/Reload`). */
export * as ConfigError from "./ConfigError.ts"
export * as ConfigFile from "./ConfigFile.ts"
export * as Reload from "./Reload.ts"
export * as Reloadable from "./Reloadable.ts"
export * as ReloadFailed from "./ReloadFailed.ts"
