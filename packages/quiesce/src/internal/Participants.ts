/**
 * Who takes part in a stop: drainables, waiters and hooks, in order of registration. A hook is an effect that is already
 * provided with everything it needs.
 */
import type * as Effect from "effect/Effect"
import type { Drainable, InFlight } from "../Lifecycle.ts"
import type { Kernel } from "./Kernel.ts"

export interface Hook {
  readonly name: string
  readonly effect: Effect.Effect<unknown, unknown>
}

export type HookKind = "onStopping" | "awaitBeforeStop" | "onStopped"

export class Participants {
  readonly drainables = new Set<Drainable>()
  readonly onStopping = new Set<Hook>()
  readonly awaitBeforeStop = new Set<Hook>()
  readonly onStopped = new Set<Hook>()
  readonly emergency = new Set<{ readonly name: string; readonly run: () => void }>()

  readonly #kernel: Kernel

  constructor(kernel: Kernel) {
    this.#kernel = kernel
  }

  /** The sum over all drainables, by kind; kinds at zero are left out. */
  get inFlight(): InFlight {
    const counts: Record<string, number> = {}
    for (const drainable of this.drainables) {
      for (const [kind, count] of Object.entries(this.countsOf(drainable))) {
        if (count > 0) counts[kind] = (counts[kind] ?? 0) + count
      }
    }
    return counts
  }

  /** Whether anything that it accepted is unfinished. */
  hasWork(drainable: Drainable): boolean {
    return Object.values(this.countsOf(drainable)).some((count) => count > 0)
  }

  /** What one of them says, also when it throws. */
  countsOf(drainable: Drainable): InFlight {
    return this.#kernel.guard(`the in-flight count of ${drainable.name}`, () => drainable.inFlight(), {})
  }
}
