/** The live status as text, for SIGUSR2. */
import type { Status } from "quiesce/Lifecycle"
import { formatCounts, formatMillis } from "quiesce/Report"
import * as StopReason from "quiesce/StopReason"

export const statusText = (name: string, status: Status): string => {
  const lines = [
    `${name} is ${status.state}, up ${formatMillis(status.uptime)}`,
    ...(status.reason === undefined ? [] : [`  stopping: ${StopReason.describe(status.reason)}`]),
    ...(status.remaining === undefined ? [] : [`  ${formatMillis(status.remaining)} left of the grace period`]),
    `  in flight: ${formatCounts(status.inFlight)}`,
    ...(status.criticalSections.length === 0 ? [] : [`  critical sections: ${status.criticalSections.join(", ")}`]),
    ...(status.awaiting.length === 0 ? [] : [`  waiting for: ${status.awaiting.join(", ")}`]),
    "  components:",
    ...status.components.map(
      ({ name, since, state }) => `    ${name} ${state} for ${formatMillis(status.uptime - since)}`
    )
  ]
  return lines.join("\n")
}
