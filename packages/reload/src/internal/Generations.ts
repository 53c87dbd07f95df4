/**
 * The instances of one resource, one after the other. Who borrows gets the newest and keeps it as long as needed; an old one is
 * released when its last borrower has left.
 *
 * Invariants:
 * 1. `always-one`: whoever borrows gets an instance, at every instant, and it is not released while borrowed, save by the limit.
 * 2. `make-before-break`: the old one is let go of only when the new one is in place.
 * 3. `released-once`: every instance that was built is released exactly once.
 */
import * as Cause from "effect/Cause"
import type * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import type { Prepared } from "./Coordinator.ts"

interface Generation<out A> {
  readonly number: number
  readonly instance: A
  readonly scope: Scope.Closeable
  readonly empty: Deferred.Deferred<void>
  borrowers: number
  retired: boolean
}

export interface Limits {
  readonly retire: Duration.Duration
  readonly release: Duration.Duration
}

export class Generations<A> {
  readonly #name: string
  readonly #scope: Scope.Scope
  readonly #context: Context.Context<never>
  readonly #limits: Limits
  #current: Generation<A>
  #count = 1

  private constructor(
    name: string,
    scope: Scope.Scope,
    context: Context.Context<never>,
    limits: Limits,
    first: Generation<A>
  ) {
    this.#name = name
    this.#scope = scope
    this.#context = context
    this.#limits = limits
    this.#current = first
  }

  /** Builds the first one. Everything that is built ends with the scope at the latest. */
  static make<A, E, R>(
    name: string,
    limits: Limits,
    build: Effect.Effect<A, E, R>
  ): Effect.Effect<Generations<A>, E, Exclude<R, Scope.Scope> | Scope.Scope> {
    return Effect.gen(function* () {
      const scope = yield* Effect.scope
      const context = yield* Effect.context()
      const first = yield* generation(scope, 1, build)
      return new Generations(name, scope, context, limits, first)
    })
  }

  get number(): number {
    return this.#current.number
  }

  /** In one step with the look at what is current. */
  borrow(): Generation<A> {
    const generation = this.#current
    generation.borrowers++
    return generation
  }

  giveBack(generation: Generation<A>): void {
    generation.borrowers--
    if (generation.retired && generation.borrowers === 0) Deferred.doneUnsafe(generation.empty, Effect.void)
  }

  /**
   * Builds another one. Interrupting it does not wait for a build that ignores that; what comes of it is released when it ends,
   * and the scope waits for it.
   */
  prepare<E>(build: Effect.Effect<A, E, Scope.Scope>): Effect.Effect<Prepared, E> {
    return Effect.suspend(() => {
      const number = ++this.#count
      let given = false
      const building = generation(this.#scope, number, build).pipe(
        // Nobody takes it: it has come too late.
        Effect.tap((made) => (given ? this.#close(made) : Effect.void))
      )
      // Its failure is an answer: as a failure of the fiber it would be one of the whole component.
      const forked = Effect.forkIn(Effect.exit(building), this.#scope, { startImmediately: true })
      const awaited = Effect.flatMap(forked, (fiber) =>
        Effect.onInterrupt(Fiber.join(fiber), () =>
          Effect.sync(() => {
            given = true
            fiber.interruptUnsafe()
          })
        )
      )
      return Effect.map(Effect.flatten(awaited), (made): Prepared => ({
        swap: () => this.#swap(made),
        discard: this.#close(made)
      }))
    })
  }

  #swap(next: Generation<A>): void {
    const old = this.#current
    this.#current = next
    old.retired = true
    if (old.borrowers === 0) Deferred.doneUnsafe(old.empty, Effect.void)
    Effect.runForkWith(this.#context)(Effect.forkIn(this.#retire(old), this.#scope))
  }

  #retire(old: Generation<A>): Effect.Effect<void> {
    return Deferred.await(old.empty).pipe(
      Effect.timeoutOption(this.#limits.retire),
      Effect.tap((left) =>
        Option.isSome(left)
          ? Effect.void
          : Effect.logWarning(
              `${this.#name}: generation ${old.number} is still used ${old.borrowers} times ${Duration.format(this.#limits.retire)} after it was replaced, and is released all the same; end what borrows it sooner, or raise retireTimeout`
            )
      ),
      // An application that stops does not wait for borrowers: they have been interrupted by then.
      Effect.ensuring(this.#close(old))
    )
  }

  /** However it goes, somebody hears of it: nobody waits for this release who could tell. */
  #close(old: Generation<A>): Effect.Effect<void> {
    const { release } = this.#limits
    return Effect.gen({ self: this }, function* () {
      const closing = yield* Effect.forkDetach(Scope.close(old.scope, Exit.void), { startImmediately: true })
      const exit = yield* Effect.timeoutOption(Fiber.await(closing), release)
      if (Option.isNone(exit))
        yield* Effect.logError(
          `${this.#name}: generation ${old.number} was not released within ${Duration.format(release)} after it was replaced`
        )
      const ended = Option.isSome(exit) ? exit.value : yield* Fiber.await(closing)
      if (Exit.isFailure(ended) && !Cause.hasInterruptsOnly(ended.cause))
        yield* Effect.logError(`${this.#name}: generation ${old.number} failed to be released cleanly`, ended.cause)
    })
  }
}

const generation = <A, E, R>(
  parent: Scope.Scope,
  number: number,
  build: Effect.Effect<A, E, R>
): Effect.Effect<Generation<A>, E, Exclude<R, Scope.Scope>> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.gen(function* () {
      const scope = yield* Scope.fork(parent)
      const instance = yield* restore(Effect.provideService(build, Scope.Scope, scope)).pipe(
        Effect.onError((cause) => Scope.close(scope, Exit.failCause(cause)))
      )
      return { number, instance, scope, empty: Deferred.makeUnsafe<void>(), borrowers: 0, retired: false }
    })
  )
