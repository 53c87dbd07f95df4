/**
 * Where scripted components and drivers write down what they see, between the events of the application. Nobody listens
 * unless a driver of the kit does.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import type { Lifecycle } from "quiesce/Lifecycle"
import type { Entry, Observation } from "../Timeline.ts"

/** An observation without its time, which the journal adds. */
export type Seen = Observation extends infer One ? (One extends Observation ? Omit<One, "at"> : never) : never

interface Inside {
  readonly journal: Journal
  readonly entries: Array<Entry>
  /** It begins to start: its time is counted from now on. */
  readonly begin: () => void
}

/** What builds a component: an application, by its lifecycle, and the kind of memo map that keeps its account. */
interface Builder {
  readonly lifecycle: Lifecycle["Service"]
  readonly memoMap: Layer.MemoMap
}

export interface Journal {
  readonly record: (seen: Seen) => void
  /** Blocks the event loop, for real or in simulated time. */
  readonly block: (millis: number) => void
  /** A name for the next instance of a component: the second `db` is `db~2`. */
  readonly instance: (name: string) => string
  /** A journal of its own for an application inside of this one. */
  readonly inside: () => Inside
  /** It is the life of this application that is written down, and of no other. */
  readonly belongsTo: (owner: Builder) => void
  /**
   * The journal for a component that is built like this. What running code builds for itself, and what an application of the
   * user's own inside of this one does, is none of this application's life: neither its account nor its report has it.
   */
  readonly of: (builder: Builder) => Journal
}

const nobody: Journal = {
  record: () => {},
  block: () => {},
  instance: (name) => name,
  inside: () => ({ journal: nobody, entries: [], begin: () => {} }),
  belongsTo: () => {},
  of: () => nobody
}

export const CurrentJournal = Context.Reference<Journal>("@quiesce/testing/internal/Journal", {
  defaultValue: () => nobody
})

export const record = (seen: Seen): Effect.Effect<void> => Effect.map(CurrentJournal, (journal) => journal.record(seen))

/**
 * A journal that writes into `entries`. `now` is milliseconds since the application began to start; `lives` gets the entries of
 * each application inside.
 */
export const make = (
  entries: Array<Entry>,
  now: () => number,
  block: (millis: number) => void,
  lives: Array<Array<Entry>> = [],
  family: Array<Journal> = []
): Journal => {
  const instances = new Map<string, number>()
  let owner: Builder | undefined
  const journal: Journal = {
    record: (seen) => {
      const last = entries.at(-1)
      const at = now()
      // One pause, not one for each millisecond of it.
      if (seen._tag === "Blocked" && last?._tag === "Blocked" && last.at + seen.millis === at)
        entries[entries.length - 1] = { ...last, at, millis: last.millis + seen.millis }
      else entries.push({ ...seen, at })
    },
    block: (millis) => {
      block(millis)
      // Who blocks the event loop blocks it for all.
      for (const { record } of family) record({ _tag: "Blocked", millis })
    },
    instance: (name) => {
      const count = (instances.get(name) ?? 0) + 1
      instances.set(name, count)
      return count === 1 ? name : `${name}~${count}`
    },
    inside: () => {
      let began = now()
      const own: Array<Entry> = []
      lives.push(own)
      return {
        journal: make(own, () => now() - began, block, lives, family),
        entries: own,
        begin: () => {
          began = now()
        }
      }
    },
    belongsTo: (builder) => {
      owner = builder
    },
    of: ({ lifecycle, memoMap }) =>
      owner === undefined || (owner.lifecycle === lifecycle && owner.memoMap.constructor === memoMap.constructor)
        ? journal
        : stranger
  }
  const stranger: Journal = { ...nobody, block: journal.block, instance: journal.instance }
  family.push(journal)
  return journal
}
