/**
 * Things that are made at run time and are no layers: sockets, devices, handles of foreign libraries. They are closed with the
 * component that registered them, by name.
 *
 * Invariants, each a test of that name:
 * 1. `closed-once`: by its own scope, or with its component, and never by both.
 * 2. `by-priority`: lower priorities first, one after the other; those of one priority side by side.
 * 3. `each-bounded`: one that hangs is left behind after its own time, and told; the rest is closed all the same.
 */
import type * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"
import type { Release } from "./internal/Release.ts"
import { Lifecycle } from "./Lifecycle.ts"

export interface Options {
  /**
   * What it is, for log and report: "socket", "serial port".
   *
   * @default "resource"
   */
  readonly kind?: string | undefined
  /**
   * Lower is closed first.
   *
   * @default 0
   */
  readonly priority?: number | undefined
  /**
   * How long its close may take. All of them together have the stop timeout of their component, which should be no less than
   * those of different priorities take one after the other: what it leaves behind is closed at once, nobody waits for it, and
   * the report names each of them as abandoned.
   *
   * @default 1 second: a handful of them, one after the other, fit into a component's 5 seconds
   */
  readonly stopTimeout?: Duration.Input | undefined
}

/** A resource that is registered. */
export interface Registration {
  /** Forgets it, without closing it: it is somebody else's business now. Idempotent. */
  readonly unregister: Effect.Effect<void>
  /** Closes it now, as the component would, and forgets it. Idempotent; whoever comes second waits for nothing. */
  readonly close: Effect.Effect<void>
}

/** The resources of one component. */
export interface Resources {
  /** Registers what exists already. May be called at any time; when the component has been released, it is closed at once. */
  readonly register: <R>(
    name: string,
    close: Effect.Effect<unknown, unknown, R>,
    options?: Options
  ) => Effect.Effect<Registration, never, R>
  /**
   * Acquires something for a scope: it is closed with that scope, or with the component when that is released before. The
   * acquisition cannot be interrupted, as in `Effect.acquireRelease`.
   */
  readonly acquireRelease: <A, E, R, R2>(
    name: string,
    acquire: Effect.Effect<A, E, R>,
    release: (resource: A) => Effect.Effect<unknown, unknown, R2>,
    options?: Options
  ) => Effect.Effect<A, E, R | R2 | Scope.Scope>
  /** What is registered now, as `kind name`, in the order in which it would be closed. */
  readonly names: Effect.Effect<ReadonlyArray<string>>
}

/**
 * The resources of the component whose scope this is.
 *
 * **When to use**: once in a component that makes such things while it runs: hand it to the code that makes them. What is
 * made when the component starts needs none of it: `Effect.acquireRelease` is enough. What is a service wants a layer.
 *
 * **Order**: closed when the scope's finalizers run, so after everything that was acquired later and before what was acquired
 * earlier; among themselves by priority.
 *
 * **Errors**: none fails the release. A close that fails, dies or takes longer than its own time is in log and report, and makes
 * the outcome Degraded. What is cut off by the stop timeout of the component is in the report as abandoned.
 *
 * **Interruption safety**: registering is atomic. A close is not interrupted before its time is over.
 *
 * @example
 * ```ts
 * import * as Effect from "effect/Effect"
 * import * as Resources from "quiesce/Resources"
 *
 * declare const port: { readonly write: (line: string) => void; readonly close: () => Promise<void> }
 *
 * const lamps = Effect.gen(function* () {
 *   const resources = yield* Resources.make
 *   const plug = resources.register("left strip", Effect.promise(() => port.close()), {
 *     kind: "serial port",
 *     stopTimeout: "500 millis"
 *   })
 *   return { plug }
 * })
 * ```
 */
export const make: Effect.Effect<Resources, never, Lifecycle | Scope.Scope> = Effect.gen(function* () {
  const makeRelease = yield* Effect.flatMap(Lifecycle, ({ releases }) => releases)
  const entries = new Set<Release>()
  let isClosed = false

  /** Whoever takes it out closes it, in a fiber of its own: who waits for it may be interrupted, and it is not. */
  const closeOne = (entry: Release): Effect.Effect<void> =>
    Effect.suspend(() =>
      entries.delete(entry)
        ? Effect.flatMap(Effect.forkDetach(entry.run, { startImmediately: true }), Fiber.join)
        : Effect.void
    )
  const ordered = (): ReadonlyArray<Release> => Array.from(entries).toSorted((a, b) => a.priority - b.priority)
  const closeAll = Effect.gen(function* () {
    isClosed = true
    for (let next = ordered()[0]; next !== undefined; next = ordered()[0]) {
      const { priority } = next
      const level = ordered().filter((entry) => entry.priority === priority)
      yield* Effect.forEach(level, closeOne, { concurrency: "unbounded", discard: true })
    }
  }).pipe(
    // The component is left behind: there is no more time, and yet nothing must stay open.
    Effect.onInterrupt(() =>
      Effect.forEach(ordered(), (entry) => Effect.forkDetach(closeOne(entry)), { discard: true })
    )
  )
  // A scope closes without being interrupted, and who leaves the component behind interrupts that. Where an interruption is why
  // it closes, there is no such sign, and each has its own time.
  yield* Effect.addFinalizer(() =>
    Effect.matchCauseEffect(Effect.interruptible(Effect.void), {
      onFailure: () => closeAll,
      onSuccess: () => Effect.interruptible(closeAll)
    })
  )

  const resources: Resources = {
    register: <R>(
      name: string,
      close: Effect.Effect<unknown, unknown, R>,
      { kind = "resource", priority = 0, stopTimeout = "1 second" }: Options = {}
    ) =>
      Effect.contextWith((context: Context.Context<R>) =>
        Effect.suspend(() => {
          const entry = makeRelease({
            name: `${kind} ${name}`,
            priority,
            effect: Effect.provideContext(close, context),
            stopTimeout: Duration.toMillis(stopTimeout)
          })
          entries.add(entry)
          const registration: Registration = {
            unregister: Effect.sync(() => {
              if (entries.delete(entry)) entry.forget()
            }),
            close: closeOne(entry)
          }
          return isClosed ? Effect.as(registration.close, registration) : Effect.succeed(registration)
        })
      ),
    acquireRelease: (name, acquire, release, options) =>
      Effect.uninterruptible(
        Effect.gen(function* () {
          const acquired = yield* acquire
          const registration = yield* resources.register(name, release(acquired), options)
          yield* Effect.addFinalizer(() => registration.close)
          return acquired
        })
      ),
    names: Effect.sync(() => ordered().map(({ name }) => name))
  }
  return resources
})

/**
 * Registers one resource with the component whose scope this is.
 *
 * **When to use**: as `make`, where there is just one.
 *
 * **Interruption safety**: atomic.
 */
export const register = <R>(
  name: string,
  close: Effect.Effect<unknown, unknown, R>,
  options?: Options
): Effect.Effect<Registration, never, R | Lifecycle | Scope.Scope> =>
  Effect.flatMap(make, (resources) => resources.register(name, close, options))
