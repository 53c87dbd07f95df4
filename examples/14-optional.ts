// The cache is optional: the shop opens without it, uses it as soon as it is up, and goes on when it breaks.
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import * as NodeApp from "@quiesce/node/NodeApp"
import * as Component from "quiesce/Component"
import { Lifecycle } from "quiesce/Lifecycle"
import * as Optional from "quiesce/Optional"
import * as StopReason from "quiesce/StopReason"

class Cache extends Context.Service<Cache, { readonly price: (article: string) => Effect.Effect<string> }>()(
  "shop/Cache"
) {}

/** A server that is away at first, and that closes its first connection after half a second. */
let attempt = 0
const CacheLive = Layer.effect(
  Cache,
  Effect.gen(function* () {
    if (++attempt < 3) return yield* Effect.fail("connection refused")
    const connection = attempt - 2
    yield* Effect.acquireRelease(Effect.log(`connection ${connection} open`), () =>
      Effect.log(`connection ${connection} closed`)
    )
    if (connection === 1)
      yield* Effect.forkScoped(Effect.andThen(Effect.sleep("500 millis"), Effect.fail("connection reset")))
    return { price: (article) => Effect.succeed(`${article}: 3.20, says connection ${connection}`) }
  })
)

const OptionalCache = Optional.layer(Cache, CacheLive, {
  name: "cache",
  retry: Schedule.min([Schedule.exponential("100 millis"), Schedule.spaced("400 millis")])
})

const Shop = Layer.effectDiscard(
  Effect.gen(function* () {
    const lifecycle = yield* Lifecycle
    const cache = yield* Optional.of(Cache)

    const price = (article: string) =>
      cache.useOr(
        (service) => service.price(article),
        () => Effect.succeed(`${article}: 3.20, computed`)
      )

    const open = Effect.gen(function* () {
      yield* Effect.log(yield* price("tea"))
      yield* cache.await
      yield* Effect.log(yield* price("tea"))
      yield* Effect.sleep("600 millis")
      yield* Effect.log(yield* price("tea"))
      yield* cache.await
      yield* Effect.log(yield* price("tea"))
      yield* lifecycle.requestStop(StopReason.finished)
    })
    yield* Effect.forkScoped(open)
  })
).pipe(Component.make("shop"))

NodeApp.run(Shop.pipe(Layer.provide(OptionalCache)), { name: "optional" })
