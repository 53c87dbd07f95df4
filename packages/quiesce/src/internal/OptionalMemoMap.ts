/**
 * The memo map of one generation of an optional component: what the application has built is shared, everything else is built
 * for this generation alone and goes with it. It sees the fibers that the layers fork.
 */
import * as Effect from "effect/Effect"
import type * as Context from "effect/Context"
import type * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { watchScope } from "./watchScope.ts"

type Build<ROut, E, RIn> = (memoMap: Layer.MemoMap, scope: Scope.Scope) => Effect.Effect<Context.Context<ROut>, E, RIn>

export class OptionalMemoMap implements Layer.MemoMap {
  readonly "~effect/Layer/MemoMap" = "~effect/Layer/MemoMap" as const
  readonly #own = Layer.makeMemoMapUnsafe()
  readonly #application: Layer.MemoMap | undefined
  readonly #holds: Scope.Scope
  readonly #onFiberExit: (exit: Exit.Exit<unknown, unknown>) => void

  /** `holds` keeps what is shared. It is no part of the generation's scope: nobody waits there for others' releases. */
  constructor(
    application: Layer.MemoMap | undefined,
    holds: Scope.Scope,
    onFiberExit: (exit: Exit.Exit<unknown, unknown>) => void
  ) {
    this.#application = application
    this.#holds = holds
    this.#onFiberExit = onFiberExit
  }

  get<RIn, E, ROut>(
    layer: Layer.Layer<ROut, E, RIn>,
    scope: Scope.Scope
  ): Effect.Effect<Context.Context<ROut>, E, RIn> | undefined {
    return this.#own.get(layer, scope) ?? this.#application?.get(layer, this.#holds)
  }

  getOrElseMemoize<RIn, E, ROut>(
    layer: Layer.Layer<ROut, E, RIn>,
    scope: Scope.Scope,
    build: Build<ROut, E, RIn>
  ): Effect.Effect<Context.Context<ROut>, E, RIn> {
    return Effect.suspend(
      () =>
        this.get(layer, scope) ??
        this.#own.getOrElseMemoize(layer, scope, (_, own) => {
          // One that is closed stays so: what is acquired in it is released at once.
          if (own.state._tag === "Empty") watchScope(own, this.#onFiberExit)
          return build(this, own)
        })
    )
  }
}
