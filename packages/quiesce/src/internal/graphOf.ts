/** The nodes of a ledger as a plan sees them. */
import type { PlanNode } from "../Plan.ts"
import type { ComponentNode } from "./ComponentNode.ts"
import { hasAcquired } from "./watchScope.ts"

/** `stopTimeout` is that of who has none of its own, in milliseconds. The application itself comes first in a ledger. */
export const graphOf = (nodes: Iterable<ComponentNode>, stopTimeout: number): ReadonlyArray<PlanNode> =>
  Array.from(nodes, (node) => {
    const composes = node.parent === undefined || node.isComposition
    return {
      id: node.id,
      name: node.name,
      composes,
      builtWith: node.builtWith.map(({ id }) => id),
      parts: node.parts.map(({ hold, parallel }) => ({ id: hold.node.id, parallel })),
      own: node.stopTimeout !== undefined,
      takes: composes || !hasAcquired(node.scope) ? 0 : (node.stopTimeout ?? stopTimeout)
    }
  })
