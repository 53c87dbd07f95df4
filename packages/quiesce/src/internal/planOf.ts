/** The plan of an application, from its options and what its ledger knows. */
import type { GracePeriod } from "../GracePeriod.ts"
import * as Plan from "../Plan.ts"

export interface PlanOptions {
  readonly name: string
  readonly budgets: GracePeriod
  /** Which budgets were given, and are not the default. */
  readonly given: Readonly<Record<keyof Plan.Plan["budgets"], boolean>>
  /** Milliseconds. */
  readonly platformGrace: number | undefined
}

export const planOf = (
  { budgets, given, name, platformGrace }: PlanOptions,
  nodes: ReadonlyArray<Plan.PlanNode>
): Plan.Plan => {
  const { lengths } = budgets
  // How long a schedule is nobody knows before it runs: it is no promise, and counts as the default does.
  const budget = (of: keyof typeof lengths, otherwise: number): Plan.PlanBudget => ({
    millis: lengths[of] ?? otherwise,
    given: given[of] && lengths[of] !== undefined
  })
  return Plan.make({
    name,
    platformGrace,
    gracePeriod: budgets.total,
    budgets: {
      lameDuck: budget("lameDuck", 0),
      drain: budget("drain", 10_000),
      interrupt: budget("interrupt", 5000),
      reserve: { millis: budgets.reserve, given: given.reserve }
    },
    nodes
  })
}
