/**
 * The laws of the lifecycle, one by one, as checks of a timeline. What they say is the contract (`docs/laws.md`); what they
 * check here is told by two witnesses: the application's own events, and what scripted components saw for themselves.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { Law, Life, Violation } from "./Law.ts"
import { accounted } from "./internal/laws/accounted.ts"
import { clean } from "./internal/laws/clean.ts"
import { criticalSectionWhole } from "./internal/laws/criticalSectionWhole.ts"
import { endsInTime } from "./internal/laws/endsInTime.ts"
import { escalationForward } from "./internal/laws/escalationForward.ts"
import { exitCode } from "./internal/laws/exitCode.ts"
import { isolation } from "./internal/laws/isolation.ts"
import { neverSilent } from "./internal/laws/neverSilent.ts"
import { noLateAcceptance } from "./internal/laws/noLateAcceptance.ts"
import { readyBeforeRefuse } from "./internal/laws/readyBeforeRefuse.ts"
import { reloadAtomic } from "./internal/laws/reloadAtomic.ts"
import { releasedOnce } from "./internal/laws/releasedOnce.ts"
import { reverseOrder } from "./internal/laws/reverseOrder.ts"
import { startRollback } from "./internal/laws/startRollback.ts"
import { tasksSupervised } from "./internal/laws/tasksSupervised.ts"
import { withinCapacity } from "./internal/laws/withinCapacity.ts"
import { render, type Timeline } from "./Timeline.ts"

export {
  accounted,
  criticalSectionWhole,
  endsInTime,
  escalationForward,
  exitCode,
  isolation,
  neverSilent,
  noLateAcceptance,
  readyBeforeRefuse,
  releasedOnce,
  reloadAtomic,
  reverseOrder,
  startRollback,
  tasksSupervised,
  withinCapacity
}

/** Every law that one life can show. `replay` needs two. */
export const all: ReadonlyArray<Law> = [
  releasedOnce,
  reverseOrder,
  noLateAcceptance,
  readyBeforeRefuse,
  endsInTime,
  isolation,
  accounted,
  escalationForward,
  criticalSectionWhole,
  exitCode,
  neverSilent,
  startRollback,
  reloadAtomic,
  tasksSupervised,
  withinCapacity
]

/**
 * Not a law of every application: it ended Clean, with exit code 0, and nothing was lost. No component was left behind or
 * failed to stop, no accepted work was left unfinished, no critical section exceeded its limit, no hook failed or was given
 * up; the reason of the stop was no failure, and no second signal and no deadline cut it short. Each violation names who.
 *
 * **When to use**: to say that your stop is good. The laws of `all` hold as well for a stop that is not, as long as the report
 * says so. What it loses without telling anybody only a law of your own can find (`Law.make`).
 *
 * **Details**: it is about a stop that is asked for once. A random storm also has second signals and crashes, after which no
 * end is clean: give `Simulation.explore` a plan with one strike. What code of yours cut off itself while the application ran
 * is not held against the stop.
 *
 * @example
 * ```ts
 * import * as Laws from "@quiesce/testing/Laws"
 * import * as Scripted from "@quiesce/testing/Scripted"
 * import * as SignalStorm from "@quiesce/testing/SignalStorm"
 * import * as Simulation from "@quiesce/testing/Simulation"
 *
 * const test = Simulation.explore(() => Scripted.component("db", { release: { after: 300 } }), {
 *   laws: [...Laws.all, Laws.clean],
 *   plan: (seed) => ({ storm: [SignalStorm.strike("SIGTERM", "Running", (seed % 10) / 10)] })
 * })
 * ```
 */
export { clean }

/**
 * Those that hold on a busy machine, too, as far as a process tells of itself: the others compare instants that only
 * simulated time tells apart.
 *
 * **When to use**: on the timeline of a real process, with limits that have a slack; `Chaos` does.
 */
export const unhurried: ReadonlyArray<Law> = [
  releasedOnce,
  reverseOrder,
  accounted,
  criticalSectionWhole,
  exitCode,
  startRollback
]

/**
 * The law `replay`: the same seed gives the same event log. Both lives must have had the same seed.
 *
 * **When to use**: to see that a test of yours is deterministic: a layer that asks the real clock, or keeps something from one
 * life to the next, is found here.
 *
 * **Interruption safety**: pure.
 *
 * @example
 * ```ts
 * import * as Effect from "effect/Effect"
 * import * as Laws from "@quiesce/testing/Laws"
 * import * as Scripted from "@quiesce/testing/Scripted"
 * import * as Simulation from "@quiesce/testing/Simulation"
 *
 * const live = Simulation.run(() => Scripted.component("db"), { seed: 1 })
 * const differences = Effect.zipWith(live, live, Laws.replay)
 * ```
 */
export const replay = (life: Life, again: Life): ReadonlyArray<Violation> => {
  const difference = life.timeline.findIndex(
    (entry, index) => JSON.stringify(entry) !== JSON.stringify(again.timeline[index])
  )
  const at = difference >= 0 ? difference : life.timeline.length
  if (difference < 0 && again.timeline.length === life.timeline.length) return []
  const other = JSON.stringify(again.timeline[at]) ?? "nothing"
  return [{ law: "replay", message: `the second time there was ${other}`, entries: [at] }]
}

/**
 * Everything that is not as the laws say.
 *
 * **When to use**: on a life that `Simulation.run`, `TestApp` or `ChildApp` has given you; `assert` in a test.
 *
 * **Details**: a law checks what the timeline shows. Of components that are not scripted it knows what the application's
 * events tell.
 */
export const check = (life: Life, laws: ReadonlyArray<Law> = all): ReadonlyArray<Violation> =>
  laws.flatMap((law) => law.check(life))

/** Laws that a life has broken, with the log that shows it. */
export class LawsBroken extends Schema.TaggedError<LawsBroken>()("LawsBroken", {
  laws: Schema.Array(Schema.String),
  message: Schema.String
}) {}

/**
 * The violations, a sentence each, and the timeline with the lines that show them marked.
 *
 * **When to use**: in the message of an assertion of your own; `assert` has it in its error.
 *
 * **Interruption safety**: pure.
 *
 * @example
 * ```ts
 * import type { Life } from "@quiesce/testing/Law"
 * import * as Laws from "@quiesce/testing/Laws"
 *
 * const whatIsWrong = (life: Life) => Laws.explain(Laws.check(life), life.timeline)
 * ```
 */
export const explain = (violations: ReadonlyArray<Violation>, timeline: Timeline): string => {
  const sentences = violations.map(({ law, message }) => `${law}: ${message}`)
  return `${sentences.join("\n")}\n\n${render(
    timeline,
    violations.flatMap(({ entries }) => entries)
  )}`
}

/**
 * Fails with `LawsBroken` unless every law holds.
 *
 * **Interruption safety**: pure.
 *
 * @example
 * ```ts
 * import * as Effect from "effect/Effect"
 * import * as Laws from "@quiesce/testing/Laws"
 * import * as Scripted from "@quiesce/testing/Scripted"
 * import * as Simulation from "@quiesce/testing/Simulation"
 *
 * const test = Effect.flatMap(Simulation.run(Scripted.component("db"), { seed: 1 }), (life) => Laws.assert(life))
 * ```
 */
export const assert = (life: Life, laws: ReadonlyArray<Law> = all): Effect.Effect<void, LawsBroken> => {
  const violations = check(life, laws)
  if (violations.length === 0) return Effect.void
  const broken = Array.from(new Set(violations.map(({ law }) => law)))
  return Effect.fail(new LawsBroken({ laws: broken, message: explain(violations, life.timeline) }))
}
