// Component.make gives a layer your name for it, and its own stop timeout. A finalizer that never ends is left behind after
// that time and named; what it depends on is released all the same, and the exit code is 70.
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as NodeApp from "@quiesce/node/NodeApp"
import * as Component from "quiesce/Component"
import { Lifecycle } from "quiesce/Lifecycle"
import * as StopReason from "quiesce/StopReason"

const Socket = Layer.effectDiscard(
  Effect.acquireRelease(Effect.log("socket open"), () => Effect.log("socket closed"))
).pipe(Component.make("socket"))

const Telemetry = Layer.effectDiscard(
  Effect.acquireRelease(Effect.log("telemetry on"), () => Effect.never) // the collector is gone and never answers
).pipe(Component.make("telemetry", { stopTimeout: "200 millis" }))

const Main = Layer.effectDiscard(
  Effect.gen(function* () {
    const lifecycle = yield* Lifecycle
    yield* lifecycle.running.pipe(
      Effect.andThen(Effect.log("all there is to do is done")),
      Effect.andThen(lifecycle.requestStop(StopReason.finished)),
      Effect.forkScoped
    )
  })
)

NodeApp.run(Main.pipe(Layer.provideMerge(Telemetry), Layer.provide(Socket)), { name: "components" })
