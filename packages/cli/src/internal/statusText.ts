/** What `quiesce status` prints for people. */
import { formatMillis } from "quiesce/Report"
import type { ChildStatus, Status } from "../Control.ts"

export const statusText = (status: Status): string => {
  const { child, lastExit, leaving, listening, name, next, pid, restarts, stopping, uptime } = status
  const state = stopping ? "is being stopped" : child === null ? "is down, and about to be started again" : "is up"
  return [
    `${name} ${state}`,
    `  supervisor  pid ${pid}, for ${formatMillis(uptime)}`,
    ...(child === null ? [] : [`  serving     ${lifeText(child)}`]),
    ...(next === null ? [] : [`  next        ${lifeText(next)}`]),
    ...leaving.map((life) => `  leaving     ${lifeText(life)}`),
    ...listening.map(({ address, name }) => `  listening   ${address}${name === "" ? "" : ` as ${name}`}`),
    `  restarts    ${restarts}`,
    ...(lastExit === null ? [] : [`  last exit   ${exitText(lastExit)}`])
  ].join("\n")
}

const lifeText = ({ generation, pid, ready, state, text, uptime }: ChildStatus): string => {
  const told = state ?? (ready ? "ready" : "has not told a state")
  return `pid ${pid}, generation ${generation}, ${told}, for ${formatMillis(uptime)}${text === null || text === told ? "" : `: ${text}`}`
}

const exitText = ({ code, generation, signal }: NonNullable<Status["lastExit"]>): string =>
  `${signal === null ? `exit code ${code}` : `killed by ${signal}`}, generation ${generation}`
