/**
 * The error of work that a full gate does not take.
 */
import * as Schema from "effect/Schema"

/**
 * A gate with `whenFull: "reject"` had as much work as it takes. `kind` is the unit's. Nothing of the work has run.
 *
 * **When to use**: turn it into the protocol's own "later": a message that goes back to its queue. `@quiesce/http` answers
 * with 503 and `Retry-After` by itself.
 *
 * @example
 * ```ts
 * import * as Effect from "effect/Effect"
 * import { AtCapacity } from "quiesce/AtCapacity"
 *
 * const full = Effect.fail(new AtCapacity({ kind: "uploads", capacity: 8 }))
 * const handled = full.pipe(Effect.catchTag("AtCapacity", (error) => Effect.succeed(error.message)))
 * ```
 */
export class AtCapacity extends Schema.TaggedError<AtCapacity>()("AtCapacity", {
  kind: Schema.String,
  capacity: Schema.Number
}) {
  override get message(): string {
    return `${this.kind} takes no more work now: ${this.capacity} are in flight, its whole capacity; retry later`
  }
}
