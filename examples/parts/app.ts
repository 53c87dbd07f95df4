import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Lifecycle } from "quiesce/Lifecycle"
import * as StopReason from "quiesce/StopReason"

export default Layer.effectDiscard(
  Effect.gen(function* () {
    const lifecycle = yield* Lifecycle
    yield* Effect.log("imported and started")
    yield* Effect.forkScoped(Effect.andThen(lifecycle.running, lifecycle.requestStop(StopReason.finished)))
  })
)
