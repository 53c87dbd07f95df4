import { expect, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as PartialOrder from "@quiesce/testing/PartialOrder"
import * as TestApp from "@quiesce/testing/TestApp"
import * as Component from "quiesce/Component"
import * as DrainGate from "quiesce/DrainGate"
import { Lifecycle } from "quiesce/Lifecycle"

/** In a real program HttpDrain.layer. */
class Server extends Context.Service<Server, { readonly port: number }>()("jobs/Server") {}
const ServerLive = Layer.effect(
  Server,
  Effect.acquireRelease(Effect.succeed({ port: 8080 }), () => Effect.log("server closed"))
).pipe(Component.make("server"))

/** A service with a count of its own: a notification and a waiter. */
const mails = (seconds: number) =>
  Layer.effectDiscard(
    Effect.gen(function* () {
      const lifecycle = yield* Lifecycle
      yield* Server
      yield* lifecycle.onStopping("mails", Effect.log("no more mails"))
      yield* lifecycle.awaitBeforeStop("mails", Effect.delay(Effect.log("mails sent"), `${seconds} seconds`))
    })
  ).pipe(Component.make("mails"))

/** A service that lets a gate count: it is told, waited for and asked by nobody. */
const Jobs = Layer.effectDiscard(
  Effect.gen(function* () {
    yield* Server
    const gate = yield* DrainGate.make("job")
    const job = gate.run(Effect.delay(Effect.log("job done"), "700 millis"))
    yield* Effect.forkScoped(
      Effect.forever(job).pipe(Effect.catchTag("ShuttingDown", () => Effect.log("no more jobs")))
    )
  })
).pipe(Component.make("jobs"))

const service = (seconds: number) => Layer.mergeAll(mails(seconds), Jobs).pipe(Layer.provide(ServerLive))
const said = (message: string) => PartialOrder.event("Logged", { message })

it.effect("all are told, all are waited for, and then the server is closed", () =>
  Effect.gen(function* () {
    const app = yield* TestApp.make(service(3))
    yield* app.advance("1 second")
    yield* app.signal("SIGTERM")
    const report = yield* app.runToEnd
    expect([report.exitCode, report.duration]).toEqual([0, 3000])
    yield* PartialOrder.assert(app.timeline, [
      PartialOrder.chain(said("no more mails"), said("mails sent"), said("server closed")),
      PartialOrder.chain(PartialOrder.stopping("jobs"), said("server closed")),
      PartialOrder.exactly(2, said("job done"))
    ])
  })
)

it.effect("who is not done in time is named, and the server is closed all the same", () =>
  Effect.gen(function* () {
    const app = yield* TestApp.make(service(60), { drain: "10 seconds" })
    yield* app.signal("SIGTERM")
    const report = yield* app.runToEnd
    expect([report.exitCode, report.duration]).toEqual([70, 10_000])
    expect(report.awaited[0]).toEqual({ kind: "awaitBeforeStop", name: "mails", waited: 10_000, result: "abandoned" })
    yield* PartialOrder.assert(app.timeline, [PartialOrder.once(said("server closed"))])
  })
)
