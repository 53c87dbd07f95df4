/** Times and counts as people read them; used by log lines, report and progress alike. */
import type { InFlight } from "../Lifecycle.ts"

/** `0 ms`, `16 ms`, `1.25 s`, `2 min 3 s`. */
export const formatMillis = (millis: number): string => {
  if (millis < 1000) return `${Math.round(millis)} ms`
  if (millis < 60_000) return `${Number((millis / 1000).toFixed(2))} s`
  const seconds = Math.round(millis / 1000)
  return `${Math.floor(seconds / 60)} min ${seconds % 60} s`
}

/** `2 request, 1 websocket`, biggest first; `nothing` when there is none. */
export const formatCounts = (counts: InFlight): string => {
  const entries = Object.entries(counts).filter(([, count]) => count > 0)
  if (entries.length === 0) return "nothing"
  return entries
    .toSorted(([, a], [, b]) => b - a)
    .map(([kind, count]) => `${count} ${kind}`)
    .join(", ")
}
