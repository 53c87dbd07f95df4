/** What was done to a process, put where it belongs among the events that the process told of itself. */
import type { Event } from "quiesce/Event"
import type { Entry, Timeline } from "../../Timeline.ts"

/** Something done from outside: when, by the clock on the wall, and how many events the process had told by then. */
export interface Deed {
  readonly wall: number
  readonly told: number
  readonly entry: (at: number) => Entry
}

/**
 * The two clocks are one, read by two processes in whole milliseconds; so much earlier than it looks something may have been.
 * Of two instants within it the order is known all the same: a cause never comes after its effect, and what had been told
 * before the deed stays before it.
 */
const grain = 1

/** `begun` is the instant that counts as the application's start when it has told of none. Deeds are in order. */
export const timelineOf = (events: ReadonlyArray<Event>, deeds: ReadonlyArray<Deed>, begun: number): Timeline => {
  const starting = events.find((event) => event._tag === "AppStarting")
  const origin = starting === undefined ? begun : starting.epochMillis
  const timeline: Array<Entry> = []
  let next = 0
  for (const { entry, told, wall } of deeds) {
    const at = wall - origin - grain
    for (; next < events.length; next++) {
      const event = events[next]
      if (event === undefined || (next >= told && event.at > at)) break
      timeline.push(event)
    }
    timeline.push(entry(Math.max(at, timeline.at(-1)?.at ?? at)))
  }
  return timeline.concat(events.slice(next))
}
