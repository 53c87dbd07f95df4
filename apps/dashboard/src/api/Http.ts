/** The HTTP server with all routes. */
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as HttpDrain from "@quiesce/http/HttpDrain"
import * as Effect from "effect/Effect"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServer from "effect/http/HttpServer"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Layer from "effect/Layer"
import * as PrometheusMetrics from "effect/observability/PrometheusMetrics"
import * as Component from "quiesce/Component"
import { createServer } from "node:http"
import { NotFound } from "../domain/errors.ts"
import { Settings } from "../settings/Settings.ts"
import { Api } from "./Api.ts"
import * as Docs from "./Docs.ts"
import * as handlers from "./handlers.ts"
import { ListenFailed } from "./ListenFailed.ts"
import * as RequestErrors from "./RequestErrors.ts"
import * as unexpected from "./unexpected.ts"

const Routes = HttpApiBuilder.layer(Api, { openapiPath: "/openapi.json" }).pipe(
  Layer.provide(handlers.layer),
  Layer.provide(RequestErrors.layer)
)

const unknown = HttpServerResponse.jsonUnsafe(
  new NotFound({ message: "there is no such page; GET /docs shows all there are" }),
  { status: 404 }
)

const Rest = Layer.mergeAll(
  HttpRouter.add("GET", "/", HttpServerResponse.redirect("/docs")),
  HttpRouter.add("*", "/*", unknown)
)

/** The socket and its drain: what was accepted before the stop is answered. */
export const Server = Layer.merge(
  Layer.effect(
    HttpServer.HttpServer,
    Effect.gen(function* () {
      const { host, port } = yield* (yield* Settings).current
      return yield* HttpDrain.make(() => createServer(), { host, port }).pipe(
        Effect.mapError(ListenFailed.of("the API", host, port, "PORT"))
      )
    })
  ).pipe(Component.make("http")),
  NodeHttpServer.layerHttpServices
)

/** Everything that is served, without a server. */
export const routes = Layer.mergeAll(Routes, Docs.layer, PrometheusMetrics.layerHttp(), Rest, unexpected.layer)

export const layer = HttpRouter.serve(routes, {
  disableLogger: true,
  disableListenLog: true
}).pipe(Component.make("api"))
