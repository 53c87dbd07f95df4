import * as Law from "../../Law.ts"
import { abandonedBefore, all, ends, first, startLeftBehind } from "./reading.ts"

export const reverseOrder = Law.make(
  "reverse-order",
  "a component starts stopping only when every component that was built with it has stopped or been abandoned",
  ({ timeline }, violation) => {
    // What the components themselves saw, whatever the application knows of their dependencies.
    const seen = all(timeline, "Releasing").flatMap(({ entry: { component }, index }) =>
      all(timeline, "Acquiring")
        .filter(({ entry }) => entry.needs.includes(component))
        .flatMap(({ entry: { component: dependant }, index: began }) => {
          if (began > index)
            return startLeftBehind(timeline, dependant, began)
              ? []
              : [violation(`${dependant} began to start with ${component}, which had been released`, index, began)]
          const acquired = first(timeline, "Acquired", (other) => other.component === dependant)
          const released = first(timeline, "Released", (other) => other.component === dependant)
          if (acquired === undefined || (released !== undefined && released.index < index)) return []
          return abandonedBefore(timeline, dependant, index)
            ? []
            : [violation(`${component} began to stop while ${dependant} was using it`, acquired.index, index)]
        })
    )
    // What the application says of itself.
    const told = all(timeline, "ComponentStopping").flatMap(({ entry: { id, name }, index }) =>
      all(timeline, "ComponentStarting")
        .filter(({ entry }) => entry.builtWith.includes(id))
        .flatMap(({ entry: dependant }) => {
          const started = first(timeline, "ComponentStarted", (other) => other.id === dependant.id && !other.empty)
          const settled = ends(timeline, dependant.id)[0]
          return started === undefined || (settled !== undefined && settled.index < index)
            ? []
            : [violation(`${name} began to stop before ${dependant.name} had settled`, index)]
        })
    )
    return [...seen, ...told]
  }
)
