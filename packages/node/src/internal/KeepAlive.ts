/**
 * Holds the process while the application lives, even when nothing else does, and tells at its end what still holds it.
 */

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
  release(): ReadonlyArray<string> {
    clearInterval(this.#timer)
    const counts = new Map<string, number>()
    for (const resource of process.getActiveResourcesInfo()) {
      if (!expected.has(resource)) counts.set(resource, (counts.get(resource) ?? 0) + 1)
    }
    return Array.from(counts, ([resource, count]) => `${count} ${words[resource] ?? resource}${count === 1 ? "" : "s"}`)
  }
}
