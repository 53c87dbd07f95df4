/** What can be wrong with a wire, a real one (`FaultProxy`) or one in memory (`Wire`), and what that does to its two directions. */
import * as Schema from "effect/Schema"

/**
 * What becomes of bytes that do not get through. `"lost"`: the sender gets rid of them and nobody ever sees them; a
 * connection that has lost something is reset when the fault is over, never continued with a hole. `"held"`: they wait in
 * the sender's buffers and arrive when the fault is over, as after a cable was pulled for a while.
 */
const bytes = Schema.Literals(["lost", "held"])

/**
 * What is wrong with the wire, as plain data; one at a time, the next replaces it.
 *
 * - `Latency`: every piece arrives later by `millis` plus up to `jitter`, in each direction and in order.
 * - `Cut`: every open connection is reset now, on both sides; `newcomers` are accepted or refused.
 * - `HalfOpen`: nothing that the `silent` side sends arrives, its end and its reset neither; the other direction works.
 * - `BlackHole`: connections are accepted and nothing ever comes back; open ones hang too.
 * - `Refuse`: new connections are refused (ECONNREFUSED), open ones go on.
 */
export const Fault = Schema.TaggedUnion({
  Latency: { millis: Schema.Number, jitter: Schema.Number },
  Cut: { newcomers: Schema.Literals(["accepted", "refused"]) },
  HalfOpen: { silent: Schema.Literals(["client", "target"]), bytes },
  BlackHole: { bytes },
  Refuse: {}
})

export type Fault = typeof Fault.Type

/** Every piece is later by so many milliseconds, one way; `jitter` adds up to so many more, drawn from effect's Random. */
export const latency = (millis: number, options: { readonly jitter?: number } = {}): Fault => ({
  _tag: "Latency",
  millis,
  jitter: options.jitter ?? 0
})

/** Resets all connections; new ones are accepted unless `newcomers` says `"refused"`. */
export const cut = (options: { readonly newcomers?: "accepted" | "refused" } = {}): Fault => ({
  _tag: "Cut",
  newcomers: options.newcomers ?? "accepted"
})

/** What `silent` sends no longer arrives; `"lost"` unless `bytes` says `"held"`. */
export const halfOpen = (silent: "client" | "target", options: { readonly bytes?: "lost" | "held" } = {}): Fault => ({
  _tag: "HalfOpen",
  silent,
  bytes: options.bytes ?? "lost"
})

/** Nothing arrives anywhere; `"lost"` unless `bytes` says `"held"`. */
export const blackHole = (options: { readonly bytes?: "lost" | "held" } = {}): Fault => ({
  _tag: "BlackHole",
  bytes: options.bytes ?? "lost"
})

/** Nobody listens any more. */
export const refuse: Fault = { _tag: "Refuse" }

/**
 * One direction of a connection.
 *
 * - `pass`: it arrives, each piece so many milliseconds later.
 * - `hold`: it stays where it is, and the sender's buffers fill up.
 * - `lose`: it is read and thrown away; the sender is none the wiser.
 */
export type Way = { readonly _tag: "pass"; readonly delay: (() => number) | undefined } | "hold" | "lose"

export interface Ways {
  readonly toTarget: Way
  readonly toClient: Way
}

export const isPassing = (way: Way): boolean => typeof way !== "string"

const both = (way: Way): Ways => ({ toTarget: way, toClient: way })

export const healthy: Ways = both({ _tag: "pass", delay: undefined })

/** Whether new connections are refused. */
export const refuses = (fault: Fault | undefined): boolean =>
  fault?._tag === "Refuse" || (fault?._tag === "Cut" && fault.newcomers === "refused")

export const waysOf = (fault: Fault | undefined, random: () => number): Ways => {
  switch (fault?._tag) {
    case "Latency":
      return both({ _tag: "pass", delay: () => fault.millis + random() * fault.jitter })
    case "BlackHole":
      return both(stopping[fault.bytes])
    case "HalfOpen": {
      const way = stopping[fault.bytes]
      return fault.silent === "client" ? { ...healthy, toTarget: way } : { ...healthy, toClient: way }
    }
    case "Cut":
    case "Refuse":
    case undefined:
      return healthy
  }
}

const stopping = { lost: "lose", held: "hold" } as const
