/**
 * Parts that an application can live without: it starts without them, they are brought up in the background again and again,
 * and their users are told by a type that they may be away.
 *
 * Invariants, each a test of that name:
 * 1. `starts-without`: the application runs whatever becomes of the part, and is Degraded as long as that is missing.
 * 2. `one-at-a-time`: a generation begins when the one before has been released, or left behind.
 * 3. `released-once`: each generation that has acquired anything is released exactly once, whatever the instant of the stop.
 * 4. `never-after-release`: nobody uses a generation whose release has begun, nor gets in when it is broken.
 * 5. `never-stops-the-application`: whatever fails in it, a fiber of its own or a task, makes it Down and no more than that.
 * 6. `in-order`: it is released after its users and before what it uses, also when it came up late.
 * 7. `never-blocks-the-stop`: from LameDuck on no attempt begins and the one at work is interrupted; one that ignores that is
 *    left behind.
 * 8. `shared-once`: what the application has built is used, and not built again.
 */
import type * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import type * as Stream from "effect/Stream"
import * as Component from "./Component.ts"
import { fromServices } from "./internal/names.ts"
import { Lifecycle } from "./Lifecycle.ts"
import type { Unavailable } from "./Unavailable.ts"

/** Identifies the handle of the optional service `I` in the requirements of an effect or a layer. */
export interface Optional<out I> {
  readonly "~quiesce/Optional": I
}

/**
 * - `Starting`: it has never been up, and has not failed yet.
 * - `Up`: `generation` counts how many times it has been attempted, and `since` is when this one came up, in milliseconds since
 *   the application began to start.
 * - `Down`: `attempts` is how many times it has failed in a row, since it was up.
 */
export type State =
  | { readonly _tag: "Starting" }
  | { readonly _tag: "Up"; readonly generation: number; readonly since: number }
  | { readonly _tag: "Down"; readonly cause: Cause.Cause<unknown>; readonly attempts: number }

/** An attempt that did not end in time. */
export class StartTimeout extends Schema.TaggedError<StartTimeout>()("StartTimeout", {
  component: Schema.String,
  millis: Schema.Number
}) {
  override get message(): string {
    return `${this.component} was not up within ${this.millis} ms; raise its startTimeout, or find what it waits for`
  }
}

/** What users of an optional service hold, in the place of the service. */
export interface Handle<out S> {
  readonly state: Effect.Effect<State>
  /** The state now and later ones, to the end of the application. Who is slow gets the latest. */
  readonly changes: Stream.Stream<State>
  /**
   * Runs an effect with the service, or fails with `Unavailable`, at once. The service must not be kept beyond the effect.
   *
   * **Details**: should it break meanwhile, the effect goes on for as long as the release of the component may take; then it is
   * interrupted, and this fails with `Unavailable`. `generation` is for `fail`.
   *
   * **Interruption safety**: the effect runs in a fiber of its own, and is interrupted with this.
   */
  readonly use: <A, E, R>(
    f: (service: S, generation: number) => Effect.Effect<A, E, R>
  ) => Effect.Effect<A, E | Unavailable, R>
  /** The same, with the way around. It is also taken when the effect had begun and was cut off. */
  readonly useOr: <A, E, R, A2, E2, R2>(
    f: (service: S, generation: number) => Effect.Effect<A, E, R>,
    orElse: (unavailable: Unavailable) => Effect.Effect<A2, E2, R2>
  ) => Effect.Effect<A | A2, E | E2, R | R2>
  /**
   * Waits until it is up; fails with `Unavailable` when that will not be any more. While the application starts it has the part
   * attempted at once; give it a timeout there, or the application does not start without the part.
   */
  readonly await: Effect.Effect<void, Unavailable>
  /**
   * Says that what is up is broken, when its users are the first to know: it is Down from here on, is released when they have
   * left, and tried again. With a `generation`, only if that is the one which is up. Does nothing when none is.
   */
  readonly fail: (cause: Cause.Cause<unknown>, generation?: number) => Effect.Effect<void>
}

/** How it is found out that it does not work any more. */
export interface CheckOptions<in S, out E = unknown, out R = never> {
  /** An attempt has succeeded only when this has. After that it runs in the background, and a failure breaks the generation. */
  readonly effect: (service: S) => Effect.Effect<unknown, E, R>
  /**
   * How long to wait after one run before the next.
   *
   * @default 10 seconds, as the checks of `Health`
   */
  readonly every?: Duration.Input | undefined
  /**
   * How long a run may take; one that takes longer has failed. The first belongs to the attempt, and has the time of that.
   *
   * @default 1 second
   */
  readonly timeout?: Duration.Input | undefined
  /**
   * How many failures in a row break it.
   *
   * @default 3: one lost packet is no reason to throw a connection away
   */
  readonly failuresToFlip?: number | undefined
}

export interface Options<in S, out E = unknown, out R = never> {
  /**
   * What it is called in log, report, status and metrics.
   *
   * @default the last part of the service's key
   */
  readonly name?: string | undefined
  /**
   * When it is tried again after a failure; it is given the cause. A schedule that ends leaves the part down for good.
   *
   * @default after 1, 2, 4, ... seconds, from the sixth failure on after 20 to 30, for ever. All are jittered: when what it
   *   needs is back after a long time, not every instance of the application comes at once
   */
  readonly retry?: Schedule.Schedule<unknown, Cause.Cause<unknown>> | undefined
  /**
   * A generation that was up this long was healthy: the schedule begins anew after it.
   *
   * @default 1 minute: longer than the steps of a usual backoff, so that what breaks at once is never taken for healthy
   */
  readonly resetAfter?: Duration.Input | undefined
  /**
   * An attempt that takes longer has failed, and is interrupted. One that ignores that is left behind when its release has taken
   * too long as well, and what it acquires later is released at once. A second one of that kind is waited for until either has
   * ended: attempts that hang do not pile up.
   *
   * @default 30 seconds: what a slow connection needs, and no longer than the longest wait between two attempts
   */
  readonly startTimeout?: Duration.Input | undefined
  /**
   * How long the release of a generation may take, and before it those who still use it.
   *
   * @default the application's `stopTimeout`, 5 seconds
   */
  readonly stopTimeout?: Duration.Input | undefined
  /**
   * @default none: it breaks when a fiber dies that it has forked into its scope, or when a user says so by `fail`
   */
  readonly check?: CheckOptions<S, E, R> | undefined
}

/** Exponential up to 25 seconds, which the jitter makes 20 to 30. */
const backoff: Schedule.Schedule<unknown> = Schedule.jittered(
  Schedule.min([Schedule.exponential("1 second"), Schedule.spaced("25 seconds")])
)

/**
 * The key of the handle of a service: what users of an optional part ask for.
 *
 * @example
 * ```ts
 * import * as Context from "effect/Context"
 * import * as Effect from "effect/Effect"
 * import * as Optional from "quiesce/Optional"
 *
 * class Cache extends Context.Service<Cache, { readonly get: (key: string) => Effect.Effect<string> }>()("app/Cache") {}
 * declare const compute: (key: string) => Effect.Effect<string>
 *
 * const lookup = Effect.fn(function* (key: string) {
 *   const cache = yield* Optional.of(Cache)
 *   return yield* cache.useOr(
 *     ({ get }) => get(key),
 *     () => compute(key)
 *   )
 * })
 * ```
 */
export const of = <I, S>(tag: Context.Key<I, S>): Context.Service<Optional<I>, Handle<S>> =>
  Context.Service<Optional<I>, Handle<S>>(`quiesce/Optional/${tag.key}`)

/**
 * Makes an optional part of a layer: it provides the handle of the service at once, and brings the service up in the
 * background.
 *
 * **When to use**: for what makes the application better and is not needed to serve: a cache, a mail server, a second region, a
 * lamp. What it cannot serve without is a plain layer: then the start fails, and whoever supervises the process knows.
 *
 * **Details**: the first attempt begins when the application runs, so that what others have built is shared and not built twice;
 * or earlier, when somebody waits by `await`. Each attempt builds the layer anew. Requirements of the layer, and layers inside
 * of it that the application has built too, are shared; everything else lives and dies with the generation. As long as it is
 * not up the application is Degraded, and ready. Its failures are `OptionalDown` in the event log, its returns `OptionalUp`; in
 * the log the first failure of a series is a warning, and the repetitions are at debug. Metrics, by `optional`:
 * `quiesce_optional_up` (1 or 0), `quiesce_optional_generations`.
 *
 * What breaks it: its `check`, `Handle.fail`, a fiber forked into its scope that dies, a task (`Tasks.start`) in it that fails
 * for good. Those tasks never stop the application, whatever their policy. Hooks by `Lifecycle.onStopped` are the exception to
 * what goes with a generation: register them outside.
 *
 * **Order**: it is released where its users and what it uses say, as any component, whenever it came up.
 *
 * **Errors**: none. What an attempt fails with is in `State`, log and status. The failure of a generation's finalizers is told as
 * that of a resource, `cache (generation 2)`.
 *
 * **Interruption safety**: an attempt is interrupted when it takes too long and when a stop begins. One that ignores that is
 * left behind in the release, and what it acquires later is released at once.
 *
 * @example
 * ```ts
 * import * as Context from "effect/Context"
 * import * as Effect from "effect/Effect"
 * import * as Layer from "effect/Layer"
 * import * as Optional from "quiesce/Optional"
 *
 * class Cache extends Context.Service<Cache, { readonly ping: Effect.Effect<void, "away"> }>()("app/Cache") {}
 * declare const CacheLive: Layer.Layer<Cache, "refused">
 *
 * const OptionalCache = Optional.layer(Cache, CacheLive, {
 *   check: { effect: (cache) => cache.ping, every: "5 seconds", failuresToFlip: 2 },
 *   stopTimeout: "1 second"
 * })
 * ```
 */
export const layer = <I, S, E, R, R2 = never>(
  tag: Context.Key<I, S>,
  service: Layer.Layer<I, E, R>,
  options: Options<S, unknown, R2> = {}
): Layer.Layer<Optional<I>, never, R | R2 | Lifecycle> => {
  const { check, resetAfter = "1 minute", retry = backoff, startTimeout = "30 seconds", stopTimeout } = options
  const name = options.name ?? fromServices([tag.key]) ?? tag.key
  return Layer.effect(
    of(tag),
    Effect.flatMap(Lifecycle, ({ optionals }) =>
      optionals.start<I, S, R | R2>({
        name,
        tag,
        layer: service,
        retry,
        resetAfter: Duration.toMillis(resetAfter),
        startTimeout: Duration.toMillis(startTimeout),
        stopTimeout: stopTimeout === undefined ? undefined : Duration.toMillis(stopTimeout),
        check:
          check === undefined
            ? undefined
            : {
                effect: check.effect,
                every: Duration.toMillis(check.every ?? "10 seconds"),
                timeout: Duration.toMillis(check.timeout ?? "1 second"),
                failuresToFlip: check.failuresToFlip ?? 3
              }
      })
    )
  ).pipe(Component.make(name, { stopTimeout }))
}
