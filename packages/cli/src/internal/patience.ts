/** How long what was told to stop may take, in milliseconds. */
import * as Duration from "effect/Duration"
import { defaults } from "quiesce/GracePeriod"
import type { Child } from "./Child.ts"

/** The application leaves by itself at its deadline, or its watchdog ends it, which is given time to write its report. */
export const margin = 900

/** What applications under `NodeApp.run` have by default, for those that tell nothing. */
export const defaultGracePeriod = Duration.toMillis(defaults.gracePeriod)

/** `decided`: by the operator, who goes before the application. */
export const patienceFor = (child: Child, decided: number | undefined): number =>
  (decided ?? child.gracePeriod ?? defaultGracePeriod) + margin
