/**
 * One optional component: its attempts, its generations and its end. A single fiber does all of it, one step after the other,
 * so that there are never two generations at once; nobody interrupts it, it is told.
 */
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Pull from "effect/Pull"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import { Lifecycle } from "../Lifecycle.ts"
import { StartTimeout } from "../Optional.ts"
import { between } from "./analysis.ts"
import { type ComponentNode, CurrentComponent } from "./ComponentNode.ts"
import { describe } from "./describe.ts"
import type { HealthBoard } from "./HealthBoard.ts"
import type { Kernel } from "./Kernel.ts"
import { type OptionalCheck, repeatCheck } from "./optionalCheck.ts"
import { OptionalGeneration } from "./OptionalGeneration.ts"
import { OptionalHandle } from "./OptionalHandle.ts"
import { withoutStop } from "./optionalLifecycle.ts"
import { OptionalMemoMap } from "./OptionalMemoMap.ts"
import type { StopStates } from "./StopStates.ts"

/** What `Lifecycle.optionals.start` takes. Times are milliseconds. */
export interface OptionalSpec<I, S, R> {
  readonly name: string
  readonly tag: Context.Key<I, S>
  readonly layer: Layer.Layer<I, unknown, R>
  readonly retry: Schedule.Schedule<unknown, Cause.Cause<unknown>>
  readonly startTimeout: number
  readonly resetAfter: number
  readonly stopTimeout: number | undefined
  readonly check: OptionalCheck<S, R> | undefined
}

export interface OptionalParts {
  readonly kernel: Kernel
  readonly states: StopStates
  readonly health: HealthBoard
}

/** How an attempt has ended: it is up, it has failed, or neither because the application stops. */
type Attempted<S> =
  | { readonly _tag: "Up"; readonly service: S }
  | { readonly _tag: "Failed"; readonly cause: Cause.Cause<unknown> }
  | { readonly _tag: "Stopped" }

class OptionalComponent<I, S, R> {
  readonly handle: OptionalHandle<S>
  readonly #parts: OptionalParts
  readonly #spec: OptionalSpec<I, S, R>
  readonly #context: Context.Context<R | Lifecycle>
  /** What releases it: itself, or what it was built in without being seen. */
  readonly #node: ComponentNode | undefined
  /** An attempt that has not ended, and is not waited for any longer. */
  #leftBehind: Fiber.Fiber<S, unknown> | undefined
  #count = 0
  #step: Effect.Success<ReturnType<typeof Schedule.toStep<unknown, Cause.Cause<unknown>, never, never>>> | undefined

  constructor(parts: OptionalParts, spec: OptionalSpec<I, S, R>, context: Context.Context<R | Lifecycle>) {
    this.#parts = parts
    this.#spec = spec
    this.#context = context
    this.#node = Context.get(context, CurrentComponent)
    this.handle = new OptionalHandle(parts, spec.name, context)
  }

  /** Begins its life, which ends when the effect that this answers has run. */
  begin(): Effect.Effect<void> {
    const life = this.#run(this.#life)
    return Effect.suspend(() => {
      this.handle.release()
      return Effect.flatten(Fiber.await(life))
    })
  }

  readonly #life: Effect.Effect<void> = Effect.gen({ self: this }, function* () {
    const { handle } = this
    // When all that the application builds is there, so that what is shared is built once.
    yield* Effect.raceAllFirst([Deferred.await(this.#parts.states.running), handle.wanted, handle.stopBegun])
    while (handle.next === "retry") {
      const generation = this.#begin()
      const { attempted, building } = yield* this.#attempt(generation)
      const isUp = attempted._tag === "Up" && handle.comeUp(generation, attempted.service)
      const cause = isUp ? yield* this.#live(generation, attempted.service) : this.#failureOf(generation, attempted)
      generation.isOver = true
      if (isUp && this.#wasHealthy(generation)) this.#step = undefined
      const retryAt = cause === undefined ? 0 : yield* this.#decide(cause)
      // Two things can have failed in the same instant; only one of them is what it is down for.
      const { failure } = generation
      if (failure !== undefined && failure !== cause) this.#tellLate(generation, Exit.failCause(failure))
      if (isUp) yield* this.#dismiss(generation)
      yield* this.#close(generation, isUp ? Effect.void : this.#ended(building, attempted))
      if (building.pollUnsafe() === undefined) yield* this.#leaveBehind(building)
      const left = retryAt - this.#parts.kernel.now()
      if (left > 0) yield* Effect.raceFirst(Effect.sleep(left), handle.stopBegun)
    }
  })

  #begin(): OptionalGeneration<S> {
    const generation: OptionalGeneration<S> = new OptionalGeneration(++this.#count, (exit) =>
      this.#fiberEnded(generation, exit)
    )
    return generation
  }

  // --- up -------------------------------------------------------------------------------------------------------------

  /** Builds it and has it checked; apart from its life, which goes on although this may ignore its interruption. */
  #attempt(generation: OptionalGeneration<S>) {
    const { check, layer, name, startTimeout, tag } = this.#spec
    const application = Context.getOrUndefined(this.#context, Layer.CurrentMemoMap)
    const memoMap = new OptionalMemoMap(application, generation.holds, (exit) => this.#fiberEnded(generation, exit))
    const lifecycle = withoutStop(Context.get(this.#context, Lifecycle), (cause) =>
      this.handle.break(generation, cause)
    )
    const build = Layer.buildWithMemoMap(layer, memoMap, generation.scope).pipe(
      Effect.map((built) => Context.get(built, tag)),
      Effect.tap((service) => check?.effect(service) ?? Effect.void),
      Effect.provideService(Lifecycle, lifecycle),
      // What it is made of are no components of the application, and yet may ask for more time in its name.
      Effect.provideService(CurrentComponent, this.#node?.state === "Running" ? this.#node : undefined)
    )
    const { attempts } = this.#parts.states
    const building = this.#run(
      Effect.withFiber<S, unknown, R | Lifecycle>((fiber) => {
        // Known from its first step on; and that may come late.
        attempts.add(fiber)
        fiber.addObserver(() => attempts.delete(fiber))
        return this.handle.next === "retry" ? build : Effect.interrupt
      })
    )
    const attempted = Effect.raceAllFirst<Effect.Effect<Attempted<S>>>([
      Effect.map(Fiber.await(building), (exit) =>
        Exit.isSuccess(exit) ? { _tag: "Up", service: exit.value } : { _tag: "Failed", cause: exit.cause }
      ),
      Effect.map(generation.broken, (cause) => ({ _tag: "Failed", cause })),
      Effect.as(this.handle.stopBegun, { _tag: "Stopped" }),
      Effect.as(Effect.sleep(startTimeout), {
        _tag: "Failed",
        cause: Cause.fail(new StartTimeout({ component: name, millis: startTimeout }))
      })
    ])
    return Effect.map(attempted, (attempted) => ({ attempted, building }))
  }

  #failureOf(generation: OptionalGeneration<S>, attempted: Attempted<S>): Cause.Cause<unknown> | undefined {
    const cause = attempted._tag === "Failed" ? attempted.cause : generation.failure
    // The stop has interrupted it.
    if (cause === undefined || (this.handle.next === "stopping" && Cause.hasInterruptsOnly(cause))) return undefined
    return this.handle.down(cause)
  }

  /** Waits for the end of an attempt. One that is over without having ended is interrupted; what it fails with then comes out. */
  #ended(building: Fiber.Fiber<S, unknown>, attempted: Attempted<S>): Effect.Effect<unknown> {
    return Effect.suspend(() => {
      building.interruptUnsafe()
      return Effect.flatMap(Fiber.await(building), (exit) => {
        if (Exit.isSuccess(exit) || Cause.hasInterruptsOnly(exit.cause)) return Effect.void
        return attempted._tag === "Failed" && attempted.cause === exit.cause ? Effect.void : Effect.orDie(exit)
      })
    })
  }

  /** Answers what it has failed with, or nothing when it is released. */
  #live(generation: OptionalGeneration<S>, service: S): Effect.Effect<Cause.Cause<unknown> | undefined> {
    return Effect.suspend(() => {
      const { check, name } = this.#spec
      const { lameDuck } = this.#parts.states
      const checks =
        check === undefined
          ? Effect.void
          : Effect.map(repeatCheck(name, check, generation, service), (cause) => this.handle.break(generation, cause))
      const checking = this.#run(Effect.raceFirst(checks, Deferred.await(lameDuck)))
      return Effect.raceFirst(generation.broken, Effect.as(this.handle.released, undefined)).pipe(
        Effect.onExit(() => Effect.sync(() => checking.interruptUnsafe()))
      )
    })
  }

  // --- down -----------------------------------------------------------------------------------------------------------

  /** One that was up for long begins a new series. */
  #wasHealthy(generation: OptionalGeneration<S>): boolean {
    return between(generation.since, this.#parts.kernel.now()) >= this.#spec.resetAfter
  }

  #fiberEnded(generation: OptionalGeneration<S>, exit: Exit.Exit<unknown, unknown>): void {
    if (Exit.isSuccess(exit) || Cause.hasInterruptsOnly(exit.cause)) return
    if (generation.isOver || generation.failure !== undefined) this.#tellLate(generation, exit)
    else this.handle.break(generation, exit.cause)
  }

  /** What fails with a generation that has been given up already. */
  #tellLate(generation: OptionalGeneration<S>, exit: Exit.Exit<unknown, unknown>): void {
    if (Exit.isSuccess(exit) || Cause.hasInterruptsOnly(exit.cause)) return
    const { kernel } = this.#parts
    const failure = describe(exit.cause)
    const name = this.#nameOf(generation)
    kernel.emit({ _tag: "AwaitedLate", at: kernel.now(), kind: "resource", name, failure }, exit.cause)
  }

  /** Tells of a failure, and answers when the next attempt begins. */
  #decide(cause: Cause.Cause<unknown>): Effect.Effect<number> {
    return Effect.gen({ self: this }, function* () {
      const { handle } = this
      this.#step ??= yield* Schedule.toStep(this.#spec.retry)
      const now = this.#parts.kernel.now()
      const decided = yield* this.#step(now, cause).pipe(
        Effect.map(([, delay]): number | undefined => Duration.toMillis(delay)),
        Pull.catchDone(() => Effect.succeed(undefined)),
        Effect.exit
      )
      if (Exit.isSuccess(decided)) handle.tellDown(cause, decided.value)
      // A schedule of one's own can be broken too.
      else handle.tellDown(Cause.combine(cause, decided.cause), undefined)
      return Exit.isSuccess(decided) ? now + (decided.value ?? 0) : now
    })
  }

  /** Waits for those who use it, and then no longer. When it is released they have had their time. */
  #dismiss(generation: OptionalGeneration<S>): Effect.Effect<void> {
    return Effect.gen({ self: this }, function* () {
      yield* Effect.raceAllFirst([generation.empty, Effect.sleep(this.#stopTimeout), this.handle.released])
      yield* generation.cut(this.handle.unavailable)
      // The other half is kept for the release itself.
      yield* Effect.raceFirst(generation.empty, Effect.sleep(this.#stopTimeout / 2))
    })
  }

  /**
   * Releases it, when `ended` has come about. While the application runs that has a limit of its own and its own word in the log;
   * in a stop it has the component's. It goes on when it is left behind: what is acquired late is released all the same.
   */
  #close(generation: OptionalGeneration<S>, ended: Effect.Effect<unknown>): Effect.Effect<void> {
    return Effect.suspend(() => {
      const close = Effect.suspend(() => Scope.close(generation.scope, Exit.void))
      const closing = Effect.asVoid(Effect.uninterruptible(Effect.ensuring(ended, close)))
      if (this.handle.isReleased) return closing
      const { kernel, states } = this.#parts
      const fiber = kernel.fork(closing)
      // Most attempts that fail have nothing to release, and no word is lost on that.
      if (fiber.pollUnsafe()?._tag === "Success") return Effect.void
      const closed = Effect.uninterruptible(Effect.flatten(Fiber.await(fiber)))
      const limit = this.handle.next === "stopping" ? Number.POSITIVE_INFINITY : this.#stopTimeout
      return states.releases.bounded("resource", this.#nameOf(generation), closed, limit)
    }).pipe(Effect.ensuring(generation.letGo))
  }

  /** An attempt that ignores its interruption. There is one such at most beside another, so that they do not pile up. */
  #leaveBehind(building: Fiber.Fiber<S, unknown>): Effect.Effect<void> {
    return Effect.gen({ self: this }, function* () {
      const before = this.#leftBehind
      if (before !== undefined)
        yield* Effect.raceAllFirst([Fiber.await(before), Fiber.await(building), this.handle.released])
      if (building.pollUnsafe() === undefined) this.#leftBehind = building
    })
  }

  get #stopTimeout(): number {
    return this.#spec.stopTimeout ?? this.#parts.kernel.stopTimeout
  }

  #nameOf({ number }: OptionalGeneration<S>): string {
    return `${this.#spec.name} (generation ${number})`
  }

  /** In the context in which it was built, and apart from every scope. */
  #run<A, E>(effect: Effect.Effect<A, E, R | Lifecycle>): Fiber.Fiber<A, E> {
    return Effect.runForkWith(this.#context)(effect)
  }
}

/** Begins the life of an optional component, which ends with the scope. */
export const startOptional = <I, S, R>(
  parts: OptionalParts,
  spec: OptionalSpec<I, S, R>
): Effect.Effect<OptionalHandle<S>, never, R | Lifecycle | Scope.Scope> =>
  Effect.contextWith((context: Context.Context<R | Lifecycle>) =>
    Effect.map(
      Effect.acquireRelease(
        Effect.sync(() => {
          const component = new OptionalComponent(parts, spec, context)
          return { component, release: component.begin() }
        }),
        ({ release }) => release
      ),
      ({ component }) => component.handle
    )
  )
