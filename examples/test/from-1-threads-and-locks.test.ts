import { expect, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import * as PartialOrder from "@quiesce/testing/PartialOrder"
import * as TestApp from "@quiesce/testing/TestApp"
import * as Component from "quiesce/Component"
import * as CriticalSection from "quiesce/CriticalSection"
import * as Optional from "quiesce/Optional"
import * as Resources from "quiesce/Resources"
import * as Task from "quiesce/Task"

class Lights extends Context.Service<Lights, { readonly strips: number }>()("lamps/Lights") {}
class Web extends Context.Service<Web, { readonly port: number }>()("lamps/Web") {}

/** Sixty frames a second, also after a bad one. One of the strips is unplugged when it is to be switched off. */
const LightsLive = Layer.effect(
  Lights,
  Effect.gen(function* () {
    const devices = yield* Resources.make
    yield* devices.register("left strip", Effect.die(new Error("unplugged")), { kind: "device" })
    yield* devices.register("right strip", Effect.log("right strip is dark"), { kind: "device" })
    let frames = 0
    const frame = Effect.suspend(() => (++frames === 10 ? Effect.fail("no sound") : Effect.void))
    yield* Task.periodic("frame", frame, { rate: 1000 / 60, restart: Schedule.spaced("100 millis") })
    return { strips: 2 }
  })
).pipe(Component.make("lights"))

/** Needs the lights, and so is closed before them. Its port is taken for the first two seconds. */
const WebLive = Layer.effect(
  Web,
  Effect.gen(function* () {
    if ((yield* Clock.currentTimeMillis) < 2000) return yield* Effect.fail("port 8080 is taken")
    yield* Lights
    return yield* Effect.acquireRelease(Effect.succeed({ port: 8080 }), () => Effect.log("web is closed"))
  })
)
const Lamps = Optional.layer(Web, WebLive, { name: "web" }).pipe(Layer.provideMerge(LightsLive))

const save = (layout: string) =>
  CriticalSection.run("save", Effect.delay(Effect.log(`${layout} is saved`), "1 second"), { key: "layout.json" }).pipe(
    Effect.catchTag("ShuttingDown", () => Effect.log(`${layout} is refused`))
  )
const said = (message: string) => PartialOrder.event("Logged", { message })

it.effect("the lights need no web interface, and no save is torn", () =>
  Effect.gen(function* () {
    const app = yield* TestApp.make(Lamps)
    expect([app.state, app.lifecycle.statusUnsafe().health.state]).toEqual(["Running", "Degraded"])
    yield* app.advance("10 seconds")
    expect(app.lifecycle.statusUnsafe().health.state).toBe("Healthy")

    yield* Effect.forkChild(app.use(Effect.all([save("first"), save("second")], { concurrency: 2 })))
    yield* app.advance("400 millis")
    yield* app.signal("SIGINT")
    const report = yield* app.runToEnd
    expect([report.outcome._tag, report.duration]).toEqual(["Degraded", 600])
    expect(report.failures).toEqual(["device left strip (resource) failed: unplugged", "task frame failed: no sound"])
    const order = ["second is refused", "first is saved", "web is closed", "right strip is dark"]
    yield* PartialOrder.assert(app.timeline, [PartialOrder.chain(...order.map(said))])
  })
)
