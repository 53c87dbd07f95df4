/**
 * A configuration that is valid could not be put in force.
 */
import * as Schema from "effect/Schema"

/**
 * What has to be built for a new configuration could not be built, or not in time: `participant` says what. Nothing has
 * changed: the old configuration and the old instances serve on.
 *
 * **When to use**: as the answer to `reload`; a reload that a file or a signal asked for tells it in the log and the events.
 *
 * @example
 * ```ts
 * import { ReloadFailed } from "@quiesce/reload/ReloadFailed"
 *
 * const error = new ReloadFailed({ participant: "mailer", reason: "failed", cause: new Error("no such host") })
 * error.message // "mailer could not be built for the new configuration: no such host; ..."
 * ```
 */
export class ReloadFailed extends Schema.TaggedError<ReloadFailed>()("ReloadFailed", {
  participant: Schema.String,
  reason: Schema.Literals(["failed", "timed out"]),
  cause: Schema.optionalKey(Schema.Defect())
}) {
  override get message(): string {
    return this.reason === "failed"
      ? `${this.participant} could not be built for the new configuration: ${said(this.cause)}; correct the configuration, or what it points to, and reload`
      : `${this.participant} was not built for the new configuration in time; correct what it waits for, or raise the reload's timeout, and reload`
  }
}

const said = (cause: unknown): string =>
  cause instanceof Error && cause.message !== "" ? cause.message : String(cause)
