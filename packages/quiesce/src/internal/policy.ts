/**
 * What `Component.make` says of a layer, kept beside the layer so that the layer itself stays a plain one.
 */
import type * as Layer from "effect/Layer"
import type { Policy } from "../Component.ts"

export interface Named {
  readonly name: string
  readonly policy: Policy
}

const policies = new WeakMap<Layer.Any, Named>()

export const register = (layer: Layer.Any, named: Named): void => {
  policies.set(layer, named)
}

export const lookup = (layer: Layer.Any): Named | undefined => policies.get(layer)
