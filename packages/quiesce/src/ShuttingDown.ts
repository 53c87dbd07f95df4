/**
 * The one error of refused work.
 */
import * as Schema from "effect/Schema"

/**
 * New work was offered after the application had closed its gates. `kind` is the gate or the critical section that
 * refused. Nothing of the refused work has run.
 *
 * **When to use**: turn it into the protocol's own "try elsewhere": a negative acknowledgement, a message left in the queue.
 * `@quiesce/http` answers with 503 and `Retry-After` by itself.
 *
 * @example
 * ```ts
 * import * as Effect from "effect/Effect"
 * import { ShuttingDown } from "quiesce/ShuttingDown"
 *
 * const refused = Effect.fail(new ShuttingDown({ kind: "jobs" }))
 * const handled = refused.pipe(Effect.catchTag("ShuttingDown", (error) => Effect.succeed(error.message)))
 * ```
 */
export class ShuttingDown extends Schema.TaggedError<ShuttingDown>()("ShuttingDown", { kind: Schema.String }) {
  override get message(): string {
    return `${this.kind} takes no new work: the application is stopping; retry against another instance`
  }
}
