/**
 * How long a release may take: the component's own limit, or what the application has left for releases.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { Lifecycle } from "quiesce/Lifecycle"

/** To be asked while the layer is built; what it returns, when it is released. Without Quiesce it is `stopTimeout`. */
export const stopLimit = (stopTimeout: Duration.Duration): Effect.Effect<Effect.Effect<Duration.Duration>> =>
  Effect.map(Effect.serviceOption(Lifecycle), (lifecycle) =>
    Option.isNone(lifecycle)
      ? Effect.succeed(stopTimeout)
      : Effect.map(
          lifecycle.value.releaseRemaining,
          Option.match({
            onNone: () => stopTimeout,
            onSome: (remaining) => Duration.min(stopTimeout, remaining)
          })
        )
  )
