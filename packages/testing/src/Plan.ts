/**
 * Everything that decides one simulated life: the seed, the program, its budgets and the storm. A plan that broke a law is
 * kept as a file and played again for ever.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { Ladder } from "quiesce/Phase"
import { MaySpin } from "./internal/MaySpin.ts"
import * as Program from "./Program.ts"
import { SignalStorm } from "./SignalStorm.ts"
import * as Simulation from "./Simulation.ts"

/** Milliseconds; `ladder` is a name, since most sequences of rungs are no ladder. */
export const Budgets = Schema.Struct({
  gracePeriod: Schema.Number,
  lameDuck: Schema.Number,
  drain: Schema.Number,
  interrupt: Schema.Number,
  stopTimeout: Schema.Number,
  ladder: Schema.Literals(["exit", "interrupt", "patient", "long"])
})

export type Budgets = typeof Budgets.Type

export const Plan = Schema.Struct({
  seed: Schema.Number,
  runFor: Schema.Number,
  budgets: Budgets,
  storm: SignalStorm,
  program: Program.Program
})

export type Plan = typeof Plan.Type

/** The escalation ladders that a plan can name. */
export const ladders: Readonly<Record<Budgets["ladder"], Ladder>> = {
  exit: ["Graceful", "Exit"],
  interrupt: ["Graceful", "Interrupt", "Exit"],
  patient: ["Graceful", "Graceful", "Exit"],
  long: ["Graceful", "Graceful", "Interrupt", "Interrupt", "Exit"]
}

/**
 * Lives the life that the plan describes, to its end.
 *
 * **When to use**: to look at a plan that broke a law, and in a test that replays the plans of bugs found before.
 *
 * **Details**: scripted components never spin. What does is the engine, and the time that it burns excuses nobody.
 *
 * **Interruption safety**: as `Simulation.run`.
 *
 * @example
 * ```ts
 * import * as Effect from "effect/Effect"
 * import * as Laws from "@quiesce/testing/Laws"
 * import * as Plan from "@quiesce/testing/Plan"
 *
 * const replayed = (json: string) =>
 *   Plan.fromJson(json).pipe(
 *     Effect.flatMap(Plan.play),
 *     Effect.flatMap((life) => Laws.assert(life))
 *   )
 * ```
 */
export const play = ({
  budgets: { ladder, ...budgets },
  program,
  runFor,
  seed,
  storm
}: Plan): Effect.Effect<Simulation.Simulated, Simulation.SimulationError> =>
  Simulation.run(() => Program.layer(program), {
    seed,
    plan: { storm, runFor, options: { ...budgets, escalation: ladders[ladder] } }
  }).pipe(Effect.provideService(MaySpin, false))

const json = Schema.fromJsonString(Plan)

/**
 * Reads a plan from the text of a file.
 *
 * **Errors**: `SchemaError`, which says where in the file something is wrong.
 */
export const fromJson: (text: string) => Effect.Effect<Plan, Schema.SchemaError> = Schema.decodeUnknownEffect(json)

/**
 * The plan as the text of a file: one line of JSON, which `fromJson` reads.
 *
 * **When to use**: to keep a plan that broke a law; `Search.explain` prints it. A seed of the search finds the same plan only
 * as long as the generator stays as it is, a file stays.
 *
 * **Interruption safety**: pure.
 *
 * @example
 * ```ts
 * import { writeFileSync } from "node:fs"
 * import * as Plan from "@quiesce/testing/Plan"
 * import type * as Search from "@quiesce/testing/Search"
 *
 * const keep = ({ plan }: Search.Found) => writeFileSync("test/regressions/a-gate-stays-open.json", Plan.toJson(plan))
 * ```
 */
export const toJson = (plan: Plan): string => JSON.stringify(plan)

/**
 * Random plans that shrink: programs of one to thirty components, budgets, and storms of one to five strikes.
 *
 * **When to use**: with effect's `Arbitrary`, to look for lives that break a law of your own. `Simulation.explore` does it for
 * an application of yours.
 */
export { plan as arbitrary } from "./internal/arbitraries.ts"
