/**
 * The engine: feeds the phase reducer, carries out its commands, and owns everything that lives as long as the application.
 *
 * All work of a stop is forked detached in the context of the launch. The pipeline waits for it under limits and is never
 * inside it, so that nothing that hangs, dies or ignores interruption can hold the pipeline itself.
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import type * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import type { Event } from "../Event.ts"
import type * as GracePeriod from "../GracePeriod.ts"
import type { Drainable, InFlight } from "../Lifecycle.ts"
import * as Phase from "../Phase.ts"
import * as Report from "../Report.ts"
import type { StopReason } from "../StopReason.ts"
import { EventLog } from "./EventLog.ts"
import { exitCodeOf } from "./exitCodeOf.ts"
import type { Kernel } from "./Kernel.ts"
import { describe, Ledger } from "./Ledger.ts"
import { Limit } from "./Limit.ts"
import { type Hook, Participants } from "./Participants.ts"
import { Sections } from "./Sections.ts"
import { TrackedMemoMap } from "./TrackedMemoMap.ts"
import { Waits } from "./Waits.ts"

export interface PipelineOptions {
  readonly name: string
  readonly context: Context.Context<never>
  readonly budgets: GracePeriod.GracePeriod
  readonly crashGracePeriod: number
  readonly cooldown: number
  readonly ladder: Phase.Ladder
  readonly exitCode: Report.ExitCode
  readonly listeners: ReadonlyArray<(event: Event) => void>
  readonly lingering: () => ReadonlyArray<string>
}

export class Pipeline implements Kernel {
  readonly participants = new Participants()
  readonly sections: Sections
  readonly ledger: Ledger
  readonly waits: Waits
  readonly log: EventLog
  readonly stopTimeout: number
  readonly lameDuck: Deferred.Deferred<void> = Deferred.makeUnsafe()
  readonly stopping: Deferred.Deferred<void> = Deferred.makeUnsafe()
  readonly stopped: Deferred.Deferred<Report.Report> = Deferred.makeUnsafe()
  readonly #options: PipelineOptions
  readonly #clock: Clock.Clock
  readonly #began: bigint
  readonly #inputs: Array<Phase.Input> = []
  #phase = Phase.initial
  #dispatching = false
  #build: Fiber.Fiber<unknown, unknown> | undefined
  #worker: Fiber.Fiber<unknown, unknown> | undefined
  #deadlineFiber: Fiber.Fiber<unknown, unknown> | undefined
  #limit: Limit | undefined
  #deadline = Number.POSITIVE_INFINITY
  #wasReady = false
  #lastSignal: { readonly signal: string; readonly at: number } | undefined

  constructor(options: PipelineOptions) {
    this.#options = options
    this.#clock = Context.get(options.context, Clock.Clock)
    this.#began = this.#clock.monotonicTimeNanosUnsafe()
    this.stopTimeout = options.budgets.stopTimeout
    this.log = new EventLog(options.context, options.listeners)
    this.sections = new Sections(this)
    this.waits = new Waits(this)
    this.ledger = new Ledger(this)
  }

  // --- Kernel ---------------------------------------------------------------------------------------------------------

  readonly now = (): number => Number((this.#clock.monotonicTimeNanosUnsafe() - this.#began) / 1000n) / 1000

  readonly emit = (event: Event, cause?: Cause.Cause<unknown>): void => {
    this.log.emit(event, cause)
  }

  readonly fork = <A, E>(effect: Effect.Effect<A, E>): Fiber.Fiber<A, E> =>
    Effect.runForkWith(this.#options.context)(effect)

  readonly requestStop = (reason: StopReason): void => this.#dispatch({ _tag: "StopRequested", reason })

  readonly releaseRemaining = (): number => this.remaining() - this.#options.budgets.reserve

  // --- what the platform and the running code ask ---------------------------------------------------------------------

  get phase(): Phase.Phase {
    return this.#phase
  }

  /** Milliseconds to the deadline; infinite while no stop is going on. */
  readonly remaining = (): number => this.#deadline - this.now()

  /** A stop signal. Repeats within the cooldown count as one: a single Ctrl+C can arrive twice through wrappers. */
  readonly signal = (signal: string): void => {
    const at = this.now()
    const last = this.#lastSignal
    if (last !== undefined && last.signal === signal && at - last.at < this.#options.cooldown) return
    this.#lastSignal = { signal, at }
    this.#dispatch({ _tag: "Signalled", signal })
  }

  readonly crash = (kind: "uncaughtException" | "unhandledRejection", error: unknown): void => {
    const cause = Cause.die(error)
    const message = describe(cause)
    this.emit({ _tag: "Crashed", at: this.now(), kind, message }, cause)
    this.requestStop({ _tag: "Crash", kind, message })
  }

  /** Grants the state at work more time, within the grace period; answers what it granted. */
  readonly extend = (to: string, millis: number, grant: (millis: number) => boolean): number => {
    const granted = Math.min(millis, Math.max(this.releaseRemaining(), 0))
    if (!Number.isFinite(granted) || granted <= 0 || !grant(granted)) return 0
    this.emit({ _tag: "LeaseGranted", at: this.now(), to, millis: granted })
    return granted
  }

  readonly extendState = (millis: number): boolean => {
    this.#limit?.extend(millis)
    return this.#limit !== undefined
  }

  readonly register = (drainable: Drainable): void => {
    this.participants.drainables.add(drainable)
    if (Phase.isStopping(this.#phase.state)) this.#announceLameDuck(drainable)
    if (this.#phase.state === "Draining") this.#drain(drainable)
  }

  readonly registerHook = (kind: "onStopping" | "awaitBeforeStop" | "onStopped", hook: Hook): void => {
    this.participants[kind].add(hook)
    if (kind !== "onStopped" && this.#phase.state === "Draining") this.waits.add(kind, hook.name, hook.effect)
  }

  // --- run ------------------------------------------------------------------------------------------------------------

  readonly start = (build: (memoMap: Layer.MemoMap, scope: Scope.Scope) => Effect.Effect<unknown, unknown>): void => {
    const { budgets, name } = this.#options
    this.emit({ _tag: "AppStarting", at: 0, name, epochMillis: this.#clock.currentTimeMillisUnsafe(), gracePeriod: budgets.total })
    const { root } = this.ledger
    this.#build = this.fork(build(new TrackedMemoMap(this.ledger, root), root.scope))
    this.#build.addObserver((exit) => {
      if (Exit.isSuccess(exit)) return this.#dispatch({ _tag: "Built" })
      this.#dispatch({ _tag: "BuildFailed", message: describe(exit.cause), code: exitCodeOf(exit.cause) })
    })
  }

  /** One input after the other: an event listener may ask for a stop while a step is being carried out. */
  #dispatch(input: Phase.Input): void {
    this.#inputs.push(input)
    if (this.#dispatching) return
    this.#dispatching = true
    try {
      for (let next = this.#inputs.shift(); next !== undefined; next = this.#inputs.shift()) this.#step(next)
    } finally {
      this.#dispatching = false
    }
  }

  #step(input: Phase.Input): void {
    const before = this.#phase
    const [after, commands] = Phase.step(before, input, this.#options.ladder)
    this.#phase = after
    for (const command of commands) {
      switch (command._tag) {
        case "BeginStop":
          this.#beginStop(command.reason)
          break
        case "Escalated":
          this.emit({ _tag: "Escalated", at: this.now(), rung: command.rung, signal: command.signal })
          break
        case "Enter":
          this.#changed(before.state, after.state)
          this.#enter(command.state)
          break
        case "ForceExit":
          this.#changed(before.state, after.state)
          this.#forceExit()
          this.#end(command.outcome)
          break
      }
    }
  }

  #changed(from: Phase.AppState, to: Phase.AppState): void {
    this.ledger.announce()
    this.emit({ _tag: "StateChanged", at: this.now(), from, to })
  }

  #beginStop(reason: StopReason): void {
    const { budgets, crashGracePeriod } = this.#options
    const total = reason._tag === "Crash" ? Math.min(crashGracePeriod, budgets.total) : budgets.total
    this.#deadline = this.now() + total
    const deadline = total < budgets.total ? Schedule.duration(total) : budgets.deadline
    this.#deadlineFiber = this.fork(
      Effect.andThen(
        Effect.repeat(Effect.void, deadline),
        Effect.sync(() => this.#dispatch({ _tag: "DeadlineReached" }))
      )
    )
    this.emit({ _tag: "StopRequested", at: this.now(), reason })
  }

  #enter(state: Phase.StopState | "Running" | "Stopped"): void {
    // Escalation can come while the state before is still at work.
    const worker = this.#worker
    this.#worker = undefined
    this.#limit = undefined
    worker?.interruptUnsafe()
    switch (state) {
      case "Running":
        this.#wasReady = true
        return
      case "LameDuck":
        return this.#work(state, this.#lameDucking)
      case "Draining":
        return this.#work(state, this.#draining)
      case "Interrupting":
        return this.#work(state, this.#interrupting)
      case "Releasing":
        return this.#work(state, this.ledger.releaseAll())
      case "Flushing":
        return this.#work(state, this.#flushing)
      case "Stopped":
        return this.#end(Report.outcomeOf(this.log.events))
    }
  }

  #work(state: Phase.StopState, effect: Effect.Effect<void>): void {
    const worker = this.fork(effect)
    if (worker.pollUnsafe() === undefined) this.#worker = worker
    worker.addObserver((exit) => {
      // Interrupted: a later state has taken over.
      if (Exit.isSuccess(exit)) this.#dispatch({ _tag: "Done", state })
    })
  }

  readonly #lameDucking: Effect.Effect<void> = Effect.suspend(() => {
    Deferred.doneUnsafe(this.lameDuck, Effect.void)
    for (const drainable of this.participants.drainables) this.#announceLameDuck(drainable)
    // An application that never was ready has nobody to tell.
    return this.#wasReady ? this.#until(this.#options.budgets.lameDuck, Effect.never) : Effect.void
  })

  readonly #draining: Effect.Effect<void> = Effect.suspend(() => {
    const { participants, waits } = this
    const counts = participants.inFlight
    if (Object.keys(counts).length > 0) this.emit({ _tag: "InFlight", at: this.now(), counts })
    for (const drainable of participants.drainables) this.#drain(drainable)
    for (const hook of participants.onStopping) waits.add("onStopping", hook.name, hook.effect)
    for (const hook of participants.awaitBeforeStop) waits.add("awaitBeforeStop", hook.name, hook.effect)
    Deferred.doneUnsafe(this.stopping, Effect.void)
    return this.#until(this.#options.budgets.drain, Effect.andThen(waits.empty, this.#sectionsEnded))
  })

  readonly #interrupting: Effect.Effect<void> = Effect.suspend(() => {
    const { participants, sections, waits } = this
    waits.giveUp()
    Deferred.doneUnsafe(this.stopping, Effect.void)
    this.#tellStragglers(participants.inFlight)
    for (const drainable of participants.drainables) {
      if (drainable.interrupt !== undefined && hasWork(drainable)) waits.add("interrupt", drainable.name, drainable.interrupt)
    }
    const build = this.#build
    if (build !== undefined && build.pollUnsafe() === undefined) waits.add("start", "start", Fiber.interrupt(build))
    for (const section of sections.open) this.fork(sections.bound(section))
    return Effect.andThen(
      this.#until(this.#options.budgets.interrupt, Effect.andThen(waits.empty, this.#sectionsEnded)),
      Effect.sync(() => {
        waits.giveUp()
        for (const section of sections.open) sections.giveUp(section)
      })
    )
  })

  readonly #flushing: Effect.Effect<void> = Effect.suspend(() => {
    const { participants, waits } = this
    for (const hook of participants.onStopped) waits.add("onStopped", hook.name, hook.effect)
    // A tenth is left for the end itself, so that a slow hook is abandoned and not mistaken for the deadline.
    const most = Math.max(this.remaining(), 0) * 0.9
    return Effect.andThen(
      this.#until(Schedule.duration(most), waits.empty, this.remaining),
      // A turn of its own: inside a timer's callback that timer would look as if it still held the process.
      Effect.andThen(Effect.sync(() => waits.giveUp()), Effect.yieldNow)
    )
  })

  readonly #sectionsEnded: Effect.Effect<void> = Effect.suspend(() => {
    const [section] = this.sections.open
    return section === undefined ? Effect.void : Effect.andThen(Deferred.await(section.ended), this.#sectionsEnded)
  })

  /** Waits for `done`, at most until the budget ends or nothing is left of the grace period. */
  #until(budget: Schedule.Schedule<unknown>, done: Effect.Effect<void>, cap = this.releaseRemaining): Effect.Effect<void> {
    this.#limit = new Limit(budget, cap)
    return Effect.raceFirst(done, this.#limit.expired)
  }

  #announceLameDuck(drainable: Drainable): void {
    if (drainable.lameDuck !== undefined) this.waits.add("lameDuck", drainable.name, drainable.lameDuck)
  }

  #drain(drainable: Drainable): void {
    this.emit({ _tag: "GateClosed", at: this.now(), name: drainable.name })
    this.waits.add("drainable", drainable.name, drainable.drain)
  }

  #tellStragglers(counts: InFlight): void {
    for (const [kind, count] of Object.entries(counts)) this.emit({ _tag: "Straggler", at: this.now(), kind, count })
  }

  #forceExit(): void {
    this.#worker?.interruptUnsafe()
    this.#tellStragglers(this.participants.inFlight)
    for (const section of this.sections.open) {
      this.emit({ _tag: "Straggler", at: this.now(), kind: `critical section ${section.name}`, count: 1 })
    }
    for (const { name, run } of this.participants.emergency) {
      let failure: string | undefined
      try {
        run()
      } catch (error) {
        failure = String(error)
      }
      this.emit({ _tag: "EmergencyRan", at: this.now(), name, ...(failure === undefined ? {} : { failure }) })
    }
  }

  #end(outcome: Report.Report["outcome"]): void {
    this.#deadlineFiber?.interruptUnsafe()
    const handles = this.#options.lingering()
    if (handles.length > 0) this.emit({ _tag: "Lingering", at: this.now(), handles })
    const exitCode = this.#options.exitCode(outcome, this.#phase.reason ?? { _tag: "Finished" })
    this.emit({ _tag: "Ended", at: this.now(), outcome, exitCode })
    Deferred.doneUnsafe(this.stopped, Effect.succeed(Report.fromEvents(this.log.events)))
    Deferred.doneUnsafe(this.lameDuck, Effect.void)
    Deferred.doneUnsafe(this.stopping, Effect.void)
  }
}

const hasWork = (drainable: Drainable): boolean => Object.values(drainable.inFlight()).some((count) => count > 0)
