/**
 * Tells once when the memory is nearly used up: while there still is some to stop with.
 *
 * V8 gives up when most of the heap is in use after one full collection after the other, and so does this, a little earlier.
 * To look costs nothing worth a thought twice a second; to hear of each collection does, so that begins when there is reason to.
 */
import { constants, type PerformanceEntry, PerformanceObserver } from "node:perf_hooks"
import { getHeapStatistics } from "node:v8"

const lookMillis = 500
/** Of the limit, in use after a full collection: a little later V8 begins to count those that free little. */
const nearlyFull = 0.75
/** So many of them, one soon after the other: the process does little else. */
const collections = 3
const soonMillis = 10_000

export const watchHeap = (tell: (message: string) => void): void => {
  const timer = setInterval(() => {
    // Much of it may be garbage: it is looked at closely.
    if (used() < nearlyFull * limit) return
    clearInterval(timer)
    let full: ReadonlyArray<number> = []
    const observer = new PerformanceObserver((list) => {
      for (const entry of list.getEntries()) {
        if (kindOf(entry) !== constants.NODE_PERFORMANCE_GC_MAJOR) continue
        full = used() < nearlyFull * limit ? [] : [...full, entry.startTime].slice(-collections)
      }
      const [first] = full
      if (first === undefined || full.length < collections || performance.now() - first > soonMillis) return
      observer.disconnect()
      tell(
        `${megabytes(used())} of ${megabytes(limit)} are in use after every full collection: find what holds them, or raise ` +
          `the limit (--max-old-space-size)`
      )
    })
    observer.observe({ entryTypes: ["gc"] })
  }, lookMillis)
  timer.unref()
}

const used = (): number => getHeapStatistics().used_heap_size

/**
 * In bytes, for what has lived for a while: Node tells the sum of that and of a nursery, which is empty after a full collection
 * and small, unless the limit was set to something small.
 */
const limit = ((): number => {
  const flags = [...process.execArgv, process.env["NODE_OPTIONS"] ?? ""].join(" ")
  const given = /--max[-_]old[-_]space[-_]size[= ](\d+)/.exec(flags)?.[1]
  return given === undefined ? getHeapStatistics().heap_size_limit * 0.95 : Number(given) * 1_048_576
})()

/** Node's own entries have it, and its types do not know. */
const kindOf = (entry: PerformanceEntry): unknown => {
  const detail = "detail" in entry ? entry.detail : undefined
  return typeof detail === "object" && detail !== null && "kind" in detail ? detail.kind : undefined
}

const megabytes = (bytes: number): string => `${Math.round(bytes / 1_048_576)} MiB`
