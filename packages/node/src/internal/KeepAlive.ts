/**
 * Holds the process while the application lives, even when nothing else does, and tells at its end what still holds it.
 */
import * as Effect from "effect/Effect"

/** Ours to have open at the end: the standard streams, and the wake-up calls of the event loop itself. */
const expected = new Set([
  "TTYWrap",
  "PipeWrap",
  "SimpleWriteWrap",
  "WriteWrap",
  "FSReqCallback",
  "FSReqPromise",
  "Immediate",
  "TickObject",
  "Microtask"
])

/** What Node calls them, in the words of people. */
const words: Readonly<Record<string, string>> = {
  FSEventWrap: "file watcher",
  MessagePort: "message port",
  ProcessWrap: "child process",
  TCPServerWrap: "listening TCP socket",
  TCPSocketWrap: "TCP connection",
  Timeout: "timer",
  UDPWrap: "UDP socket",
  Worker: "worker thread"
}

const longest = 2_147_483_647

export class KeepAlive {
  readonly #timer = setInterval(() => {}, longest)

  /** Lets go, and names what would keep the process alive now, counted by kind. */
  readonly lingering: Effect.Effect<ReadonlyArray<string>> = Effect.gen({ self: this }, function* () {
    clearInterval(this.#timer)
    let counts = countResources()
    // What is being closed is still listed for a turn or two, a socket until its peer has heard of it.
    for (let look = 0; look < looks && counts.size > 0; look++) {
      yield* nextLook
      const now = countResources()
      counts = new Map(
        Array.from(counts, ([kind, count]) => [kind, Math.min(count, now.get(kind) ?? 0)] as const).filter(
          ([, count]) => count > 0
        )
      )
    }
    return Array.from(counts, ([kind, count]) => `${count} ${words[kind] ?? kind}${count === 1 ? "" : "s"}`)
  })
}

const looks = 4
const lookMillis = 5

/** A turn of the event loop in which no timer of ours is listed. */
const nextLook: Effect.Effect<void> = Effect.callback<void>((resume) => {
  setTimeout(() => setImmediate(() => resume(Effect.void)), lookMillis)
})

const countResources = (): ReadonlyMap<string, number> => {
  const counts = new Map<string, number>()
  for (const resource of process.getActiveResourcesInfo()) {
    if (!expected.has(resource)) counts.set(resource, (counts.get(resource) ?? 0) + 1)
  }
  return counts
}
