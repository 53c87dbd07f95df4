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
import type * as Fiber from "effect/Fiber"
import type * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import type { Event } from "../Event.ts"
import type { Drainable } from "../Lifecycle.ts"
import * as Outcome from "../Outcome.ts"
import * as Phase from "../Phase.ts"
import * as Plan from "../Plan.ts"
import * as Report from "../Report.ts"
import * as StopReason from "../StopReason.ts"
import { between } from "./analysis.ts"
import { describe } from "./describe.ts"
import { EventLog } from "./EventLog.ts"
import { exitCodeOf } from "./exitCodeOf.ts"
import { HealthBoard } from "./HealthBoard.ts"
import { Blocks, tellCrash, tellDefect } from "./incidents.ts"
import type { Kernel } from "./Kernel.ts"
import { sayLastWords } from "./lastWords.ts"
import { Ledger } from "./Ledger.ts"
import type { Hook, HookKind } from "./Participants.ts"
import { planInputOf, type PlanOptions } from "./planInputOf.ts"
import { Reloads } from "./Reloads.ts"
import { StopStates } from "./StopStates.ts"
import { TrackedMemoMap } from "./TrackedMemoMap.ts"

export interface PipelineOptions extends PlanOptions {
  readonly context: Context.Context<never>
  readonly crashGracePeriod: number
  readonly cooldown: number
  readonly ladder: Phase.Ladder
  readonly exitCode: Report.ExitCode
  readonly listeners: ReadonlyArray<(event: Event) => void>
  readonly lingering: Effect.Effect<ReadonlyArray<string>>
  readonly planPolicy: "warn" | "strict" | "off"
}

export class Pipeline implements Kernel {
  readonly ledger: Ledger
  readonly states: StopStates
  readonly reloads: Reloads
  readonly health: HealthBoard
  readonly log: EventLog
  readonly blocks: Blocks
  readonly stopTimeout: number
  readonly stopped: Deferred.Deferred<Report.Report> = Deferred.makeUnsafe()
  readonly #options: PipelineOptions
  readonly #clock: Clock.Clock
  readonly #began: bigint
  readonly #inputs: Array<Phase.Input> = []
  #phase = Phase.initial
  #dispatching = false
  #worker: Fiber.Fiber<unknown, unknown> | undefined
  #deadlineFiber: Fiber.Fiber<unknown, unknown> | undefined
  #rollbackSince: number | undefined
  #limitMoved: Deferred.Deferred<void> = Deferred.makeUnsafe()
  /** Milliseconds of the grace period in force. */
  #total: number
  #deadline = Number.POSITIVE_INFINITY
  /** How long a signal that is being delivered has waited for the event loop. */
  #late = 0
  #forced: Outcome.Outcome | undefined
  #hasEnded = false
  #lastSignal: { readonly signal: string; readonly at: number } | undefined

  constructor(options: PipelineOptions) {
    this.#options = options
    this.#total = options.budgets.total
    this.#clock = Context.get(options.context, Clock.Clock)
    this.#began = this.#clock.monotonicTimeNanosUnsafe()
    this.stopTimeout = options.budgets.stopTimeout
    this.log = new EventLog(options.context, options.listeners)
    this.blocks = new Blocks(this, options.context)
    this.ledger = new Ledger(this)
    this.health = new HealthBoard(this, options.context)
    this.states = new StopStates(this, this.ledger, options.budgets, this.health)
    this.reloads = new Reloads(
      this,
      (input) => this.#dispatch(input),
      () => this.#phase.state
    )
  }

  // --- Kernel ---------------------------------------------------------------------------------------------------------

  readonly now = (): number => Number((this.#clock.monotonicTimeNanosUnsafe() - this.#began) / 1000n) / 1000

  readonly emit = (event: Event, cause?: Cause.Cause<unknown>): void => {
    this.log.emit(event, cause)
  }

  readonly fork = <A, E>(effect: Effect.Effect<A, E>): Fiber.Fiber<A, E> =>
    Effect.runForkWith(this.#options.context)(effect)

  readonly guard = <A>(what: string, run: () => A, otherwise: A): A => this.log.guard(what, run, otherwise)

  readonly requestStop = (reason: StopReason.StopReason): void => this.#dispatch({ _tag: "StopRequested", reason })

  readonly done = (state: Phase.StopState): void => {
    // It ends by itself: nobody interrupts it from within.
    if (this.#phase.state === state) this.#worker = undefined
    this.#done(state)
  }
  readonly isRefusing = (): boolean => Phase.isRefusing(this.#phase.state)

  readonly rollback = (going: boolean): void => {
    if (!going) this.#rollbackSince = undefined
    else if (this.#phase.state === "Starting" && this.#rollbackSince === undefined) {
      this.#rollbackSince = this.now()
      this.#moveLimit()
    }
  }

  readonly limitMoved = (): Deferred.Deferred<void> => this.#limitMoved

  #moveLimit(): void {
    const moved = this.#limitMoved
    this.#limitMoved = Deferred.makeUnsafe()
    Deferred.doneUnsafe(moved, Effect.void)
  }

  readonly releaseRemaining = (): number => {
    const { reserveOf, total } = this.#options.budgets
    const reserve = reserveOf(this.#total)
    const since = this.#phase.state === "Starting" ? this.#rollbackSince : undefined
    return between(reserve, since === undefined ? this.remaining() : since + total - this.now())
  }

  // --- what the platform and the running code ask ---------------------------------------------------------------------

  get phase(): Phase.Phase {
    return this.#phase
  }

  /** Milliseconds to the deadline; infinite while no stop is going on. */
  readonly remaining = (): number => this.#deadline - this.now()

  /** A stop signal. Repeats within the cooldown count as one: a single Ctrl+C can arrive twice through wrappers. */
  readonly signal = (signal: string, late = 0): void => {
    const at = this.now()
    const last = this.#lastSignal
    if (last !== undefined && last.signal === signal && at - last.at < this.#options.cooldown) return
    this.#lastSignal = { signal, at }
    this.#late = late
    this.#dispatch({ _tag: "Signalled", signal })
    this.#late = 0
  }

  readonly crash = (kind: StopReason.CrashKind, error: unknown): void => {
    // Nothing asynchronous runs any more, and what is on the stack does not go on: all is told and done on top of it.
    if (kind === "processExit") this.log.tellAtOnce()
    const reason = tellCrash(this, kind, error)
    if (kind !== "processExit") return this.requestStop(reason)
    this.#step({ _tag: "Leaving", reason })
    this.#end()
  }

  readonly lastWords = (): ReadonlyArray<Event> => this.log.confide(() => sayLastWords(this, this.states))

  /** Grants the state at work more time, within the grace period; answers what it granted. */
  readonly extend = (to: string, millis: number, grant: (millis: number) => boolean): number => {
    const granted = Math.min(millis, Math.max(this.releaseRemaining(), 0))
    if (!Number.isFinite(granted) || granted <= 0 || !grant(granted)) return 0
    this.emit({ _tag: "LeaseGranted", at: this.now(), to, millis: granted })
    return granted
  }

  readonly register = (drainable: Drainable): void => this.states.register(drainable, this.#phase.state)

  readonly deregister = (drainable: Drainable): Effect.Effect<void> =>
    Effect.suspend(() => this.states.deregister(drainable, this.#phase.state))

  readonly registerHook = (kind: HookKind, hook: Hook): void => this.states.registerHook(kind, hook, this.#phase.state)

  // --- run ------------------------------------------------------------------------------------------------------------

  readonly start = (build: (memoMap: Layer.MemoMap, scope: Scope.Scope) => Effect.Effect<unknown, unknown>): void => {
    const { budgets, name } = this.#options
    this.emit({
      _tag: "AppStarting",
      at: 0,
      name,
      epochMillis: this.#clock.currentTimeMillisUnsafe(),
      gracePeriod: budgets.total
    })
    const { root } = this.ledger
    const building = this.fork(
      Effect.withFiber((fiber) => {
        // Known from its first step on: a layer may ask for the stop while all of this is still on the stack.
        this.states.build = fiber
        return build(new TrackedMemoMap(this.ledger, root), root.scope)
      })
    )
    building.addObserver((exit) => {
      this.ledger.built(Exit.isSuccess(exit))
      if (Exit.isSuccess(exit)) return this.#built()
      this.#dispatch({ _tag: "BuildFailed", message: describe(exit.cause), code: exitCodeOf(exit.cause) })
    })
  }

  /** Before it serves anybody: whether it could be stopped as it was asked to be. */
  #built(): void {
    const { planPolicy } = this.#options
    const problems =
      planPolicy === "off" || this.#phase.state !== "Starting"
        ? []
        : Plan.problemsOf(planInputOf(this.#options, this.ledger.graph))
    const message = problems.join("; ")
    if (problems.length > 0 && planPolicy === "strict")
      return this.#dispatch({ _tag: "BuildFailed", message, code: Outcome.exitCodes.configuration })
    if (problems.length > 0) this.emit({ _tag: "PlanDoesNotFit", at: this.now(), problems })
    this.#dispatch({ _tag: "Built" })
  }

  readonly plan = (): Plan.Plan => Plan.make(planInputOf(this.#options, this.ledger.graph))

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
          // Before it is told: who hears of the change may ask for more time.
          this.states.leave()
          this.#changed(before.state, after.state)
          this.#enter(command.state)
          break
        case "ForceExit":
          this.#forced = command.outcome
          this.states.leave()
          this.ledger.announcements.makeAll()
          this.#changed(before.state, after.state)
          this.#worker?.interruptUnsafe()
          this.#end()
          break
      }
    }
  }

  #changed(from: Phase.AppState, to: Phase.AppState): void {
    this.emit({ _tag: "StateChanged", at: this.now(), from, to })
  }

  #beginStop(reason: StopReason.StopReason): void {
    const { budgets, crashGracePeriod } = this.#options
    const total = reason._tag === "Crash" ? Math.min(crashGracePeriod, budgets.total) : budgets.total
    // A start that failed has been rolled back before it says so: that time is part of the stop.
    const failed = reason._tag === "StartFailed"
    const spent = failed && this.#rollbackSince !== undefined ? between(this.#rollbackSince, this.now()) : this.#late
    const left = Math.max(total - spent, 0)
    this.#total = total
    this.#deadline = this.now() + left
    this.#moveLimit()
    this.#deadlineFiber = this.fork(
      Effect.andThen(
        Effect.sleep(left),
        Effect.sync(() => this.#dispatch({ _tag: "DeadlineReached" }))
      )
    )
    this.emit({ _tag: "StopRequested", at: this.now(), reason, ...(failed || spent > 0 ? { spent } : {}) })
    for (const attempt of this.states.attempts) attempt.interruptUnsafe()
  }

  #enter(state: Phase.Entered): void {
    // Escalation can come while the state before is still at work.
    const worker = this.#worker
    this.#worker = undefined
    worker?.interruptUnsafe()
    if (state === "Running") Deferred.doneUnsafe(this.states.running, Effect.void)
    else if (state === "Reloading") return
    else if (state === "Stopped") this.#end()
    else this.#work(state)
  }

  #work(state: Phase.StopState): void {
    const work = this.states.work(state)
    const worker = this.fork(state === "Flushing" ? Effect.andThen(work, this.#tellLingering) : work)
    if (worker.pollUnsafe() === undefined) this.#worker = worker
    worker.addObserver((exit) => {
      // Interrupted: a later state has taken over. Anything else must not keep the stop from going on.
      if (Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause)) return
      if (Exit.isFailure(exit)) tellDefect(this, state, exit.cause)
      this.#done(state)
    })
  }

  /** While code blocks the event loop no timer rings: the deadline may be over without anybody having said so. */
  #done(state: Phase.StopState): void {
    this.#dispatch(this.remaining() < 0 ? { _tag: "DeadlineReached" } : { _tag: "Done", state })
  }

  readonly #tellLingering: Effect.Effect<void> = Effect.suspend(() => {
    // Its timer would look as if it held the process.
    this.#deadlineFiber?.interruptUnsafe()
    return Effect.map(Effect.exit(this.#options.lingering), (exit) => {
      const handles = this.guard("lingering", () => Effect.runSync(exit), [])
      if (handles.length > 0) this.emit({ _tag: "Lingering", at: this.now(), handles })
    })
  })

  /** Who leaves in the middle of this does the rest of it. */
  #end(): void {
    if (this.#forced !== undefined && !this.#hasEnded) sayLastWords(this, this.states)
    if (this.#hasEnded) return
    this.#hasEnded = true
    this.#deadlineFiber?.interruptUnsafe()
    const outcome = this.#forced ?? Report.outcomeOf(this.log.events)
    const reason = this.#phase.reason ?? StopReason.finished
    const usual = Outcome.exitCode(outcome, reason)
    const exitCode = this.guard("exitCode", () => this.#options.exitCode(outcome, reason), usual)
    this.emit({ _tag: "Ended", at: this.now(), outcome, exitCode })
    Deferred.doneUnsafe(this.stopped, Effect.succeed(Report.fromEvents(this.log.events)))
    Deferred.doneUnsafe(this.states.lameDuck, Effect.void)
    Deferred.doneUnsafe(this.states.stopping, Effect.void)
  }
}
