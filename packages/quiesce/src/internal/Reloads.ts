/**
 * Reloads: one after the other, each in the state Reloading, told as events; and who is asked for one.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Semaphore from "effect/Semaphore"
import type { Reloaded, Swap } from "../Lifecycle.ts"
import type { AppState, Input } from "../Phase.ts"
import { ShuttingDown } from "../ShuttingDown.ts"
import { describe } from "./describe.ts"
import type { Kernel } from "./Kernel.ts"

export interface Reloader {
  readonly name: string
  readonly request: (trigger: string) => void
}

/** How far a reload has come that says itself when it puts what is new in place. */
interface Turn {
  swapping: boolean
  abandoned: boolean
  reloaded: Reloaded | undefined
}

export class Reloads {
  readonly reloaders = new Set<Reloader>()
  readonly #kernel: Kernel
  readonly #dispatch: (input: Input) => void
  readonly #state: () => AppState
  readonly #turn = Semaphore.makeUnsafe(1)
  #configured = false

  constructor(kernel: Kernel, dispatch: (input: Input) => void, state: () => AppState) {
    this.#kernel = kernel
    this.#dispatch = dispatch
    this.#state = state
  }

  add(reloader: Reloader): void {
    this.#configured = true
    this.reloaders.add(reloader)
  }

  /**
   * Whether this application has, or had, anything that reloads: a SIGHUP that comes when that is released already is still no
   * stop signal.
   */
  get configured(): boolean {
    return this.#configured
  }

  /** Asks all of them, and says whether there were any. */
  request(trigger: string): boolean {
    for (const { name, request } of this.reloaders)
      this.#kernel.guard(`the reload of ${name}`, () => request(trigger), undefined)
    return this.#configured
  }

  /** `begun` ends when reloads may begin, `stop` when none may go on. */
  run<E, R>(
    { name, trigger }: { readonly name: string; readonly trigger: string },
    work: Effect.Effect<Reloaded, E, R> | ((swap: Swap) => Effect.Effect<Reloaded, E, R>),
    { begun, stop }: { readonly begun: Effect.Effect<void>; readonly stop: Effect.Effect<void> }
  ): Effect.Effect<Reloaded, E | ShuttingDown, R> {
    return this.#turn.withPermit(
      Effect.uninterruptibleMask((restore) =>
        Effect.gen({ self: this }, function* () {
          yield* restore(Effect.raceFirst(begun, stop))
          // The step that ended the start may still be on the stack, and would take the next input only afterwards.
          yield* Effect.yieldNow
          this.#dispatch({ _tag: "ReloadBegan" })
          if (this.#state() !== "Reloading") return yield* new ShuttingDown({ kind: name })
          this.#kernel.emit({ _tag: "ReloadStarted", at: this.#kernel.now(), name, trigger })
          const turn: Turn = { swapping: false, abandoned: false, reloaded: undefined }
          const running = Effect.isEffect(work) ? work : work((place) => this.#swap(name, turn, place))
          const fiber = yield* Effect.forkChild(Effect.interruptible(running), { startImmediately: true })
          yield* Effect.exit(restore(Effect.raceFirst(Fiber.await(fiber), stop)))
          const exit = turn.swapping ? yield* this.#placed(name, turn, fiber) : yield* this.#unplaced(name, turn, fiber)
          this.#dispatch({ _tag: "ReloadEnded" })
          return yield* exit ?? new ShuttingDown({ kind: name })
        })
      )
    )
  }

  /** The stop may come from within the step itself: it has been done all the same. */
  #swap(name: string, turn: Turn, place: () => Reloaded): Effect.Effect<Reloaded> {
    return Effect.suspend(() => {
      if (turn.abandoned) return Effect.interrupt
      turn.swapping = true
      turn.reloaded = place()
      this.#tell(name, Exit.succeed(turn.reloaded))
      return Effect.succeed(turn.reloaded)
    })
  }

  /** It is in place and told, whatever comes: only what the work does after that is cut short. */
  #placed<E>(name: string, turn: Turn, fiber: Fiber.Fiber<Reloaded, E>): Effect.Effect<Exit.Exit<Reloaded, E>> {
    return Effect.map(Effect.andThen(Fiber.interrupt(fiber), Fiber.await(fiber)), (rest) => {
      const { reloaded } = turn
      if (reloaded === undefined) this.#tell(name, rest)
      const isCut = Exit.isFailure(rest) && Cause.hasInterruptsOnly(rest.cause)
      return isCut && reloaded !== undefined ? Exit.succeed(reloaded) : rest
    })
  }

  #unplaced<E>(
    name: string,
    turn: Turn,
    fiber: Fiber.Fiber<Reloaded, E>
  ): Effect.Effect<Exit.Exit<Reloaded, E> | undefined> {
    turn.abandoned = true
    const exit = fiber.pollUnsafe()
    this.#tell(name, exit)
    if (exit !== undefined) return Effect.succeed(exit)
    // Told before it is waited for: what does not heed its interruption keeps nobody from knowing.
    return Effect.map(Effect.andThen(Fiber.interrupt(fiber), Fiber.await(fiber)), (late) => {
      // And what it came to all the same is told, too.
      if (Exit.isSuccess(late) || !Cause.hasInterruptsOnly(late.cause)) this.#tell(name, late)
      return undefined
    })
  }

  #tell(name: string, exit: Exit.Exit<Reloaded, unknown> | undefined): void {
    const at = this.#kernel.now()
    if (exit === undefined) this.#kernel.emit({ _tag: "ReloadAbandoned", at, name })
    else if (Exit.isSuccess(exit)) this.#kernel.emit({ _tag: "Reloaded", at, name, ...exit.value })
    else if (Cause.hasInterruptsOnly(exit.cause)) this.#kernel.emit({ _tag: "ReloadAbandoned", at, name })
    else
      this.#kernel.emit(
        { _tag: "ReloadFailed", at, name, message: describe(exit.cause) },
        // An expected error says in its message what to do; only a defect needs its stack.
        Cause.hasDies(exit.cause) ? exit.cause : undefined
      )
  }
}
