/**
 * A bounded chaos run: a real application under load, told to stop, killed, or left without what it needs at random instants,
 * round after round; and after each round the question whether everything that it promises still holds.
 */
import * as Config from "effect/Config"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type * as App from "quiesce/App"
import type { ChildApp, Ended } from "./ChildApp.ts"
import { limitsOf } from "./internal/limits.ts"
import { type Phase, plan } from "./internal/process/ChaosPlan.ts"
import { runLast, runRound, type Setting } from "./internal/process/ChaosRound.ts"
import { renderSummary } from "./internal/process/chaosText.ts"
import type { Law } from "./Law.ts"

/** Something that is done to an application or to what it depends on. */
export interface Fault<World> {
  /** As in "the database is killed", for the plan and for failures. */
  readonly name: string
  readonly strike: (world: World, child: ChildApp) => Effect.Effect<void, unknown>
  /**
   * Undoes it: in the same round or, at the latest, after it and before `check`.
   *
   * @default nothing is to be undone
   */
  readonly heal?: ((world: World) => Effect.Effect<void, unknown>) | undefined
  /**
   * Exit codes that it excuses besides 0, for example 70 where a database is away at the stop, and 1 where the start needs
   * it. Never excuse 124: a stop ends in time under every fault.
   *
   * @default none
   */
  readonly excuses?: ReadonlyArray<number> | undefined
  /**
   * Whether the application has to end by it. Otherwise it is told to stop later in the round, sometimes before it is healed.
   *
   * @default false
   */
  readonly ends?: boolean | undefined
}

/** A life that is over, as `check` sees it. */
export interface Life {
  readonly ended: Ended
  /** Whether it was ready at some time. */
  readonly wasReady: boolean
  /** What was done to it, in order: names of faults. */
  readonly faults: ReadonlyArray<string>
}

/**
 * How an application is started, loaded and checked. Whatever one of these effects fails or dies with (an assertion of a test
 * library too) fails the round.
 */
export interface ChaosApp<World> {
  readonly name: string
  /** The budgets that it is started with, for the time limit and the laws. */
  readonly options?: App.Options | undefined
  /**
   * What is there around it and outlives its rounds: a database, a proxy, the record of what was acknowledged. One for each
   * lane.
   */
  readonly world: (lane: number) => Effect.Effect<World, unknown, Scope.Scope>
  /** `round` counts from 1; it is `"last"` for the healthy start after all rounds. */
  readonly start: (world: World, round: number | "last") => Effect.Effect<ChildApp, unknown, Scope.Scope>
  /**
   * Waits until it serves.
   *
   * @default until it has reached Running
   */
  readonly ready?: ((world: World, child: ChildApp) => Effect.Effect<void, unknown>) | undefined
  /**
   * Uses it from the moment that it is ready, and records in the world what it acknowledges. Interrupted when the application
   * has ended; that requests fail meanwhile is in the nature of the thing.
   */
  readonly load: (world: World, child: ChildApp) => Effect.Effect<unknown, unknown, Scope.Scope>
  /** The application's own faults. `signals` are always among them. */
  readonly faults: ReadonlyArray<Fault<World>>
  /** Whether everything that it promises holds, after each round. Everything has been healed by then. */
  readonly check: (world: World, life: Life) => Effect.Effect<unknown, unknown>
  /**
   * Asked of a last, healthy start after all rounds, before it is stopped: finish everything that is still to be done.
   *
   * @default nothing
   */
  readonly finish?: ((world: World, child: ChildApp) => Effect.Effect<unknown, unknown>) | undefined
}

export interface Options {
  /**
   * @default the environment variable CHAOS_ROUNDS, else 30
   */
  readonly rounds?: number | undefined
  /**
   * The plan is a function of it: faults, phases and instants.
   *
   * @default the environment variable SEED, else another one each time
   */
  readonly seed?: number | undefined
  /**
   * How many rounds go on at a time, each lane in a world of its own.
   *
   * @default 1
   */
  readonly lanes?: number | undefined
  /**
   * How long the load may go on in a round before something is done.
   *
   * @default 700 milliseconds
   */
  readonly runFor?: Duration.Input | undefined
  /**
   * After so long a start without a fault counts as blocked.
   *
   * @default 20 seconds
   */
  readonly startTimeout?: Duration.Input | undefined
  /**
   * What a busy machine may add to the grace period until a process hears of a signal and we of its end.
   *
   * @default 1.5 seconds
   */
  readonly slack?: Duration.Input | undefined
  /**
   * Laws to check on the timeline of each life that came to its own end.
   *
   * @default those of `@quiesce/testing/Laws` that do not depend on the machine's speed
   */
  readonly laws?: ReadonlyArray<Law> | undefined
}

/** What a run without a failure has seen. */
export interface ChaosSummary {
  readonly app: string
  readonly seed: number
  readonly rounds: number
  readonly millis: number
  /** How often each fault met each phase. */
  readonly cells: Readonly<Record<string, Readonly<Record<Phase, number>>>>
  /** How often each end was seen: "exit code 0", "SIGKILL". */
  readonly ends: Readonly<Record<string, number>>
}

/** A round in which something did not hold. The message says what was done and when, and how to do it again. */
export class ChaosFailure extends Schema.TaggedError<ChaosFailure>()("ChaosFailure", {
  app: Schema.String,
  seed: Schema.Number,
  rounds: Schema.Number,
  /** From 1, or the healthy start after all rounds. */
  round: Schema.Union([Schema.Number, Schema.Literal("last")]),
  /** A sentence for each thing that is wrong. */
  wrong: Schema.Array(Schema.String),
  /** What was done, with its instant. */
  done: Schema.Array(Schema.String),
  before: Schema.String,
  /** The end of what the application wrote. */
  output: Schema.String
}) {
  override get message(): string {
    const list = (items: ReadonlyArray<string>) =>
      items.map((item) => `\n  - ${item.replaceAll("\n", "\n    ")}`).join("")
    const which = this.round === "last" ? "the last start" : `round ${this.round}`
    return `chaos of ${this.app}: ${which} of ${this.rounds} rounds with seed ${this.seed} failed
wrong:${list(this.wrong)}
done:${list(this.done.length === 0 ? ["nothing"] : this.done)}
before: ${this.before}
repeat it: SEED=${this.seed} CHAOS_ROUNDS=${this.rounds} in front of the same command
output:
${this.output === "" ? "none" : this.output}`
  }
}

const signal = (name: NodeJS.Signals): Fault<unknown> => ({
  name,
  ends: true,
  strike: (_, child) => child.signal(name)
})

/** What is done to every application: SIGTERM, SIGINT, SIGTERM twice (later than the cooldown), SIGKILL. */
export const signals: ReadonlyArray<Fault<unknown>> = [
  signal("SIGTERM"),
  signal("SIGINT"),
  {
    name: "SIGTERM twice",
    ends: true,
    strike: (_, child) =>
      child.signal("SIGTERM").pipe(Effect.andThen(Effect.sleep("300 millis")), Effect.andThen(child.signal("SIGTERM")))
  },
  signal("SIGKILL")
]

/**
 * Runs an application through so many rounds. Each starts it, loads it, does something to it at an instant within its start,
 * its run or its stop, waits for its end, and checks. Last comes a healthy start, in which it finishes what is left.
 *
 * **When to use**: for an application that promises to lose nothing. A simulation finds more races; this finds what is between
 * the processes: locks, leases, half-written files, connections that nobody closes.
 *
 * **Details**: always checked are
 * - the end: exit code, report and time as the contract says (`quiesce/Outcome`); 0 unless what was done excuses another;
 * - that no process of its group outlives it;
 * - that the next start becomes ready;
 * - the laws, on its timeline;
 * and then the application's own `check`. Faults and phases are dealt so that every pair comes before any comes again. The
 * plan is a function of the seed; real processes still add some chance of their own.
 *
 * **Errors**: `ChaosFailure` at the first round that fails; it names round, seed, faults, instants and output.
 *
 * **Interruption safety**: can be interrupted at any time; the processes are killed, the worlds closed. It takes real time:
 * run it with `it.live`.
 *
 * @example
 * ```ts
 * import * as Effect from "effect/Effect"
 * import * as Chaos from "@quiesce/testing/Chaos"
 * import * as ChildApp from "@quiesce/testing/ChildApp"
 *
 * const app: Chaos.ChaosApp<{ readonly acknowledged: Set<string> }> = {
 *   name: "orders",
 *   options: { gracePeriod: "2 seconds" },
 *   world: () => Effect.succeed({ acknowledged: new Set() }),
 *   start: () => ChildApp.start({ args: ["src/main.ts"], env: { PORT: "0" } }),
 *   load: (world) => Effect.sync(() => world.acknowledged.add("order 1")),
 *   faults: [],
 *   check: (world) => Effect.log(`are all of these there? ${Array.from(world.acknowledged).join()}`)
 * }
 *
 * const test = Effect.flatMap(Chaos.run(app, { lanes: 2 }), (summary) => Effect.log(Chaos.render(summary)))
 * ```
 */
export const run = Effect.fnUntraced(function* <World>(
  app: ChaosApp<World>,
  options: Options = {}
): Effect.fn.Return<ChaosSummary, ChaosFailure> {
  const seed = options.seed ?? (yield* fromEnvironment("SEED")) ?? (yield* Random.nextIntBetween(1, 1_000_000))
  const rounds = options.rounds ?? (yield* fromEnvironment("CHAOS_ROUNDS")) ?? 30
  const { lanes = 1 } = options
  const millis = (input: Duration.Input) => Duration.toMillis(input)
  const slack = millis(options.slack ?? "1.5 seconds")
  const setting: Setting = {
    limits: yield* limitsOf(app.options ?? {}, slack),
    laws: options.laws,
    runFor: millis(options.runFor ?? "700 millis"),
    startTimeout: millis(options.startTimeout ?? "20 seconds"),
    slack
  }
  const faults: ReadonlyArray<Fault<World>> = [...signals, ...app.faults]
  const planned = plan(
    seed,
    rounds,
    faults.map(({ ends = false, name }) => ({ name, ends }))
  )
  const cells = Object.fromEntries(faults.map(({ name }) => [name, { starting: 0, running: 0, stopping: 0 }]))
  const ends: Record<string, number> = {}
  const began = performance.now()

  const lane = Effect.fnUntraced(function* (lane: number): Effect.fn.Return<void, ChaosFailure, Scope.Scope> {
    const world = yield* Effect.orDie(app.world(lane))
    const pace = { start: 800, stop: setting.limits.gracePeriod / 4 }
    let before = "it was never started"
    for (const round of planned.filter(({ number }) => number % lanes === lane)) {
      const { done, end, output, wrong } = yield* runRound(app, faults, world, round, pace, setting)
      if (wrong.length > 0) {
        return yield* new ChaosFailure({
          app: app.name,
          seed,
          rounds,
          round: round.number,
          wrong,
          done,
          before,
          output
        })
      }
      const cell = cells[round.fault]
      if (cell !== undefined) cell[round.phase]++
      ends[end] = (ends[end] ?? 0) + 1
      before = `round ${round.number}, ${done.join(", then ")}, and it ended with ${end}`
    }
    const { done, output, wrong } = yield* runLast(app, world, setting)
    if (wrong.length > 0)
      return yield* new ChaosFailure({ app: app.name, seed, rounds, round: "last", wrong, done, before, output })
  }, Effect.scoped)

  yield* Effect.forEach(
    Array.from({ length: lanes }, (_, index) => index),
    lane,
    { concurrency: lanes, discard: true }
  )
  return { app: app.name, seed, rounds, millis: Math.round(performance.now() - began), cells, ends }
})

/** The summary as a table, for the output of a test. */
export const render = (summary: ChaosSummary): string => renderSummary(summary)

const fromEnvironment = (name: string): Effect.Effect<number | undefined> =>
  Config.option(Config.Number(name)).pipe(Effect.map(Option.getOrUndefined), Effect.orDie)
