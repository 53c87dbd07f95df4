// A DrainGate counts work of any kind. When the stop comes, what was accepted is finished and what comes later is refused
// with ShuttingDown, so that it can be left where it was.
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as NodeApp from "@quiesce/node/NodeApp"
import * as Component from "quiesce/Component"
import * as DrainGate from "quiesce/DrainGate"
import { Lifecycle } from "quiesce/Lifecycle"
import * as StopReason from "quiesce/StopReason"

const Consumer = Layer.effectDiscard(
  Effect.gen(function* () {
    const lifecycle = yield* Lifecycle
    const gate = yield* DrainGate.make("message")

    const handle = (message: number) =>
      gate
        .run(Effect.andThen(Effect.sleep("300 millis"), Effect.log(`message ${message} handled`)))
        .pipe(Effect.catchTag("ShuttingDown", () => Effect.log(`message ${message} stays in the queue`)))

    const receive = Effect.gen(function* () {
      yield* Effect.forkScoped(handle(1))
      yield* Effect.sleep("100 millis")
      yield* lifecycle.requestStop(StopReason.finished)
      yield* lifecycle.stopping
      yield* handle(2)
    })
    yield* Effect.forkScoped(receive)
  })
).pipe(Component.make("consumer"))

NodeApp.run(Consumer, { name: "drain-gate" })
