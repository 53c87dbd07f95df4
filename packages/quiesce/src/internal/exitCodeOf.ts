/**
 * The exit code that the error of a failed start asks for.
 */
import * as Cause from "effect/Cause"
import * as Config from "effect/Config"
import * as Runtime from "effect/Runtime"
import { exitCodes } from "../Outcome.ts"

/** A configuration error is 78; an error that carries `Runtime.errorExitCode` says its own; any other says nothing. */
export const exitCodeOf = (cause: Cause.Cause<unknown>): number | undefined => {
  const error = Cause.squash(cause)
  if (error instanceof Config.ConfigError) return exitCodes.configuration
  const code = Runtime.getErrorExitCode(error)
  return code === exitCodes.failure ? undefined : code
}
