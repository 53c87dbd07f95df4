/**
 * What the parts of the engine need of its centre: a clock that never jumps, the event log, and a place to run detached work.
 */
import type * as Cause from "effect/Cause"
import type * as Deferred from "effect/Deferred"
import type * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import type { Event } from "../Event.ts"
import type { StopState } from "../Phase.ts"
import type { StopReason } from "../StopReason.ts"

export interface Kernel {
  /** Milliseconds since the application began to start. */
  readonly now: () => number
  /** Appends to the event log. A failure comes with its whole cause, for the log line. */
  readonly emit: (event: Event, cause?: Cause.Cause<unknown>) => void
  /** Runs detached, in the context of the launch; never interrupted by anyone's scope. */
  readonly fork: <A, E>(effect: Effect.Effect<A, E>) => Fiber.Fiber<A, E>
  /** Runs what was handed in from outside and answers `otherwise` when it throws; the throw is logged. */
  readonly guard: <A>(what: string, run: () => A, otherwise: A) => A
  readonly requestStop: (reason: StopReason) => void
  /** The work of this state has come to its end: the next one begins before anybody else has a turn. */
  readonly done: (state: StopState) => void
  /** Whether new work is refused: from Draining on. */
  readonly isRefusing: () => boolean
  /** Milliseconds to the deadline; infinite while no stop is going on. */
  readonly remaining: () => number
  /** A release begins, or the start goes on: what is released between two starts is a rollback, and has a deadline. */
  readonly rollback: (going: boolean) => void
  /** Milliseconds until every release must be over; infinite while neither a stop nor a rollback is going on. */
  readonly releaseRemaining: () => number
  /** Done when that time has been cut: a stop or a rollback has begun. A new one each time. */
  readonly limitMoved: () => Deferred.Deferred<void>
  /** The stop timeout of components that have none of their own, in milliseconds. */
  readonly stopTimeout: number
}
