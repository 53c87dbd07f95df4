/** What `--help` prints, and what any other argument gets: there are none, file and environment have it all. */
import { readFileSync } from "node:fs"
import { join } from "node:path"

const help = (): string => `QA dashboard: projects, test suites and test runs over HTTP, stored in Postgres.

Usage: npm start            or     node apps/dashboard/src/main.ts
       VARIABLE=value npm start

Environment
  CONFIG_FILE       a .yaml, .json or .toml file like the one below (default: dashboard.yaml, if it is there)
  GRACE_PERIOD      from the first stop signal to the exit, at most (default: 25 seconds)
  LAME_DUCK         not ready but still serving, for a load balancer to notice; part of the grace period (default: 0 ms)
  LOG_FORMAT        pretty, lines for people, or json, one object a line (default: pretty)
  LOG_LEVEL         the least level that is logged: Trace, Debug, Info, Warn, Error, Fatal, None (default: Info)

Signals
  SIGTERM, SIGINT   stop: runs finish or go back to the queue; a second one leaves at once
  SIGHUP            read the configuration again
  SIGUSR2           print what it is doing

Exit codes
  0 stopped clean    1 could not start, or had to stop itself    2 usage    70 stopped, but not all in order
  78 configuration    124 the grace period ran out    130, 143 left at once, by a second signal

${readFileSync(join(import.meta.dirname, "../dashboard.example.yaml"), "utf8").trimEnd()}`

export const answer = (argument: string): void => {
  if (argument === "--help" || argument === "-h") return console.log(help())
  console.error(`The dashboard takes no argument "${argument}"; it is configured by file and environment.\n\n${help()}`)
  process.exitCode = 2
}
