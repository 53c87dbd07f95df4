import { expect, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as PartialOrder from "@quiesce/testing/PartialOrder"
import * as TestApp from "@quiesce/testing/TestApp"
import type * as App from "quiesce/App"
import type { AtCapacity } from "quiesce/AtCapacity"
import * as Component from "quiesce/Component"
import * as DrainGate from "quiesce/DrainGate"
import { Lifecycle } from "quiesce/Lifecycle"
import * as Resources from "quiesce/Resources"
import type { ShuttingDown } from "quiesce/ShuttingDown"

/** 10 to drain, 2 to interrupt, 15 for three resources of 5, 3 in reserve. */
const config: App.Options = { gracePeriod: "30 seconds", drain: "10 seconds", interrupt: "2 seconds" }

class Api extends Context.Service<
  Api,
  { readonly serve: (kind: string, seconds: number) => Effect.Effect<void, AtCapacity | ShuttingDown> }
>()("dashboard/Api") {}

const Dashboard = Layer.effect(
  Api,
  Effect.gen(function* () {
    const lifecycle = yield* Lifecycle
    yield* lifecycle.onStopping("flush metrics", Effect.log("metrics flushed"))
    yield* lifecycle.onStopped("tell", Effect.log("all closed"))

    const resources = yield* Resources.make
    const close = (name: string, priority: number, release = Effect.log(`${name} closed`)) =>
      resources.register(name, release, { priority, stopTimeout: "5 seconds" })
    yield* close("database", 100)
    yield* close("redis", 90, Effect.never)
    yield* close("http client", 50)

    const requests = yield* DrainGate.make("request", { capacity: 2, whenFull: "reject" })
    return { serve: (kind, seconds) => requests.run(Effect.sleep(`${seconds} seconds`), { kind }) }
  })
).pipe(Component.make("dashboard", { stopTimeout: "15 seconds" }))

it.effect("requests are finished, resources are closed by priority, and progress can be asked for", () =>
  Effect.gen(function* () {
    const app = yield* TestApp.make(Dashboard, config)
    const plan = yield* app.lifecycle.plan
    expect([plan.verdict, plan.worstCase]).toEqual(["fits", 30_000])

    const serve = (kind: string, seconds: number) => app.use(Effect.flatMap(Api, (api) => api.serve(kind, seconds)))
    yield* Effect.forkChild(serve("upload", 3))
    yield* Effect.forkChild(serve("request", 1))
    yield* app.advance(0)
    expect((yield* Effect.flip(serve("request", 1)))._tag).toBe("AtCapacity")

    yield* app.signal("SIGTERM")
    expect((yield* Effect.flip(serve("request", 1)))._tag).toBe("ShuttingDown")
    yield* app.advance("2 seconds")
    const { inFlight, remaining, state } = app.lifecycle.statusUnsafe()
    expect([state, remaining, inFlight]).toEqual(["Draining", 28_000, { upload: 1 }])

    const report = yield* app.runToEnd
    expect([report.outcome._tag, report.duration, report.awaited[0]]).toEqual([
      "Degraded",
      8000,
      { kind: "resource", name: "resource redis", waited: 5000, result: "abandoned" }
    ])
    const order = ["metrics flushed", "http client closed", "database closed", "all closed"]
    yield* PartialOrder.assert(app.timeline, [
      PartialOrder.chain(...order.map((message) => PartialOrder.event("Logged", { message })))
    ])
  })
)
