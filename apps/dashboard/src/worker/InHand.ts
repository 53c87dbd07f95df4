/** The runs that were claimed and of which the queue does not know yet how they ended. */
import type * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import type { Claim } from "../store/RunQueue.ts"

export class InHand {
  readonly #runs = new Set<number>()
  readonly #left = Latch.makeUnsafe()
  /** Completes when one has left since `hasRoom` was asked last. */
  readonly left: Effect.Effect<void> = this.#left.await

  get runs(): ReadonlyArray<number> {
    return Array.from(this.#runs)
  }

  has({ id }: Claim): boolean {
    return this.#runs.has(id)
  }

  /** Whether there are fewer than so many. */
  hasRoom(places: number): boolean {
    this.#left.closeUnsafe()
    return this.#runs.size < places
  }

  add({ id }: Claim): void {
    this.#runs.add(id)
  }

  delete({ id }: Claim): void {
    this.#runs.delete(id)
    this.#left.openUnsafe()
  }
}
