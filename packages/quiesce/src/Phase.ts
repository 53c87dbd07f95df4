/**
 * The state machine of an application, as a pure reducer: `(phase, input) -> (phase, commands)`.
 *
 * It knows no time, no fibers and no platform, and is small enough to be searched exhaustively.
 *
 * Invariants, each a test of that name:
 * 1. `never-backwards`: the position of the state never decreases, save from Reloading to Running.
 * 2. `never-twice`: no state is entered twice, save Running and Reloading.
 * 3. `always-ends`: from every reachable phase, completing the work at hand leads to `Stopped`.
 * 4. `escalation-forward`: stop signals only move forward, and the last rung always exits.
 * 5. `first-reason-counts`: once set, the reason never changes.
 * 6. `terminal-is-final`: nothing leads out of `Stopped` and `Exit`, and no command is given there.
 * 7. `reload-is-no-stop`: a reload leads from Running to Reloading and back, and a stop leads out of both alike.
 */
import * as Schema from "effect/Schema"
import type { Outcome } from "./Outcome.ts"
import * as StopReason from "./StopReason.ts"

/**
 * - `Starting`: components are being built.
 * - `Running`: every component runs; the application is ready.
 * - `Reloading`: the same, while a new configuration is prepared and put in place; a stop abandons it.
 * - `LameDuck`: not ready, still accepting and serving everything.
 * - `Draining`: nothing new is accepted, what was accepted goes on.
 * - `Interrupting`: what is still running is interrupted; critical sections are waited for.
 * - `Releasing`: components stop, dependants before dependencies.
 * - `Flushing`: hooks after the stop, telemetry, logs.
 * - `Stopped`: outcome and report are final.
 * - `Exit`: the forced end, by deadline or escalation.
 */
export const AppState = Schema.Literals([
  "Starting",
  "Running",
  "Reloading",
  "LameDuck",
  "Draining",
  "Interrupting",
  "Releasing",
  "Flushing",
  "Stopped",
  "Exit"
])

export type AppState = typeof AppState.Type

/** The states that do work of their own during a stop, in order. */
export const stopStates = ["LameDuck", "Draining", "Interrupting", "Releasing", "Flushing"] as const

export type StopState = (typeof stopStates)[number]

/** What one more stop signal does: ask, interrupt what runs, leave at once. */
export type Rung = "Graceful" | "Interrupt" | "Exit"

/**
 * The escalation ladder: signal 1 takes the first rung, signal 2 the second, and so on; the last rung repeats.
 *
 * @default `["Graceful", "Exit"]`, what people expect of a second Ctrl+C
 */
export type Ladder = readonly ["Graceful", ...ReadonlyArray<Rung>, "Exit"]

export interface Phase {
  readonly state: AppState
  readonly reason: StopReason.StopReason | undefined
  /** Stop signals seen, counting the first. */
  readonly signals: number
}

/**
 * - `Built`, `BuildFailed`: the end of the start.
 * - `ReloadBegan`, `ReloadEnded`: a new configuration is worked on; how that ended makes no difference here.
 * - `StopRequested`: idempotent, never escalates.
 * - `Signalled`: a stop signal; the first asks, later ones climb the ladder.
 * - `Done`: the work of a stop state has ended or its budget is used up.
 * - `DeadlineReached`: the grace period is over.
 * - `Leaving`: the process ends, whatever is going on here.
 */
export type Input =
  | { readonly _tag: "Built" }
  | { readonly _tag: "BuildFailed"; readonly message: string; readonly code: number | undefined }
  | { readonly _tag: "ReloadBegan" }
  | { readonly _tag: "ReloadEnded" }
  | { readonly _tag: "StopRequested"; readonly reason: StopReason.StopReason }
  | { readonly _tag: "Signalled"; readonly signal: string }
  | { readonly _tag: "Done"; readonly state: StopState }
  | { readonly _tag: "DeadlineReached" }
  | { readonly _tag: "Leaving"; readonly reason: StopReason.StopReason }

/**
 * - `BeginStop`: the stop starts now; start the clock of the grace period.
 * - `Enter`: do the work of this state; whatever the state before was doing is over.
 * - `Escalated`: tell people that a rung was taken.
 * - `ForceExit`: run no more asynchronous work, leave.
 */
export type Command =
  | { readonly _tag: "BeginStop"; readonly reason: StopReason.StopReason }
  | { readonly _tag: "Enter"; readonly state: Entered }
  | { readonly _tag: "Escalated"; readonly rung: Rung; readonly signal: string }
  | { readonly _tag: "ForceExit"; readonly outcome: Outcome }

/** A state that is entered by doing its work, or by letting others do theirs. */
export type Entered = StopState | "Running" | "Reloading" | "Stopped"

export const initial: Phase = { state: "Starting", reason: undefined, signals: 0 }

export const defaultLadder: Ladder = ["Graceful", "Exit"]

/** Milliseconds within which repeats of one signal count as one, unless an application wants it otherwise. */
export const defaultSignalCooldown = 250

/** Whether every component runs and no stop has begun: the application is ready. */
export const isRunning = (state: AppState): boolean => state === "Running" || state === "Reloading"

/** Whether a stop has begun. */
export const isStopping = (state: AppState): boolean => state !== "Starting" && !isRunning(state)

/** Whether new work is refused. */
export const isRefusing = (state: AppState): boolean => isStopping(state) && state !== "LameDuck"

/** Whether nothing happens any more. */
export const isTerminal = (state: AppState): boolean => state === "Stopped" || state === "Exit"

/** Whether the state has work of a stop to do. */
export const isStopState = (state: AppState): state is StopState => isStopping(state) && !isTerminal(state)

const none: ReadonlyArray<Command> = []

/** One step. Pure; inputs that mean nothing in a state leave it as it is. */
export const step = (
  phase: Phase,
  input: Input,
  ladder: Ladder = defaultLadder
): readonly [Phase, ReadonlyArray<Command>] => {
  switch (input._tag) {
    case "Built":
      return phase.state === "Starting" ? enter(phase, "Running") : [phase, none]
    case "BuildFailed":
      return phase.state === "Starting" ? beginStop(phase, startFailed(input)) : [phase, none]
    case "ReloadBegan":
      return phase.state === "Running" ? enter(phase, "Reloading") : [phase, none]
    case "ReloadEnded":
      return phase.state === "Reloading" ? enter(phase, "Running") : [phase, none]
    case "StopRequested":
      return isStopping(phase.state) ? [phase, none] : beginStop(phase, input.reason)
    case "Signalled":
      return signalled(phase, input.signal, ladder)
    case "Done":
      return isStopState(phase.state) && phase.state === input.state ? enter(phase, after(phase.state)) : [phase, none]
    case "DeadlineReached":
      return isStopState(phase.state) ? forceExit(phase, { _tag: "TimedOut" }) : [phase, none]
    case "Leaving":
      return leaving(phase, input.reason)
  }
}

const startFailed = (input: Extract<Input, { readonly _tag: "BuildFailed" }>): StopReason.StopReason => ({
  _tag: "StartFailed",
  message: input.message,
  ...(input.code === undefined ? {} : { code: input.code })
})

const after = (state: StopState): StopState | "Stopped" => stopStates[stopStates.indexOf(state) + 1] ?? "Stopped"

const enter = (phase: Phase, state: Entered): readonly [Phase, ReadonlyArray<Command>] => [
  { ...phase, state },
  [{ _tag: "Enter", state }]
]

const beginStop = (phase: Phase, reason: StopReason.StopReason): readonly [Phase, ReadonlyArray<Command>] => [
  { ...phase, state: "LameDuck", reason },
  [
    { _tag: "BeginStop", reason },
    { _tag: "Enter", state: "LameDuck" }
  ]
]

const forceExit = (phase: Phase, outcome: Outcome): readonly [Phase, ReadonlyArray<Command>] => [
  { ...phase, state: "Exit" },
  [{ _tag: "ForceExit", outcome }]
]

const leaving = (phase: Phase, reason: StopReason.StopReason): readonly [Phase, ReadonlyArray<Command>] => {
  if (isTerminal(phase.state)) return [phase, none]
  if (isStopping(phase.state)) return forceExit(phase, { _tag: "Forced" })
  const [exited, commands] = forceExit({ ...phase, reason }, { _tag: "Forced" })
  return [exited, [{ _tag: "BeginStop", reason }, ...commands]]
}

const signalled = (phase: Phase, signal: string, ladder: Ladder): readonly [Phase, ReadonlyArray<Command>] => {
  if (isTerminal(phase.state)) return [phase, none]
  const signals = phase.signals + 1
  const next = { ...phase, signals }
  if (!isStopping(phase.state)) return beginStop(next, StopReason.signal(signal))
  const rung = ladder[Math.min(signals, ladder.length) - 1] ?? "Exit"
  // The first signal finds a stop that something else began: it asks for what is going on already. A platform that sends
  // its SIGTERM just then must not tear what drains.
  if (signals === 1) return [next, none]
  const escalated: Command = { _tag: "Escalated", rung, signal }
  if (rung === "Exit") {
    const [exited, commands] = forceExit(next, { _tag: "Forced", signal })
    return [exited, [escalated, ...commands]]
  }
  if (rung === "Interrupt" && (phase.state === "LameDuck" || phase.state === "Draining")) {
    const [entered, commands] = enter(next, "Interrupting")
    return [entered, [escalated, ...commands]]
  }
  return [next, [escalated]]
}
