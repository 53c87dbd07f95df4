/**
 * What went wrong, in the words of one line; the same in events, log lines, reasons and report.
 */
import * as Cause from "effect/Cause"
import * as Config from "effect/Config"
import * as Predicate from "effect/Predicate"

/** A cause in one line: enough for an event; the log carries the whole. */
export const describe = (cause: Cause.Cause<unknown>): string => {
  const error = Cause.squash(cause)
  const said = Predicate.hasProperty(error, "message") && error.message !== "" ? text(error.message) : text(error)
  const line = (
    error instanceof Config.ConfigError ? `the configuration is wrong, set or correct what it names: ${said}` : said
  ).replace(/\s*\n\s*/g, " ")
  return line.length <= longestDescription ? line : `${line.slice(0, longestDescription - 1)}…`
}

const longestDescription = 300

/** Whatever was thrown, also what has no text of its own. */
const text = (thrown: unknown): string => {
  try {
    return String(thrown)
  } catch {
    return "something without a text was thrown"
  }
}
