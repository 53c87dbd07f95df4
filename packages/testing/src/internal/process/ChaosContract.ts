/** What every end must be like, whatever was done: the contract of exit code, report and time. */
import * as Outcome from "quiesce/Outcome"
import type { Ended } from "../../ChildApp.ts"

export interface Circumstances {
  /** The signals that were sent, in order. */
  readonly signals: ReadonlyArray<NodeJS.Signals>
  /** Exit codes that what was done excuses. */
  readonly excused: ReadonlyArray<number>
  readonly gracePeriod: number
  readonly slack: number
}

/** A sentence for each thing that is not as the contract says. */
export const breaches = (ended: Ended, circumstances: Circumstances): ReadonlyArray<string> => [
  ...lateness(ended, circumstances),
  ...(ended.signal === null ? byItself(ended, circumstances) : killed(ended, ended.signal, circumstances))
]

const lateness = ({ stopMillis }: Ended, { gracePeriod, slack }: Circumstances) =>
  stopMillis > gracePeriod + slack
    ? [`it left ${Math.round(stopMillis)} ms after the first signal, and its grace period is ${gracePeriod} ms`]
    : []

const killed = ({ events, output }: Ended, signal: NodeJS.Signals, { signals }: Circumstances) => {
  if (!signals.includes(signal)) return [`it was killed by ${signal}, which nobody has sent`]
  // Before the first line of the entry module has run nothing can listen.
  return signal === "SIGKILL" || (events.length === 0 && output === "")
    ? []
    : [`it was killed by ${signal} instead of leaving by itself`]
}

const byItself = ({ code, report }: Ended, { excused, signals }: Circumstances) => {
  if (report === undefined) return [`it left with exit code ${code} and without a report`]
  const wrong: Array<string> = []
  const expected = Outcome.exitCode(report.outcome, report.reason)
  if (code !== report.exitCode || code !== expected) {
    wrong.push(
      `its exit code was ${code}, the report says ${report.exitCode}, and by the contract it is ${expected} (${report.outcome._tag})`
    )
  }
  const stops = signals.filter((signal) => signal !== "SIGKILL")
  const forced = stops.length > 1 ? [130, 143] : []
  if (code !== null && ![0, ...forced, ...excused].includes(code)) {
    const failures = report.failures.length === 0 ? "" : `: ${report.failures.join("; ")}`
    wrong.push(
      `exit code ${code} (${report.outcome._tag}, ${report.reason._tag}), which nothing that was done excuses${failures}`
    )
  }
  if (signals.length === 0 && code === 0) wrong.push(`it left with 0 although nobody had asked it to stop`)
  return wrong
}
