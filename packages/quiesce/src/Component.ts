/**
 * A named Layer with a stop policy.
 *
 * Layers need no wrapping to be seen: whatever `App.launch` builds appears in events and report under the names of the
 * services it provides. `Component.make` gives a layer the name and the limits that you want instead.
 */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { CurrentComponent } from "./internal/ComponentNode.ts"
import { register } from "./internal/policy.ts"
import { tracked } from "./internal/TrackedMemoMap.ts"

/** How a component is stopped. */
export interface Policy {
  /**
   * How long its release may take. After that it is left behind, named in the report, and its dependencies are released.
   *
   * @default the application's `stopTimeout`, 5 seconds
   */
  readonly stopTimeout?: Duration.Input | undefined
  /**
   * What to do when a fiber that the layer forked into its scope (`Effect.forkScoped`) dies: `"stop"` stops the
   * application with `ComponentFailed` and exit code 1, `"log"` logs it and goes on.
   *
   * @default "stop": a service whose worker is dead serves nobody, and its supervisor cannot know
   */
  readonly onBackgroundFailure?: "stop" | "log" | undefined
}

/**
 * Names a layer and sets its stop policy. Works on any layer, third-party ones too, and changes nothing else about it:
 * under a plain `Layer.launch` it behaves as if it were not there.
 *
 * **When to use**: to see your own word in log and report; to give a slow resource more time, or a quick one less.
 *
 * **Details**: the name goes to what the layer itself acquires, not to the dependencies provided to it, so both
 * `Component.make("db")(Db)` and `Db.pipe(Layer.provide(Config), Component.make("db"))` name `Db`. Where the layer merges
 * several, each gets the name with its service behind a slash. A nested `Component.make` keeps its own name. Keep one
 * object per component and reuse it by reference: two calls of `make` around a layer are two layers to Effect's sharing,
 * although the layer inside stays one.
 *
 * A component that is built while its surroundings start is seen wherever that is: below `Layer.fresh`, in the routes of
 * `HttpRouter.serve`, by `Effect.provide` inside of another component. Without a name it would count as part of what builds
 * it. What running code builds, for a request or a tenant of a `LayerMap`, is not seen: it comes and goes with its own scope,
 * and neither its limits nor its failures are the application's.
 *
 * **Interruption safety**: that of the layer inside.
 *
 * @example
 * ```ts
 * import * as Context from "effect/Context"
 * import * as Effect from "effect/Effect"
 * import * as Layer from "effect/Layer"
 * import * as Component from "quiesce/Component"
 *
 * class Db extends Context.Service<Db, { readonly query: (sql: string) => Effect.Effect<number> }>()("app/Db") {}
 *
 * const DbLive = Layer.succeed(Db, { query: () => Effect.succeed(1) }).pipe(
 *   Component.make("db", { stopTimeout: "2 seconds" })
 * )
 * ```
 */
export const make =
  (name: string, policy: Policy = {}) =>
  <ROut, E, RIn>(layer: Layer.Layer<ROut, E, RIn>): Layer.Layer<ROut, E, RIn> => {
    const build = (memoMap: Layer.MemoMap, scope: Scope.Scope) => Layer.buildWithMemoMap(layer, memoMap, scope)
    const component: Layer.Layer<ROut, E, RIn> = Layer.fromBuildMemo((memoMap, scope) =>
      Effect.flatMap(CurrentComponent, (owner) => {
        const map = tracked(memoMap, owner)
        return map === undefined ? build(memoMap, scope) : map.adopt(component, scope, build)
      })
    )
    register(component, { name, policy })
    return component
  }
