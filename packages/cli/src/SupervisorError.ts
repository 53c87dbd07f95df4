/**
 * The one error of a supervisor that cannot start.
 */
import * as Schema from "effect/Schema"

/**
 * - `AlreadyRuns`: another supervisor has the control socket. `Control`: the control socket, or the lock beside it, cannot be
 *   opened. `Listen`: an address of `--listen` cannot be had. `Unsupported`: this Node, or this platform, cannot do it.
 */
export const Reason = Schema.Literals(["AlreadyRuns", "Control", "Listen", "Unsupported"])

export type Reason = typeof Reason.Type

/** The supervisor could not start; nothing of the application was started. `detail` is what happened, and what to do. */
export class SupervisorError extends Schema.TaggedError<SupervisorError>()("SupervisorError", {
  reason: Reason,
  detail: Schema.String
}) {
  override get message(): string {
    return this.detail
  }
}
