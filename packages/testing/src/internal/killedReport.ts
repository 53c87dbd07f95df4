/** The report of a process that was killed: it does not get to say how it ended, and who kills it does so in its place. */
import type { Event } from "quiesce/Event"
import { exitCode, type Outcome } from "quiesce/Outcome"
import * as Report from "quiesce/Report"
import * as StopReason from "quiesce/StopReason"

const outcome: Outcome = { _tag: "Forced", signal: "SIGKILL" }

/** `at`: milliseconds since the application began to start. */
export const killedReport = (events: ReadonlyArray<Event>, at: number): Report.Report =>
  Report.fromEvents([...events, { _tag: "Ended", at, outcome, exitCode: exitCode(outcome, StopReason.finished) }])
