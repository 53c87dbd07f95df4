/**
 * Background work under supervision: it has a name, is restarted, ends with the scope that started it, and never dies in
 * silence.
 */
import type * as Cause from "effect/Cause"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import type * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import { Lifecycle } from "./Lifecycle.ts"
import type { Task } from "./Task.ts"

/** How a task is supervised; the same for every kind of task. */
export interface Options<A, E, R = never> {
  /**
   * A stop interrupts the highest first, and the next when those have ended.
   *
   * @default 0
   */
  readonly priority?: number | undefined
  /**
   * Shown in status and metrics. Tasks of one name share those of the first.
   *
   * @default none
   */
  readonly tags?: ReadonlyArray<string> | undefined
  /**
   * When it runs again after a failure; it is given the cause. A schedule that ends leaves the task without restarts.
   *
   * @default none: the first failure is the last
   */
  readonly restart?: Schedule.Schedule<unknown, Cause.Cause<E>> | undefined
  /**
   * A run that has lasted this long was healthy: the schedule and the count of attempts begin anew after it.
   *
   * @default 1 minute: longer than the steps of a usual backoff, so that what fails at once is never taken for healthy
   */
  readonly resetAfter?: Duration.Input | undefined
  /**
   * What becomes of the application when it has failed and has no restarts left: it stops with exit code 1 (`stop`), goes on
   * and says that it is degraded (`degrade`), or goes on (`ignore`). The failure is logged in any case.
   *
   * @default "stop": who needs nothing of it would not have started it
   */
  readonly onFailure?: "stop" | "degrade" | "ignore" | undefined
  /**
   * What it means that it succeeds: nothing, the end of the application (`StopReason.finished`), or that it runs again, by
   * `restart` where there is one (given an empty cause) and else at once.
   *
   * @default "ignore"
   */
  readonly onSuccess?: "ignore" | "stop" | "restart" | undefined
  /**
   * Whether the drain waits for its end, at most the drain budget, because it ends by itself soon after `Lifecycle.stopping`.
   *
   * @default "interrupt": what runs for ever would hold each drain for its whole budget
   */
  readonly onStop?: "interrupt" | "finish" | undefined
  /**
   * Runs once, when it has ended for good. It belongs to the task: whoever waits for that waits for this.
   *
   * @default nothing
   */
  readonly onExit?: ((exit: Exit.Exit<A, E>) => Effect.Effect<unknown, never, R>) | undefined
}

/**
 * Starts a task and returns at once. It runs until it ends by itself, its scope closes, or the application stops.
 *
 * **When to use**: for what runs beside the answers to requests, in the place of `Effect.forkScoped`: a refresher, a
 * listener, a job of the start. For work at intervals, checks, queues and streams see `Task`. For units of work from outside
 * (a request, a message) use a `DrainGate`: a task is for something that has a name, and names should be as few as those of
 * metrics.
 *
 * **Details**: while draining it goes on, sees `Lifecycle.stopping`, and is waited for when `onStop` says so; what waits for a
 * restart then ends. While interrupting it is interrupted by `priority`; what has not ended within the interrupt budget is
 * named in the report. Tasks of one name are told, shown and measured together. Metrics, by task and tags:
 * `quiesce_tasks_started`, `_running`, `_restarted`, `_failed`, `_interrupted` (in the middle of something), `_missed` (runs of
 * periodic tasks), and the histogram `_stop_millis`, from being told to stop to the end. Log and metrics know a thousand names;
 * the tasks of others share the name "(other tasks)" there, apart by their tags, and have their own in status, failures and stragglers.
 *
 * **Interruption safety**: starting is atomic. The task is interrupted where its scope closes, in reverse order with what was
 * acquired before and after it, and is waited for there; tasks that were started in a row in one component end together.
 * Started when the application interrupts already, it ends as interrupted and never runs.
 *
 * @example
 * ```ts
 * import * as Effect from "effect/Effect"
 * import * as Layer from "effect/Layer"
 * import * as Schedule from "effect/Schedule"
 * import * as Component from "quiesce/Component"
 * import * as Tasks from "quiesce/Tasks"
 *
 * const listen = Effect.andThen(Effect.log("listening for changes"), Effect.never)
 *
 * const Listener = Layer.effectDiscard(
 *   Tasks.start("listener", listen, {
 *     restart: Schedule.exponential("100 millis").pipe(Schedule.upTo({ times: 10 })),
 *     onFailure: "degrade"
 *   })
 * ).pipe(Component.make("changes"))
 * ```
 */
export const start = <A, E, R, R2 = never>(
  name: string,
  effect: Effect.Effect<A, E, R>,
  options: Options<A, E, R2> = {}
): Effect.Effect<Task<A, E>, never, R | R2 | Lifecycle | Scope.Scope> =>
  Effect.flatMap(Lifecycle, ({ tasks }) => tasks.start({ name, run: () => effect, options }))
