/**
 * Where the time of a stop went: pure functions of the event log.
 */
import type { Event } from "../Event.ts"
import { type AppState, isStopping, isTerminal } from "../Phase.ts"

/** Differences of microsecond times, without the noise of floating point. */
export const between = (from: number, to: number): number => Math.round((to - from) * 1000) / 1000

export interface Row {
  readonly id: number
  name: string
  services: ReadonlyArray<string>
  /** Neither provides nor acquired anything. */
  empty: boolean
  readonly builtWith: ReadonlyArray<number>
  readonly startedAt: number
  starting: number
  stoppingAt: number | undefined
  stoppedAt: number | undefined
  waiting: number
  working: number
  end: "stopped" | "failed" | "abandoned" | "start failed" | "start interrupted" | "running"
  failure: string | undefined
}

export const components = (events: ReadonlyArray<Event>, end: number): ReadonlyArray<Row> => {
  const rows = new Map<number, Row>()
  const releasing = releaseBegan(events)
  // A composition that is left behind is told of only then.
  const row = (
    event: { readonly id: number; readonly name: string; readonly at: number },
    builtWith: ReadonlyArray<number> = []
  ): Row => {
    const known = rows.get(event.id)
    if (known !== undefined) return known
    const made: Row = {
      id: event.id,
      name: event.name,
      services: [],
      empty: false,
      builtWith,
      startedAt: event.at,
      starting: between(event.at, end),
      stoppingAt: undefined,
      stoppedAt: undefined,
      waiting: 0,
      working: 0,
      end: "running",
      failure: undefined
    }
    rows.set(event.id, made)
    return made
  }
  const settle = (at: Row, when: number, ending: Row["end"]): void => {
    const from = at.stoppingAt ?? when
    at.stoppedAt = when
    at.working = between(from, when)
    at.waiting = releasing === undefined ? 0 : Math.max(between(releasing, from), 0)
    at.end = ending
  }
  for (const event of events) {
    switch (event._tag) {
      case "ComponentStarting":
        row(event, event.builtWith)
        break
      case "ComponentNamed":
        row(event).name = event.name
        break
      case "ComponentStarted": {
        const started = row(event)
        started.name = event.name
        started.services = event.services
        started.empty = event.empty
        started.starting = between(started.startedAt, event.at)
        break
      }
      case "ComponentStartFailed": {
        const failed = row(event)
        failed.name = event.name
        failed.starting = between(failed.startedAt, event.at)
        // It may fail after it was left behind.
        if (failed.end === "running") failed.end = event.interrupted ? "start interrupted" : "start failed"
        failed.failure = event.message
        break
      }
      case "ComponentStopping":
        row(event).stoppingAt = event.at
        break
      case "ComponentStopped": {
        const stopped = row(event)
        const started = stopped.end !== "start failed" && stopped.end !== "start interrupted"
        settle(stopped, event.at, event.failure !== undefined ? "failed" : started ? "stopped" : stopped.end)
        stopped.failure = event.failure ?? stopped.failure
        break
      }
      case "ComponentAbandoned": {
        const abandoned = row(event)
        abandoned.stoppingAt ??= event.at - event.after
        settle(abandoned, event.at, "abandoned")
        break
      }
      default:
        break
    }
  }
  // Still stopping when the process had to leave.
  for (const open of rows.values())
    if (open.stoppingAt !== undefined && open.stoppedAt === undefined) settle(open, end, "abandoned")
  return Array.from(rows.values()).filter((row) => !row.empty || row.stoppingAt !== undefined)
}

/**
 * When the stop began: with its request, or before it, with the signal that had to wait to be taken, or, when the start failed,
 * with the release of what had been acquired, which comes before the failure is told.
 */
export const stopBegan = (events: ReadonlyArray<Event>): number | undefined => {
  const requested = events.findIndex((event) => event._tag === "StopRequested")
  const request = events[requested]
  if (request?._tag !== "StopRequested") return undefined
  // A signal can have waited for longer than the application is there.
  if (request.spent !== undefined) return Math.max(between(request.spent, request.at), 0)
  if (request.reason._tag !== "StartFailed") return request.at
  const before = events.slice(0, requested)
  const lastStart = before.findLastIndex((event) => event._tag === "ComponentStarting")
  return before.slice(lastStart + 1).find((event) => event._tag === "ComponentStopping")?.at ?? request.at
}

/** When releases could begin. */
const releaseBegan = (events: ReadonlyArray<Event>): number | undefined => {
  const releasing = events.find((event) => event._tag === "StateChanged" && event.to === "Releasing")?.at
  const began = stopBegan(events)
  const request = events.find((event) => event._tag === "StopRequested")
  const rolledBack = request?.reason._tag === "StartFailed" && began !== undefined && began < request.at
  return rolledBack ? began : releasing
}

/** Time in each state from the stop request on. The sum is the time from the request to the end. */
export const stateTimes = (
  events: ReadonlyArray<Event>,
  end: number
): ReadonlyArray<{ readonly state: AppState; readonly duration: number }> => {
  const request = events.findIndex((event) => event._tag === "StopRequested")
  const requested = events[request]?.at
  // Where the stop has arrived is no state with a time of its own: what remains to be done there is the last one's.
  const changes = events
    .filter((event) => event._tag === "StateChanged")
    .filter((event) => isStopping(event.to) && !isTerminal(event.to))
  const times = changes.map((change, index) => {
    const from = index === 0 ? (requested ?? change.at) : change.at
    return { state: change.to, duration: between(from, changes[index + 1]?.at ?? end) }
  })
  // The state before the stop has what was gone by then, and all of it where the process left without another state.
  const began = stopBegan(events)
  const spent = began === undefined ? 0 : between(began, changes.length === 0 ? end : (requested ?? began))
  const before = events.slice(0, request).findLast((event) => event._tag === "StateChanged")
  return spent > 0 ? [{ state: before?.to ?? "Starting", duration: spent }, ...times] : times
}

/** Milliseconds that the engine itself may take between two releases. */
const slack = 2

/**
 * Backwards from the release that ended last: who ended last before it began is what it had to wait for. The gaps are told
 * as waiting, so that the links add up to the time of the release.
 */
export const criticalChain = (
  rows: ReadonlyArray<Row>,
  events: ReadonlyArray<Event>,
  end: number
): ReadonlyArray<{ readonly name: string; readonly waiting: number; readonly working: number }> => {
  const releasing = releaseBegan(events)
  if (releasing === undefined) return []
  // An interrupted start releases what it had built while the stop is still interrupting: what is left of that counts.
  const released = rows.filter(
    (row) => row.stoppingAt !== undefined && (row.stoppingAt >= releasing || (row.stoppedAt ?? end) > releasing)
  )
  const stopOf = (row: Row): number => row.stoppedAt ?? end
  const startOf = (row: Row): number => Math.max(row.stoppingAt ?? end, releasing)
  const latest = (candidates: ReadonlyArray<Row>): Row | undefined =>
    candidates.reduce<Row | undefined>(
      (best, row) => (best === undefined || stopOf(row) >= stopOf(best) ? row : best),
      undefined
    )
  const chain: Array<{ readonly name: string; readonly waiting: number; readonly working: number }> = []
  const seen = new Set<Row>()
  for (let at = latest(released); at !== undefined;) {
    seen.add(at)
    const link: Row = at
    const before = released.filter((row) => !seen.has(row) && stopOf(row) <= startOf(link))
    const dependant = latest(before.filter((row) => row.builtWith.includes(link.id)))
    const last = latest(before)
    // Apart from dependants only composition orders releases: then one begins where another ends.
    const ordered = last !== undefined && startOf(link) - stopOf(last) < slack && startOf(link) - releasing > slack
    const previous = dependant ?? (ordered ? last : undefined)
    chain.unshift({
      name: link.name,
      waiting: between(previous === undefined ? releasing : stopOf(previous), startOf(link)),
      working: between(startOf(link), stopOf(link))
    })
    at = previous
  }
  return chain
}
