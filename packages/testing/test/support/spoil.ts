/** A sound life with one thing changed in its timeline or its report, and what the law says of it. */
import type { Report } from "quiesce/Report"
import type * as Law from "@quiesce/testing/Law"
import type * as Simulation from "@quiesce/testing/Simulation"
import type { Change } from "./change.ts"
import type { lives } from "./lives.ts"

/** One for each thing that a law looks at: what is changed in which life, and what the law says of it. */
export type Spoilt = readonly [
  law: string,
  what: string,
  life: keyof typeof lives,
  change: Change | ReturnType<typeof reported>,
  message: string
]

/** Leaves the timeline as it is, and says something else of it in the report. */
export const reported = (wrong: Partial<Report> | ((report: Report) => Partial<Report>)) => ({ wrong })

export const spoil = (life: Simulation.Simulated, change: Change | ReturnType<typeof reported>): Law.Life => {
  if (typeof change === "function") return { ...life, timeline: change(life.timeline) }
  const { wrong } = change
  return { ...life, report: { ...life.report, ...(typeof wrong === "function" ? wrong(life.report) : wrong) } }
}
