/**
 * Stop signals at instants that matter: each at a place within a state of the application rather than at a time of the clock.
 */
import * as Schema from "effect/Schema"

/**
 * What strikes: a stop signal, an exception that nobody caught, a request of the application itself, code that leaves the
 * process (`exit`), or a watchdog that kills it, when the emergency hooks have run (`kill`).
 */
export const Kind = Schema.Literals(["SIGTERM", "SIGINT", "SIGHUP", "crash", "request", "exit", "kill"])

export type Kind = typeof Kind.Type

/** The states in which a strike can be placed, in order. */
export const places = ["Starting", "Running", "LameDuck", "Draining", "Interrupting", "Releasing", "Flushing"] as const

/**
 * - `state`: the strike comes when the application has entered this state, and never if it does not.
 * - `fraction`: how far into the state, from 0 (as it begins) to 1 (as it ends), measured in a rehearsal: the same life with
 *   the same seed and one SIGTERM.
 * - `wake`: instead of that, the very instant at which a timer of the application fires, counted from 0 within the state and
 *   taken modulo their number in the rehearsal. Where none fires, the fraction counts.
 * - `late`: of a signal, milliseconds that it has waited for a blocked event loop; none, when left out.
 */
export const Strike = Schema.Struct({
  state: Schema.Literals(places),
  fraction: Schema.Number,
  wake: Schema.optionalKey(Schema.Number),
  late: Schema.optionalKey(Schema.Number),
  kind: Kind
})

export type Strike = typeof Strike.Type

export const SignalStorm = Schema.Array(Strike)

export type SignalStorm = typeof SignalStorm.Type

/**
 * A strike of `kind` in `state`: as far into it as the fraction says, or as one of the application's own timers fires.
 *
 * @example
 * ```ts
 * import * as SignalStorm from "@quiesce/testing/SignalStorm"
 *
 * const impatient = [SignalStorm.strike("SIGTERM", "Running"), SignalStorm.strike("SIGTERM", "Releasing", 0.5)]
 * const atTheThirdTick = [SignalStorm.strike("SIGTERM", "Running", { wake: 2 })]
 * ```
 */
export const strike = (kind: Kind, state: Strike["state"], place: number | { readonly wake: number } = 0): Strike =>
  typeof place === "number" ? { state, fraction: place, kind } : { state, fraction: 0, ...place, kind }

/**
 * Random storms of one to five strikes, the first of which finds the application starting or running.
 *
 * **When to use**: with effect's `Arbitrary`; `Simulation.explore` takes one for each seed by itself.
 */
export { storm as arbitrary } from "./internal/arbitraries.ts"
