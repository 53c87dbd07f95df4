/**
 * The answers of the health probes: a pure function of path and state.
 */
import * as Phase from "quiesce/Phase"

export interface Answer {
  readonly status: 200 | 503
  /** As in draft-inadarei-api-health-check: `status` is `pass` or `fail`, and every check says what it saw. */
  readonly body: string
}

export interface Seen {
  readonly state: Phase.AppState
  /** Whether `Running` was ever reached. */
  readonly started: boolean
}

export const contentType = "application/health+json"

export const paths = ["/livez", "/readyz", "/startupz"] as const

export type ProbePath = (typeof paths)[number]

export const isProbePath = (path: string): path is ProbePath => (paths as ReadonlyArray<string>).includes(path)

export const answer = (path: ProbePath, seen: Seen): Answer => {
  switch (path) {
    // Whoever answers is alive. Neither a dependency nor a stop may fail it: being killed would help with neither.
    case "/livez":
      return make(true, "event-loop", "answering")
    case "/readyz":
      return make(Phase.isRunning(seen.state), "lifecycle", readiness(seen))
    case "/startupz":
      return make(seen.started, "lifecycle", seen.started ? "started" : `${seen.state}: not started`)
  }
}

const readiness = ({ state }: Seen): string => {
  if (Phase.isRunning(state)) return state
  if (!Phase.isStopping(state)) return `${state}: not started yet`
  return Phase.isRefusing(state)
    ? `${state}: stopping, takes no new work`
    : `${state}: stopping, send new work elsewhere`
}

const make = (pass: boolean, name: string, detail: string): Answer => {
  const status = pass ? "pass" : "fail"
  return { status: pass ? 200 : 503, body: JSON.stringify({ status, checks: [{ name, status, detail }] }) }
}
