/**
 * What the members of `Lifecycle` come to in an application without one, so that the same scripted components can be run
 * under plain Effect: work is interrupted when its component closes, hooks are finalizers, sections cannot be interrupted,
 * and nobody hears of a stop before it reaches them.
 */
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as References from "effect/References"
import type * as Scope from "effect/Scope"
import * as App from "quiesce/App"
import type { Lifecycle } from "quiesce/Lifecycle"

export const plainLifecycle = (stop: () => void): Effect.Effect<Lifecycle["Service"]> =>
  Effect.map(silent(App.start(Layer.empty)), ({ lifecycle }) => {
    const finalizer = <R>(
      _name: string,
      effect: Effect.Effect<unknown, unknown, R>
    ): Effect.Effect<void, never, R | Scope.Scope> => Effect.addFinalizer(() => Effect.orDie(effect))
    return {
      ...lifecycle,
      requestStop: () => Effect.sync(stop),
      lameDuck: Effect.never,
      stopping: Effect.never,
      extendStop: () => Effect.succeed(Duration.zero),
      drainable: ({ interrupt }) => Effect.addFinalizer(() => interrupt ?? Effect.void),
      onStopping: finalizer,
      awaitBeforeStop: finalizer,
      onStopped: () => Effect.void,
      emergency: () => Effect.void,
      tasks: {
        start: ({ name, options: { restart }, run }) => {
          const once = run({ isDraining: () => false, idle: (effect) => effect, missed: () => {} })
          const whole =
            restart === undefined
              ? once
              : Effect.retry(Effect.sandbox(once), restart).pipe(Effect.catch((cause) => Effect.failCause(cause)))
          return Effect.map(Effect.forkScoped(whole), (fiber) => ({
            name,
            state: Effect.succeed("Running"),
            exit: Fiber.await(fiber),
            interrupt: Fiber.interrupt(fiber)
          }))
        }
      },
      criticalSections: {
        ...lifecycle.criticalSections,
        bound: ({ ended }) => Deferred.await(ended)
      }
    }
  })

/** Of this application nobody wants to hear. */
const silent = Effect.provideService(References.MinimumLogLevel, "None")
