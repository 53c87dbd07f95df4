/** An application in a test: it is started, time passes, it is asked to stop, and it ends. */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"
import * as App from "quiesce/App"
import * as Component from "quiesce/Component"
import type { Lifecycle } from "quiesce/Lifecycle"
import type { Report } from "quiesce/Report"
import { runToEnd } from "./scripted.ts"

/** A component that is no more than what it does when it starts. */
export const starting = (
  effect: Effect.Effect<unknown, never, Lifecycle | Scope.Scope>,
  name = "jobs",
  policy: Component.Policy = {}
): Layer.Layer<never, never, Lifecycle> => Layer.effectDiscard(effect).pipe(Component.make(name, policy))

/** Starts an application, and lets everything happen that needs no time. */
export const running = (
  layer: Layer.Layer<never, unknown, Lifecycle>,
  options: App.Options = {}
): Effect.Effect<App.App> => Effect.tap(App.start(layer, options), () => TestClock.adjust(0))

/** Likewise, one of a single component that does this when it starts. */
export const runningJobs = (
  effect: Effect.Effect<unknown, never, Lifecycle | Scope.Scope>,
  options: App.Options = {}
): Effect.Effect<App.App> => running(starting(effect), options)

/** Likewise, and answers also what was made in it: `layerOf` is handed what makes it known. */
export const runningWith = <A>(
  layerOf: (made: (value: A) => Effect.Effect<unknown>) => Layer.Layer<never, unknown, Lifecycle>,
  options: App.Options = {}
): Effect.Effect<{ readonly app: App.App; readonly made: A }> =>
  Effect.gen(function* () {
    const made = Deferred.makeUnsafe<A>()
    const app = yield* running(
      layerOf((value) => Deferred.succeed(made, value)),
      options
    )
    return { app, made: yield* Deferred.await(made) }
  })

/** A signal, and whatever time it takes. */
export const stop = (app: App.App): Effect.Effect<Report> =>
  Effect.suspend(() => {
    app.signalUnsafe("SIGTERM")
    return runToEnd(app)
  })
