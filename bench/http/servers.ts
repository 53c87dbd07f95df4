// The server under comparison, as a process of its own. The routes are always the same.
//   plain    effect alone: NodeHttpServer, run by NodeRuntime.runMain(Layer.launch(app))
//   app      NodeHttpServer, run by NodeApp.run(app)
//   quiesce  HttpDrain, run by NodeApp.run(app)
import * as NodeApp from "@quiesce/node/NodeApp"
import * as HttpDrain from "@quiesce/http/HttpDrain"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import { HttpServer } from "effect/http/HttpServer"
import { HttpServerRequest } from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import { createServer } from "node:http"

const kind = process.argv[2]
const options: NodeApp.Options = JSON.parse(process.argv[3] ?? "{}")

const Routes = Layer.mergeAll(
  HttpRouter.add("GET", "/", HttpServerResponse.text("ok")),
  HttpRouter.add(
    "GET",
    "/slow",
    Effect.flatMap(HttpServerRequest, (request) =>
      Effect.delay(
        Effect.succeed(HttpServerResponse.text("slow")),
        Number(new URL(request.url, "http://a").searchParams.get("ms"))
      )
    )
  ),
  HttpRouter.add("GET", "/hang", Effect.never),
  HttpRouter.add(
    "GET",
    "/events",
    Effect.sync(() =>
      HttpServerResponse.stream(Stream.encodeText(Stream.concat(Stream.make("data: hello\n\n"), Stream.never)), {
        contentType: "text/event-stream"
      })
    )
  ),
  HttpRouter.add(
    "GET",
    "/ws",
    Effect.gen(function* () {
      const socket = yield* (yield* HttpServerRequest).upgrade
      const { pull } = yield* socket.reader
      return yield* Effect.forever(pull)
    }).pipe(Effect.catchTag("SocketError", () => Effect.succeed(HttpServerResponse.empty())))
  )
)

const Tell = Layer.effectDiscard(
  Effect.map(HttpServer, ({ address }) => process.send?.({ port: "port" in address ? address.port : 0 }))
)

const Served = Tell.pipe(Layer.provideMerge(HttpRouter.serve(Routes, { disableLogger: true, disableListenLog: true })))
const listen = { port: 0, host: "127.0.0.1" }
const Bare = Layer.provide(
  Served,
  NodeHttpServer.layer(() => createServer(), listen)
)
const Drained = Layer.provide(
  Served,
  HttpDrain.layer(() => createServer(), listen)
)

process.on("message", (message) => {
  if (message === "cpu") process.send?.({ cpu: process.cpuUsage() })
})
process.channel?.unref()

const quiet = { logLevel: "Error", report: "never", ...options } as const
if (kind === "plain") NodeRuntime.runMain(Layer.launch(Bare))
else if (kind === "app") NodeApp.run(Bare, quiet)
else NodeApp.run(Drained, quiet)
