import * as Law from "../../Law.ts"
import { notAlone, outOfTurn, skipped } from "./hooks.ts"
import { abandoned, all, ends, first, forcedExit } from "./reading.ts"

export const releasedOnce = Law.make(
  "released-once",
  "every acquired component is released exactly once, whatever the instant of the stop",
  (life, violation) => {
    const { timeline } = life
    const forced = forcedExit(timeline) !== undefined
    const seen = all(timeline, "Acquired").flatMap(({ entry: { component }, index }) => {
      const releases = all(timeline, "Releasing").filter(({ entry }) => entry.component === component)
      if (releases.length > 1)
        return [violation(`${component} was released ${releases.length} times`, ...releases.map((at) => at.index))]
      if (releases.length === 1 || forced || abandoned(timeline, component)) return []
      return [violation(`${component} was acquired and never released`, index)]
    })
    const unasked = all(timeline, "Releasing").flatMap(({ entry, index }) =>
      first(timeline, "Acquired", ({ component }) => component === entry.component) === undefined
        ? [violation(`${entry.component} was released without having been acquired`, index)]
        : []
    )
    const told = all(timeline, "ComponentStarted").flatMap(({ entry: { empty, id, name }, index }) => {
      const found = ends(timeline, id)
      if (found.length > 1) return [violation(`${name} ended ${found.length} times`, ...found.map((at) => at.index))]
      return found.length === 1 || forced || empty ? [] : [violation(`${name} started and never ended`, index)]
    })
    const begun = all(timeline, "ComponentStopping").flatMap(({ entry: { id, name }, index }) => {
      const earlier = first(timeline, "ComponentStopping", (other) => other.id === id)
      return earlier === undefined || earlier.index === index
        ? []
        : [violation(`${name} began to stop twice`, earlier.index, index)]
    })
    return [
      ...seen,
      ...unasked,
      ...told,
      ...begun,
      ...outOfTurn(life, violation),
      ...skipped(life, violation),
      ...notAlone(life, violation)
    ]
  }
)
