/**
 * Who is inside of a gate, and who waits for a place. Every step is synchronous, and changes the state before it resumes
 * anyone.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type { InFlight } from "../Lifecycle.ts"

export interface Waiter {
  readonly kind: string
  /** Whether a place was found; `false` when the gate has closed before. */
  readonly turn: Deferred.Deferred<boolean>
  inside: boolean
}

export class Admission {
  readonly capacity: number
  readonly empty: Deferred.Deferred<void> = Deferred.makeUnsafe()
  readonly #refusing: () => boolean
  readonly #counts = new Map<string, number>()
  /** In the order in which they came. */
  readonly #waiting = new Set<Waiter>()
  #inside = 0
  #closed = false

  constructor(capacity: number, refusing: () => boolean) {
    this.capacity = capacity
    this.#refusing = refusing
  }

  get inside(): number {
    return this.#inside
  }

  get waiting(): number {
    return this.#waiting.size
  }

  get remaining(): InFlight {
    return Object.fromEntries(this.#counts)
  }

  /** Whether there is a place now. */
  look(): "open" | "refusing" | "full" {
    if (this.#closed || this.#refusing()) return "refusing"
    return this.#inside >= this.capacity ? "full" : "open"
  }

  /** In one step with the look that found it open. */
  enter(kind: string): void {
    this.#inside++
    this.#counts.set(kind, (this.#counts.get(kind) ?? 0) + 1)
  }

  /** Waits behind all others for a place. */
  wait(kind: string): Waiter {
    const waiter: Waiter = { kind, turn: Deferred.makeUnsafe(), inside: false }
    this.#waiting.add(waiter)
    return waiter
  }

  /** It does not wait any longer; a place that it was given meanwhile is free again. */
  cancel(waiter: Waiter): void {
    if (waiter.inside) this.leave(waiter.kind)
    else this.#waiting.delete(waiter)
  }

  leave(kind: string): void {
    const left = (this.#counts.get(kind) ?? 0) - 1
    if (left > 0) this.#counts.set(kind, left)
    else this.#counts.delete(kind)
    this.#inside--
    this.#admit()
    this.#settle()
  }

  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#settle()
    const refused = Array.from(this.#waiting)
    this.#waiting.clear()
    for (const { turn } of refused) Deferred.doneUnsafe(turn, Effect.succeed(false))
  }

  #admit(): void {
    const [next] = this.#waiting
    if (next === undefined || this.look() !== "open") return
    this.#waiting.delete(next)
    this.enter(next.kind)
    next.inside = true
    Deferred.doneUnsafe(next.turn, Effect.succeed(true))
  }

  #settle(): void {
    if (this.#closed && this.#inside === 0) Deferred.doneUnsafe(this.empty, Effect.void)
  }
}
