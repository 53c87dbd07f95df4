/** A check with thresholds. */
import type * as Cause from "effect/Cause"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Scope from "effect/Scope"
import { Lifecycle } from "../Lifecycle.ts"
import type { Task } from "../Task.ts"
import type { Options } from "../Tasks.ts"
import type { TaskControl } from "./SupervisedTask.ts"

export interface MonitorOptions<E, E2, R, R2 = never> extends Omit<Options<void, E2, R2>, "onStop" | "onSuccess"> {
  /** From the end of a check to the beginning of the next. */
  readonly every: Duration.Input
  /**
   * A check that takes longer has failed.
   *
   * @default `every`
   */
  readonly timeout?: Duration.Input | undefined
  /**
   * So many failures in a row make it unhealthy.
   *
   * @default 3: one may be chance, two bad luck
   */
  readonly failures?: number | undefined
  /**
   * So many successes in a row make it healthy again.
   *
   * @default 1
   */
  readonly successes?: number | undefined
  /** Runs when it has become unhealthy, and again after as many failures more; given what the last check failed with. */
  readonly onUnhealthy: (cause: Cause.Cause<E | Cause.TimeoutError>) => Effect.Effect<unknown, E2, R>
  /**
   * Runs when it is healthy again.
   *
   * @default nothing
   */
  readonly onRecovered?: Effect.Effect<unknown, E2, R> | undefined
}

/** A monitor that was started. */
export interface Monitor<out E> extends Task<void, E> {
  /** Whether it is healthy; it is until checks have failed as often as `failures` says. */
  readonly healthy: Effect.Effect<boolean>
}

/**
 * Checks something again and again, and acts when it fails several times in a row, and when it has recovered.
 *
 * **When to use**: for what heals itself with help: a tunnel that is opened again, a device that is reset, a cache that is
 * bypassed. What only tells others whether the application is well needs no action.
 *
 * **Details**: a failing check is what a monitor is there for, and no failure of the task; a failing action is. Both turns are
 * logged.
 *
 * **Interruption safety**: waiting and checking end as soon as draining begins. An action that goes on then is finished, for at
 * most the drain budget.
 *
 * @example
 * ```ts
 * import * as Effect from "effect/Effect"
 * import * as Task from "quiesce/Task"
 *
 * declare const ping: Effect.Effect<void, "unreachable">
 * declare const reopen: Effect.Effect<void>
 *
 * const tunnel = Task.monitor("tunnel", ping, {
 *   every: "10 seconds",
 *   failures: 3,
 *   onUnhealthy: () => reopen
 * })
 * ```
 */
export const monitor = <E, R, E2 = never, R2 = never, R3 = never>(
  name: string,
  check: Effect.Effect<unknown, E, R>,
  {
    every,
    failures = 3,
    onRecovered = Effect.void,
    onUnhealthy,
    successes = 1,
    timeout = every,
    ...options
  }: MonitorOptions<E, E2, R2, R3>
): Effect.Effect<Monitor<E2>, never, R | R2 | R3 | Lifecycle | Scope.Scope> =>
  Effect.gen(function* () {
    const { tasks } = yield* Lifecycle
    let healthy = true
    let failed = 0
    let passed = 0
    const judge = (exit: Exit.Exit<unknown, E | Cause.TimeoutError>): Effect.Effect<unknown, E2, R2> => {
      failed = Exit.isSuccess(exit) ? 0 : failed + 1
      passed = Exit.isSuccess(exit) ? passed + 1 : 0
      if (Exit.isSuccess(exit)) {
        if (healthy || passed < successes) return Effect.void
        healthy = true
        return Effect.andThen(Effect.logInfo(`${name} has recovered`), onRecovered)
      }
      if (failed < failures) return Effect.void
      failed = 0
      healthy = false
      return Effect.andThen(
        Effect.logWarning(`${name} has failed ${failures} times in a row`, exit.cause),
        onUnhealthy(exit.cause)
      )
    }

    const run = (control: TaskControl) =>
      Effect.gen(function* () {
        while (!control.isDraining()) {
          const exit = yield* control.idle(Effect.exit(Effect.timeout(check, timeout)))
          if (control.isDraining()) return
          yield* judge(exit)
          if (!control.isDraining()) yield* control.idle(Effect.sleep(every))
        }
      })
    const task = yield* tasks.start<void, E2, R | R2, R3>({ name, run, options: { ...options, onStop: "finish" } })
    return {
      name,
      state: task.state,
      exit: task.exit,
      interrupt: task.interrupt,
      healthy: Effect.sync(() => healthy)
    }
  })
