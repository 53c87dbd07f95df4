/**
 * A task that was started, and the kinds of tasks: at intervals, a check, a worker of a queue, a consumer of a stream.
 *
 * Each is what its body would be under `Tasks.start`, plus what a stop has to know of it: when nothing is in hand, what is in
 * hand, and what to do with what is left.
 */
import type * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"

export type { Claims } from "./internal/claims.ts"
export { monitor, type MonitorOptions } from "./internal/monitor.ts"
export { periodic, type PeriodicOptions } from "./internal/periodic.ts"
export { stream } from "./internal/streamTask.ts"
export { worker, type WorkerOptions } from "./internal/worker.ts"

/** A task that was started. It may be dropped: its supervision does not depend on it. */
export interface Task<out A = unknown, out E = unknown> {
  readonly name: string
  /**
   * `Idle`: it waits with nothing in hand, such as for the next period. `Restarting`: it has failed, and its restart is due.
   * `Stopping`: it has been told to end.
   */
  readonly state: Effect.Effect<"Running" | "Idle" | "Restarting" | "Stopping" | "Ended">
  /** Waits for its end, through all restarts, and says how its last run ended. */
  readonly exit: Effect.Effect<Exit.Exit<A, E>>
  /** Ends it and waits for that. It is not restarted, and no failure. */
  readonly interrupt: Effect.Effect<void>
}
