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
  const { drain, interrupt, lameDuck } = budgets.lengths
  return Plan.make({
    name,
    platformGrace,
    gracePeriod: budgets.total,
    budgets: {
      lameDuck: { millis: lameDuck, given: given.lameDuck },
      drain: { millis: drain, given: given.drain },
      interrupt: { millis: interrupt, given: given.interrupt },
      reserve: { millis: budgets.reserve, given: given.reserve }
    },
    nodes
  })
}
