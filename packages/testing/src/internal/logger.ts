/**
 * A logger that writes every line into the timeline, with its level, and with its cause as a person would read it.
 */
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import * as References from "effect/References"
import type { Journal } from "./Journal.ts"

export const logger = (journal: Journal): Logger.Logger<unknown, void> =>
  Logger.make(({ cause, logLevel, message }) => {
    const words = [message].flat(2).map((word) => (Cause.isCause(word) ? Cause.pretty(word) : String(word)))
    if (cause.reasons.length > 0) words.push(Cause.pretty(cause))
    journal.record({ _tag: "Logged", level: logLevel, message: words.join(" ") })
  })

/** What an application must say loudly it says at this level or above. */
const loud = "Warn"

interface Listening {
  /** The context to start an application in. */
  readonly context: Context.Context<never>
  /** The loggers of what the application runs. */
  readonly loggers: ReadonlySet<Logger.Logger<unknown, unknown>>
  /** What the application runs logs as if nobody listened. */
  readonly within: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
}

/**
 * Adds a logger to `others` and to a context. It hears the loud lines of an application also where its user wants to see fewer;
 * the others hear what they would hear without it.
 */
export const listen = (
  context: Context.Context<never>,
  listener: Logger.Logger<unknown, unknown>,
  others: ReadonlySet<Logger.Logger<unknown, unknown>>
): Listening => {
  const level = Context.get(context, References.MinimumLogLevel)
  const loggers = new Set(others).add(listener)
  const heard = Context.add(context, Logger.CurrentLoggers, loggers)
  if (!LogLevel.isGreaterThan(level, loud)) return { context: heard, loggers, within: (effect) => effect }
  const deaf = Array.from(others, (other) =>
    Logger.make<unknown, unknown>((line) => (LogLevel.isLessThan(line.logLevel, level) ? undefined : other.log(line)))
  )
  return {
    loggers,
    context: heard.pipe(
      Context.add(Logger.CurrentLoggers, new Set(deaf).add(listener)),
      Context.add(References.MinimumLogLevel, loud)
    ),
    within: (effect) =>
      effect.pipe(
        Effect.provideService(Logger.CurrentLoggers, loggers),
        Effect.provideService(References.MinimumLogLevel, level)
      )
  }
}
