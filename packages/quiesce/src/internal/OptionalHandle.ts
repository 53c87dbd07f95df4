/**
 * What the users of an optional component hold: its state, and the way in. It changes in synchronous steps, and before it
 * resumes anyone.
 */
import * as Cause from "effect/Cause"
import type * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import * as Stream from "effect/Stream"
import type { Handle, State } from "../Optional.ts"
import { ShuttingDown } from "../ShuttingDown.ts"
import { Unavailable } from "../Unavailable.ts"
import { describe } from "./describe.ts"
import type { Contribution } from "./HealthBoard.ts"
import type { OptionalParts } from "./OptionalComponent.ts"
import type { OptionalGeneration } from "./OptionalGeneration.ts"

export class OptionalHandle<S> implements Handle<S> {
  /** Failures in a row, since it was up. */
  attempts = 0
  readonly #parts: OptionalParts
  readonly #name: string
  readonly #context: Context.Context<never>
  readonly #contribution: Contribution
  readonly #isUp: Metric.Gauge<number>
  readonly #generations: Metric.Counter<number>
  readonly #wanted: Deferred.Deferred<void> = Deferred.makeUnsafe()
  readonly #released: Deferred.Deferred<void> = Deferred.makeUnsafe()
  #state: State = { _tag: "Starting" }
  #givenUp = false
  /** When the next attempt begins; in the past, when it has begun. */
  #retryAt = 0
  /** Done when the state has moved. */
  #moved: Deferred.Deferred<void> = Deferred.makeUnsafe()
  #up: { readonly generation: OptionalGeneration<S>; readonly service: S } | undefined

  constructor(parts: OptionalParts, name: string, context: Context.Context<never>) {
    this.#parts = parts
    this.#name = name
    this.#context = context
    this.#contribution = parts.health.enter(name, "readiness", "Degraded", "pending", "quietly")
    const attributes = { optional: name }
    this.#isUp = Metric.gauge("quiesce_optional_up", {
      attributes,
      description: "1 while an optional component is up, else 0"
    })
    this.#generations = Metric.counter("quiesce_optional_generations", {
      attributes,
      description: "how many times an optional component has come up",
      incremental: true
    })
    this.#isUp.updateUnsafe(0, context)
  }

  // --- as its users see it --------------------------------------------------------------------------------------------

  readonly state: Effect.Effect<State> = Effect.sync(() => this.#state)

  readonly changes: Stream.Stream<State> = Stream.unfold<State | undefined, State, never, never>(undefined, (seen) =>
    this.#after(seen)
  )

  readonly await: Effect.Effect<void, Unavailable> = Effect.suspend(() => {
    Deferred.doneUnsafe(this.#wanted, Effect.void)
    if (this.#up !== undefined) return Effect.void
    if (this.next !== "retry") return Effect.fail(this.unavailable)
    return Effect.andThen(Effect.raceFirst(Deferred.await(this.#moved), this.stopBegun), this.await)
  })

  readonly use = <A, E, R>(
    f: (service: S, generation: number) => Effect.Effect<A, E, R>
  ): Effect.Effect<A, E | Unavailable, R> => this.useOr(f, (unavailable) => Effect.fail(unavailable))

  readonly useOr = <A, E, R, A2, E2, R2>(
    f: (service: S, generation: number) => Effect.Effect<A, E, R>,
    orElse: (unavailable: Unavailable) => Effect.Effect<A2, E2, R2>
  ): Effect.Effect<A | A2, E | E2, R | R2> =>
    Effect.suspend((): Effect.Effect<A | A2, E | E2, R | R2> => {
      const up = this.#up
      return up === undefined ? orElse(this.unavailable) : up.generation.borrow(up.service, f, orElse)
    })

  readonly fail = (cause: Cause.Cause<unknown>, generation?: number): Effect.Effect<void> =>
    Effect.sync(() => {
      const up = this.#up?.generation
      if (up !== undefined && (generation ?? up.number) === up.number) this.break(up, cause)
    })

  #after(seen: State | undefined): Effect.Effect<readonly [State, State] | undefined> {
    return Effect.suspend(() => {
      const state = this.#state
      if (state !== seen) return Effect.succeed([state, state] as const)
      if (this.isReleased) return Effect.succeed(undefined)
      return Effect.andThen(Deferred.await(this.#moved), this.#after(seen))
    })
  }

  // --- as its life sees it --------------------------------------------------------------------------------------------

  /** Somebody waits for it. */
  readonly wanted: Effect.Effect<void> = Deferred.await(this.#wanted)

  readonly released: Effect.Effect<void> = Deferred.await(this.#released)

  /** From here on nothing new begins. */
  readonly stopBegun: Effect.Effect<void> = Effect.suspend(() =>
    Effect.raceFirst(Deferred.await(this.#parts.states.lameDuck), this.released)
  )

  get isReleased(): boolean {
    return Deferred.isDoneUnsafe(this.#released)
  }

  /** What becomes of it when it is not up. */
  get next(): Unavailable["next"] {
    if (this.isReleased || Number.isFinite(this.#parts.kernel.remaining())) return "stopping"
    return this.#givenUp ? "giveUp" : "retry"
  }

  get unavailable(): Unavailable {
    const { next } = this
    const state = this.#state
    const retryIn = this.#retryAt - this.#parts.kernel.now()
    return new Unavailable({
      component: this.#name,
      state: state._tag === "Starting" ? "Starting" : "Down",
      attempts: this.attempts,
      next,
      ...(next === "retry" && retryIn > 0 ? { retryIn } : {}),
      ...(state._tag === "Down" && next !== "stopping" ? { failure: describe(state.cause) } : {})
    })
  }

  /** `false`: it comes too late. */
  comeUp(generation: OptionalGeneration<S>, service: S): boolean {
    if (generation.failure !== undefined || this.next !== "retry") return false
    const { attempts } = this
    const { kernel } = this.#parts
    const at = kernel.now()
    generation.since = at
    this.#up = { generation, service }
    this.#generations.updateUnsafe(1, this.#context)
    this.#isUp.updateUnsafe(1, this.#context)
    this.attempts = 0
    this.#state = { _tag: "Up", generation: generation.number, since: at }
    kernel.emit({ _tag: "OptionalUp", at, name: this.#name, generation: generation.number, attempts })
    this.#contribution.pass()
    this.#resume()
    return true
  }

  /** Nobody gets in any more; the rest is up to its life. */
  break(generation: OptionalGeneration<S>, cause: Cause.Cause<unknown>): void {
    if (generation.failure !== undefined) return
    if (this.#up?.generation === generation) this.down(cause)
    generation.break(cause)
  }

  down(cause: Cause.Cause<unknown>): Cause.Cause<unknown> {
    this.attempts++
    this.#leave({ _tag: "Down", cause, attempts: this.attempts })
    return cause
  }

  /** `retryIn` is milliseconds; without it there is no other attempt. */
  tellDown(cause: Cause.Cause<unknown>, retryIn: number | undefined): void {
    this.#givenUp = retryIn === undefined
    const { attempts, next } = this
    const { kernel } = this.#parts
    this.#retryAt = kernel.now() + (retryIn ?? 0)
    const told = { at: kernel.now(), name: this.#name, attempts, failure: describe(cause), next }
    kernel.emit(
      { _tag: "OptionalDown", ...told, ...(next === "retry" && retryIn !== undefined ? { retryIn } : {}) },
      cause
    )
    this.#contribution.fail(cause)
    // Who waits for it has to hear that it waits in vain.
    if (next !== "retry") this.#resume()
  }

  release(): void {
    const { attempts } = this
    const cause = Cause.fail(new ShuttingDown({ kind: this.#name }))
    this.#parts.health.leave(this.#contribution)
    Deferred.doneUnsafe(this.#released, Effect.void)
    this.#leave(this.#state._tag === "Down" ? this.#state : { _tag: "Down", cause, attempts })
  }

  #leave(state: State): void {
    this.#up = undefined
    this.#isUp.updateUnsafe(0, this.#context)
    this.#state = state
    this.#resume()
  }

  /** Those who wait for the state to move. */
  #resume(): void {
    const moved = this.#moved
    this.#moved = Deferred.makeUnsafe()
    Deferred.doneUnsafe(moved, Effect.void)
  }
}
