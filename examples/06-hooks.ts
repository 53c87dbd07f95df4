// The places where running code takes part in a stop: when it begins, what it must wait for, after everything is released,
// and the synchronous last words of a forced exit.
import { writeSync } from "node:fs"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as NodeApp from "@quiesce/node/NodeApp"
import { Lifecycle } from "quiesce/Lifecycle"
import * as StopReason from "quiesce/StopReason"

const App = Layer.effectDiscard(
  Effect.gen(function* () {
    const lifecycle = yield* Lifecycle
    yield* lifecycle.onStopping("tell the registry", Effect.log("1. deregistered"))
    yield* lifecycle.awaitBeforeStop("last batch", Effect.delay(Effect.log("2. last batch written"), "100 millis"))
    yield* Effect.addFinalizer(() => Effect.log("3. released"))
    yield* lifecycle.onStopped("verify", Effect.log("4. nothing is left behind"))
    yield* lifecycle.emergency("last words", () => writeSync(2, "only on a forced exit\n"))
    yield* Effect.forkScoped(
      Effect.andThen(lifecycle.running, lifecycle.requestStop(StopReason.requested("the example")))
    )
  })
)

NodeApp.run(App, { name: "hooks" })
