/** A layer as an application that runs, for tests of what it provides. It is stopped when the test's scope closes. */
import type * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as References from "effect/References"
import * as App from "quiesce/App"
import type { Lifecycle } from "quiesce/Lifecycle"
import * as StopReason from "quiesce/StopReason"

export const running = <A, E>(layer: Layer.Layer<A, E, Lifecycle>): Layer.Layer<A | Lifecycle> =>
  Layer.effectContext(
    Effect.gen(function* () {
      const services = yield* Deferred.make<Context.Context<A | Lifecycle>>()
      const hand = Layer.effectDiscard(
        Effect.flatMap(Effect.context<A | Lifecycle>(), (context) => Deferred.succeed(services, context))
      )
      const app = yield* Effect.acquireRelease(
        Effect.provideService(App.start(Layer.provide(hand, layer)), References.MinimumLogLevel, "Warn"),
        ({ lifecycle, stopped }) => Effect.andThen(lifecycle.requestStop(StopReason.finished), stopped)
      )
      const ended = Effect.flatMap(app.stopped, ({ failures }) => Effect.die(new Error(failures.join("\n"))))
      return yield* Effect.raceFirst(Deferred.await(services), ended)
    })
  )
