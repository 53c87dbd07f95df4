/** What a plan is computed from: the options of an application, and what its ledger knows. */
import * as Duration from "effect/Duration"
import { defaults, type GracePeriod } from "../GracePeriod.ts"
import type * as Plan from "../Plan.ts"

export interface PlanOptions {
  readonly name: string
  readonly budgets: GracePeriod
  /** Which budgets were given, and are not the default. */
  readonly given: Readonly<Record<keyof Plan.Plan["budgets"], boolean>>
  /** Milliseconds. */
  readonly platformGrace: number | undefined
}

export const planInputOf = (
  { budgets, given, name, platformGrace }: PlanOptions,
  nodes: ReadonlyArray<Plan.PlanNode>
): Plan.PlanInput => {
  const { lengths } = budgets
  // How long a schedule is nobody knows before it runs: it is no promise, and counts as the default does.
  const budget = (of: keyof typeof lengths): Plan.PlanBudget => ({
    millis: lengths[of] ?? Duration.toMillis(defaults[of]),
    given: given[of] && lengths[of] !== undefined
  })
  return {
    name,
    platformGrace,
    gracePeriod: budgets.total,
    budgets: {
      lameDuck: budget("lameDuck"),
      drain: budget("drain"),
      interrupt: budget("interrupt"),
      reserve: { millis: budgets.reserve, given: given.reserve }
    },
    nodes
  }
}
