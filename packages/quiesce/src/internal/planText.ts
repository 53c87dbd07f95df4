/** A plan for people: as text, and as a graph in Mermaid. */
import type { Plan } from "../Plan.ts"
import { formatMillis } from "./format.ts"

const sentence: Readonly<Record<Plan["verdict"], string>> = {
  fits: "fits, even when everything takes as long as it may",
  tight: "what was asked for fits; if everything took as long as it may, it would be cut short",
  overrun: "what was asked for does not fit"
}

/**
 * The plan as text: the verdict, the states with their budgets, the components in the order of their release, and what to do.
 */
export const render = (plan: Plan): string => {
  const { budgets, components, criticalChain, gracePeriod, name, platformGrace, release, worstCase } = plan
  const rows = [
    ["lame duck", budgets.lameDuck],
    ["drain", budgets.drain],
    ["interrupt", budgets.interrupt],
    ["release", release],
    ["reserve", budgets.reserve]
  ] as const
  const width = Math.max(...components.map((component) => component.name.length), 0)
  const platform = platformGrace === undefined ? "" : `, the platform gives ${formatMillis(platformGrace)}`
  return [
    `${name}: ${formatMillis(worstCase)} at worst of ${formatMillis(gracePeriod)}${platform}: ${sentence[plan.verdict]}`,
    "",
    ...rows.map(([state, millis]) => `  ${state.padEnd(9)}  ${formatMillis(millis).padStart(8)}`),
    ...(components.length === 0 ? [] : ["", "  releases, each as slow as it may be:"]),
    ...components.map(
      (component) =>
        `    ${component.name.padEnd(width)}  ${formatMillis(component.from).padStart(8)} .. ${formatMillis(component.to).padStart(8)}` +
        `${component.own ? "  (its own limit)" : ""}${criticalChain.includes(component.name) ? "  *" : ""}`
    ),
    ...(criticalChain.length < 2 ? [] : ["", `  * critical chain: ${criticalChain.join(", then ")}`]),
    ...(plan.problems.length === 0 ? [] : ["", ...plan.problems.map((problem) => `  problem: ${problem}`)]),
    ...(plan.advice.length === 0 ? [] : ["", ...plan.advice.map((advice) => `  advice: ${advice}`)])
  ].join("\n")
}

/** The graph as a Mermaid flowchart: an arrow from each component to what it uses, the critical chain in bold. */
export const mermaid = ({ components, criticalChain }: Plan): string => {
  const id = new Map(components.map(({ name }, index) => [name, `c${index}`]))
  const label = (text: string): string => text.replaceAll('"', "#quot;")
  return [
    "flowchart TD",
    ...components.map(
      ({ name, stopTimeout }) =>
        `  ${id.get(name)}["${label(name)}${stopTimeout === 0 ? "" : `<br/>${formatMillis(stopTimeout)}`}"]`
    ),
    ...components.flatMap(({ builtWith, name }) => builtWith.map((other) => `  ${id.get(name)} --> ${id.get(other)}`)),
    ...(criticalChain.length === 0
      ? []
      : [
          "  classDef critical stroke-width:3px",
          `  class ${criticalChain.flatMap((name) => id.get(name) ?? []).join(",")} critical`
        ])
  ].join("\n")
}
