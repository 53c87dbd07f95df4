/**
 * The one error of configuration: everything that is wrong with it, and what to do about each.
 */
import * as Runtime from "effect/Runtime"
import * as Schema from "effect/Schema"
import { exitCodes } from "quiesce/Outcome"

/**
 * One thing that is wrong.
 *
 * - `file`, `line`, `column`: where; the last two are absent when the file could not be read. Counted from 1.
 * - `variable`: the environment variable that the value came from, instead of a file.
 * - `path`: the key, as `server.port`; empty when the whole file is meant.
 * - `message`: what is wrong. `remedy`: what to do.
 */
export const Issue = Schema.Struct({
  file: Schema.optionalKey(Schema.String),
  line: Schema.optionalKey(Schema.Number),
  column: Schema.optionalKey(Schema.Number),
  variable: Schema.optionalKey(Schema.String),
  path: Schema.String,
  message: Schema.String,
  remedy: Schema.String
})

export type Issue = typeof Issue.Type

/** One line for people: `settings.yaml:3:9 server.port: expected a number, found "eighty"; correct it there`. */
export const render = ({ column, file, line, message, path, remedy, variable }: Issue): string => {
  const place = variable ?? [file, line, column].filter((part) => part !== undefined).join(":")
  const key = path === "" ? "" : variable === undefined ? ` ${path}` : ` (${path})`
  return `${place}${key}: ${message}; ${remedy}`
}

/**
 * The configuration cannot be used. All that is wrong with it is in one error, so that it can be mended in one go.
 *
 * The values of keys whose schema is `Redacted` are in no part of it.
 *
 * **When to use**: match on `issues`. At start it ends the application with exit code 78, as `sysexits.h` has it; at a reload
 * the old configuration stays.
 *
 * @example
 * ```ts
 * import { ConfigError } from "@quiesce/reload/ConfigError"
 *
 * const error = new ConfigError({
 *   issues: [
 *     {
 *       file: "settings.yaml",
 *       line: 3,
 *       column: 9,
 *       path: "server.port",
 *       message: 'expected a number, found "eighty"',
 *       remedy: "correct it there"
 *     }
 *   ]
 * })
 * error.message // "the configuration cannot be used: settings.yaml:3:9 server.port: expected a number, ..."
 * ```
 */
export class ConfigError extends Schema.TaggedError<ConfigError>()("ConfigError", {
  issues: Schema.NonEmptyArray(Issue)
}) {
  override readonly [Runtime.errorExitCode] = exitCodes.configuration

  override get message(): string {
    const lines = this.issues.map(render)
    return lines.length === 1
      ? `the configuration cannot be used: ${lines[0]}`
      : `the configuration cannot be used, ${lines.length} things are wrong:\n  ${lines.join("\n  ")}`
  }
}
