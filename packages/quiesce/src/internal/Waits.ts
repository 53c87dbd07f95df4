/**
 * What a state of the stop is waiting for: each by name, with its time, and its end in the event log.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import type { AwaitedKind } from "../Event.ts"
import { between } from "./analysis.ts"
import { describe } from "./describe.ts"
import type { Kernel } from "./Kernel.ts"

interface Wait {
  readonly kind: AwaitedKind
  readonly name: string
  readonly since: number
}

export class Waits {
  readonly #kernel: Kernel
  readonly #pending = new Map<Fiber.Fiber<unknown, unknown>, Wait>()

  constructor(kernel: Kernel) {
    this.#kernel = kernel
  }

  get names(): ReadonlyArray<string> {
    return Array.from(this.#pending.values(), (wait) => wait.name)
  }

  add(kind: AwaitedKind, name: string, effect: Effect.Effect<unknown, unknown>): Fiber.Fiber<unknown, unknown> {
    const wait: Wait = { kind, name, since: this.#kernel.now() }
    const fiber = this.#kernel.fork(effect)
    this.#pending.set(fiber, wait)
    fiber.addObserver((exit) => {
      // Given up: its end has been told, but not how it failed after that.
      if (!this.#pending.delete(fiber)) return this.#tellLate(wait, exit)
      if (Exit.isSuccess(exit)) this.#tell(wait, "done")
      else this.#tell(wait, "failed", exit.cause)
    })
    return fiber
  }

  /** Waits until nothing is pending, also nothing added meanwhile. */
  readonly empty: Effect.Effect<void> = Effect.suspend(() => {
    const [next] = this.#pending.keys()
    return next === undefined ? Effect.void : Effect.andThen(Fiber.await(next), this.empty)
  })

  /** Waits for one thing, for so many milliseconds, and then no longer. */
  bounded(
    kind: AwaitedKind,
    name: string,
    effect: Effect.Effect<unknown, unknown>,
    millis: number
  ): Effect.Effect<void> {
    return Effect.suspend(() => {
      const fiber = this.add(kind, name, effect)
      return Effect.raceFirst(Effect.asVoid(Fiber.await(fiber)), Effect.sleep(millis)).pipe(
        Effect.ensuring(Effect.sync(() => this.#giveUp(fiber)))
      )
    })
  }

  /**
   * Stops waiting: what is pending is told as abandoned and interrupted, and nobody waits for the interruption. What interrupts
   * others goes on with it: it may have thousands to come.
   */
  giveUp(): void {
    for (const fiber of Array.from(this.#pending.keys())) this.#giveUp(fiber)
  }

  #giveUp(fiber: Fiber.Fiber<unknown, unknown>): void {
    const wait = this.#pending.get(fiber)
    if (wait === undefined) return
    this.leave(fiber)
    if (wait.kind !== "interrupt") fiber.interruptUnsafe()
  }

  /** Stops waiting for it and lets it go on: told as abandoned, unless it has ended. */
  leave(fiber: Fiber.Fiber<unknown, unknown>): void {
    const wait = this.#pending.get(fiber)
    if (wait === undefined) return
    this.#pending.delete(fiber)
    this.#tell(wait, "abandoned")
  }

  /** It is abandoned before it has begun. */
  tellLeft(kind: AwaitedKind, name: string): void {
    this.#tell({ kind, name, since: this.#kernel.now() }, "abandoned")
  }

  /** Runs what has been told as abandoned: of its end only a failure is told. */
  addLate(kind: AwaitedKind, name: string, effect: Effect.Effect<unknown, unknown>): Fiber.Fiber<unknown, unknown> {
    const wait: Wait = { kind, name, since: this.#kernel.now() }
    const fiber = this.#kernel.fork(effect)
    fiber.addObserver((exit) => this.#tellLate(wait, exit))
    return fiber
  }

  #tellLate({ kind, name }: Wait, exit: Exit.Exit<unknown, unknown>): void {
    if (Exit.isSuccess(exit) || Cause.hasInterruptsOnly(exit.cause)) return
    const failure = describe(exit.cause)
    this.#kernel.emit({ _tag: "AwaitedLate", at: this.#kernel.now(), kind, name, failure }, exit.cause)
  }

  #tell(wait: Wait, result: "done" | "failed" | "abandoned", cause?: Cause.Cause<unknown>): void {
    const at = this.#kernel.now()
    const failure =
      cause === undefined ? {} : { failure: Cause.hasInterruptsOnly(cause) ? "interrupted" : describe(cause) }
    this.#kernel.emit(
      { _tag: "Awaited", at, kind: wait.kind, name: wait.name, waited: between(wait.since, at), result, ...failure },
      cause
    )
  }
}
