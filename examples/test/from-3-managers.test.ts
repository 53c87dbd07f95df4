import { expect, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as TestApp from "@quiesce/testing/TestApp"
import * as Component from "quiesce/Component"
import { Lifecycle } from "quiesce/Lifecycle"
import * as Task from "quiesce/Task"
import * as Tasks from "quiesce/Tasks"

class State extends Context.Service<State, { readonly fill: Effect.Effect<void> }>()("trading/State") {}
class Prices extends Context.Service<Prices, { readonly last: Effect.Effect<number> }>()("trading/Prices") {}

/** Orders use prices, prices use the state: that is the order of the stop. The exchange does not answer when they leave. */
const trading = (disk: Array<string>) => {
  const StateLive = Layer.effect(
    State,
    Effect.gen(function* () {
      const lifecycle = yield* Lifecycle
      let position = 0
      const verify = Effect.gen(function* () {
        if (disk.at(-1) !== `position ${position}`) return yield* Effect.fail("the position was not saved")
        if ((yield* lifecycle.status).tasks.length > 0) return yield* Effect.fail("a loop still runs")
      })
      yield* lifecycle.onStopped("verify", verify)
      yield* lifecycle.emergency("save in haste", () => void disk.push(`position ${position}, in haste`))
      yield* Effect.addFinalizer(() => Effect.sync(() => disk.push(`position ${position}`)))
      yield* Task.periodic("reconcile", Effect.void, { delay: "10 seconds" })
      return { fill: Effect.sync(() => void position++) }
    })
  ).pipe(Component.make("state", { stopTimeout: "2 seconds" }))

  const PricesLive = Layer.effect(
    Prices,
    Effect.gen(function* () {
      yield* State
      yield* Effect.addFinalizer(() => Effect.sync(() => disk.push("socket closed")))
      yield* Tasks.start("listen", Effect.never)
      yield* Task.periodic("keep alive", Effect.void, { rate: "10 seconds" })
      return { last: Effect.succeed(100) }
    })
  ).pipe(Component.make("prices", { stopTimeout: "1 second" }))

  const Orders = Layer.effectDiscard(
    Effect.gen(function* () {
      const { last } = yield* Prices
      const { fill } = yield* State
      yield* Effect.addFinalizer(() => Effect.never)
      yield* Task.periodic("trade", Effect.andThen(last, fill), { rate: "1 second" })
    })
  ).pipe(Component.make("orders", { stopTimeout: "2 seconds" }))

  return Orders.pipe(Layer.provide(PricesLive), Layer.provide(StateLive))
}

it.effect("the managers stop in order, each in its own time, and the final state is verified", () =>
  Effect.gen(function* () {
    const disk: Array<string> = []
    const app = yield* TestApp.make(trading(disk))
    yield* app.advance("3500 millis")
    yield* app.signal("SIGINT")
    const report = yield* app.runToEnd
    expect([report.duration, disk]).toEqual([2000, ["socket closed", "position 4"]])
    expect(report.components[0]).toMatchObject({ name: "orders", end: "abandoned" })
    expect(report.awaited).toContainEqual({ kind: "onStopped", name: "verify", waited: 0, result: "done" })
  })
)

it.effect("the second Ctrl+C leaves at once, and yet the position is written", () =>
  Effect.gen(function* () {
    const disk: Array<string> = []
    const app = yield* TestApp.make(trading(disk))
    yield* app.signal("SIGINT")
    yield* app.advance("500 millis")
    yield* app.signal("SIGINT")
    const report = yield* app.runToEnd
    expect([report.duration, report.exitCode, disk]).toEqual([500, 130, ["position 1, in haste"]])
  })
)
