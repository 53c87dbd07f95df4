/**
 * What happened in one life of an application, in order: the events of its log, and between them what the test kit saw from
 * outside. Laws are checked on it, runs are compared by it, and people read it.
 */
import type { Event } from "quiesce/Event"
import * as Schema from "effect/Schema"

const at = Schema.Number
const component = { at, component: Schema.String }
const unit = { at, gate: Schema.String, unit: Schema.Number }
const run = { at, task: Schema.String, run: Schema.Number }
const section = { at, section: Schema.String }
const hook = { at, hook: Schema.String }

/**
 * What the kit sees for itself, so that a law does not have to take the engine's word for it. `at` is milliseconds since the
 * application began to start.
 *
 * - `Signalled`: a stop signal was delivered, `late` by so many milliseconds. `Struck`: something else was done to it from outside,
 *   `what` says what.
 * - `Acquiring`, `Acquired`, `Releasing`, `Released`: a scripted component at work; `needs` are the components that it uses,
 *   `stopTimeout` its own one.
 * - `Asked`: a unit of work came to a gate, which lets in `capacity` of them at once, and lets the others wait (`waits`) or turns
 *   them away. `Accepted`, `Refused`, `TurnedAway`, `Withdrawn`: what came of it; the last when it was interrupted before it had
 *   begun. `Left`: it left again, `whole` when it was finished. `masked` when it ignores interruption; `kind` what it is counted as.
 * - `Offered`, `HandedBack`: a unit was put into the queue of a worker, which is its gate, or given to it by the table that it
 *   asks, and given back by it. `ClaimAsked`, `ClaimAnswered`: it asked that table for one, and had its answer, `whole` when it
 *   waited for it.
 * - `RunBegan`, `RunEnded`, `RunLeft`: a run of a task, with what its script says of the task; `RunLeft` when it has cleaned up.
 * - `ReloadBegan`, `ReloadEnded`: an attempt to reload.
 * - `SectionAsked`: a critical section, which may have to wait for its `key`. `SectionEntered`, `SectionRefused`,
 *   `SectionWithdrawn`: what came of it; the last when it was interrupted before it had begun. `SectionLeft`: it ended, `whole`
 *   when it came to its own end. `late` when it may begin during a stop, `masked` when it ignores interruption.
 * - `HookSet`, `HookGone`: a hook is registered from the one to the other, where its scope closes; one of the kind `onStopped`
 *   stays. `masked` when it ignores interruption. `HookRan`, `HookEnded`: it began, and it ended, `whole` when it succeeded.
 * - `Failed`: something failed on purpose; `message` is unique, so that its log line can be found.
 * - `Logged`: a log line.
 * - `Blocked`: the event loop did nothing else for so many milliseconds.
 * - `Exited`: the end as the process would see it.
 */
export const Observation = Schema.TaggedUnion({
  Signalled: { at, signal: Schema.String, late: Schema.optionalKey(Schema.Number) },
  Struck: { at, what: Schema.String },
  Acquiring: { ...component, needs: Schema.Array(Schema.String), stopTimeout: Schema.optionalKey(Schema.Number) },
  Acquired: component,
  Releasing: component,
  Released: component,
  Asked: { ...unit, kind: Schema.String, waits: Schema.Boolean, capacity: Schema.optionalKey(Schema.Number) },
  Accepted: { ...unit, masked: Schema.Boolean, kind: Schema.optionalKey(Schema.String) },
  Refused: unit,
  TurnedAway: unit,
  Withdrawn: unit,
  Left: { ...unit, whole: Schema.Boolean },
  Offered: unit,
  ClaimAsked: { at, gate: Schema.String },
  ClaimAnswered: { at, gate: Schema.String, whole: Schema.Boolean },
  HandedBack: unit,
  RunBegan: {
    ...run,
    priority: Schema.Number,
    restarts: Schema.Number,
    every: Schema.Number,
    masked: Schema.Boolean,
    end: Schema.String,
    onFailure: Schema.String,
    onStop: Schema.optionalKey(Schema.String)
  },
  RunLeft: run,
  RunEnded: { ...run, how: Schema.Literals(["done", "failed", "interrupted"]) },
  ReloadBegan: { at, reload: Schema.String, attempt: Schema.Number },
  ReloadEnded: {
    at,
    reload: Schema.String,
    attempt: Schema.Number,
    how: Schema.Literals(["done", "failed", "interrupted"])
  },
  SectionAsked: { ...section, late: Schema.Boolean, key: Schema.optionalKey(Schema.String) },
  SectionWithdrawn: section,
  SectionEntered: { ...section, atMost: Schema.Number, late: Schema.Boolean, masked: Schema.Boolean },
  SectionRefused: { ...section, late: Schema.Boolean },
  SectionLeft: { ...section, whole: Schema.Boolean },
  HookSet: {
    ...hook,
    kind: Schema.Literals(["onStopping", "awaitBeforeStop", "onStopped", "emergency"]),
    masked: Schema.Boolean
  },
  HookGone: hook,
  HookRan: hook,
  HookEnded: { ...hook, whole: Schema.Boolean },
  Failed: { ...component, message: Schema.String },
  Logged: { at, level: Schema.String, message: Schema.String },
  Blocked: { at, millis: Schema.Number },
  Exited: { at, exitCode: Schema.Number }
})

export type Observation = typeof Observation.Type

export type Entry = Event | Observation

export type Timeline = ReadonlyArray<Entry>

export type Of<Tag extends Entry["_tag"]> = Extract<Entry, { readonly _tag: Tag }>

/** The entries of one kind. */
export const only = <Tag extends Entry["_tag"]>(timeline: Timeline, tag: Tag): ReadonlyArray<Of<Tag>> =>
  timeline.filter((entry): entry is Of<Tag> => entry._tag === tag)

/** Whether an entry is one of the application's own events. */
export const isEvent = (entry: Entry): entry is Event => !(entry._tag in Observation.cases)

/** The events alone: what `App.events` holds. */
export const events = (timeline: Timeline): ReadonlyArray<Event> => timeline.filter(isEvent)

/**
 * The timeline as text, a line for each entry, the marked ones with an arrow. Log lines are left out unless they are marked:
 * they say again what the events say.
 */
export const render = (timeline: Timeline, marked: ReadonlyArray<number> = []): string =>
  timeline
    .flatMap((entry, index) => {
      const isMarked = marked.includes(index)
      if (entry._tag === "Logged" && !isMarked) return []
      return [`${isMarked ? ">" : " "} ${line(entry)}`]
    })
    .join("\n")

const line = ({ _tag, at, ...rest }: Entry): string =>
  `${at.toFixed(1).padStart(9)} ${_tag}${Object.entries(rest)
    .map(([key, value]) => ` ${key}=${text(value)}`)
    .join("")}`

const text = (value: unknown): string => (typeof value === "string" ? value : JSON.stringify(value))
