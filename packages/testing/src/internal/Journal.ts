/**
 * Where scripted components and drivers write down what they see, between the events of the application. Nobody listens
 * unless a driver of the kit does.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type { Entry, Observation } from "../Timeline.ts"

/** An observation without its time, which the journal adds. */
export type Seen = Observation extends infer One ? (One extends Observation ? Omit<One, "at"> : never) : never

interface Inside {
  readonly journal: Journal
  readonly entries: Array<Entry>
  /** It begins to start: its time is counted from now on. */
  readonly begin: () => void
}

export interface Journal {
  readonly record: (seen: Seen) => void
  /** Blocks the event loop, for real or in simulated time. */
  readonly block: (millis: number) => void
  /** A name for the next instance of a component: the second `db` is `db~2`. */
  readonly instance: (name: string) => string
  /** A journal of its own for an application inside of this one. */
  readonly inside: () => Inside
}

const nobody: Journal = {
  record: () => {},
  block: () => {},
  instance: (name) => name,
  inside: () => ({ journal: nobody, entries: [], begin: () => {} })
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
  const journal: Journal = {
    record: (seen) => void entries.push({ ...seen, at: now() }),
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
    }
  }
  family.push(journal)
  return journal
}
