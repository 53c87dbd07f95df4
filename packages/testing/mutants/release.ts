// Faults of the order and the completeness of the release.
import type { Mutant } from "./mutant.ts"

export const release: ReadonlyArray<Mutant> = [
  {
    what: "what a component was built with is not held",
    file: "internal/Ledger.ts",
    find: "node.holds.push(...node.builtWith.map((dependency) => this.hold(dependency)))",
    replace: ""
  },
  {
    what: "a hold is let go twice",
    file: "internal/Ledger.ts",
    find: "    hold.held = false\n",
    replace: ""
  },
  {
    what: "a finalizer is skipped: the scope of a component is not closed",
    file: "internal/Ledger.ts",
    find: "const closer = this.#kernel.fork(Scope.close(node.scope, exit))",
    replace: "const closer = this.#kernel.fork(node.id % 7 === 3 ? Effect.void : Scope.close(node.scope, exit))"
  },
  {
    what: "a node is released twice",
    file: "internal/Ledger.ts",
    find: 'if (node.state === "Stopping" || node.isSettled) return',
    replace: 'if (node.state === "Stopping") return'
  },
  {
    what: "a component is settled before its finalizers have run",
    file: "internal/Ledger.ts",
    find: "const over = yield* this.#within(node, closer)",
    replace: "const over = yield* Effect.as(Effect.void, undefined)"
  },
  {
    what: "dependencies are let go before their user has stopped",
    file: "internal/Ledger.ts",
    find: '    this.#move(node, "Stopping")\n',
    replace: '    this.#move(node, "Stopping")\n    for (const hold of node.holds) this.#letGo(hold, exit)\n'
  },
  {
    what: "an abandoned component is not told of",
    file: "internal/Ledger.ts",
    find: '    this.#kernel.emit({\n      _tag: "ComponentAbandoned",',
    replace: '    if (node.id < 0) this.#kernel.emit({\n      _tag: "ComponentAbandoned",'
  }
]
