/**
 * The one error of an optional part that is not there.
 */
import * as Schema from "effect/Schema"

/**
 * An optional component was to be used, and is not up. Nothing of the use has run, unless the component failed meanwhile:
 * then what was at work with it has been interrupted.
 *
 * - `attempts`: how many times it has failed in a row. `failure`: what it failed with last.
 * - `next`: whether it is tried again (`retry`), or not, because its schedule has ended (`giveUp`) or the application stops
 *   (`stopping`).
 * - `retryIn`: milliseconds to the next attempt, while one is waited for.
 *
 * **When to use**: do without it. `useOr` of its handle takes the way around in the same step. Where there is none,
 * `@quiesce/http` answers with 503 by itself, and `Retry-After` unless it has been given up.
 *
 * @example
 * ```ts
 * import * as Effect from "effect/Effect"
 * import { Unavailable } from "quiesce/Unavailable"
 *
 * const away = Effect.fail(new Unavailable({ component: "cache", state: "Starting", attempts: 0, next: "retry" }))
 * const handled = away.pipe(Effect.catchTag("Unavailable", (error) => Effect.logDebug(error.message)))
 * ```
 */
export class Unavailable extends Schema.TaggedError<Unavailable>()("Unavailable", {
  component: Schema.String,
  state: Schema.Literals(["Starting", "Down"]),
  attempts: Schema.Number,
  next: Schema.Literals(["retry", "giveUp", "stopping"]),
  retryIn: Schema.optionalKey(Schema.Number),
  failure: Schema.optionalKey(Schema.String)
}) {
  override get message(): string {
    const because = this.failure === undefined ? "" : `: ${this.failure}`
    return `${this.component} is ${this.state === "Down" ? "down" : "not up yet"}${because}; ${this.#remedy}`
  }

  get #remedy(): string {
    switch (this.next) {
      case "retry":
        return "it is tried in the background: do without it, or come back later"
      case "giveUp":
        return `after ${this.attempts} failures its schedule has ended: repair what it needs, and restart the application`
      case "stopping":
        return "it is not tried again, since the application stops"
    }
  }
}
