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
      builtWith: Array.from(new Set([...node.builtWith, ...borrowed(node)]), ({ id }) => id),
      parts: node.parts.map(({ hold, parallel }) => ({ id: hold.node.id, parallel })),
      own: node.stopTimeout !== undefined,
      takes: composes || !hasAcquired(node.scope) ? 0 : (node.stopTimeout ?? stopTimeout),
      resources: resourcesOf(node)
    }
  })

/** What it shares by reference at this moment, as an optional part that is up does: released after it, as what it was built with. */
const borrowed = (node: ComponentNode): ReadonlyArray<ComponentNode> =>
  Array.from(node.loans).flatMap((loan) => loan.node.heads.filter((head) => !head.closure.has(node)))

/** Milliseconds that the closes of its resources may take: one priority after the other, those of one priority side by side. */
const resourcesOf = ({ releases }: ComponentNode): number => {
  const longest = new Map<number, number>()
  for (const { priority, stopTimeout } of releases)
    longest.set(priority, Math.max(longest.get(priority) ?? 0, stopTimeout))
  return Array.from(longest.values()).reduce((sum, millis) => sum + millis, 0)
}
