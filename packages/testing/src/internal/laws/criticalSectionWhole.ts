import * as Law from "../../Law.ts"
import { all, blocked, first, forcedExit, reserve, spent, total } from "./reading.ts"
import { refusals, toldOfSections } from "./sections.ts"

export const criticalSectionWhole = Law.make(
  "critical-section-whole",
  "a graceful stop never interrupts a critical section; one that exceeds its limit is named",
  (life, violation) => {
    const { limits, timeline } = life
    const forced = forcedExit(timeline)
    const named = all(timeline, "CriticalSectionWaited").filter(({ entry }) => entry.exceeded)
    const torn = all(timeline, "SectionLeft").flatMap(({ entry: { section, whole }, index }) =>
      whole ||
      (forced !== undefined && forced.index < index) ||
      named.some(({ entry, index: told }) => entry.name === section && told < index)
        ? []
        : [violation(`${section} was interrupted, and it had not exceeded its limit`, index)]
    )
    const request = first(timeline, "StopRequested")
    const interrupting = first(timeline, "StateChanged", ({ to }) => to === "Interrupting")
    const early = named.flatMap(({ entry: { at, name, waited }, index }) => {
      const entered = first(timeline, "SectionEntered", ({ section }) => section === name)
      const budgetUsed = interrupting !== undefined && at - interrupting.entry.at >= limits.interrupt - limits.slack
      // A rollback that had begun when the stop was asked for has its deadline already.
      const rollback = first(timeline, "ComponentStopping")?.entry.at ?? at
      const since = Math.min(rollback, (request?.entry.at ?? at) - spent(timeline))
      const deadline = at - since >= total(life) - reserve(life) - limits.slack
      return entered === undefined || waited >= entered.entry.atMost - limits.slack || budgetUsed || deadline
        ? []
        : [violation(`${name} was given up after ${waited} ms of ${entered.entry.atMost} ms`, index)]
    })
    const long = named.flatMap(({ entry: { at, name, waited }, index }) => {
      const entered = first(timeline, "SectionEntered", ({ section }) => section === name)
      // A drain waits for it within a budget of its own.
      const since = Math.max(at - waited, interrupting?.entry.at ?? 0)
      const most = entered === undefined ? waited : entered.entry.atMost + blocked(timeline, since, at)
      return at - since > most + limits.slack
        ? [violation(`${name} was waited for ${at - since} ms of ${entered?.entry.atMost} ms`, index)]
        : []
    })
    // Nothing is released under a section that is still going on: who uses what is released finds it gone.
    const released = first(timeline, "StateChanged", ({ to }) => to === "Releasing")
    const under = all(timeline, "SectionEntered").flatMap(({ entry: { section }, index }) => {
      if (released === undefined || index > released.index) return []
      const left = first(timeline, "SectionLeft", (other) => other.section === section)
      if (left !== undefined && left.index < released.index) return []
      return named.some(({ entry }) => entry.name === section)
        ? []
        : [violation(`the release began while ${section} was going on, and nothing says so`, index, released.index)]
    })
    // Nor its own component.
    const own = all(timeline, "SectionEntered").flatMap(({ entry: { section }, index }) => {
      const left = first(timeline, "SectionLeft", (other) => other.section === section)
      return all(timeline, "Releasing").flatMap(({ entry: { component }, index: releasing }) => {
        if (section !== component && !section.startsWith(`${component}.`)) return []
        if (index > releasing || (left !== undefined && left.index < releasing)) return []
        return (forced !== undefined && forced.index < releasing) ||
          named.some(({ entry, index: told }) => entry.name === section && told < releasing)
          ? []
          : [violation(`${component} was released while ${section} was going on`, index, releasing)]
      })
    })
    return [
      ...torn,
      ...early,
      ...long,
      ...under,
      ...own,
      ...refusals(life, violation),
      ...toldOfSections(life, violation)
    ]
  }
)
