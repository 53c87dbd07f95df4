// Layers need no wrapping: they appear under the names of the services they provide, and what does not depend on each other
// is released in parallel. Cache and Mailer take 100 ms each, Db 50 ms after both: the release takes 150 ms, not 250.
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as NodeApp from "@quiesce/node/NodeApp"
import { Lifecycle } from "quiesce/Lifecycle"
import * as StopReason from "quiesce/StopReason"

class Db extends Context.Service<Db, { readonly query: Effect.Effect<number> }>()("example/Db") {}
class Cache extends Context.Service<Cache, { readonly get: Effect.Effect<number> }>()("example/Cache") {}
class Mailer extends Context.Service<Mailer, { readonly send: Effect.Effect<void> }>()("example/Mailer") {}

const DbLive = Layer.effect(
  Db,
  Effect.acquireRelease(Effect.succeed({ query: Effect.succeed(1) }), () => Effect.sleep("50 millis"))
)

const CacheLive = Layer.effect(
  Cache,
  Effect.acquireRelease(
    Effect.map(Db, (db) => ({ get: db.query })),
    () => Effect.sleep("100 millis")
  )
)

const MailerLive = Layer.effect(
  Mailer,
  Effect.acquireRelease(
    Effect.map(Db, (db) => ({ send: Effect.asVoid(db.query) })),
    () => Effect.sleep("100 millis")
  )
)

const Main = Layer.effectDiscard(
  Effect.gen(function* () {
    const lifecycle = yield* Lifecycle
    yield* lifecycle.running.pipe(
      Effect.andThen(Effect.log("all there is to do is done")),
      Effect.andThen(lifecycle.requestStop(StopReason.finished)),
      Effect.forkScoped
    )
  })
)

const App = Layer.mergeAll(Main, CacheLive, MailerLive).pipe(Layer.provide(DbLive))

NodeApp.run(App, { name: "any-layer" })
