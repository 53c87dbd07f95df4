import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Lifecycle } from "quiesce/Lifecycle"
import type { Journal } from "./Journal.ts"

/** The layer of the application that a journal belongs to, as it is, and in its events as it is; `around` its build. */
export const ownedBy = <A, E, R>(
  journal: Journal,
  layer: Layer.Layer<A, E, R>,
  around: (build: Effect.Effect<Context.Context<A>, E, R>) => Effect.Effect<Context.Context<A>, E, R>
): Layer.Layer<A, E, R | Lifecycle> =>
  Layer.fromBuild((memoMap, scope) =>
    Effect.flatMap(Lifecycle, (lifecycle) => {
      journal.belongsTo({ lifecycle, memoMap })
      return around(Layer.buildWithMemoMap(layer, memoMap, scope))
    })
  )
