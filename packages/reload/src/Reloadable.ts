/**
 * A resource that is built from configuration, and built anew when its part of the configuration changes: a pool, a client, a
 * rate limiter. Whoever uses it never sees the change.
 */
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Equal from "effect/Equal"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import * as Component from "quiesce/Component"
import { Generations } from "./internal/Generations.ts"
import type { Reload } from "./Reload.ts"

/** The handle that users of the resource hold. */
export interface Reloadable<out A> {
  /** Runs an effect with the newest instance, which is not released before the effect has ended. */
  readonly use: <B, E, R>(f: (instance: A) => Effect.Effect<B, E, R>) => Effect.Effect<B, E, R>
  /** Borrows the newest instance until the scope closes; for work that is not one effect. */
  readonly borrow: Effect.Effect<A, never, Scope.Scope>
  /** Counts the instances; 1 is the one of the start. */
  readonly generation: Effect.Effect<number>
}

export interface Options<in T, P, A, E, R> {
  /** The part of the configuration that it depends on. When this part stays the same, so does the instance. */
  readonly from: (configuration: T) => P
  /** Builds an instance; what it acquires in its scope is released when the instance is let go of. */
  readonly make: (part: P) => Effect.Effect<A, E, R | Scope.Scope>
  /**
   * In log, events and report.
   *
   * @default the last part of the service's key
   */
  readonly name?: string | undefined
  /**
   * How long an old instance waits for its last borrower before it is released under it.
   *
   * @default 30 seconds: longer than a request should take
   */
  readonly retireTimeout?: Duration.Input | undefined
  /**
   * How long the release of an old instance may take before the log says so. It is not cut short while the application runs.
   *
   * @default 5 seconds, as a component's stopTimeout
   */
  readonly releaseTimeout?: Duration.Input | undefined
}

/**
 * Builds the resource, and at each reload that changes its part of the configuration a new one: first the new one, then the
 * swap, then the old one is released, when its last borrower has left. When anything of a reload fails, the new ones are
 * released and the old ones stay.
 *
 * **When to use**: for what has to be built anew to change. Code that only reads a value asks `Reload.current` each time.
 *
 * **Details**: resources are built side by side, each sees the configuration and its own dependencies. For one that is made of
 * several that depend on each other, build all of them in one `make`. `make` runs while the application runs, so what it
 * builds is not a component of its own; this layer is one.
 *
 * **Errors**: at start `make`'s own. At a reload `ReloadFailed`, and the old instance serves on.
 *
 * **Interruption safety**: a stop abandons a build that is going on. Whatever was built is released exactly once, with this
 * layer at the latest; borrowers are not waited for then, as they depend on this layer and have been released before it.
 *
 * @example
 * ```ts
 * import * as Context from "effect/Context"
 * import * as Effect from "effect/Effect"
 * import * as Schema from "effect/Schema"
 * import * as ConfigFile from "@quiesce/reload/ConfigFile"
 * import * as Reload from "@quiesce/reload/Reload"
 * import * as Reloadable from "@quiesce/reload/Reloadable"
 *
 * const file = ConfigFile.make("settings.yaml", { schema: Schema.Struct({ smtp: Schema.String }) })
 * class Settings extends Context.Service<Settings, Reload.Reload<{ readonly smtp: string }>>()("app/Settings") {}
 *
 * interface Transport {
 *   readonly send: (text: string) => Effect.Effect<void>
 * }
 * declare const connect: (host: string) => Effect.Effect<Transport>
 *
 * class Mailer extends Context.Service<Mailer, Reloadable.Reloadable<Transport>>()("app/Mailer") {}
 * const MailerLive = Reloadable.layer(Mailer, Settings, {
 *   from: ({ smtp }) => smtp,
 *   make: (smtp) => Effect.acquireRelease(connect(smtp), () => Effect.log("disconnected"))
 * })
 *
 * const welcome = Effect.flatMap(Mailer, (mailer) => mailer.use((transport) => transport.send("welcome")))
 * ```
 */
export const layer = <Self, A, ConfigSelf, T, P, E, R>(
  tag: Context.Key<Self, Reloadable<A>>,
  configuration: Context.Key<ConfigSelf, Reload<T>>,
  options: Options<T, P, A, E, R>
): Layer.Layer<Self, E, ConfigSelf | Exclude<R, Scope.Scope>> => {
  const name = options.name ?? tag.key.split("/").at(-1) ?? tag.key
  const limits = {
    retire: Duration.fromInputUnsafe(options.retireTimeout ?? "30 seconds"),
    release: Duration.fromInputUnsafe(options.releaseTimeout ?? "5 seconds")
  }
  const make = Effect.gen(function* () {
    const reload = yield* configuration
    const context = yield* Effect.context<R>()
    let part = options.from(yield* reload.current)
    const generations = yield* Generations.make(name, limits, options.make(part))
    yield* reload.join({
      name,
      prepare: (next) =>
        Effect.suspend(() => {
          const changed = options.from(next)
          if (Equal.equals(changed, part)) return Effect.succeed(undefined)
          // The services are those of this layer; the scope is the instance's own.
          const build = Effect.updateContext(options.make(changed), (outer: Context.Context<Scope.Scope>) =>
            Context.add(context, Scope.Scope, Context.get(outer, Scope.Scope))
          )
          return Effect.map(generations.prepare(build), (prepared) => ({
            ...prepared,
            swap: () => {
              part = changed
              prepared.swap()
            }
          }))
        })
    })
    return {
      use: <B, E2, R2>(f: (instance: A) => Effect.Effect<B, E2, R2>) =>
        Effect.acquireUseRelease(
          Effect.sync(() => generations.borrow()),
          ({ instance }) => f(instance),
          (generation) => Effect.sync(() => generations.giveBack(generation))
        ),
      borrow: Effect.map(
        Effect.acquireRelease(
          Effect.sync(() => generations.borrow()),
          (generation) => Effect.sync(() => generations.giveBack(generation))
        ),
        ({ instance }) => instance
      ),
      generation: Effect.sync(() => generations.number)
    }
  })
  return Component.make(name)(Layer.effect(tag, make))
}
