/**
 * Looks for a life that breaks a law: thousands of random plans, each lived to its end, and when one breaks a law, the
 * smallest that still breaks it.
 */
import * as Arbitrary from "effect/Arbitrary"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type { Law, Violation } from "./Law.ts"
import * as Laws from "./Laws.ts"
import { insideOptions, limitsOf } from "./internal/limits.ts"
import { simpler } from "./internal/simplify.ts"
import * as Plan from "./Plan.ts"
import type { Simulated } from "./Simulation.ts"

export interface Options {
  /**
   * How many plans to try.
   *
   * @default 1000
   */
  readonly programs?: number | undefined
  /**
   * Chooses the plans: the same seed, the same plans.
   *
   * @default 0
   */
  readonly seed?: number | undefined
  /**
   * The laws that must hold.
   *
   * @default all
   */
  readonly laws?: ReadonlyArray<Law> | undefined
  /**
   * Whether to look for the smallest plan that breaks the law.
   *
   * @default true: a large one tells nobody anything
   */
  readonly shrink?: boolean | undefined
  /** Called with each life that was lived, those of shrinking left out. */
  readonly onLife?: ((plan: Plan.Plan, life: Simulated) => void) | undefined
}

/** A plan that breaks a law, shrunk, and how it was found. */
export interface Found {
  readonly plan: Plan.Plan
  readonly violations: ReadonlyArray<Violation>
  readonly life: Simulated | undefined
  /** The plan that was met first. */
  readonly initial: Plan.Plan
  /** How many plans had been tried then. */
  readonly tried: number
}

/** Plans grow within a batch from one component to thirty. */
const batchSize = 50
/** Another order of events can show the fault of a smaller plan. */
const seedsPerShrink = 4
const mostShrinks = 8000

const insideLimits = Effect.runSync(limitsOf(insideOptions))

/**
 * Tries random plans until one breaks a law; `undefined` when none does.
 *
 * **When to use**: to test a change of the engine, or a law of your own. For the seeds of one application of yours there is
 * `Simulation.explore`.
 *
 * **Details**: a plan that cannot be lived to its end breaks `ends-in-time`. Shrinking keeps the law that was broken first.
 *
 * **Interruption safety**: may be interrupted at any time.
 *
 * @example
 * ```ts
 * import * as Effect from "effect/Effect"
 * import * as Search from "@quiesce/testing/Search"
 *
 * const search = Search.run({ programs: 500, seed: 1 }).pipe(
 *   Effect.flatMap((found) => (found === undefined ? Effect.void : Effect.logError(Search.explain(found))))
 * )
 * ```
 */
export const run = (options: Options = {}): Effect.Effect<Found | undefined> =>
  Effect.gen(function* () {
    const { programs = 1000, seed = 0 } = options
    for (let tried = 0; tried < programs; tried += batchSize) {
      const found = yield* batch(options, programs - tried, `${seed}/${tried}`)
      if (found !== undefined) return { ...found, tried: tried + found.tried }
    }
    return undefined
  })

/** The plans of a batch are the same for a seed, however many of them are tried. */
const batch = (
  { laws = Laws.all, onLife, shrink: shrinks = true }: Options,
  most: number,
  seed: string
): Effect.Effect<Found | undefined> =>
  Effect.gen(function* () {
    let broken: Verdict | undefined
    let left = most
    const property = (plan: Plan.Plan): Effect.Effect<boolean> =>
      left-- <= 0
        ? Effect.succeed(true)
        : Effect.map(judge(plan, laws, onLife), (verdict) => {
            if (verdict.violations.length > 0) broken = verdict
            return verdict.violations.length === 0
          })
    const options = { runs: batchSize, size: 30, seed, maxShrinks: 0 }
    const result = yield* Arbitrary.checkEffect(Plan.arbitrary, property, options)
    if (result._tag !== "Falsified" || broken === undefined) return undefined
    const smallest = shrinks ? yield* shrink(broken, laws) : broken
    return { ...smallest, initial: result.initialInput, tried: result.runs }
  })

/** The smallest plan found that breaks the law which was broken first. */
const shrink = (first: Verdict, laws: ReadonlyArray<Law>): Effect.Effect<Verdict> =>
  Effect.gen(function* () {
    const law = first.violations[0]?.law
    const same = laws.filter(({ name }) => name === law)
    let smallest = first
    let left = mostShrinks
    // From pass to pass, each going on where it was when something smaller was found.
    for (let again = true; again && left > 0;) {
      again = false
      for (let at = 0, candidates = Array.from(simpler(first.plan)); at < candidates.length && left > 0; at++) {
        candidates = Array.from(simpler(smallest.plan))
        for (const candidate of candidates.slice(at, at + 1).flatMap(seeds)) {
          left--
          const verdict = yield* judge(candidate, same)
          if (!verdict.violations.some((violation) => violation.law === law)) continue
          smallest = verdict
          again = true
          at--
          break
        }
      }
    }
    return { ...smallest, violations: (yield* judge(smallest.plan, laws)).violations }
  })

interface Verdict {
  readonly plan: Plan.Plan
  readonly life: Simulated | undefined
  readonly violations: ReadonlyArray<Violation>
}

const judge = (plan: Plan.Plan, laws: ReadonlyArray<Law>, onLife?: Options["onLife"]): Effect.Effect<Verdict> =>
  Effect.map(Effect.exit(Plan.play(plan)), (exit) => {
    if (Exit.isFailure(exit)) {
      const violation: Violation = { law: "ends-in-time", message: String(exit.cause), entries: [] }
      return { plan, life: undefined, violations: [violation] }
    }
    const life = exit.value
    onLife?.(plan, life)
    const outside: Verdict = { plan, life, violations: Laws.check(life, laws) }
    if (outside.violations.length > 0 || life.inside.length === 0) return outside
    for (const timeline of life.inside) {
      const inner = { timeline, limits: insideLimits, logged: false }
      const violations = Laws.check(inner, laws)
      if (violations.length > 0) return { plan, life: { ...life, ...inner }, violations }
    }
    return outside
  })

const seeds = (plan: Plan.Plan): ReadonlyArray<Plan.Plan> => [
  plan,
  ...Array.from({ length: seedsPerShrink }, (_, seed) => ({ ...plan, seed }))
]

/**
 * What was found, for a person: the plan as one line of JSON, and its life with the lines marked that show the violation.
 *
 * **When to use**: in the message of a test or a log. Keep the line of JSON in a file, and play it in every run
 * (`Plan.fromJson`, `Plan.play`).
 */
export const explain = ({ life, plan, tried, violations }: Found): string =>
  [
    `a law was broken after ${tried} programs; the smallest plan found:`,
    Plan.toJson(plan),
    "",
    Laws.explain(violations, life?.timeline ?? [])
  ].join("\n")
