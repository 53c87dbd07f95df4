/**
 * Where log lines go: Effect's own loggers, kept out of the way of the live line.
 */
import * as Console from "effect/Console"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import type * as LogLevel from "effect/LogLevel"
import * as References from "effect/References"
import type { Output } from "./Output.ts"

export const logging = (options: {
  readonly format: "pretty" | "json"
  readonly level: LogLevel.LogLevel | undefined
  readonly output: Output
  readonly beforeLine: () => void
}): Layer.Layer<never> => {
  const logger =
    options.format === "json"
      ? Logger.consoleJson
      : Logger.consolePretty({ colors: process.stdout.isTTY && options.output.color })
  const level = options.level === undefined ? Layer.empty : Layer.succeed(References.MinimumLogLevel, options.level)
  return Layer.mergeAll(Logger.layer([logger]), level, Layer.succeed(Console.Console, quiet(options.beforeLine)))
}

/** The global console, which tells before each line. */
const quiet = (beforeLine: () => void): Console.Console =>
  new Proxy(globalThis.console, {
    get: (target, key) => {
      const member: unknown = Reflect.get(target, key)
      if (typeof member !== "function") return member
      return (...args: ReadonlyArray<unknown>) => {
        beforeLine()
        return member.apply(target, args) as unknown
      }
    }
  })
