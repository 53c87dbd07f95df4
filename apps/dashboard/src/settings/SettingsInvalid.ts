import * as Runtime from "effect/Runtime"
import * as Schema from "effect/Schema"

/** The environment does not make sense. All that is wrong with it is in one message, so that it can be mended in one go. */
export class SettingsInvalid extends Schema.TaggedError<SettingsInvalid>()("SettingsInvalid", {
  problems: Schema.Array(Schema.String)
}) {
  /** EX_CONFIG of sysexits.h: a supervisor need not try again. */
  override readonly [Runtime.errorExitCode] = 78

  override get message(): string {
    return `the configuration cannot be used: ${this.problems.join("; ")}; "npm start -- dashboard --help" lists all variables`
  }
}
