/**
 * Checks of what the application needs to serve, run in the background, and what they come to: Healthy, Degraded or
 * Unhealthy.
 *
 * Invariants, each a test of that name:
 * 1. `cached`: asking for the health runs no check, so that probes cost the same whatever the checks do.
 * 2. `one-at-a-time`: a check that hangs is not started again on top of itself.
 * 3. `flips-once`: a change is told once, with its cause; not each run.
 * 4. `quiet-stop`: once a stop has begun no check runs, and none fails because what it looks at has been released.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Metric from "effect/Metric"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { HealthState, Kind, Summary } from "./HealthState.ts"
import { Lifecycle } from "./Lifecycle.ts"

/** A run of a check that did not end in time. */
export class CheckTimeout extends Schema.TaggedError<CheckTimeout>()("CheckTimeout", {
  check: Schema.String,
  millis: Schema.Number
}) {
  override get message(): string {
    return `${this.check} did not answer within ${this.millis} ms`
  }
}

export interface Options {
  /**
   * How long to wait after one run before the next.
   *
   * @default 10 seconds, as Kubernetes probes
   */
  readonly every?: Duration.Input | undefined
  /**
   * How long a run may take; one that takes longer has failed.
   *
   * @default 1 second: who waits longer for a dependency does not serve its callers either
   */
  readonly timeout?: Duration.Input | undefined
  /**
   * How many failures in a row make a check that has passed fail. The first run of all counts at once, and so does each that
   * passes.
   *
   * @default 3: one lost packet takes nobody out of the load balancer
   */
  readonly failuresToFlip?: number | undefined
}

export interface ReadinessOptions extends Options {
  /**
   * `"startup"` checks run until they have passed once.
   *
   * @default "readiness"
   */
  readonly kind?: "readiness" | "startup" | undefined
  /**
   * What the application is while it fails. Degraded is still ready.
   *
   * @default "Unhealthy"
   */
  readonly impact?: "Degraded" | "Unhealthy" | undefined
}

/**
 * Checks in the background whether an effect succeeds, as long as the scope is open.
 *
 * **When to use**: for what the application cannot serve without: a database, a broker, a warm cache. For what it can live
 * without use `Optional`, or the impact `"Degraded"`. For a process that should be killed, `liveness`.
 *
 * **Details**: the first run begins at once; until it has ended the application is not ready. Results are kept: whoever asks
 * for the health gets the last word and waits for nothing. Each change is in the event log and in the log, with its cause,
 * and in the metrics `quiesce_check` (1 passes, 0 fails), `quiesce_check_duration` (milliseconds) and `quiesce_health` (2
 * Healthy, 1 Degraded, 0 Unhealthy). When a stop begins no check runs any more, and their last word stays.
 *
 * **Interruption safety**: registering is atomic and undone with the scope. A run that is too slow is interrupted, and where
 * it ignores that, left alone: it is not run again before it has ended, and has failed once more each time that it should be.
 *
 * @example
 * ```ts
 * import * as Effect from "effect/Effect"
 * import * as Layer from "effect/Layer"
 * import * as Health from "quiesce/Health"
 *
 * declare const ping: Effect.Effect<void, Error>
 *
 * const DbHealth = Layer.effectDiscard(Health.check("database", ping, { every: "5 seconds", failuresToFlip: 2 }))
 * ```
 */
export const check = <E, R>(
  name: string,
  effect: Effect.Effect<unknown, E, R>,
  { impact = "Unhealthy", kind = "readiness", ...options }: ReadinessOptions = {}
): Effect.Effect<void, never, R | Lifecycle | Scope.Scope> => register(name, effect, kind, impact, options)

/**
 * Checks in the background whether this process is worth keeping: a loop of its own that must not stand still, a native
 * library that can lock up.
 *
 * **When to use**: rarely. A liveness check that fails has the process killed, which helps only with what is wrong inside of
 * it. It must never look at a dependency: a database that is away for a minute would have every instance killed, at once and
 * again and again, and none would be there when it is back. For that reason a liveness check has no access to services, and
 * its failure makes the application Unhealthy nowhere but in `/livez`.
 *
 * **Details**, **Interruption safety**: as `check`.
 *
 * @example
 * ```ts
 * import * as Effect from "effect/Effect"
 * import * as Health from "quiesce/Health"
 *
 * let lastFrame = 0
 * const frames = Health.liveness(
 *   "frames",
 *   Effect.suspend(() => (performance.now() - lastFrame < 10_000 ? Effect.void : Effect.fail("no frame for 10 s")))
 * )
 * ```
 */
export const liveness = <E>(
  name: string,
  effect: Effect.Effect<unknown, E>,
  options: Options = {}
): Effect.Effect<void, never, Lifecycle | Scope.Scope> => register(name, effect, "liveness", "Unhealthy", options)

/** The health now; runs nothing. */
export const current: Effect.Effect<Summary, never, Lifecycle> = Effect.map(Lifecycle, ({ health }) =>
  health.summaryUnsafe()
)

/** The state of health now and every later one. */
export const changes: Stream.Stream<HealthState, never, Lifecycle> = Stream.unwrap(
  Effect.map(Lifecycle, ({ health }) => health.changes)
)

const register = <E, R>(
  name: string,
  effect: Effect.Effect<unknown, E, R>,
  kind: Kind,
  impact: "Degraded" | "Unhealthy",
  { every = "10 seconds", failuresToFlip = 3, timeout = "1 second" }: Options
): Effect.Effect<void, never, R | Lifecycle | Scope.Scope> =>
  Effect.gen(function* () {
    const { health, lameDuck } = yield* Lifecycle
    const contribution = yield* health.contribute(name, kind, impact, "pending")
    const attributes = { check: name, kind }
    const passes = Metric.gauge("quiesce_check", { attributes, description: "1 while a health check passes, else 0" })
    const duration = Metric.gauge("quiesce_check_duration", {
      attributes,
      description: "How long the last run of a health check took, in milliseconds"
    })
    const millis = Duration.toMillis(timeout)
    let failures = 0

    const judge = (exit: Exit.Exit<unknown, unknown>): void => {
      if (Exit.isSuccess(exit)) {
        failures = 0
        return contribution.pass()
      }
      failures++
      if (contribution.status !== "pass" || failures >= failuresToFlip) contribution.fail(exit.cause)
      else contribution.suspect(exit.cause)
    }

    const once = Effect.gen(function* () {
      const began = yield* Clock.monotonicTimeNanos
      // Apart from the loop: one that ignores its interruption must hold up neither the next word nor the stop.
      const run = yield* Effect.forkDetach(effect, { startImmediately: true, uninterruptible: false })
      const ended: Exit.Exit<unknown, unknown> = yield* Fiber.await(run).pipe(
        Effect.timeoutOption(millis),
        Effect.map((exit) => (Option.isSome(exit) ? exit.value : Exit.fail(new CheckTimeout({ check: name, millis })))),
        Effect.onExit(() => Effect.sync(() => run.interruptUnsafe()))
      )
      contribution.ran(Number((yield* Clock.monotonicTimeNanos) - began) / 1e6)
      judge(ended)
      yield* Metric.update(passes, contribution.status === "pass" ? 1 : 0)
      yield* Metric.update(duration, contribution.took ?? 0)
      if (kind === "startup" && Exit.isSuccess(ended)) return yield* Effect.never
      yield* Effect.sleep(every)
      // It still hangs: that is one more failure, and no run on top of it.
      while (run.pollUnsafe() === undefined) {
        judge(ended)
        yield* Effect.sleep(every)
      }
    })

    yield* Effect.forkScoped(Effect.raceFirst(Effect.forever(once), lameDuck))
  })
