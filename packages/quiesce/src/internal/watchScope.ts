/**
 * Sees the fibers that a layer forks into its scope, so that none dies in silence.
 *
 * `Effect.forkScoped` and `Fiber.runIn` register the fiber itself as the key of its finalizer. Scope's state is part of its
 * public type, so an open state whose finalizer map reports each new key is enough; nothing of effect is patched. A contract
 * test pins this against the effect version.
 */
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"

type Finalizer = (exit: Exit.Exit<unknown, unknown>) => Effect.Effect<void>

/** The scopes of supervised tasks: part of whoever started them, and not a part of their own. */
export const ofTasks = new WeakSet<Scope.Scope>()

class WatchedFinalizers extends Map<object, Finalizer> {
  /** What was registered last, also when it has gone again. */
  last: object | undefined
  readonly #onFiber: (fiber: Fiber.Fiber<unknown, unknown>) => void

  constructor(onFiber: (fiber: Fiber.Fiber<unknown, unknown>) => void) {
    super()
    this.#onFiber = onFiber
  }

  override set(key: object, finalizer: Finalizer): this {
    super.set(key, finalizer)
    this.last = key
    if (Fiber.isFiber(key)) this.#onFiber(key)
    return this
  }

  /** What a person would call "acquired": finalizers apart from the one that keeps the state open. */
  get acquired(): number {
    return this.size - 1
  }

  /** Apart from child scopes, which are keys of their own: they belong to the parts. */
  get acquiredItself(): number {
    let parts = 0
    for (const key of this.keys()) if (isScope(key) && !ofTasks.has(key)) parts++
    return this.acquired - parts
  }
}

const isScope = (key: object): key is Scope.Scope => "~effect/Scope" in key

/** Calls `onExit` with the exit of every fiber forked into `scope` from now on. The scope must be new. */
export const watchScope = (scope: Scope.Scope, onExit: (exit: Exit.Exit<unknown, unknown>) => void): void => {
  const finalizers = new WatchedFinalizers((fiber) => fiber.addObserver(onExit))
  // Effect replaces the state, and with it this map, when the last finalizer goes: one that stays prevents that.
  finalizers.set({}, () => Effect.void)
  scope.state = { _tag: "Open", finalizerKey: undefined, finalizer: undefined, finalizers }
}

const watched = ({ state }: Scope.Scope): WatchedFinalizers | undefined =>
  state._tag === "Open" && state.finalizers instanceof WatchedFinalizers ? state.finalizers : undefined

/** Whether anything was acquired in a scope that is watched. */
export const hasAcquired = (scope: Scope.Closeable): boolean => (watched(scope)?.acquired ?? 0) > 0

/** Whether anything was acquired in it that is not in a scope below. */
export const hasAcquiredItself = (scope: Scope.Closeable): boolean => (watched(scope)?.acquiredItself ?? 0) > 0

/** The key of what was registered last in a scope that is watched: a scope below it, a fiber, or a key that nobody else has. */
export const lastFinalizer = (scope: Scope.Scope): object | undefined => watched(scope)?.last
