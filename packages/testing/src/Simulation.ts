/**
 * Whole lives of an application in a deterministic world: a seed chooses which ready fiber goes on next, the clock jumps, and
 * signals strike where a plan says. The same seed gives the same life, so that a race that was found once can be looked at.
 */
import * as Arbitrary from "effect/Arbitrary"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as App from "quiesce/App"
import type { Lifecycle } from "quiesce/Lifecycle"
import * as Report from "quiesce/Report"
import { isStopping } from "quiesce/Phase"
import * as StopReason from "quiesce/StopReason"
import { observe } from "./internal/budgets.ts"
import * as Journal from "./internal/Journal.ts"
import { listen, logger } from "./internal/logger.ts"
import { MaySpin } from "./internal/MaySpin.ts"
import { outside } from "./internal/process/outside.ts"
import { ownedBy } from "./internal/ownedBy.ts"
import { needsRehearsal, placeOf, type Rehearsal, rehearsal } from "./internal/rehearsal.ts"
import { World } from "./internal/World.ts"
import type { Law, Life } from "./Law.ts"
import * as Laws from "./Laws.ts"
import { arbitrary as arbitraryStorm, type SignalStorm, type Strike, strike } from "./SignalStorm.ts"
import { type Entry, events, type Timeline } from "./Timeline.ts"

/** What happens to an application from outside. */
export interface Course {
  /**
   * The signals, and where in its life they strike.
   *
   * @default one SIGTERM at the end of `runFor`
   */
  readonly storm?: SignalStorm | undefined
  /**
   * How long Running lasts when nothing strikes before, in milliseconds: the length that a strike's fraction and its wake-ups refer to.
   *
   * @default 1000
   */
  readonly runFor?: number | undefined
  /**
   * Budgets and escalation, as for `App.launch`.
   *
   * @default those of `App.launch`
   */
  readonly options?: App.Options | undefined
}

export interface Options {
  /**
   * Chooses the order of everything that could happen in another order as well.
   *
   * @default 0
   */
  readonly seed?: number | undefined
  /**
   * What happens to it.
   *
   * @default one SIGTERM after a second of running
   */
  readonly plan?: Course | undefined
}

/** A life that was simulated to its end. */
export interface Simulated extends Life {
  readonly seed: number
  readonly report: Report.Report
  /** What happened in the applications that it ran inside; where it left before one had ended, that one was killed. */
  readonly inside: ReadonlyArray<Timeline>
}

/**
 * The life did not end within an hour of simulated time, which is far more than any grace period: its budgets do not hold, or
 * are longer than that.
 */
export class SimulationError extends Schema.TaggedError<SimulationError>()("SimulationError", {
  seed: Schema.Number,
  awaiting: Schema.Array(Schema.String)
}) {
  override get message(): string {
    const waiting = this.awaiting.length === 0 ? "" : `, waiting for ${this.awaiting.join(", ")}`
    return `the life with seed ${this.seed} did not end within an hour of simulated time${waiting}; a simulation needs budgets below that`
  }
}

/** The application, or how to make a new one for each life, when it keeps anything outside of its layers. */
export type Subject<A, E> = Layer.Layer<A, E, Lifecycle> | (() => Layer.Layer<A, E, Lifecycle>)

/**
 * Lives one life of an application from its start to its end, in simulated time.
 *
 * **When to use**: to see a stop under an order of events that real time rarely gives, and to see the same again. For many
 * seeds use `explore`, for a test with the clock in your own hand `TestApp`.
 *
 * **Details**: Effect's Scheduler, Clock and Random are replaced for everything that the layer builds and forks; log lines go
 * into the timeline. Other references of the caller, such as armed failpoints, are seen. Of an application that yours runs
 * inside of itself, and of a scripted component that running code builds for itself, the timeline has nothing: they come and
 * go on their own account.
 *
 * A fraction or a wake-up in the storm needs a rehearsal, a life of its own with the same seed: pass a function that makes the
 * layer when the layer shares anything with your test. An application that is not asked to stop within a minute gets a SIGTERM.
 *
 * Time stands still while anything is ready, and for promises: for those that only wait for each other or for the event loop
 * (`setImmediate`), however often, and for files and host names, up to about a second of real time in a life. Which of several
 * files answers first is not the seed's choice, so that a life with two at a time may not be the same again. For work of
 * the thread pool that Node does not tell of (`node:crypto`, `node:zlib`), sockets, and timers of the platform time does not wait,
 * and every timeout fires: replace what uses them by a layer that stays in memory, sockets and HTTP by `Wire`.
 *
 * **Interruption safety**: interrupting it leaves the life where it is; nothing of it runs on.
 *
 * @example
 * ```ts
 * import * as Effect from "effect/Effect"
 * import * as Scripted from "@quiesce/testing/Scripted"
 * import * as SignalStorm from "@quiesce/testing/SignalStorm"
 * import * as Simulation from "@quiesce/testing/Simulation"
 *
 * const life = Simulation.run(Scripted.component("db", { release: "hang" }), {
 *   seed: 7,
 *   plan: { storm: [SignalStorm.strike("SIGTERM", "Running"), SignalStorm.strike("SIGINT", "Releasing", 0.5)] }
 * })
 * const outcome = Effect.map(life, ({ report }) => report.outcome) // Forced by SIGINT
 * ```
 */
export const run = <A, E>(
  app: Subject<A, E>,
  { plan = {}, seed = 0 }: Options = {}
): Effect.Effect<Simulated, SimulationError> =>
  Effect.gen(function* () {
    const layer = typeof app === "function" ? app : () => app
    const { options = {}, runFor = 1000, storm = [strike("SIGTERM", "Running", 1)] } = plan
    const simple = { Running: { lasts: runFor, wakes: [] } }
    if (!storm.some(needsRehearsal)) return (yield* live(layer(), seed, options, storm, simple)).life
    const { rehearsed } = yield* live(layer(), seed, options, [strike("SIGTERM", "Running", 1)], simple)
    const Running = { lasts: runFor, wakes: rehearsed["Running"]?.wakes ?? [] }
    return (yield* live(layer(), seed, options, storm, { ...rehearsed, Running })).life
  })

export interface ExploreOptions {
  /**
   * How many seeds to try.
   *
   * @default 100
   */
  readonly seeds?: number | undefined
  /**
   * The first of them.
   *
   * @default 0
   */
  readonly from?: number | undefined
  /**
   * What happens to it, the same for every seed or made for each. Without a storm of its own each seed gets a random one.
   *
   * @default a random storm for each seed
   */
  readonly plan?: Course | ((seed: number) => Course) | undefined
  /**
   * The laws that must hold. Add your own with `Law.make`.
   *
   * @default all
   */
  readonly laws?: ReadonlyArray<Law> | undefined
}

/**
 * Lives the life of an application once for each seed and fails with `LawsBroken` at the first that breaks a law. The message
 * says the seed, what struck, and shows the life.
 *
 * **When to use**: in a test of your application, to meet orders of events that nobody has thought of.
 *
 * **Interruption safety**: may be interrupted at any time.
 *
 * @example
 * ```ts
 * import * as Scripted from "@quiesce/testing/Scripted"
 * import * as Simulation from "@quiesce/testing/Simulation"
 *
 * const test = Simulation.explore(() => Scripted.component("db", { release: { after: 300 } }), { seeds: 200 })
 * ```
 */
export const explore = <A, E>(
  app: Subject<A, E>,
  { from = 0, laws = Laws.all, plan, seeds = 100 }: ExploreOptions = {}
): Effect.Effect<void, SimulationError | Laws.LawsBroken> =>
  Effect.gen(function* () {
    for (let seed = from; seed < from + seeds; seed++) {
      const given = typeof plan === "function" ? plan(seed) : plan
      const course = { ...given, storm: given?.storm ?? (yield* randomStorm(seed)) }
      const life = yield* run(app, { seed, plan: course })
      // Who has a rule of their own for the exit code does not have the law's.
      const held = course.options?.exitCode === undefined ? laws : laws.filter((law) => law !== Laws.exitCode)
      const found = `seed ${seed}, struck by ${JSON.stringify(course.storm)}`
      yield* Effect.mapError(
        Laws.assert(life, held),
        ({ laws: broken, message }) => new Laws.LawsBroken({ laws: broken, message: `${found}\n${message}` })
      )
    }
  })

const randomStorm = (seed: number): Effect.Effect<SignalStorm> =>
  Arbitrary.sampleEffect(arbitraryStorm, { count: 1, seed }).pipe(
    Effect.map(([storm]) => storm ?? []),
    // The arbitrary discards nothing, so that it is never exhausted.
    Effect.orDie
  )

/** Milliseconds. */
const longestSpin = 120_000
/** What the watchdog of a real process reports. */
const stall = 1000
const minute = 60_000
const hour = 3_600_000

/** A life, and what it tells about another one with the same seed. */
interface Lived {
  readonly life: Simulated
  readonly rehearsed: Rehearsal
}

const live = <A, E>(
  layer: Layer.Layer<A, E, Lifecycle>,
  seed: number,
  given: App.Options,
  storm: SignalStorm,
  nominal: Rehearsal
): Effect.Effect<Lived, SimulationError> =>
  Effect.gen(function* () {
    const world = new World(seed)
    const now = () => world.elapsed
    const { limits, options } = observe(given, now)
    const timeline: Array<Entry> = []
    const inside: Array<Array<Entry>> = []
    const block = (millis: number): void => {
      world.block(millis)
      if (millis < stall || app === undefined) return
      // Who has to leave and does not is killed. Else it is told by a thread of its own, when the event loop can hear it.
      if (app.lifecycle.stateUnsafe() !== "Exit") {
        world.after(0, () => end.reached || app?.reportBlockedUnsafe(millis, []))
      } else if (!end.reached) {
        journal.record({ _tag: "Blocked", millis })
        kill(app)
      }
    }
    const kill = ({ lastWordsUnsafe }: App.App): void => {
      end.reached = true
      journal.record({ _tag: "Struck", what: "watchdog" })
      timeline.push(...lastWordsUnsafe())
      journal.record({ _tag: "Struck", what: "SIGKILL" })
    }
    const journal = Journal.make(timeline, now, block, inside)
    let spun = 0
    // Somebody who spins for a while is nobody else's fault; what spins without end does not come to its end in time.
    const clock = (yield* MaySpin) ? journal : world
    world.onSpinning = (millis) => (++spun > longestSpin ? world.block(minute) : clock.block(millis))
    const end = { reached: false }
    const early: Array<Strike> = []
    let app: App.App | undefined

    const hit = (one: Strike): void => {
      const { kind, late } = one
      if (end.reached) return
      // Before the application can be spoken to: it hears of it as its first thing.
      if (app === undefined) return void early.push(one)
      if (kind === "crash" || kind === "exit") {
        const message = `${kind} ${timeline.length} on purpose`
        journal.record({ _tag: "Failed", component: "the process", message })
        app.reportCrashUnsafe(kind === "exit" ? "processExit" : "uncaughtException", new Error(message))
      } else if (kind === "request") {
        journal.record({ _tag: "Struck", what: "requestStop" })
        app.requestStopUnsafe(StopReason.requested("the storm"))
      } else if (kind === "kill") {
        kill(app)
      } else {
        journal.record({ _tag: "Signalled", signal: kind, ...(late === undefined ? {} : { late }) })
        app.signalUnsafe(kind, late)
      }
    }
    const entered: Array<{ readonly state: string; readonly at: number }> = []
    const enter = (state: string): void => {
      entered.push({ state, at: world.now })
      for (const one of storm) {
        if (one.state === state) world.after(placeOf(one, nominal), () => hit(one))
      }
    }

    enter("Starting")
    world.after(minute, () => {
      if (app !== undefined && !isStopping(app.lifecycle.stateUnsafe())) hit(strike("SIGTERM", "Running"))
    })
    // What the caller has, such as armed failpoints, and the world in the place of the real one.
    const around = Context.merge(yield* Effect.context(), world.context).pipe(
      Context.add(Journal.CurrentJournal, journal)
    )
    const { context, within } = listen(around, logger(journal), new Set())
    // Not in the fiber that drives: that one must never wait for its turn in the world that it turns.
    const starting = Effect.runForkWith(context)(
      App.start(ownedBy(journal, layer, within), {
        ...options,
        onEvent: (event) => {
          timeline.push(event)
          world.progress()
          options.onEvent?.(event)
          // Who comes back from Reloading has been Running all the while.
          if (event._tag === "StateChanged" && !(event.from === "Reloading" && event.to === "Running")) enter(event.to)
          if (event._tag !== "Ended") return
          end.reached = true
          journal.record({ _tag: "Exited", exitCode: event.exitCode })
        }
      })
    )
    while (starting.pollUnsafe() === undefined) world.turn()
    const started = yield* Fiber.join(starting)
    app = started
    for (const one of early) hit(one)

    const promises = outside(() => world.isBusy)
    while (!end.reached) {
      if (world.now > hour) {
        return yield* new SimulationError({ seed, awaiting: started.lifecycle.statusUnsafe().awaiting })
      }
      if (!world.isBusy) yield* promises
      if (world.isBusy) world.turn()
      else world.jump()
    }
    for (const one of inside) finish(one)
    // What is on the stack does not go on.
    const killed = timeline.findIndex((entry) => entry._tag === "Struck" && entry.what === "SIGKILL")
    if (killed >= 0) timeline.splice(killed + 1)
    const report = killed < 0 ? yield* started.stopped : Report.ofKilled(events(timeline), now())
    return {
      life: { seed, timeline, inside, limits: yield* limits(timeline), logged: true, report },
      rehearsed: rehearsal(entered, world.wakes)
    }
  })

/** An application inside leaves with its end, or is killed with the one around it. */
const finish = (life: Array<Entry>): void => {
  const end = life.findIndex(({ _tag }) => _tag === "Ended")
  const ended = life[end]
  if (ended?._tag === "Ended") {
    life.splice(end + 1, life.length, { _tag: "Exited", at: ended.at, exitCode: ended.exitCode })
  } else {
    life.push({ _tag: "Struck", at: life.at(-1)?.at ?? 0, what: "SIGKILL" })
  }
}
