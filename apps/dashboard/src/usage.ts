/** What `--help` prints, and what any other argument gets: there are none, the environment has it all. */
import type { Variable } from "./settings/variables.ts"
import { variables } from "./settings/variables.ts"

const line = ([name, { about, fallback }]: readonly [string, Variable<unknown>]): string =>
  `  ${name.padEnd(17)} ${about}${fallback === undefined ? "" : ` (default: ${fallback})`}`

const help = `QA dashboard: projects, test suites and test runs over HTTP, stored in Postgres.

Usage: npm start            or     node apps/dashboard/src/main.ts
       VARIABLE=value npm start

Environment
${Object.entries(variables).map(line).join("\n")}

Signals
  SIGTERM, SIGINT   stop: runs finish or go back to the queue; a second one leaves at once
  SIGUSR2           print what it is doing

Exit codes
  0 stopped clean    1 could not start, or had to stop itself    2 usage    70 stopped, but not all in order
  78 configuration    124 the grace period ran out    130, 143 left at once, by a second signal`

export const answer = (argument: string): void => {
  if (argument === "--help" || argument === "-h") return console.log(help)
  console.error(`The dashboard takes no argument "${argument}"; it is configured by the environment.\n\n${help}`)
  process.exitCode = 2
}
