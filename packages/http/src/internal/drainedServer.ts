/**
 * The HttpServer service around effect's own: each application that serves gets a scope that can be closed before its
 * layer's, and its endless responses end when draining begins.
 */
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as HttpBody from "effect/http/HttpBody"
import * as HttpServer from "effect/http/HttpServer"
import { HttpServerRequest } from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { IncomingMessage } from "node:http"
import type { Drainer } from "./Drainer.ts"
import { answerRefusals, Drain } from "./handlers.ts"
import { contentTypeOf, type Limits } from "./limits.ts"

const isUpgrade = (context: Context.Context<never>): boolean =>
  (Context.getUnsafe(context, HttpServerRequest).source as IncomingMessage).headers.upgrade !== undefined

/**
 * A context is a map and a short list of what was added to it; when the list is full, each addition copies the map. Every
 * request adds to the context that it is served with, so that one starts with an empty list.
 */
const flat = <R>(context: Context.Context<R>): Context.Context<R> => Context.makeUnsafe(new Map(context.mapUnsafe))

export const drainedServer = (
  server: HttpServer.HttpServer["Service"],
  drainer: Drainer,
  limits: Limits
): HttpServer.HttpServer["Service"] => {
  const draining = Deferred.await(drainer.draining)
  const endWhenDraining = (response: HttpServerResponse.HttpServerResponse): HttpServerResponse.HttpServerResponse => {
    const { body } = response
    if (body._tag !== "Stream" || !limits.isEndless(response)) return response
    const stream = Stream.interruptWhen(body.stream, draining)
    return HttpServerResponse.setBody(response, HttpBody.stream(stream, contentTypeOf(response)))
  }
  return HttpServer.make({
    address: server.address,
    serve: Effect.fnUntraced(function* (httpEffect, middleware) {
      const scope = Scope.makeUnsafe()
      drainer.scopes.add(scope)
      yield* Effect.addFinalizer(() => drainer.release(scope))
      const answered = answerRefusals(httpEffect)
      const mapped = Effect.map(answered, endWhenDraining)
      const upgraded = drainer.countUpgraded(answered)
      const ended = Effect.withFiber((fiber) => (isUpgrade(fiber.context) ? upgraded : mapped))
      const drain = { begun: draining, isDraining: drainer.isDraining, retryAfter: limits.retryAfter }
      const serving: Effect.Effect<void, never, Scope.Scope> =
        middleware === undefined ? server.serve(ended) : server.serve(ended, middleware)
      yield* Effect.updateContext(serving, (context: Context.Context<never>) =>
        flat(Context.add(Context.add(context, Drain, drain), Scope.Scope, scope))
      )
    })
  })
}
