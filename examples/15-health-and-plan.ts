// The health of an application from checks in the background, and what its stop may take at worst, said before it is needed.
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as NodeApp from "@quiesce/node/NodeApp"
import * as Component from "quiesce/Component"
import * as Health from "quiesce/Health"
import { Lifecycle } from "quiesce/Lifecycle"
import * as Plan from "quiesce/Plan"
import * as Resources from "quiesce/Resources"
import * as StopReason from "quiesce/StopReason"

let isAway = false

const Database = Layer.effectDiscard(
  Effect.gen(function* () {
    yield* Effect.acquireRelease(Effect.log("connected"), () => Effect.log("disconnected"))
    // Fails after two failures in a row, passes again with the first success; whoever asks waits for nothing.
    yield* Health.check(
      "database",
      Effect.suspend(() => (isAway ? Effect.fail("connection refused") : Effect.void)),
      { every: "50 millis", failuresToFlip: 2 }
    )
  })
).pipe(Component.make("db", { stopTimeout: "2 seconds" }))

const Lamps = Layer.effectDiscard(
  Effect.gen(function* () {
    const lifecycle = yield* Lifecycle
    // What is made at run time is closed with this component: lower priorities first, each in its own time.
    const resources = yield* Resources.make
    const day = Effect.gen(function* () {
      yield* resources.register("ceiling", Effect.log("ceiling: dark"), { kind: "lamp", priority: 1 })
      yield* resources.register("window", Effect.log("window: dark"), { kind: "lamp" })
      yield* Effect.log(Plan.render(yield* lifecycle.plan))
      isAway = true
      yield* Effect.sleep("200 millis")
      yield* Effect.log(`health: ${lifecycle.health.summaryUnsafe().state}`)
      isAway = false
      yield* Effect.sleep("100 millis")
      yield* lifecycle.requestStop(StopReason.finished)
    })
    yield* Effect.forkScoped(Effect.andThen(lifecycle.running, day))
  })
).pipe(Component.make("lamps", { stopTimeout: "3 seconds" }))

NodeApp.run(Layer.mergeAll(Database, Lamps), { name: "health", drain: "5 seconds", platformGrace: "30 seconds" })
