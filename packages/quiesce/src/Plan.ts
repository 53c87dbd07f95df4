/**
 * What a stop may take at worst, computed before it is needed: every budget used up, every component as slow as it may be,
 * in the order in which they are released.
 */
import * as Schema from "effect/Schema"
import { formatMillis } from "./internal/format.ts"
import { dependenciesOnly, type GraphNode, releaseOrder, type Span } from "./internal/releaseOrder.ts"

/**
 * A component as it would be released. Times are milliseconds since the releases began.
 *
 * - `builtWith`: names of the components that it uses; they are released after it. What an optional part shares by reference
 *   is among them while that part is up, and not before: `App.plan` looks too early to see it, `Lifecycle.plan` does later.
 * - `stopTimeout`: how long it may take; 0 when it has nothing to release. `own`: whether it was given to this very component.
 */
export const PlannedComponent = Schema.Struct({
  name: Schema.String,
  builtWith: Schema.Array(Schema.String),
  stopTimeout: Schema.Number,
  own: Schema.Boolean,
  from: Schema.Number,
  to: Schema.Number
})

export type PlannedComponent = typeof PlannedComponent.Type

/**
 * All times are milliseconds.
 *
 * - `budgets`: of the states before and after the releases, none longer than the grace period. One that is a schedule counts as
 *   the default: how long it is nobody knows before it runs.
 * - `components`: in the order of their release.
 * - `criticalChain`: the components that the releases wait for one after the other, when all are as slow as they may be.
 * - `release`: how long the releases take then, `worstCase`: the whole stop, if nothing cut it short.
 * - `verdict`: `fits`: even the worst case does. `tight`: it does not, but what was asked for does: budgets that were given,
 *   and stop timeouts of components that have their own. `overrun`: what was asked for cannot be had.
 * - `problems`: what should be changed, `advice`: what could be. Resources (`Resources.register`) count within the stop timeout
 *   of their component; where theirs are longer that is a problem. Those that are made later only a later plan knows.
 */
export const Plan = Schema.Struct({
  name: Schema.String,
  gracePeriod: Schema.Number,
  platformGrace: Schema.optionalKey(Schema.Number),
  budgets: Schema.Struct({
    lameDuck: Schema.Number,
    drain: Schema.Number,
    interrupt: Schema.Number,
    reserve: Schema.Number
  }),
  components: Schema.Array(PlannedComponent),
  criticalChain: Schema.Array(Schema.String),
  release: Schema.Number,
  worstCase: Schema.Number,
  verdict: Schema.Literals(["fits", "tight", "overrun"]),
  problems: Schema.Array(Schema.String),
  advice: Schema.Array(Schema.String)
})

export type Plan = typeof Plan.Type

/** A component, or what orders components. */
export interface PlanNode extends GraphNode {
  readonly name: string
  readonly own: boolean
  /**
   * Milliseconds that the closes of what it has registered may take, within its own.
   *
   * @default 0
   */
  readonly resources?: number | undefined
}

/** A budget, and whether it was given or is the default. */
export interface PlanBudget {
  readonly millis: number
  readonly given: boolean
}

export interface PlanInput {
  readonly name: string
  readonly gracePeriod: number
  readonly platformGrace: number | undefined
  readonly budgets: Readonly<Record<keyof Plan["budgets"], PlanBudget>>
  /** The application itself first. */
  readonly nodes: ReadonlyArray<PlanNode>
}

/**
 * Computes the plan of a graph.
 *
 * **When to use**: on a graph of your own. `App.plan` has the plan of a layer, `Lifecycle.plan` that of the application at hand.
 */
export const make = (input: PlanInput): Plan => {
  const { budgets, gracePeriod, name, nodes, platformGrace } = input
  const spans = releaseOrder(nodes)
  const release = lengthOf(spans)
  const cap = (budget: PlanBudget): number => capped(budget, gracePeriod)
  const components = componentsOf(nodes, spans)
  const chain = criticalChain(components)
  const before = cap(budgets.lameDuck) + cap(budgets.drain) + cap(budgets.interrupt)
  const worstCase = before + release + cap(budgets.reserve)
  const asked = askedOf(input)
  const overrun = asked > gracePeriod
  const verdict = worstCase <= gracePeriod ? "fits" : overrun ? "overrun" : "tight"
  const late = components.filter(
    ({ stopTimeout, to }) => stopTimeout > 0 && before + to + cap(budgets.reserve) > gracePeriod
  )
  return {
    name,
    gracePeriod,
    ...(platformGrace === undefined ? {} : { platformGrace }),
    budgets: {
      lameDuck: cap(budgets.lameDuck),
      drain: cap(budgets.drain),
      interrupt: cap(budgets.interrupt),
      reserve: cap(budgets.reserve)
    },
    components,
    criticalChain: chain,
    release,
    worstCase,
    verdict,
    problems: problemsWith(input, asked),
    advice: [...cutShort(verdict, late), ...composedInARow(verdict, nodes, chain, release)]
  }
}

/**
 * What should be changed: the problems of the plan alone.
 *
 * **When to use**: where nothing else is asked of it, as at every start: where nothing was given there is nothing to compute.
 */
export const problemsOf = (input: PlanInput): ReadonlyArray<string> => problemsWith(input, askedOf(input))

const problemsWith = ({ gracePeriod, nodes, platformGrace }: PlanInput, asked: number): ReadonlyArray<string> => [
  ...(asked > gracePeriod
    ? [
        `what was asked for takes up to ${formatMillis(asked)}, and the grace period is ` +
          `${formatMillis(gracePeriod)}: raise gracePeriod, or lower the budgets or stop timeouts that were given`
      ]
    : []),
  ...(platformGrace !== undefined && platformGrace <= gracePeriod
    ? [
        `the platform kills after ${formatMillis(platformGrace)}, and the grace period is ${formatMillis(gracePeriod)}: ` +
          `set gracePeriod below what the platform gives, or have it give more`
      ]
    : []),
  ...nodes.flatMap(({ name, resources = 0, takes }) =>
    resources <= takes
      ? []
      : [
          `the resources of ${name} take up to ${formatMillis(resources)} to be closed, and its stop timeout is ` +
            `${formatMillis(takes)}: give ${name} a longer stopTimeout, or its resources shorter ones`
        ]
  )
]

const capped = ({ millis }: PlanBudget, gracePeriod: number): number => Math.min(millis, gracePeriod)

/** Milliseconds of everything that was given. */
const askedOf = ({ budgets, gracePeriod, nodes }: PlanInput): number => {
  const states = Object.values(budgets).reduce(
    (sum, budget) => sum + (budget.given ? capped(budget, gracePeriod) : 0),
    0
  )
  if (!nodes.some((node) => node.own)) return states
  return states + lengthOf(releaseOrder(nodes.map((node) => (node.own ? node : { ...node, takes: 0 }))))
}

const lengthOf = (spans: ReadonlyMap<number, Span>): number =>
  Array.from(spans.values()).reduce((latest, { to }) => Math.max(latest, to), 0)

const componentsOf = (
  nodes: ReadonlyArray<PlanNode>,
  spans: ReadonlyMap<number, Span>
): ReadonlyArray<PlannedComponent> => {
  const names = new Map(nodes.filter((node) => !node.composes).map(({ id, name }) => [id, name]))
  return nodes
    .filter((node, index) => index > 0 && !node.composes)
    .map(({ builtWith, id, name, own, takes }) => ({
      name,
      builtWith: builtWith.flatMap((other) => names.get(other) ?? []),
      stopTimeout: takes,
      own,
      ...(spans.get(id) ?? { from: 0, to: takes })
    }))
    .toSorted((a, b) => a.from - b.from || a.to - b.to)
}

/** Backwards from the one that ends last: who ended when it began. */
const criticalChain = (components: ReadonlyArray<PlannedComponent>): ReadonlyArray<string> => {
  const slow = components.filter(({ stopTimeout }) => stopTimeout > 0)
  const chain: Array<string> = []
  let at = slow.toSorted((a, b) => b.to - a.to)[0]
  while (at !== undefined) {
    const link = at
    chain.unshift(link.name)
    const before = link.from === 0 ? [] : slow.filter(({ to }) => to === link.from)
    at = before.find(({ builtWith }) => builtWith.includes(link.name)) ?? before[0]
  }
  return chain
}

const cutShort = (verdict: Plan["verdict"], late: ReadonlyArray<PlannedComponent>): ReadonlyArray<string> =>
  verdict === "fits" || late.length === 0
    ? []
    : [
        `if everything took as long as it may, ${late.map(({ name }) => name).join(", ")} would be cut short by the end of ` +
          `the grace period: give stop timeouts of their own to what is quick, or raise gracePeriod`
      ]

/**
 * What order costs that nothing needs. Of what provides services nobody can tell whether they are used where they are in sight:
 * there it is only a question.
 */
const composedInARow = (
  verdict: Plan["verdict"],
  nodes: ReadonlyArray<PlanNode>,
  chain: ReadonlyArray<string>,
  release: number
): ReadonlyArray<string> => {
  const needed = lengthOf(releaseOrder(dependenciesOnly(nodes)))
  const parallel = "combine them with Layer.mergeAll instead of a chain of provides, and they are released in parallel"
  if (needed < release) {
    return [
      `${chain.join(", ")} are released one after the other only because of how they are combined: ${parallel}, at worst ` +
        `in ${formatMillis(needed)} instead of ${formatMillis(release)}`
    ]
  }
  return verdict === "fits" || chain.length < 2
    ? []
    : [`${chain.join(", ")} are released one after the other: where one does not use the other, ${parallel}`]
}

export { mermaid, render } from "./internal/planText.ts"
