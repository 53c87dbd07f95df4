/**
 * Which component made a service: by key, then by the very instance, since two components can provide one key.
 */
import type * as Context from "effect/Context"
import type { ComponentNode } from "./ComponentNode.ts"

export class Providers {
  readonly #byKey = new Map<string, Map<unknown, ComponentNode>>()
  readonly #owned = new Map<ComponentNode, Array<readonly [key: string, service: unknown]>>()

  /** The components whose services are in this context, without those that another of them was built with. */
  inSight(context: Context.Context<never>): ReadonlyArray<ComponentNode> {
    const owners = new Set<ComponentNode>()
    for (const [key, service] of context.mapUnsafe) {
      const owner = this.#byKey.get(key)?.get(service)
      if (owner !== undefined && owner.state === "Running") owners.add(owner)
    }
    const all = Array.from(owners)
    return all.filter((owner) => !all.some((other) => other !== owner && other.closure.has(owner)))
  }

  /** The component made what is in the context, as far as nobody did before. */
  own(node: ComponentNode, context: Context.Context<never>): void {
    const owned: Array<readonly [string, unknown]> = []
    for (const [key, service] of context.mapUnsafe) {
      const instances = this.#byKey.get(key) ?? new Map<unknown, ComponentNode>()
      this.#byKey.set(key, instances)
      if (instances.has(service)) continue
      instances.set(service, node)
      owned.push([key, service])
    }
    this.#owned.set(node, owned)
  }

  /** Whether somebody is known to have made each of these. */
  knows(context: Context.Context<never>, keys: ReadonlyArray<string>): boolean {
    return keys.every((key) => this.#byKey.get(key)?.has(context.mapUnsafe.get(key)) === true)
  }

  disown(node: ComponentNode): void {
    for (const [key, service] of this.#owned.get(node) ?? []) {
      const instances = this.#byKey.get(key)
      instances?.delete(service)
      if (instances?.size === 0) this.#byKey.delete(key)
    }
    this.#owned.delete(node)
  }
}
