/**
 * What the report says of tasks, by name.
 */
import type { Event } from "../Event.ts"

interface TaskRow {
  readonly name: string
  readonly component?: string
  failures: number
  restarts: number
  end?: "done" | "failed" | "stopped" | "interrupted" | "left behind"
}

/** What a straggler that is a task is called, before its name. */
const prefix = "task "

export const taskRows = (events: ReadonlyArray<Event>): ReadonlyArray<Readonly<TaskRow>> => {
  const rows = new Map<string, TaskRow>()
  const end = (name: string, how: Exclude<TaskRow["end"], undefined>): void => {
    const row = rows.get(name)
    if (row !== undefined) row.end = how
  }
  const rowOf = ({ component, name }: { readonly name: string; readonly component?: string }): TaskRow => {
    const known = rows.get(name)
    if (known !== undefined) return known
    const made = { name, ...(component === undefined ? {} : { component }), failures: 0, restarts: 0 }
    rows.set(name, made)
    return made
  }
  for (const event of events) {
    switch (event._tag) {
      case "TaskStarted":
        rowOf(event)
        break
      case "TaskFailed": {
        // One of very many names is told of by its own where it fails.
        const row = rowOf(event)
        row.failures++
        if (event.next === "restart") row.restarts++
        else row.end = "failed"
        break
      }
      case "TaskEnded":
        end(event.name, "done")
        break
      case "TaskStopped":
        end(event.name, "stopped")
        break
      case "TaskInterrupted":
        end(event.name, "interrupted")
        break
      case "Straggler":
        // Work behind a gate may be called as a task is.
        if (event.kind.startsWith(prefix)) end(event.kind.slice(prefix.length), "left behind")
        break
      default:
        break
    }
  }
  return Array.from(rows.values())
}

/** One line for each task that failed: what fails again and again is said once, with as many times as the log has kept. */
export const taskFailures = (events: ReadonlyArray<Event>): ReadonlyArray<string> => {
  const failed = new Map<string, { readonly times: number; readonly last: string }>()
  for (const event of events) {
    if (event._tag !== "TaskFailed") continue
    failed.set(event.name, { times: (failed.get(event.name)?.times ?? 0) + 1, last: event.message })
  }
  return Array.from(failed, ([name, { last, times }]) =>
    times === 1 ? `task ${name} failed: ${last}` : `task ${name} failed ${times} times, in the end: ${last}`
  )
}
