/**
 * The answers of the health probes: a pure function of path and state.
 */
import type { Check, Kind, Summary } from "quiesce/HealthState"
import * as Phase from "quiesce/Phase"

export interface Answer {
  readonly status: 200 | 503
  /** As in draft-inadarei-api-health-check: `status` is `pass`, `warn` or `fail`, and every check says what it saw. */
  readonly body: string
}

export interface Seen {
  readonly state: Phase.AppState
  /** Whether `Running` was ever reached. */
  readonly started: boolean
  readonly health: Summary
}

export const contentType = "application/health+json"

export const paths = ["/livez", "/readyz", "/startupz"] as const

export type ProbePath = (typeof paths)[number]

export const isProbePath = (path: string): path is ProbePath => (paths as ReadonlyArray<string>).includes(path)

export const answer = (path: ProbePath, seen: Seen): Answer => {
  const { checks } = seen.health
  switch (path) {
    // Whoever answers is alive. Neither a dependency nor a stop may fail it: being killed would help with neither.
    case "/livez":
      return make([says("event-loop", true, "answering"), ...checks.filter(isKind("liveness")).map(alive)])
    case "/readyz":
      return make([
        says("lifecycle", Phase.isRunning(seen.state), readiness(seen)),
        ...checks.filter((check) => check.kind !== "liveness").map(sound)
      ])
    case "/startupz":
      return make([
        says("lifecycle", seen.started, seen.started ? "started" : `${seen.state}: not started`),
        ...checks.filter(isKind("startup")).map(sound)
      ])
  }
}

const isKind = (kind: Kind) => (check: Check) => check.kind === kind

const readiness = ({ state }: Seen): string => {
  if (Phase.isRunning(state)) return state
  if (!Phase.isStopping(state)) return `${state}: not started yet`
  return Phase.isRefusing(state)
    ? `${state}: stopping, takes no new work`
    : `${state}: stopping, send new work elsewhere`
}

interface Said {
  readonly name: string
  readonly status: "pass" | "warn" | "fail"
  readonly detail: string
}

const says = (name: string, pass: boolean, detail: string): Said => ({ name, status: pass ? "pass" : "fail", detail })

const detail = ({ failure, status }: Check): string => failure ?? (status === "pending" ? "has not run yet" : "passes")

const sound = (check: Check): Said => {
  const status = check.status === "pass" ? "pass" : check.impact === "Degraded" ? "warn" : "fail"
  return { name: check.name, status, detail: detail(check) }
}

/** Only what has failed is a reason to be killed. */
const alive = (check: Check): Said => says(check.name, check.status !== "fail", detail(check))

const make = (checks: ReadonlyArray<Said>): Answer => {
  const has = (status: Said["status"]): boolean => checks.some((check) => check.status === status)
  const status = has("fail") ? "fail" : has("warn") ? "warn" : "pass"
  return { status: status === "fail" ? 503 : 200, body: JSON.stringify({ status, checks }) }
}
