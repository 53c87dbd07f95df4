// A server that loses no request: press Ctrl+C while `curl http://127.0.0.1:3000/slow` waits for its answer.
import { createServer } from "node:http"
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Layer from "effect/Layer"
import * as HttpDrain from "@quiesce/http/HttpDrain"
import * as NodeApp from "@quiesce/node/NodeApp"
import * as Component from "quiesce/Component"

const Db = Layer.effectDiscard(Effect.acquireRelease(Effect.log("connected"), () => Effect.sleep("120 millis"))).pipe(
  Component.make("db")
)

const Slow = HttpRouter.add("GET", "/slow", Effect.delay(Effect.succeed(HttpServerResponse.text("done\n")), "1 second"))

const App = HttpRouter.serve(Slow).pipe(
  Layer.provide(HttpDrain.layer(createServer, { port: 3000, host: "127.0.0.1" })),
  Layer.provide(Db)
)

NodeApp.run(App, { name: "shop" })
