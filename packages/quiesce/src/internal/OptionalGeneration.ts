/**
 * One life of an optional component: what it has acquired, who is using it, and whether it is broken.
 *
 * A use runs in a fiber of its own, so that it can be cut off without interrupting whoever uses.
 */
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import type { Unavailable } from "../Unavailable.ts"
import { interruptInBatches } from "./interruptInBatches.ts"
import { watchScope } from "./watchScope.ts"

export class OptionalGeneration<S> {
  readonly number: number
  readonly scope: Scope.Closeable = Scope.makeUnsafe()
  /** Its claims on what others have built. */
  readonly holds: Scope.Closeable = Scope.makeUnsafe()
  /** What it was broken by. */
  failure: Cause.Cause<unknown> | undefined
  readonly #broken: Deferred.Deferred<Cause.Cause<unknown>> = Deferred.makeUnsafe()
  /** When it came up. */
  since = 0
  /** It has been given up: what fails from here on changes nothing any more, and is told all the same. */
  isOver = false
  readonly #borrowers = new Set<Fiber.Fiber<unknown, unknown>>()
  #inside = 0
  #empty: Deferred.Deferred<void> | undefined
  #cut: Unavailable | undefined

  constructor(number: number, onFiberExit: (exit: Exit.Exit<unknown, unknown>) => void) {
    this.number = number
    watchScope(this.scope, onFiberExit)
  }

  /** Waits until it is broken. */
  readonly broken: Effect.Effect<Cause.Cause<unknown>> = Deferred.await(this.#broken)

  /** What comes second changes nothing. */
  break(cause: Cause.Cause<unknown>): void {
    this.failure ??= cause
    Deferred.doneUnsafe(this.#broken, Effect.succeed(cause))
  }

  /** Waits until nobody is inside. */
  readonly empty: Effect.Effect<void> = Effect.suspend(() => {
    if (this.#inside === 0) return Effect.void
    this.#empty ??= Deferred.makeUnsafe()
    return Deferred.await(this.#empty)
  })

  /** Whoever is inside is interrupted, and told why. */
  cut(why: Unavailable): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.#cut = why
      return interruptInBatches(Array.from(this.#borrowers))
    })
  }

  /** Lets go of what is shared with others; nobody waits for their releases. */
  readonly letGo: Effect.Effect<void> = Effect.asVoid(
    Effect.forkDetach(
      Effect.suspend(() => Scope.close(this.holds, Exit.void)),
      { startImmediately: true }
    )
  )

  borrow<A, E, R, B, E2, R2>(
    service: S,
    f: (service: S, generation: number) => Effect.Effect<A, E, R>,
    onCut: (why: Unavailable) => Effect.Effect<B, E2, R2>
  ): Effect.Effect<A | B, E | E2, R | R2> {
    return Effect.uninterruptibleMask((restore) =>
      Effect.suspend(() => {
        // Counted before its first step, which may be what breaks the generation.
        this.#inside++
        const used = Effect.suspend(() => f(service, this.number))
        return Effect.flatMap(Effect.forkChild(used, { startImmediately: true }), (fiber) => {
          this.#borrowers.add(fiber)
          fiber.addObserver(() => this.#leave(fiber))
          if (this.#cut !== undefined) fiber.interruptUnsafe()
          return restore(Fiber.await(fiber)).pipe(
            Effect.onInterrupt(() => Fiber.interrupt(fiber)),
            Effect.flatMap((exit): Effect.Effect<A | B, E | E2, R2> => {
              const wasCut = Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause)
              return wasCut && this.#cut !== undefined ? restore(onCut(this.#cut)) : exit
            })
          )
        })
      })
    )
  }

  #leave(fiber: Fiber.Fiber<unknown, unknown>): void {
    this.#borrowers.delete(fiber)
    if (--this.#inside === 0 && this.#empty !== undefined) Deferred.doneUnsafe(this.#empty, Effect.void)
  }
}
