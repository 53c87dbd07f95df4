// Faults of optional components.
import type { Mutant } from "./mutant.ts"

export const optional: ReadonlyArray<Mutant> = [
  {
    what: "a generation of an optional component is not released",
    file: "internal/OptionalComponent.ts",
    find: "Effect.suspend(() => Scope.close(generation.scope, Exit.void))",
    replace: "Effect.void"
  },
  {
    what: "what an optional component shares with others is not held for it",
    file: "internal/TrackedMemoMap.ts",
    find: "    this.#hold(node, scope, this.#owner)\n",
    replace: ""
  },
  {
    what: "the stop does not interrupt the attempt of an optional component",
    file: "internal/Pipeline.ts",
    find: "for (const attempt of this.states.attempts) attempt.interruptUnsafe()",
    replace: ""
  },
  {
    what: "an optional component goes down in silence",
    file: "internal/OptionalHandle.ts",
    find: '{ _tag: "OptionalDown", ...told,',
    replace: '{ _tag: "OptionalUp", generation: 0, ...told,'
  },
  {
    what: "a fiber of an optional component dies in silence",
    file: "internal/OptionalMemoMap.ts",
    find: 'if (own.state._tag === "Empty") watchScope(own, this.#onFiberExit)',
    replace: ""
  }
]
