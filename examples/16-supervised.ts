// A service that is replaced without losing a request, when a supervisor holds its sockets:
//
//   npx quiesce run --listen 127.0.0.1:3000 --listen 127.0.0.1:9000 -- node 16-supervised.ts
//   npx quiesce reload
import { createServer } from "node:http"
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Layer from "effect/Layer"
import * as HealthProbes from "@quiesce/http/HealthProbes"
import * as HttpDrain from "@quiesce/http/HttpDrain"
import * as NodeApp from "@quiesce/node/NodeApp"

const Hello = HttpRouter.add(
  "GET",
  "/",
  Effect.sync(() => HttpServerResponse.text(`hello from process ${process.pid}\n`))
)

const App = HttpRouter.serve(Hello).pipe(
  // Each takes the inherited socket with its port; started without a supervisor, they open their own.
  Layer.provide(HttpDrain.layer(createServer, { port: 3000, host: "127.0.0.1" })),
  Layer.provide(HealthProbes.layer({ port: 9000 }))
)

NodeApp.run(App, { name: "supervised", gracePeriod: "10 seconds" })
