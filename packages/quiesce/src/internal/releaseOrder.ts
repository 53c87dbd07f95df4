/**
 * When each component would begin and end its release, if every one took as long as is assumed: the ledger's rule (a
 * composition lets go of its parts in reverse, a component of what it was built with; who is let go of by all is released)
 * played through without waiting.
 */

/** One node of the application as the ledger knows it, ids instead of references. */
export interface GraphNode {
  readonly id: number
  /** What it lets go of when it has ended. */
  readonly builtWith: ReadonlyArray<number>
  /** What it lets go of before its own finalizers, from the last to the first; parallel ones together. */
  readonly parts: ReadonlyArray<{ readonly id: number; readonly parallel: boolean }>
  /** Milliseconds of its own finalizers. */
  readonly takes: number
  /** Whether it does nothing but order others. */
  readonly composes: boolean
}

export interface Span {
  readonly from: number
  readonly to: number
}

/** The spans of all nodes; the first node is the one that is let go of first, the application itself. */
export const releaseOrder = (nodes: ReadonlyArray<GraphNode>): ReadonlyMap<number, Span> => {
  const byId = new Map(nodes.map((node) => [node.id, node]))
  const holders = new Map<number, number>()
  for (const { builtWith, parts } of nodes)
    for (const id of [...builtWith, ...parts.map((part) => part.id)]) holders.set(id, (holders.get(id) ?? 0) + 1)
  const begun = new Map<number, number>()
  const spans = new Map<number, Span>()
  const waiting = new Map<number, Array<() => void>>()
  /** What happens later, in order of time and then of when it was planned. */
  const agenda: Array<{ readonly at: number; readonly run: () => void }> = []
  let now = 0

  const later = (at: number, run: () => void): void => {
    const index = agenda.findLastIndex((item) => item.at <= at) + 1
    agenda.splice(index, 0, { at, run })
  }
  const letGo = (id: number): boolean => {
    const left = (holders.get(id) ?? 0) - 1
    holders.set(id, left)
    if (left > 0) return false
    release(id)
    return true
  }
  /** Lets go of them together, and goes on when those that were released by it have ended. */
  const letGoOf = (ids: ReadonlyArray<number>, then: () => void): void => {
    const open = ids.filter(letGo).filter((id) => !spans.has(id))
    let left = open.length
    if (left === 0) return then()
    for (const id of open) waiting.set(id, [...(waiting.get(id) ?? []), () => void (--left === 0 && then())])
  }
  const end = (node: GraphNode): void => {
    spans.set(node.id, { from: begun.get(node.id) ?? now, to: now })
    for (const id of node.builtWith) letGo(id)
    for (const run of waiting.get(node.id) ?? []) run()
  }
  const release = (id: number): void => {
    const node = byId.get(id)
    if (node === undefined || begun.has(id)) return
    begun.set(id, now)
    const step = (left: number): void => {
      if (left === 0) return later(now + node.takes, () => end(node))
      const parallel = node.parts[left - 1]?.parallel === true
      const first = parallel ? node.parts.slice(0, left).findLastIndex((part) => !part.parallel) + 1 : left - 1
      letGoOf(
        node.parts.slice(first, left).map((part) => part.id),
        () => step(first)
      )
    }
    step(node.parts.length)
  }

  const [root] = nodes
  if (root !== undefined) release(root.id)
  for (let next = agenda.shift(); next !== undefined; next = agenda.shift()) {
    now = next.at
    next.run()
  }
  return spans
}

/** The same nodes, as if nothing but what was built with what ordered them. */
export const dependenciesOnly = <Node extends GraphNode>(nodes: ReadonlyArray<Node>): ReadonlyArray<Node> => {
  const [root, ...rest] = nodes
  if (root === undefined) return []
  const components = rest.filter((node) => !node.composes)
  const needed = new Set(components.flatMap((node) => node.builtWith))
  const tops = components.filter((node) => !needed.has(node.id))
  return [
    { ...root, parts: tops.map(({ id }) => ({ id, parallel: true })) },
    ...components.map((node) => ({ ...node, parts: [] }))
  ]
}
