import type { ChaosSummary } from "../../Chaos.ts"
import { phases } from "./ChaosPlan.ts"

export const renderSummary = ({ app, cells, ends, millis, rounds, seed }: ChaosSummary): string => {
  const names = Object.keys(cells)
  const width = Math.max(...names.map((name) => name.length))
  const line = (name: string, values: ReadonlyArray<string | number>) =>
    `  ${name.padEnd(width)}${values.map((value) => String(value).padStart(10)).join("")}`
  return [
    `chaos of ${app}: ${rounds} rounds with seed ${seed} in ${(millis / 1000).toFixed(1)} s, all in order`,
    line("", phases),
    ...Object.entries(cells).map(([name, cell]) =>
      line(
        name,
        phases.map((phase) => cell[phase])
      )
    ),
    `  ends: ${Object.entries(ends)
      .map(([end, count]) => `${end} ${count}x`)
      .join(", ")}`
  ].join("\n")
}

/** The last lines of what a process wrote. */
export const tail = (output: string): string => {
  const lines = output.trimEnd().split("\n")
  return lines.length <= most
    ? lines.join("\n")
    : [`(${lines.length - most} lines before)`, ...lines.slice(-most)].join("\n")
}

const most = 80
