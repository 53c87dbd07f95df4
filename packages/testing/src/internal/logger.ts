/**
 * A logger that writes every line into the timeline, with its level, and with its cause as a person would read it.
 */
import * as Cause from "effect/Cause"
import * as Logger from "effect/Logger"
import type { Journal } from "./Journal.ts"

export const logger = (journal: Journal): Logger.Logger<unknown, void> =>
  Logger.make(({ cause, logLevel, message }) => {
    const words = [message].flat(2).map((word) => (Cause.isCause(word) ? Cause.pretty(word) : String(word)))
    if (cause.reasons.length > 0) words.push(Cause.pretty(cause))
    journal.record({ _tag: "Logged", level: logLevel, message: words.join(" ") })
  })
