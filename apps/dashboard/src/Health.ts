/** The probes, on a loopback port of their own: they answer before anything else is there and until everything else is gone. */
import * as HealthProbes from "@quiesce/http/HealthProbes"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Component from "quiesce/Component"
import { ListenFailed } from "./api/ListenFailed.ts"
import { Settings } from "./settings/Settings.ts"

const host = "127.0.0.1"

export const layer = Layer.unwrap(
  Effect.gen(function* () {
    const { healthPort } = yield* (yield* Settings).current
    return HealthProbes.layer({ host, port: healthPort }).pipe(
      Layer.catchTag("ListenError", (error) =>
        Layer.effect(
          HealthProbes.HealthProbes,
          Effect.fail(ListenFailed.of("the probes", host, healthPort, "HEALTH_PORT")(error))
        )
      ),
      Component.make("health")
    )
  })
)
