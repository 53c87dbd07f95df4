/**
 * How long the platform waits before it kills, as the environment says: the manifest that sets the time can set this variable
 * as well.
 */
import * as Config from "effect/Config"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"

const variable = "QUIESCE_PLATFORM_GRACE"

/** `undefined` when it says nothing; fails with what to do about a value that is no duration. */
export const platformGrace: Effect.Effect<Duration.Duration | undefined, string> = Config.Duration(variable).pipe(
  Config.option,
  Effect.mapBoth({
    onSuccess: Option.getOrUndefined,
    onFailure: () => `${variable} is "${process.env[variable]}": give a duration with its unit, such as "30 seconds"`
  })
)
