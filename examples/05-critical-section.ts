// A critical section is not torn by a graceful stop: the stop waits for it, at most as long as it may take.
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as NodeApp from "@quiesce/node/NodeApp"
import * as Component from "quiesce/Component"
import * as CriticalSection from "quiesce/CriticalSection"
import { Lifecycle } from "quiesce/Lifecycle"
import * as StopReason from "quiesce/StopReason"

const Lamp = Layer.effectDiscard(
  Effect.gen(function* () {
    const lifecycle = yield* Lifecycle
    const writeLayout = Effect.gen(function* () {
      yield* Effect.log("writing the layout")
      yield* Effect.sleep("400 millis")
      yield* Effect.log("writing its index")
    })
    yield* Effect.forkScoped(CriticalSection.run("save-layout", writeLayout, { atMost: "2 seconds" }))
    yield* Effect.forkScoped(Effect.delay(lifecycle.requestStop(StopReason.finished), "100 millis"))
  })
).pipe(Component.make("lamp"))

NodeApp.run(Lamp, { name: "critical-section", drain: "200 millis" })
