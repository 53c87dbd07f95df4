import * as Schema from "effect/Schema"

/** The database did not answer when these runs had to be put back or their results stored. They are not lost. */
export class RunsUnsettled extends Schema.TaggedError<RunsUnsettled>()("RunsUnsettled", {
  runs: Schema.Array(Schema.Int)
}) {
  override get message(): string {
    return (
      `the database did not take ${this.runs.length === 1 ? "run" : "runs"} ${this.runs.join(", ")} back: ` +
      "queued again when the lease ends, or at the next start of this instance; until then look at the database"
    )
  }
}
