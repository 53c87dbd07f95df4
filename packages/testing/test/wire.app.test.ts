/** A network in memory in a whole application: replay, stops, and what effect builds on sockets. */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import * as Rpc from "effect/rpc/Rpc"
import * as RpcClient from "effect/rpc/RpcClient"
import * as RpcGroup from "effect/rpc/RpcGroup"
import * as RpcSerialization from "effect/rpc/RpcSerialization"
import * as RpcServer from "effect/rpc/RpcServer"
import * as Schema from "effect/Schema"
import * as Simulation from "../src/Simulation.ts"
import * as TestApp from "../src/TestApp.ts"
import { only } from "../src/Timeline.ts"
import * as Wire from "../src/Wire.ts"
import { broke, db } from "./support/wire.ts"

const api = "api:80"

const Greeter = RpcGroup.make(
  Rpc.make("greet", { payload: { name: Schema.String }, success: Schema.String, stream: true })
)

/** Two customers and a shop, over HTTP, that talk when the seed lets them. */
const Talk = Layer.effectDiscard(
  Effect.gen(function* () {
    const wire = yield* Wire.Wire
    const server = yield* wire.httpServer(api)
    yield* server.serve(
      Effect.gen(function* () {
        const { url } = yield* HttpServerRequest.HttpServerRequest
        yield* Effect.log(`asked ${url}`)
        yield* Effect.sleep(10)
        return HttpServerResponse.text(url)
      })
    )
    for (const who of ["ada", "bob", "cyd"]) {
      yield* wire.httpClient.get(`http://api/${who}`).pipe(
        Effect.flatMap(({ text }) => text),
        Effect.flatMap((text) => Effect.log(`heard ${text}`)),
        Effect.catch((error) => Effect.log(`${who} heard ${String(broke(error))}`)),
        Effect.repeat({ times: 3 }),
        Effect.forkScoped
      )
    }
  })
)

const logOf = (seed: number, weather: ReadonlyArray<Wire.FaultAt> = []) =>
  Simulation.run(() => Talk.pipe(Layer.provide(Wire.layer(weather))), { seed }).pipe(
    Effect.map(({ timeline }) => only(timeline, "Logged").map(({ at, message }) => `${at} ${message}`))
  )

const stormy: ReadonlyArray<Wire.FaultAt> = [
  { at: 0, address: api, fault: Wire.latency(3, { jitter: 30 }) },
  { at: 35, address: api, fault: Wire.cut() }
]

describe("in an application", () => {
  it.effect("the same seed gives the same log, and another seed another one", () =>
    Effect.gen(function* () {
      const seeds = Array.from({ length: 10 }, (_, seed) => seed)
      const lives = yield* Effect.forEach(seeds, (seed) => logOf(seed, stormy))
      const again = yield* Effect.forEach(seeds, (seed) => logOf(seed, stormy))
      expect(again).toEqual(lives)
      expect(new Set(lives.map((life) => life.join())).size).toBe(10)
      expect(lives.flat().filter((line) => line.endsWith("ECONNRESET")).length).toBeGreaterThan(0)
      expect((yield* logOf(1)).filter((line) => line.includes("heard")).length).toBe(12)
    })
  )

  it.effect("a stop waits for the answer that is on its way, in a TestApp too", () =>
    Effect.gen(function* () {
      const wire = yield* Wire.make
      const routes = HttpRouter.add(
        "GET",
        "/",
        Effect.delay(Effect.succeed(HttpServerResponse.text("done")), "1 second")
      )
      const app = yield* TestApp.make(
        HttpRouter.serve(routes, { disableLogger: true }).pipe(
          Layer.provide(Wire.layerHttpServer("shop:80")),
          Layer.provide(Layer.succeed(Wire.Wire, wire))
        )
      )
      yield* wire.set("shop:80", Wire.latency(100))
      const asking = yield* Effect.forkChild(
        app.use(Effect.flatMap(wire.httpClient.get("http://shop/"), ({ text }) => text))
      )
      yield* app.advance("200 millis")
      yield* app.signal()
      const report = yield* app.runToEnd
      // The request took 100 ms, its handler a second; the last answer is on its way when the application is gone.
      expect([report.outcome._tag, report.duration]).toEqual(["Clean", 900])
      yield* app.advance("100 millis")
      expect(yield* Fiber.join(asking)).toBe("done")
    })
  )

  it.effect("what effect builds on sockets works: its RPC, with a stream, over a wire that is slow", () =>
    Effect.gen(function* () {
      const server = RpcServer.layer(Greeter).pipe(
        Layer.provide(
          Greeter.toLayer({ greet: ({ name }) => Stream.make("hello", name, "goodbye").pipe(Stream.rechunk(1)) })
        ),
        Layer.provide(RpcServer.layerProtocolSocketServer),
        Layer.provide(Wire.layerSocketServer(db))
      )
      const client = RpcClient.layerProtocolSocket().pipe(
        Layer.provide(Wire.layerSocket(db)),
        Layer.provideMerge(server)
      )
      const network = Wire.layer([{ at: 0, address: db, fault: Wire.latency(10, { jitter: 10 }) }])
      const words = Effect.gen(function* () {
        const { greet } = yield* RpcClient.make(Greeter)
        return yield* Stream.runCollect(greet({ name: "ada" }))
      }).pipe(Effect.scoped, Effect.provide(client.pipe(Layer.provide([network, RpcSerialization.layerNdjson]))))
      const { report } = yield* Simulation.run(
        Layer.effectDiscard(
          Effect.flatMap(words, (heard) => Effect.sync(() => expect(heard).toEqual(["hello", "ada", "goodbye"])))
        )
      )
      expect(report.outcome).toEqual({ _tag: "Clean" })
    })
  )
})
