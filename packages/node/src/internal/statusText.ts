/** The live status as text, for SIGUSR2. */
import type { Summary } from "quiesce/HealthState"
import type { Status } from "quiesce/Lifecycle"
import { formatCounts, formatMillis } from "quiesce/Report"
import * as StopReason from "quiesce/StopReason"

export const statusText = (name: string, status: Status): string => {
  const lines = [
    `${name} is ${status.state}, up ${formatMillis(status.uptime)}`,
    ...(status.reason === undefined ? [] : [`  stopping: ${StopReason.describe(status.reason)}`]),
    ...(status.remaining === undefined ? [] : [`  ${formatMillis(status.remaining)} left of the grace period`]),
    ...(status.health.checks.length === 0 ? [] : [`  health: ${healthText(status.health)}`]),
    `  in flight: ${formatCounts(status.inFlight)}`,
    ...(status.criticalSections.length === 0 ? [] : [`  critical sections: ${status.criticalSections.join(", ")}`]),
    ...(status.awaiting.length === 0 ? [] : [`  waiting for: ${status.awaiting.join(", ")}`]),
    ...(status.tasks.length === 0 ? [] : ["  tasks:", ...taskLines(status)]),
    "  components:",
    ...status.components.map(
      ({ name, since, state }) => `    ${name} ${state} for ${formatMillis(status.uptime - since)}`
    )
  ]
  return lines.join("\n")
}

const healthText = ({ checks, state }: Summary): string => {
  const bad = checks.filter(({ status }) => status !== "pass")
  const said = bad.map(({ failure, name, status }) => `${name} (${failure ?? status})`)
  return bad.length === 0 ? state : `${state}: ${said.join(", ")}`
}

/** More names than fit on a screen help nobody. */
const mostTasks = 20

const taskLines = ({ tasks }: Status): ReadonlyArray<string> => {
  const lines = tasks.slice(0, mostTasks).map(({ failures, name, restarting, running, stopping, waiting }) => {
    const states = Object.entries({ running, waiting, restarting, stopping }).flatMap(([state, count]) =>
      count === 0 ? [] : [`${count} ${state}`]
    )
    const failed = failures === 0 ? "" : `, failed ${failures} ${failures === 1 ? "time" : "times"} so far`
    return `    ${name} ${states.join(", ")}${failed}`
  })
  return tasks.length > mostTasks ? [...lines, `    and ${tasks.length - mostTasks} more`] : lines
}
