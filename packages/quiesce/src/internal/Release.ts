/**
 * The release of one thing that was made at run time: it has a time of its own, its end is told once, and it is left behind
 * together with the component that it belongs to.
 */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type { ComponentNode } from "./ComponentNode.ts"
import type { Waits } from "./Waits.ts"

export interface ReleaseSpec {
  readonly name: string
  readonly priority: number
  readonly effect: Effect.Effect<unknown, unknown>
  /** Milliseconds. */
  readonly stopTimeout: number
}

export class Release {
  readonly name: string
  readonly priority: number
  readonly stopTimeout: number
  readonly #effect: Effect.Effect<unknown, unknown>
  readonly #waits: Waits
  readonly #component: ComponentNode | undefined
  #fiber: Fiber.Fiber<unknown, unknown> | undefined
  #left = false

  constructor(waits: Waits, component: ComponentNode | undefined, spec: ReleaseSpec) {
    this.name = spec.name
    this.priority = spec.priority
    this.stopTimeout = spec.stopTimeout
    this.#effect = spec.effect
    this.#waits = waits
    this.#component = component
    component?.releases.add(this)
  }

  /** Runs it, for at most its time. */
  get run(): Effect.Effect<void> {
    return Effect.suspend(() => {
      const fiber = this.#left
        ? this.#waits.addLate("resource", this.name, this.#effect)
        : this.#waits.add("resource", this.name, this.#effect)
      this.#fiber = fiber
      return Effect.raceFirst(Effect.asVoid(Fiber.await(fiber)), Effect.sleep(this.stopTimeout)).pipe(
        Effect.ensuring(
          Effect.sync(() => {
            this.forget()
            this.#waits.leave(fiber)
            fiber.interruptUnsafe()
          })
        )
      )
    })
  }

  /** It belongs to nobody any more. */
  forget(): void {
    this.#component?.releases.delete(this)
  }

  /** Nobody waits for it any longer. It goes on, or is still to come, and has its own time. */
  leave(): void {
    this.#left = true
    this.forget()
    if (this.#fiber === undefined) this.#waits.tellLeft("resource", this.name)
    else this.#waits.leave(this.#fiber)
  }
}
