/**
 * The same programs, the same signals and the same laws without Quiesce: `runMain(Layer.launch(app))` as plain Effect has it.
 * It says what the laws are worth.
 */
import * as Arbitrary from "effect/Arbitrary"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Runtime from "effect/Runtime"
import * as Journal from "./internal/Journal.ts"
import { killed } from "./internal/laws/reading.ts"
import { limitsOf } from "./internal/limits.ts"
import { logger } from "./internal/logger.ts"
import { plainLifecycle } from "./internal/plainLifecycle.ts"
import { World } from "./internal/World.ts"
import { Lifecycle } from "quiesce/Lifecycle"
import type { Life } from "./Law.ts"
import * as Laws from "./Laws.ts"
import * as Plan from "./Plan.ts"
import * as Program from "./Program.ts"
import type { Simulated } from "./Simulation.ts"
import { type Entry, only } from "./Timeline.ts"

/** As long as this after its grace period nobody waits. */
const minute = 60_000

/**
 * Lives the plan of `like` under plain Effect, struck at the same instants: SIGTERM and SIGINT interrupt the main fiber, any
 * other signal, an uncaught exception and a kill end the process, as Node does by itself.
 *
 * **When to use**: to see what plain Effect does in a life that you have seen under Quiesce; `compare` counts it for many.
 *
 * **Details**: work at a gate is interrupted when its component closes, hooks before the stop are finalizers, a critical
 * section cannot be interrupted: what these are without Quiesce.
 *
 * **Interruption safety**: as `Simulation.run`.
 *
 * @example
 * ```ts
 * import * as Effect from "effect/Effect"
 * import * as Baseline from "@quiesce/testing/Baseline"
 * import * as Laws from "@quiesce/testing/Laws"
 * import * as Plan from "@quiesce/testing/Plan"
 *
 * const brokenWithoutQuiesce = (plan: Plan.Plan) =>
 *   Effect.gen(function* () {
 *     const life = yield* Plan.play(plan)
 *     return Laws.check(yield* Baseline.play(plan, life))
 *   })
 * ```
 */
export const play = (plan: Plan.Plan, like: Simulated): Effect.Effect<Life> =>
  Effect.gen(function* () {
    const { ladder, ...budgets } = plan.budgets
    const limits = yield* limitsOf({ ...budgets, escalation: Plan.ladders[ladder] })
    const world = new World(plan.seed)
    const timeline: Array<Entry> = []
    const journal = Journal.make(
      timeline,
      () => world.now,
      (millis) => world.block(millis)
    )
    let main: Fiber.Fiber<unknown, unknown> | undefined
    const end = { reached: false }
    const exit = (exitCode: number): void => {
      if (end.reached) return
      end.reached = true
      journal.record({ _tag: "Exited", exitCode })
    }
    const stop = (): void => main?.interruptUnsafe(main.id)

    for (const entry of like.timeline) {
      if (entry._tag === "Signalled") {
        world.after(entry.at, () => {
          if (end.reached) return
          journal.record({ _tag: "Signalled", signal: entry.signal })
          if (entry.signal === "SIGHUP") exit(129)
          else stop()
        })
      } else if (entry._tag === "Crashed") {
        world.after(entry.at, () => {
          if (end.reached) return
          journal.record({ _tag: "Struck", what: entry.kind })
          exit(1)
        })
      } else if (entry._tag === "Struck" && entry.what === "SIGKILL") {
        world.after(entry.at, () => {
          if (end.reached) return
          end.reached = true
          journal.record({ _tag: "Struck", what: entry.what })
        })
      } else if (entry._tag === "Struck" && entry.what === "requestStop") {
        // What a component asks for itself it asks for here as well.
        world.after(entry.at, () => {
          if (end.reached) return
          journal.record({ _tag: "Struck", what: entry.what })
          stop()
        })
      }
    }

    const context = world.context.pipe(
      Context.add(Journal.CurrentJournal, journal),
      Context.add(Logger.CurrentLoggers, new Set([logger(journal)]))
    )
    const lifecycle = yield* plainLifecycle(stop)
    const launched = Layer.launch(Layer.provide(Program.layer(plan.program), Layer.succeed(Lifecycle, lifecycle)))
    // As `Runtime.makeRunMain` has it, which cannot run in a world of its own.
    const reported = Effect.tapCause(launched, (cause) =>
      Cause.hasInterruptsOnly(cause) ? Effect.void : Effect.logError(cause)
    )
    main = Effect.runForkWith(context)(reported)
    main.addObserver((how) => Runtime.defaultTeardown(how, exit))

    const last = like.timeline.at(-1)?.at ?? 0
    const horizon = last + limits.gracePeriod + minute
    while (!end.reached && world.now < horizon) {
      if (world.isBusy) world.turn()
      else if (!world.jump()) break
    }
    return { timeline, limits, logged: true }
  })

/** How many programs broke each law, side by side. */
export interface Comparison {
  readonly programs: number
  readonly rows: ReadonlyArray<{ readonly law: string; readonly plain: number; readonly quiesce: number }>
  /** Programs that never left the process. */
  readonly neverEnded: { readonly plain: number; readonly quiesce: number }
}

/** Nothing is optional in plain Effect. */
const withoutOptional = (plan: Plan.Plan): Plan.Plan => ({
  ...plan,
  program: { ...plan.program, nodes: plan.program.nodes.map((node) => ({ ...node, optional: false })) }
})

/**
 * Lives random plans both ways and counts what breaks which law.
 *
 * **When to use**: to see what the laws are worth. `programs` is how many plans, 200 by default; `seed` chooses them, 0 by
 * default.
 *
 * **Interruption safety**: may be interrupted at any time.
 *
 * @example
 * ```ts
 * import * as Effect from "effect/Effect"
 * import * as Baseline from "@quiesce/testing/Baseline"
 *
 * const table = Effect.map(Baseline.compare({ programs: 200 }), Baseline.render)
 * ```
 */
export const compare = ({
  programs = 200,
  seed = 0
}: { readonly programs?: number; readonly seed?: number } = {}): Effect.Effect<Comparison> =>
  Effect.gen(function* () {
    const plans = yield* Effect.orDie(Arbitrary.sampleEffect(Plan.arbitrary, { count: programs, seed, size: 8 }))
    const broken = { plain: new Map<string, number>(), quiesce: new Map<string, number>() }
    const neverEnded = { plain: 0, quiesce: 0 }
    const count = (side: "plain" | "quiesce", life: Life): void => {
      const laws = new Set(Laws.check(life).map(({ law }) => law))
      for (const law of laws) broken[side].set(law, (broken[side].get(law) ?? 0) + 1)
      if (only(life.timeline, "Exited").length === 0 && killed(life.timeline) === undefined) neverEnded[side]++
    }
    for (const plan of plans.map(withoutOptional)) {
      const life = yield* Effect.orDie(Plan.play(plan))
      count("quiesce", life)
      count("plain", yield* play(plan, life))
    }
    const rows = Laws.all.map(({ name }) => ({
      law: name,
      plain: broken.plain.get(name) ?? 0,
      quiesce: broken.quiesce.get(name) ?? 0
    }))
    return { programs, rows, neverEnded }
  })

/** Laws that ask for what plain Effect does not have: a readiness, a report, a gate or a key. */
const unasked = new Set(["ready-before-refuse", "accounted", "within-capacity"])

/** The comparison as a table. */
export const render = ({ neverEnded, programs, rows }: Comparison): string =>
  [
    `| of ${programs} programs broke | plain Effect | Quiesce |`,
    "| --- | ---: | ---: |",
    ...rows.map(({ law, plain, quiesce }) => `| \`${law}\` | ${unasked.has(law) ? "-" : plain} | ${quiesce} |`),
    `| never left the process | ${neverEnded.plain} | ${neverEnded.quiesce} |`
  ].join("\n")
