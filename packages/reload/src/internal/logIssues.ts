/** The lines of the log that tell what is wrong with a configuration. */
import * as Effect from "effect/Effect"
import { type ConfigError, render } from "../ConfigError.ts"

/** One line for each: the events and the one line of the log that tells of them have room for the first few only. */
export const logIssues = ({ issues }: ConfigError): Effect.Effect<void> =>
  issues.length === 1
    ? Effect.void
    : Effect.forEach(issues, (issue) => Effect.logError(render(issue)), { discard: true })
