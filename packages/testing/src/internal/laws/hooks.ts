/**
 * Hooks: each runs once, when its state has come, whatever the others do, and is waited for while there is time.
 */
import type { AppState } from "quiesce/Phase"
import type * as Law from "../../Law.ts"
import type { Entry, Of, Timeline } from "../../Timeline.ts"
import { all, type At, blocked, capped, first, spent, tolerance, total, watchdog, wholeDrain } from "./reading.ts"

interface Hook {
  readonly name: string
  readonly kind: Of<"HookSet">["kind"]
  readonly set: At<Of<"HookSet">>
  /** Where its scope closed. */
  readonly gone: At<Of<"HookGone">> | undefined
  readonly runs: ReadonlyArray<At<Of<"HookRan">>>
  readonly ended: At<Of<"HookEnded">> | undefined
}

const hooksOf = (timeline: Timeline): ReadonlyArray<Hook> =>
  all(timeline, "HookSet").map((set) => {
    const { hook: name, kind } = set.entry
    return {
      name,
      kind,
      set,
      gone: kind === "onStopped" ? undefined : first(timeline, "HookGone", ({ hook }) => hook === name),
      runs: all(timeline, "HookRan").filter(({ entry }) => entry.hook === name),
      ended: first(timeline, "HookEnded", ({ hook }) => hook === name)
    }
  })

/** Where a hook has its turn. */
type Turn = At<{ readonly at: number; readonly to: AppState }>

/** The state in which a hook has its turn. Who escalates to Interrupting leaves Draining out, and is told there. */
const turnOf = (timeline: Timeline, kind: Hook["kind"]): Turn | undefined => {
  const entered = (state: AppState) => first(timeline, "StateChanged", ({ to }) => to === state)
  switch (kind) {
    case "onStopping":
      return entered("Draining") ?? entered("Interrupting")
    case "awaitBeforeStop":
      return entered("Draining")
    case "onStopped":
      return entered("Flushing")
    case "emergency": {
      const kill = watchdog(timeline)
      return entered("Exit") ?? (kill && { ...kill, entry: { at: kill.entry.at, to: "Exit" } })
    }
  }
}

const leaving = (timeline: Timeline, state: AppState): At<Of<"StateChanged">> | undefined =>
  first(timeline, "StateChanged", ({ from }) => from === state)

/** A hook runs at most once, in its turn alone, and not without its turn having come. */
export const outOfTurn = ({ limits, timeline }: Law.Life, violation: Law.Violated): ReadonlyArray<Law.Violation> => {
  if (first(timeline, "AppStarting") === undefined) return []
  /** Whether more than an instant lies between the two. */
  const after = (from: number, to: number) => to - blocked(timeline, from, to) > from + limits.slack
  return hooksOf(timeline).flatMap(({ gone, kind, name, runs }) => {
    const turn = turnOf(timeline, kind)
    const over = turn === undefined ? undefined : leaving(timeline, turn.entry.to)
    const [once, ...again] = runs
    if (once === undefined) return []
    if (again.length > 0) return [violation(`${name} ran ${runs.length} times`, ...runs.map(({ index }) => index))]
    if (turn === undefined || turn.index > once.index)
      return [violation(`${name} ran before its turn had come`, once.index)]
    if (over !== undefined && over.index < once.index)
      return [violation(`${name} ran when its turn was over`, over.index, once.index)]
    return gone !== undefined && gone.index < once.index && after(gone.entry.at, once.entry.at)
      ? [violation(`${name} ran although its scope had closed`, gone.index, once.index)]
      : []
  })
}

const spoken = new Set<Entry["_tag"]>(["HookRan", "HookEnded", "EmergencyRan", "Straggler", "Failed", "Blocked"])

/** Who is about to be killed runs its emergency hooks and nothing else: what is on the stack is in the middle of something. */
export const notAlone = ({ timeline }: Law.Life, violation: Law.Violated): ReadonlyArray<Law.Violation> => {
  const asked = watchdog(timeline)?.index ?? timeline.length
  return timeline
    .slice(asked + 1, -1)
    .flatMap(({ _tag }, index) =>
      spoken.has(_tag)
        ? []
        : [violation(`there was ${_tag} where nothing but emergency hooks may run`, asked, asked + 1 + index)]
    )
}

/** A hook runs when its turn comes, and none waits for another. */
export const skipped = (life: Law.Life, violation: Law.Violated): ReadonlyArray<Law.Violation> => {
  const { limits, timeline } = life
  return hooksOf(timeline).flatMap(({ gone, kind, name, runs, set }) => {
    const turn = turnOf(timeline, kind)
    // Who comes while draining is run at once, in any other state it is too late.
    if (turn === undefined || (set.index > turn.index && turn.entry.to !== "Draining")) return []
    const over = leaving(timeline, turn.entry.to)
    const due = Math.max(turn.entry.at, set.entry.at)
    const instant = (to: number): boolean => to - blocked(timeline, due, to) <= due + limits.slack
    const [ran] = runs
    if (kind === "emergency") {
      // All in one step.
      return ran !== undefined || (gone !== undefined && gone.index < turn.index)
        ? []
        : [violation(`${name} did not run although the application left at once`, turn.index)]
    }
    if (ran !== undefined)
      return instant(ran.entry.at)
        ? []
        : [violation(`${name} ran ${ran.entry.at - due} ms after its turn had come`, turn.index, ran.index)]
    const end = over ?? first(timeline, "Exited")
    const most = mostOf(life, turn.entry.to, turn.entry.at)
    // A turn without time is none: nothing was left of it, or the application did not wait for its end.
    const until = most === undefined || end === undefined || over?.entry.to === "Exit" ? end?.entry.at : due + most
    return end === undefined ||
      set.index > end.index ||
      (until !== undefined && instant(until)) ||
      (gone !== undefined && instant(gone.entry.at))
      ? []
      : [violation(`${name} did not run although its turn had come`, set.index, turn.index)]
  })
}

/** A state goes on while a hook of it does, and there is time. */
export const hookCutShort = (life: Law.Life, violation: Law.Violated): ReadonlyArray<Law.Violation> => {
  const { limits, timeline } = life
  return hooksOf(timeline).flatMap(({ ended, kind, name, runs }) => {
    const [ran] = runs
    const turn = turnOf(timeline, kind)
    const over = turn === undefined ? undefined : leaving(timeline, turn.entry.to)
    if (ran === undefined || turn === undefined || over === undefined) return []
    const { at, to: state } = turn.entry
    if (ran.index > over.index || (ended !== undefined && ended.index < over.index)) return []
    const most = mostOf(life, state, at)
    const lasted = over.entry.at - at
    return most === undefined || over.entry.to === "Exit" || lasted >= most - tolerance(life) - limits.slack
      ? []
      : [violation(`${state} ended after ${lasted} ms of ${most} ms, and ${name} had not`, over.index)]
  })
}

/** Milliseconds that a state has for its hooks, where that is known. */
const mostOf = (life: Law.Life, state: AppState, from: number): number | undefined => {
  const { limits, timeline } = life
  if (state === "Draining") return wholeDrain(timeline) === undefined ? undefined : capped(life, limits.drain, from)
  const request = first(timeline, "StopRequested")
  if (request === undefined) return undefined
  // A tenth is left for the end itself.
  if (state === "Flushing") return 0.9 * (request.entry.at + total(life) - spent(timeline) - from)
  return request.entry.reason._tag === "StartFailed" ? undefined : capped(life, limits.interrupt, from)
}

/** What became of a hook is told once, and as it was. */
export const untoldHook = (life: Law.Life, violation: Law.Violated): ReadonlyArray<Law.Violation> => {
  const { limits, timeline } = life
  const exit = first(timeline, "StateChanged", ({ to }) => to === "Exit")
  const end = first(timeline, "Ended")
  const instantly = (from: number, to: number) => to - blocked(timeline, from, to) <= from + limits.slack
  return hooksOf(timeline).flatMap(({ ended, kind, name, runs, set }) => {
    const [ran] = runs
    if (ran === undefined || (end ?? watchdog(timeline)) === undefined) return []
    if (kind === "emergency") {
      // One that does not return is told by who kills the process for it.
      if (ended === undefined) return []
      const told = all(timeline, "EmergencyRan").filter(({ entry }) => entry.name === name)
      if (told.length !== 1) return [violation(`${name} was told ${told.length} times to have run`, ran.index)]
      return told.every(({ entry }) => (entry.failure === undefined) === (ended?.entry.whole ?? true))
        ? []
        : [violation(`${name} was told to have ended otherwise than it did`, ran.index)]
    }
    if (end === undefined) return []
    const told = all(timeline, "Awaited").filter(({ entry }) => entry.name === name && entry.kind === kind)
    const [tale] = told
    // Who leaves at once does not wait for what it could tell.
    if (tale === undefined && exit !== undefined) return []
    if (tale === undefined || told.length > 1)
      return [
        violation(`the end of ${name} was told ${told.length} times`, ran.index, ...told.map(({ index }) => index))
      ]
    const { at, result } = tale.entry
    const before = ended !== undefined && ended.index < tale.index ? ended.entry : undefined
    if (result === "abandoned" && !set.entry.masked && !instantly(at, ended?.entry.at ?? end.entry.at))
      return [violation(`${name} was given up, and not interrupted`, tale.index)]
    const as =
      result === "abandoned" ? before === undefined || instantly(before.at, at) : before?.whole === (result === "done")
    return as ? [] : [violation(`${name} was told to be ${result}, and it was not`, tale.index)]
  })
}
