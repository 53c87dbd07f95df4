import * as Law from "../../Law.ts"
import { type At, all, blocked, first, forcedExit } from "./reading.ts"
import type { Entry, Of } from "../../Timeline.ts"

/**
 * That the old configuration and the old instances serve on is the reloader's part, and its tests hold it to that. This is the
 * engine's: a reload runs in a state of its own and alone, is told as what it was, and neither outlives the stop nor hinders it.
 */
export const reloadAtomic = Law.make(
  "reload-atomic",
  "a failed reload leaves the old configuration and the old instances serving",
  (life, violation) => [
    ...alone(life, violation),
    ...toldTruly(life, violation),
    ...abandonedByTheStop(life, violation),
    ...leftBehind(life, violation)
  ]
)

type Began = At<Of<"ReloadBegan">>

const endOf = ({ timeline }: Law.Life, { entry: { attempt, reload } }: Began): At<Of<"ReloadEnded">> | undefined =>
  first(timeline, "ReloadEnded", (end) => end.reload === reload && end.attempt === attempt)

/** Milliseconds in which anybody could do anything. */
const passed = ({ timeline }: Law.Life, from: number, to: number): number => to - from - blocked(timeline, from, to)

/** A stop in the instant in which it begins: it is abandoned, and told to be, before it has done anything. */
const isCut = (life: Law.Life, { entry, index }: Began): boolean => {
  const left = all(life.timeline, "StateChanged").findLast(
    (change) => change.index < index && change.entry.from === "Reloading" && change.entry.to !== "Running"
  )
  return left !== undefined && passed(life, left.entry.at, entry.at) <= life.limits.slack
}

/** It begins in Reloading, when no other goes on. One that was abandoned and does not heed it may still go on. */
const alone = (life: Law.Life, violation: Law.Violated): ReadonlyArray<Law.Violation> =>
  all(life.timeline, "ReloadBegan").flatMap((began) => {
    const { index } = began
    const name = `reload ${began.entry.attempt} of ${began.entry.reload}`
    const state = all(life.timeline, "StateChanged").findLast((change) => change.index < index)
    const other = all(life.timeline, "ReloadBegan").find((each) => {
      const end = endOf(life, each)
      const told = first(life.timeline, "ReloadAbandoned", ({ name: of }) => of === each.entry.reload)
      const open = each.index < index && (end === undefined || end.index > index)
      return open && (told === undefined || told.index > index)
    })
    return [
      ...(state?.entry.to === "Reloading" || isCut(life, began)
        ? []
        : [violation(`${name} began while ${state?.entry.to ?? "Starting"}`, index)]),
      ...(other === undefined ? [] : [violation(`${name} began while another was going on`, other.index, index)])
    ]
  })

const words = { done: "Reloaded", failed: "ReloadFailed", interrupted: "ReloadAbandoned" } as const

const isWord = (entry: Entry, name?: string): boolean =>
  (entry._tag === "Reloaded" || entry._tag === "ReloadFailed" || entry._tag === "ReloadAbandoned") &&
  (name === undefined || entry.name === name)

/** What came of it is told; what was abandoned and ended all the same is told of a second time. */
const toldTruly = (life: Law.Life, violation: Law.Violated): ReadonlyArray<Law.Violation> => {
  const { timeline } = life
  return all(timeline, "ReloadBegan").flatMap((began) => {
    const { attempt, reload } = began.entry
    const end = endOf(life, began)
    // The next may be cut short before its work begins.
    const next = all(timeline, "ReloadStarted").find(({ entry, index }) => index > began.index && entry.name === reload)
    const told = timeline.slice(began.index, next?.index).filter((entry) => isWord(entry, reload))
    if (end === undefined || forcedExit(timeline) !== undefined || isCut(life, began)) return []
    const word = words[end.entry.how]
    // Who is interrupted in the very instant in which it ends has not ended, for all that Effect lets anybody know; nor has who
    // blocks the event loop meanwhile.
    const abandoned = told.find((entry) => entry._tag === "ReloadAbandoned")
    const sameInstant =
      abandoned !== undefined &&
      Math.abs(abandoned.at - end.entry.at) - blocked(timeline, abandoned.at, end.entry.at) <= life.limits.slack
    return told.at(-1)?._tag === word || sameInstant
      ? []
      : [
          violation(
            `reload ${attempt} of ${reload} ${end.entry.how === "done" ? "was done" : `was ${end.entry.how}`}, and the word for it was ${told.map(({ _tag }) => _tag).join(", ") || "none"}`,
            began.index,
            end.index
          )
        ]
  })
}

/** In the instant of the stop, and not when it pleases. */
const abandonedByTheStop = (life: Law.Life, violation: Law.Violated): ReadonlyArray<Law.Violation> => {
  const { timeline } = life
  const left = all(timeline, "StateChanged").find(({ entry }) => entry.from === "Reloading" && entry.to !== "Running")
  if (left === undefined) return []
  const started = all(timeline, "ReloadStarted").findLast(({ index }) => index < left.index)
  if (started === undefined) return [violation("it was Reloading, and no reload had started", left.index)]
  const word = timeline.findIndex((entry, index) => index > started.index && isWord(entry, started.entry.name))
  const at = timeline[word]?.at ?? Number.POSITIVE_INFINITY
  return passed(life, left.entry.at, at) > life.limits.slack && forcedExit(timeline) === undefined
    ? [violation(`a stop came in the middle of a reload of ${started.entry.name}, which was not abandoned`, left.index)]
    : []
}

/** Reloading ends with the reload. */
const leftBehind = ({ limits, timeline }: Law.Life, violation: Law.Violated): ReadonlyArray<Law.Violation> =>
  all(timeline, "StateChanged").flatMap(({ entry, index }) => {
    if (entry.to !== "Reloading") return []
    const word = timeline.findIndex((each, at) => at > index && isWord(each))
    const told = timeline[word]
    if (told === undefined) return []
    const back = all(timeline, "StateChanged").find((each) => each.index > index)
    return back === undefined || (back.index > word && back.entry.at > told.at + limits.slack)
      ? [violation("the reload was over, and it stayed Reloading", index, word)]
      : []
  })
