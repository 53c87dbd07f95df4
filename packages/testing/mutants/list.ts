// The deliberate faults. Each takes away one thing that the core promises; a law has to notice.
import { budgets } from "./budgets.ts"
import { escalation } from "./escalation.ts"
import { gate } from "./gate.ts"
import { hooks } from "./hooks.ts"
import { leaving } from "./leaving.ts"
import { optional } from "./optional.ts"
import { release } from "./release.ts"
import { reloads } from "./reloads.ts"
import { report } from "./report.ts"
import { sections } from "./sections.ts"
import { states } from "./states.ts"
import { tasks } from "./tasks.ts"
import type { Mutant } from "./mutant.ts"

export const mutants: ReadonlyArray<Mutant> = [
  ...gate,
  ...states,
  ...budgets,
  ...release,
  ...escalation,
  ...sections,
  ...hooks,
  ...report,
  ...reloads,
  ...tasks,
  ...optional,
  ...leaving
]
