/**
 * The documentation page, /docs, made at its first request: its script is 3 MB that no start has to wait for.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as Layer from "effect/Layer"
import { Api } from "./Api.ts"

/**
 * A router of its own with this one page, because routes cannot be added to one that serves. Uninterruptible: it is kept,
 * and a first visitor who leaves early must not leave an interruption to all others.
 */
const page = Effect.gen(function* () {
  const { layer } = yield* Effect.promise(() => import("effect/http-api/HttpApiScalar"))
  const router = Layer.fresh(HttpRouter.layer)
  const context = yield* Layer.build(layer(Api, { path: "/docs" }).pipe(Layer.provideMerge(router)))
  return Context.get(context, HttpRouter.HttpRouter).asHttpEffect()
}).pipe(Effect.uninterruptible)

export const layer = HttpRouter.use((router) =>
  Effect.flatMap(Effect.cached(page), (page) => router.add("GET", "/docs", Effect.flatten(page)))
)
