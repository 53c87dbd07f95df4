/**
 * How the laws read a timeline.
 */
import type { Life } from "../../Law.ts"
import type { Entry, Of, Timeline } from "../../Timeline.ts"

/** An entry and where it is. */
export interface At<One> {
  readonly entry: One
  readonly index: number
}

/** All entries of a kind, with their places. */
export const all = <Tag extends Entry["_tag"]>(timeline: Timeline, tag: Tag): ReadonlyArray<At<Of<Tag>>> =>
  timeline.flatMap((entry, index) => (isOf(entry, tag) ? [{ entry, index }] : []))

/** The first entry of a kind. */
export const first = <Tag extends Entry["_tag"]>(
  timeline: Timeline,
  tag: Tag,
  where: (entry: Of<Tag>) => boolean = () => true
): At<Of<Tag>> | undefined => {
  for (const [index, entry] of timeline.entries()) if (isOf(entry, tag) && where(entry)) return { entry, index }
  return undefined
}

const isOf = <Tag extends Entry["_tag"]>(entry: Entry, tag: Tag): entry is Of<Tag> => entry._tag === tag

/** Where the application left at once: by escalation, because the grace period was over, or because it was killed. */
export const forcedExit = (timeline: Timeline): At<Entry> | undefined =>
  first(timeline, "StateChanged", ({ to }) => to === "Exit") ?? killed(timeline)

/** Where the process was killed, and can say nothing more. */
export const killed = (timeline: Timeline): At<Entry> | undefined =>
  first(timeline, "Ended") === undefined ? first(timeline, "Struck", ({ what }) => what === "SIGKILL") : undefined

/** The component that an instance is one of: `db` of `db~2` (the kit's) and of `db#2` (the application's). */
export const nameOf = (instance: string): string => instance.replace(/[~#.]\d+$/, "")

const leftBehind = (timeline: Timeline, component: string): ReadonlyArray<At<Of<"ComponentAbandoned">>> =>
  all(timeline, "ComponentAbandoned").filter(({ entry }) => nameOf(entry.name) === nameOf(component))

/**
 * Whether the application itself said that it had left this component behind. Of several instances nobody can tell which is
 * which: it has to have said so as often as there are any that were never released.
 */
export const abandoned = (timeline: Timeline, component: string): boolean => {
  const left = leftBehind(timeline, component).length + generationsLeft(timeline, component).length
  if (left === 0) return false
  const released = new Set(all(timeline, "Released").map(({ entry }) => entry.component))
  const kept = instancesOf(timeline).filter((one) => nameOf(one) === nameOf(component) && !released.has(one))
  return kept.length <= left
}

/** Whether it had said so, of any instance, before a place. */
export const abandonedBefore = (timeline: Timeline, component: string, before: number): boolean =>
  [...leftBehind(timeline, component), ...generationsLeft(timeline, component)].some(({ index }) => index < before)

/** Whether the application can live without it, so that it may come and go while that runs. */
export const isOptional = (timeline: Timeline, component: string): boolean =>
  all(timeline, "ComponentStarted").some(
    ({ entry: { name, services } }) =>
      nameOf(name) === component && services.some((service) => service.startsWith("quiesce/Optional/"))
  )

/** Of an optional component the generations that it did not wait for any longer, while the application ran. */
const generationsLeft = (timeline: Timeline, component: string): ReadonlyArray<At<Of<"Awaited">>> =>
  all(timeline, "Awaited").filter(
    ({ entry }) => entry.result === "abandoned" && entry.name.startsWith(`${nameOf(component)} (generation `)
  )

/**
 * Whether the start of the application had been given up before a place, and this component was a part of it that never
 * started: it was interrupted, or left behind, itself or in something that has no name. Nobody can say when what was given up
 * still goes on, and what it then builds in its closed scope is in no account.
 */
export const startLeftBehind = (timeline: Timeline, component: string, before: number): boolean => {
  const isIt = (name: string): boolean => nameOf(name) === nameOf(component)
  return (
    all(timeline, "Awaited").some(
      ({ entry, index }) => entry.kind === "start" && entry.result === "abandoned" && index < before
    ) &&
    timeline.some(
      (entry) =>
        (entry._tag === "ComponentAbandoned" &&
          entry.limit === "start" &&
          (isIt(entry.name) || hasNoName(entry.name))) ||
        (entry._tag === "ComponentStartFailed" && entry.interrupted && isIt(entry.name))
    )
  )
}

const hasNoName = (name: string): boolean => /^(composition of|layer#)/.test(name)

/** Milliseconds of a span in which the event loop was blocked: nobody can be in time then. */
export const blocked = (timeline: Timeline, from: number, to: number): number =>
  all(timeline, "Blocked").reduce(
    (sum, { entry: { at, millis } }) => sum + Math.max(Math.min(at, to) - Math.max(at - millis, from), 0),
    0
  )

/** Milliseconds that were granted on request. */
export const leased = (timeline: Timeline, from: number, to: number): number =>
  all(timeline, "LeaseGranted").reduce(
    (sum, { entry }) => sum + (entry.at >= from && entry.at <= to ? entry.millis : 0),
    0
  )

/** What a stop may take in all. */
export const total = ({ limits, timeline }: Life): number =>
  isCrash(timeline) ? Math.min(limits.crashGracePeriod, limits.gracePeriod) : limits.gracePeriod

/** What is kept of that at the end. */
export const reserve = ({ limits, timeline }: Life): number =>
  isCrash(timeline) ? limits.crashReserve : limits.reserve

const isCrash = (timeline: Timeline): boolean => first(timeline, "StopRequested")?.entry.reason._tag === "Crash"

/** Whether what was done to it asks for a stop; a failpoint that is hit does not. */
export const isRequest = ({ what }: Of<"Struck">): boolean =>
  /^(requestStop|uncaughtException|unhandledRejection)/.test(what)

/** When the stop began: with its request, or, for an application that has no requests, with its first signal. */
export const stopBegan = (timeline: Timeline): At<Entry> | undefined =>
  first(timeline, "StopRequested") ?? first(timeline, "Signalled") ?? first(timeline, "Struck", isRequest)

/** Where a watchdog asked for the last words of a process that it was about to kill. */
export const watchdog = (timeline: Timeline): At<Of<"Struck">> | undefined =>
  first(timeline, "Struck", ({ what }) => what === "watchdog")

/** Where code of its own left the process. */
export const leftFromWithin = (timeline: Timeline): At<Of<"Crashed">> | undefined =>
  first(timeline, "Crashed", ({ kind }) => kind === "processExit")

/**
 * Milliseconds of the grace period that were gone before it was told: the rollback of a failed start had taken them, or the
 * signal had waited for the event loop.
 */
export const spent = (timeline: Timeline): number => first(timeline, "StopRequested")?.entry.spent ?? 0

/** Times are told in whole microseconds. */
export const rounding = 0.001

/** By how much two readings of the clock may differ that were taken for one instant. */
export const tolerance = ({ limits }: Life): number => limits.slack + 10 * rounding

export const instancesOf = (timeline: Timeline): ReadonlyArray<string> =>
  Array.from(new Set(all(timeline, "Acquired").map(({ entry }) => entry.component)))

/** Where a component settled: once, if all is well. */
export const ends = (timeline: Timeline, id: number): ReadonlyArray<At<Entry>> =>
  timeline.flatMap((entry, index) =>
    (entry._tag === "ComponentStopped" || entry._tag === "ComponentAbandoned") && entry.id === id
      ? [{ entry, index }]
      : []
  )

/** Where a unit left its gate. */
export const leftAt = (
  timeline: Timeline,
  { gate, unit }: { readonly gate: string; readonly unit: number }
): At<Of<"Left">> | undefined => first(timeline, "Left", (other) => other.gate === gate && other.unit === unit)

/** Whether a worker has handed a unit over, so that it is not lost although it was not finished. */
export const handedBack = (
  timeline: Timeline,
  { gate, unit }: { readonly gate: string; readonly unit: number }
): boolean => first(timeline, "HandedBack", (other) => other.gate === gate && other.unit === unit) !== undefined

/** What a unit is counted as. */
export const kindOf = ({ gate, kind = gate }: Of<"Accepted">): string => kind

/** The units in their gates at a place of the timeline, those of one gate or of one kind. */
export const inside = (
  timeline: Timeline,
  where: (unit: Of<"Accepted">) => boolean,
  index: number
): ReadonlyArray<At<Of<"Accepted">>> =>
  all(timeline, "Accepted").filter(({ entry, index: accepted }) => {
    if (!where(entry) || accepted > index) return false
    const left = leftAt(timeline, entry)
    return left === undefined || left.index > index
  })

/** Milliseconds that a state may take at most when it begins then: its budget, or what releases leave of the stop. */
export const capped = (life: Life, budget: number, from: number): number =>
  Math.min(
    budget,
    total(life) - spent(life.timeline) - reserve(life) - (from - (stopBegan(life.timeline)?.entry.at ?? 0))
  )

/**
 * A drain that went its own way to Interrupting: neither cut short by an escalation, nor by the rollback of a failed start,
 * which has used up what it needed.
 */
export const wholeDrain = (
  timeline: Timeline
):
  | { readonly from: At<Of<"StateChanged">>; readonly to: At<Of<"StateChanged">>; readonly lasted: number }
  | undefined => {
  const from = first(timeline, "StateChanged", (change) => change.to === "Draining")
  const to = first(timeline, "StateChanged", (change) => change.from === "Draining" && change.to === "Interrupting")
  if (from === undefined || to === undefined) return undefined
  if (first(timeline, "StopRequested")?.entry.reason._tag === "StartFailed") return undefined
  const escalated = all(timeline, "Escalated").some(
    ({ entry }) => entry.rung === "Interrupt" && entry.at <= to.entry.at
  )
  return escalated ? undefined : { from, to, lasted: to.entry.at - from.entry.at }
}
