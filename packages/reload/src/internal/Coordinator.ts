/**
 * One configuration in force, and how it is replaced: read, validate, let everyone build what is new, put all of it in place in
 * one step, let go of what is old. Up to that step nothing that is in use has been touched, so a failure has nothing to undo.
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Equal from "effect/Equal"
import * as Exit from "effect/Exit"
import type * as FileSystem from "effect/FileSystem"
import * as Result from "effect/Result"
import * as Semaphore from "effect/Semaphore"
import * as SubscriptionRef from "effect/SubscriptionRef"
import type { Lifecycle, Reloaded, Swap } from "quiesce/Lifecycle"
import type { ShuttingDown } from "quiesce/ShuttingDown"
import type { ConfigError } from "../ConfigError.ts"
import { ReloadFailed } from "../ReloadFailed.ts"
import { decode, type Decoded, decodePlain } from "./decode.ts"
import type { Definition } from "./Definition.ts"
import { logIssues } from "./logIssues.ts"
import * as Metrics from "./metrics.ts"
import * as Paths from "./paths.ts"
import { readSources, type Sources } from "./sources.ts"

/** Someone who has to have something new for a new configuration. */
export interface Participant<in T> {
  readonly name: string
  /** Builds it, and touches nothing that is in use; `undefined`: what there is will do. */
  readonly prepare: (next: T) => Effect.Effect<Prepared | undefined, unknown>
}

export interface Prepared {
  /** Puts it in place, in one synchronous step. */
  readonly swap: () => void
  /** Takes it apart: somebody else could not be prepared. */
  readonly discard: Effect.Effect<void>
}

export interface State<out T> {
  readonly value: T
  /** Counts the configurations that were put in force. */
  readonly version: number
  /** When a reload last succeeded, an unchanged one included: milliseconds since 1970. */
  readonly lastSuccess: number
  /** How many reloads have failed. */
  readonly rejected: number
  /** What the last reload failed with; `undefined` when it succeeded. */
  readonly failure: string | undefined
  /** Changed keys whose new values need a restart. */
  readonly restart: ReadonlyArray<string>
}

/** What the configuration contributes to the health of the application. */
interface Health {
  readonly pass: () => void
  readonly fail: (cause: Cause.Cause<unknown>) => void
}

export class Coordinator<T> {
  readonly participants = new Set<Participant<T>>()
  readonly state: SubscriptionRef.SubscriptionRef<State<T>>
  readonly #name: string
  readonly #definition: Definition<T>
  readonly #lifecycle: Lifecycle["Service"]
  readonly #debounce: Duration.Input
  readonly #timeout: Duration.Input
  readonly #health: Health
  readonly #turn = Semaphore.makeUnsafe(1)
  #inForce: Decoded<T>
  /** What was last looked at, whether it could be used or not. */
  #seen: string

  constructor(
    options: {
      readonly name: string
      readonly definition: Definition<T>
      readonly debounce: Duration.Input
      readonly timeout: Duration.Input
    },
    lifecycle: Lifecycle["Service"],
    first: {
      readonly sources: Sources
      readonly decoded: Decoded<T>
      readonly state: SubscriptionRef.SubscriptionRef<State<T>>
      readonly health: Health
    }
  ) {
    this.#name = options.name
    this.#definition = options.definition
    this.#debounce = options.debounce
    this.#timeout = options.timeout
    this.#lifecycle = lifecycle
    this.#health = first.health
    this.#inForce = first.decoded
    this.#seen = first.sources.fingerprint
    this.state = first.state
  }

  get current(): T {
    return this.#inForce.value
  }

  /** Somebody asks: whatever comes of it is told. */
  reload(trigger: string): Effect.Effect<Reloaded, ConfigError | ReloadFailed | ShuttingDown, FileSystem.FileSystem> {
    return this.#turn.withPermit(Effect.flatMap(this.#read, (sources) => this.#reload(trigger, sources)))
  }

  /** Something may have changed: where nothing has, that is a success, and not worth a word. */
  look(trigger: string): Effect.Effect<void, never, FileSystem.FileSystem> {
    return this.#turn.withPermit(
      Effect.flatMap(this.#read, (sources) =>
        sources.fingerprint === this.#seen
          ? this.#unchanged
          : // It has been told already, as an event and in the log.
            Effect.ignore(this.#reload(trigger, sources))
      )
    )
  }

  readonly #read: Effect.Effect<Sources, never, FileSystem.FileSystem> = Effect.suspend(() =>
    readSources(this.#definition, this.#debounce, this.#seen)
  )

  readonly #unchanged: Effect.Effect<void> = Effect.suspend(() =>
    Effect.flatMap(Clock.currentTimeMillis, (now) =>
      this.#update((state) => (state.failure === undefined ? { ...state, lastSuccess: now } : state))
    )
  )

  #reload(trigger: string, sources: Sources): Effect.Effect<Reloaded, ConfigError | ReloadFailed | ShuttingDown> {
    return this.#lifecycle.reload({ name: this.#name, trigger }, (swap) => this.#replace(sources, swap))
  }

  #replace(sources: Sources, swap: Swap): Effect.Effect<Reloaded, ConfigError | ReloadFailed> {
    const replace = Effect.gen({ self: this }, function* () {
      this.#seen = sources.fingerprint
      const { next, restart } = yield* this.#next(sources)
      const before = this.#inForce
      const same = Equal.equals(next.value, before.value)
      // Whoever is interrupted here has changed nothing, and whoever is not has changed everything.
      return yield* Effect.uninterruptibleMask((restore) =>
        Effect.gen({ self: this }, function* () {
          const prepared = same ? [] : yield* this.#prepare(next.value, restore)
          const now = yield* Clock.currentTimeMillis
          const old = yield* SubscriptionRef.get(this.state)
          const version = same ? old.version : old.version + 1
          const reloaded = yield* swap(() => {
            for (const each of prepared) each.swap()
            this.#inForce = next
            return { version, changed: same ? [] : Paths.changes(before.plain, next.plain), restart }
          }).pipe(Effect.onInterrupt(() => discardAll(prepared)))
          const value = same ? old.value : next.value
          yield* this.#update((old) => ({ ...old, value, version, lastSuccess: now, failure: undefined, restart }))
          return reloaded
        })
      )
    })
    return Effect.tapError(replace, (error) =>
      Effect.andThen(error._tag === "ConfigError" ? logIssues(error) : Effect.void, this.#failed(error.message))
    )
  }

  #failed(failure: string): Effect.Effect<void> {
    return Effect.asVoid(this.#update((state) => ({ ...state, rejected: state.rejected + 1, failure })))
  }

  /** What is to be in force: keys that need a restart keep their values. */
  #next(
    sources: Sources
  ): Effect.Effect<{ readonly next: Decoded<T>; readonly restart: ReadonlyArray<string> }, ConfigError> {
    const definition = this.#definition
    const held = this.#inForce
    const decoded = decode(sources, definition)
    // First all of it, as a restart would find it.
    if (Result.isFailure(decoded)) return Effect.fail(decoded.failure)
    const { plain, value } = decoded.success
    const waiting = definition.restart.filter(
      (path) => !Equal.equals(Paths.get(value, path), Paths.get(held.value, path))
    )
    if (waiting.length === 0) return Effect.succeed({ next: decoded.success, restart: [] })
    const mixed = waiting.reduce<unknown>((at, path) => Paths.set(at, path, Paths.get(held.plain, path)), plain)
    const [file] = definition.files
    const layer = { file: file?.path, parsed: { value: mixed, locate: () => undefined } }
    return Effect.map(Effect.fromResult(decodePlain(mixed, [layer], definition)), (next) => ({
      next,
      restart: waiting.map(Paths.formatPath)
    }))
  }

  /** All at once, all or none, and never for longer than the time limit. */
  #prepare(
    next: T,
    restore: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  ): Effect.Effect<ReadonlyArray<Prepared>, ReloadFailed> {
    const prepared: Array<Prepared> = []
    const one = ({ name, prepare }: Participant<T>) =>
      prepare(next).pipe(
        Effect.map((made) => (made === undefined ? undefined : prepared.push(made))),
        Effect.catchCause((cause) =>
          Cause.hasInterruptsOnly(cause)
            ? Effect.interrupt
            : Effect.fail(new ReloadFailed({ participant: name, reason: "failed", cause: Cause.squash(cause) }))
        ),
        Effect.timeoutOrElse({
          duration: this.#timeout,
          orElse: () => Effect.fail(new ReloadFailed({ participant: name, reason: "timed out" }))
        })
      )
    const all = restore(Effect.forEach(this.participants, one, { concurrency: "unbounded", discard: true }))
    return Effect.onExit(Effect.as(all, prepared), (exit) =>
      Exit.isSuccess(exit) ? Effect.void : discardAll(prepared)
    )
  }

  #update(change: (state: State<T>) => State<T>): Effect.Effect<State<T>> {
    return Effect.tap(SubscriptionRef.updateAndGet(this.state, change), (state) => {
      if (state.failure === undefined) this.#health.pass()
      else this.#health.fail(Cause.fail(state.failure))
      return Metrics.record(this.#name, state)
    })
  }
}

const discardAll = (prepared: ReadonlyArray<Prepared>): Effect.Effect<void> =>
  Effect.forEach(prepared, ({ discard }) => discard, { concurrency: "unbounded", discard: true })
