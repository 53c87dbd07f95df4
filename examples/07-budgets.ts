// Every budget is a duration or a Schedule: it ends when its schedule ends. This drain polls three times, 100 ms apart, and
// then the work that ignores the stop is interrupted and named. The grace period is over all of it.
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import * as NodeApp from "@quiesce/node/NodeApp"
import * as DrainGate from "quiesce/DrainGate"
import { Lifecycle } from "quiesce/Lifecycle"
import * as StopReason from "quiesce/StopReason"

const Endless = Layer.effectDiscard(
  Effect.gen(function* () {
    const lifecycle = yield* Lifecycle
    const gate = yield* DrainGate.make("download")
    yield* Effect.forkScoped(gate.run(Effect.never))
    yield* Effect.forkScoped(Effect.andThen(lifecycle.running, lifecycle.requestStop(StopReason.finished)))
  })
)

NodeApp.run(Endless, {
  name: "budgets",
  gracePeriod: "5 seconds",
  drain: Schedule.max([Schedule.spaced("100 millis"), Schedule.recurs(3)]),
  interrupt: "1 second"
})
