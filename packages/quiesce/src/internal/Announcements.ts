/**
 * Which layers the event log hears of: components, and not the compositions that only order them. A composition shows itself
 * by asking for its first part, which it does at once; but its fiber may lose its turn before. So what has not asked when
 * time has passed is a component at work; should it ask yet, it is taken back.
 *
 * Who builds parts with a memo map of others (`Layer.fresh`, a runtime) may be either. Only its end can tell.
 */
import * as Effect from "effect/Effect"
import type { ComponentNode } from "./ComponentNode.ts"
import type { Kernel } from "./Kernel.ts"
import { hasAcquiredItself } from "./watchScope.ts"

/** Milliseconds in which a composition has asked for its first part. */
const patience = 1

export class Announcements {
  readonly #kernel: Kernel
  readonly #unknown = new Set<ComponentNode>()
  #waiting = false

  constructor(kernel: Kernel) {
    this.#kernel = kernel
  }

  /** A node whose start begins. */
  add(node: ComponentNode): void {
    this.#unknown.add(node)
    this.#wait()
  }

  /** It asks for a part, and is no component. */
  withdraw(node: ComponentNode): void {
    if (this.#unknown.delete(node) || !node.announced || node.parent === undefined) return
    if (node.state !== "Starting" || node.parts.length > 0 || hasAcquiredItself(node.scope)) return
    node.announced = false
    const at = this.#kernel.now()
    this.#kernel.emit({ _tag: "ComponentStarted", at, id: node.id, name: node.name, services: [], empty: true })
  }

  /** It is a component for all that can be known now. */
  make(node: ComponentNode): void {
    if (!this.#unknown.delete(node)) return
    node.announced = true
    this.#kernel.emit({
      _tag: "ComponentStarting",
      at: node.since,
      id: node.id,
      name: node.name,
      builtWith: node.builtWith.map((dependency) => dependency.id)
    })
  }

  /** Nobody is left who could turn out to be a composition. */
  makeAll(): void {
    for (const node of this.#unknown) if (node.parts.length === 0) this.make(node)
  }

  #wait(): void {
    if (this.#waiting) return
    this.#waiting = true
    const look = Effect.sync(() => {
      this.#waiting = false
      let young = false
      for (const node of this.#unknown) {
        if (node.parts.length > 0) continue
        if (this.#kernel.now() - node.since >= patience) this.make(node)
        else young = true
      }
      if (young) this.#wait()
    })
    // A timer comes before those who wait for their turn: whoever lost one while the event loop was blocked gets it first.
    this.#kernel.fork(Effect.sleep(patience).pipe(Effect.andThen(Effect.yieldNow), Effect.andThen(look)))
  }
}
