/** One thing changed in the timeline of a life, so that it breaks a law. */
import type { Entry, Timeline } from "@quiesce/testing/Timeline"

export type Change = (timeline: Timeline) => Timeline

export const is =
  (tag: Entry["_tag"], fields: Readonly<Record<string, unknown>> = {}) =>
  (entry: Entry): boolean =>
    entry._tag === tag && Object.entries(fields).every(([key, value]) => Reflect.get(entry, key) === value)

export const without =
  (which: (entry: Entry) => boolean): Change =>
  (timeline) =>
    timeline.filter((entry) => !which(entry))

export const twice =
  (which: (entry: Entry) => boolean): Change =>
  (timeline) =>
    timeline.flatMap((entry) => (which(entry) ? [entry, entry] : [entry]))

export const changed =
  (which: (entry: Entry) => boolean, fields: object): Change =>
  (timeline) =>
    timeline.map((entry) => (which(entry) ? { ...entry, ...fields } : entry))

/** Takes the first such entry out and puts it before or behind another. */
export const moved =
  (which: (entry: Entry) => boolean, place: "before" | "behind", other: (entry: Entry) => boolean): Change =>
  (timeline) => {
    const taken = timeline.find(which)
    if (taken === undefined) return timeline
    const rest = timeline.filter((entry) => entry !== taken)
    const at = rest.findIndex(other) + (place === "before" ? 0 : 1)
    return rest.toSpliced(at, 0, { ...taken, at: rest[at]?.at ?? taken.at })
  }

export const to = (state: string) => is("StateChanged", { to: state })
