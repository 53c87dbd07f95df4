import { expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as PartialOrder from "@quiesce/testing/PartialOrder"
import * as TestApp from "@quiesce/testing/TestApp"
import type * as App from "quiesce/App"
import * as Component from "quiesce/Component"
import * as DrainGate from "quiesce/DrainGate"
import * as Task from "quiesce/Task"
import * as Tasks from "quiesce/Tasks"

/** The phases and the most that each may take. To refuse new work is a step and takes no time. */
const phases: App.Options = {
  gracePeriod: "30 seconds",
  drain: "8 seconds",
  interrupt: "15 seconds",
  stopTimeout: "4 seconds",
  reserve: "1 second"
}

/** Runs until it is told to end, and takes half a second for that. */
const forwarding = (port: number) =>
  Effect.never.pipe(Effect.onInterrupt(() => Effect.delay(Effect.log(`port ${port} is closed`), "500 millis")))

const Forwarder = Layer.effectDiscard(
  Effect.gen(function* () {
    const transfers = yield* DrainGate.make("transfer")
    yield* Effect.forkScoped(transfers.run(Effect.delay(Effect.log("the transfer is through"), "5 seconds")))
    yield* Tasks.start("forward 5432", forwarding(5432), { priority: 1, tags: ["postgres"] })
    yield* Tasks.start("forward 6379", forwarding(6379), { priority: 9, tags: ["redis"] })
    yield* Task.periodic("heartbeat", Effect.log("alive"), { rate: "1 second" })
    yield* Task.monitor("reachable", Effect.fail("no route"), {
      every: "500 millis",
      failures: 3,
      priority: 5,
      onUnhealthy: () => Effect.log("connecting again")
    })
  })
).pipe(Component.make("forwarder"))

const said = (message: string) => PartialOrder.event("Logged", { message })

it.effect("each phase takes what it needs, and the highest priority ends first", () =>
  Effect.gen(function* () {
    const app = yield* TestApp.make(Forwarder, phases)
    yield* app.advance("1500 millis")
    for (let press = 0; press < 3; press++) yield* app.signal("SIGINT")
    const report = yield* app.runToEnd
    expect([report.outcome._tag, report.states.map(({ duration, state }) => `${state} ${duration}`)]).toEqual([
      "Clean",
      ["LameDuck 0", "Draining 3500", "Interrupting 1000", "Releasing 0", "Flushing 0"]
    ])
    yield* PartialOrder.assert(app.timeline, [
      PartialOrder.once(said("connecting again")),
      PartialOrder.once(PartialOrder.event("StopRequested")),
      PartialOrder.chain(...["the transfer is through", "port 6379 is closed", "port 5432 is closed"].map(said))
    ])
  })
)
