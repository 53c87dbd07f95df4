/**
 * One task: its runs, its restarts and its end. Every way out of a run is told, decided and counted in one place.
 *
 * A run is one fiber and nothing more, so that a hundred thousand tasks that sleep cost what their fibers cost.
 */
import * as Cause from "effect/Cause"
import type * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as Pull from "effect/Pull"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import type { Event } from "../Event.ts"
import type { Task } from "../Task.ts"
import type { Options } from "../Tasks.ts"
import { between } from "./analysis.ts"
import { describe } from "./describe.ts"
import type { Supervisor } from "./Supervisor.ts"
import type { TaskName } from "./TaskName.ts"

/** What a kind of task needs to know of its supervision. */
export interface TaskControl {
  /** Whether no new work is taken any more: what is in hand is finished, and then the task ends. */
  isDraining(): boolean
  /** Runs what the task waits for with nothing in hand: it is interrupted as soon as draining begins, and the task with it. */
  idle<A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R>
  /** So many runs came due and were missed. */
  missed(count: number): void
}

/** A task to be: what `Lifecycle.tasks.start` takes. */
export interface TaskSpec<A, E, R, R2> {
  readonly name: string
  readonly run: (control: TaskControl) => Effect.Effect<A, E, R>
  readonly options: Options<A, E, R2>
}

/** - `Idle`: it waits with nothing in hand. - `Restarting`: between two runs. - `Stopping`: it has been told to end. */
export type TaskState = "Running" | "Idle" | "Restarting" | "Stopping" | "Ended"

/** - `stopped`: with nothing in hand. - `interrupted`: in the middle of something. */
export type TaskEnd = "done" | "failed" | "stopped" | "interrupted"

/** Tasks that end together with their scope. */
export interface Group {
  readonly scope: Scope.Closeable
  readonly tasks: Set<Supervised>
  /** Names of those that have failed for good and left the application degraded. */
  readonly degraded: Set<string>
}

/** What the supervisor sees of a task. */
export interface Supervised {
  readonly name: string
  readonly named: TaskName
  readonly priority: number
  readonly now: TaskState
  /** Whether the drain waits for its end. */
  readonly finishes: boolean
  /** Those that it ends with; none for one that never ran. */
  group: Group | undefined
  /** Done when it has ended for good. */
  readonly settled: Effect.Effect<unknown>
  interruptUnsafe(): void
  /** Whether that fiber is the run that goes on. */
  isRunBy(fiber: Fiber.Fiber<unknown, unknown>): boolean
}

const minute = 60_000

// Methods and getters rather than properties: there may be very many.
export class SupervisedTask<A, E, R, R2> implements Task<A, E>, Supervised, TaskControl {
  readonly name: string
  readonly priority: number
  readonly finishes: boolean
  readonly named: TaskName
  group: Group | undefined
  readonly #supervisor: Supervisor
  readonly #spec: TaskSpec<A, E, R, R2>
  readonly #context: Context.Context<R | R2>
  #state: TaskState = "Running"
  #fiber: Fiber.Fiber<unknown, unknown> | undefined
  #exit: Exit.Exit<A, E> | undefined
  /** For whoever waits; most tasks nobody waits for. */
  #awaited: Deferred.Deferred<Exit.Exit<A, E>> | undefined
  #stopping = false
  /** Whether it had nothing in hand when it was told to end. */
  #atRest = false
  /** When the run began that goes on, or when it was told to stop. */
  #since = 0
  /** Failures in a row. */
  #attempt = 0
  #step: Effect.Success<ReturnType<typeof Schedule.toStep<unknown, Cause.Cause<E>, never, never>>> | undefined

  constructor(supervisor: Supervisor, named: TaskName, spec: TaskSpec<A, E, R, R2>, context: Context.Context<R | R2>) {
    this.#supervisor = supervisor
    this.named = named
    this.#spec = spec
    this.#context = context
    this.name = spec.name
    this.priority = spec.options.priority ?? 0
    this.finishes = spec.options.onStop === "finish"
  }

  get now(): TaskState {
    return this.#state
  }

  get settled(): Effect.Effect<unknown> {
    return this.exit
  }

  // --- as whoever started it sees it ----------------------------------------------------------------------------------

  get state(): Effect.Effect<TaskState> {
    return Effect.sync(() => this.#state)
  }

  get exit(): Effect.Effect<Exit.Exit<A, E>> {
    return Effect.suspend(() => {
      if (this.#exit !== undefined) return Effect.succeed(this.#exit)
      this.#awaited ??= Deferred.makeUnsafe()
      return Deferred.await(this.#awaited)
    })
  }

  get interrupt(): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.interruptUnsafe()
      return Effect.asVoid(this.exit)
    })
  }

  // --- as its supervisor and its kind see it --------------------------------------------------------------------------

  /** Begins its first run. */
  start(): void {
    this.#begin(this.#spec.run(this))
  }

  /** Comes too late: it never runs. */
  refuse(): void {
    this.#settle(Exit.failCause(Cause.interrupt()), "interrupted")
  }

  interruptUnsafe(): void {
    if (this.#state === "Ended") return
    if (!this.#stopping) {
      this.#since = this.#supervisor.now()
      this.#atRest = this.#state === "Idle" || this.#state === "Restarting"
    }
    this.#stopping = true
    this.#move("Stopping")
    this.#fiber?.interruptUnsafe()
  }

  isRunBy(fiber: Fiber.Fiber<unknown, unknown>): boolean {
    return this.#fiber === fiber
  }

  isDraining(): boolean {
    return this.#supervisor.isDraining()
  }

  idle<B, E2, R3>(effect: Effect.Effect<B, E2, R3>): Effect.Effect<B, E2, R3> {
    return Effect.suspend(() => {
      if (this.#state !== "Running") return effect
      this.#move("Idle")
      return Effect.onExit(effect, () =>
        Effect.sync(() => {
          if (this.#state === "Idle") this.#move("Running")
        })
      )
    })
  }

  missed(count: number): void {
    this.named.count("missed", count)
  }

  // --- one run --------------------------------------------------------------------------------------------------------

  #begin(effect: Effect.Effect<A, E, R>): void {
    this.#since = this.#supervisor.now()
    const fiber = Effect.runForkWith(this.#context)(
      Effect.withFiber<A, E, R>((own) => {
        // Known from its first step on: the stop that it may ask for finds it.
        this.#fiber = own
        return effect
      })
    )
    fiber.addObserver((exit) => this.#ran(exit))
  }

  #ran(exit: Exit.Exit<A, E>): void {
    if (Exit.isSuccess(exit)) return this.#returned(exit)
    const interrupted = Cause.hasInterruptsOnly(exit.cause)
    if (interrupted && this.#stopping) return this.#settle(exit, this.#atRest ? "stopped" : "interrupted")
    // What fails while it is being stopped will not run again, and is told as any failure.
    if (this.#stopping || this.#spec.options.restart === undefined) this.#fail(exit.cause, this.#policy)
    else this.#restart(exit, this.#spec.options.restart)
  }

  #returned(exit: Exit.Exit<A, E>): void {
    const { onSuccess = "ignore", restart } = this.#spec.options
    if (onSuccess !== "restart" || this.#stopping || this.isDraining()) {
      this.#settle(exit, "done")
      if (onSuccess === "stop") this.#supervisor.finished()
    } else if (restart !== undefined) this.#restart(exit, restart)
    // A turn for everybody else: it may return at once, again and again.
    else this.#begin(Effect.andThen(Effect.yieldNow, this.#spec.run(this)))
  }

  // --- restart --------------------------------------------------------------------------------------------------------

  #restart(exit: Exit.Exit<A, E>, schedule: Schedule.Schedule<unknown, Cause.Cause<E>>): void {
    const cause = Exit.isSuccess(exit) ? Cause.empty : exit.cause
    const { resetAfter } = this.#spec.options
    const healthy = resetAfter === undefined ? minute : Duration.toMillis(resetAfter)
    if (between(this.#since, this.#supervisor.now()) >= healthy) {
      this.#step = undefined
      this.#attempt = 0
    }
    this.#move("Restarting")
    const decide = Effect.gen({ self: this }, function* () {
      this.#step ??= yield* Schedule.toStep(schedule)
      return yield* this.#step(this.#supervisor.now(), cause).pipe(
        Effect.map(([, delay]) => Duration.toMillis(delay)),
        Pull.catchDone(() => Effect.succeed(undefined))
      )
    })
    // Nobody may interrupt between a failure and its being told.
    Effect.runForkWith(this.#context)(decide, { uninterruptible: true }).addObserver((decided) => {
      if (Exit.isFailure(decided)) this.#fail(Cause.combine(cause, decided.cause), this.#policy)
      else this.#decided(exit, decided.value)
    })
  }

  #decided(exit: Exit.Exit<A, E>, delay: number | undefined): void {
    const over = this.#stopping || this.isDraining()
    if (Exit.isSuccess(exit)) {
      if (over || delay === undefined) return this.#settle(exit, "done")
    } else {
      if (delay === undefined) return this.#fail(exit.cause, this.#policy)
      if (over) return this.#fail(exit.cause, "stopping")
      this.#tell(exit.cause, "restart", delay)
    }
    this.named.count("restarted")
    this.#begin(
      Effect.flatMap(Effect.sleep(delay), () => {
        // What waits for its restart when draining begins is interrupted; this one had waited already.
        if (this.isDraining()) {
          this.#stopping = true
          this.#atRest = true
          return Effect.interrupt
        }
        this.#since = this.#supervisor.now()
        if (this.#state === "Restarting") this.#move("Running")
        return this.#spec.run(this)
      })
    )
  }

  // --- end ------------------------------------------------------------------------------------------------------------

  get #policy(): "stop" | "degrade" | "ignore" {
    return this.#spec.options.onFailure ?? "stop"
  }

  #fail(cause: Cause.Cause<E>, next: "stop" | "degrade" | "ignore" | "stopping"): void {
    const message = this.#tell(cause, next)
    this.#settle(Exit.failCause(cause), "failed", next === "degrade" ? message : undefined)
    if (next === "stop") this.#supervisor.failed(this.name, message)
  }

  #tell(cause: Cause.Cause<unknown>, next: Extract<Event, { _tag: "TaskFailed" }>["next"], restartIn?: number): string {
    const message = Cause.hasInterruptsOnly(cause)
      ? "it was interrupted, and not by a stop: something that it waited for was"
      : describe(cause)
    this.#attempt++
    this.named.count("failed")
    this.#supervisor.tellFailure(
      this.named,
      { attempt: this.#attempt, message, next, ...(restartIn === undefined ? {} : { restartIn }) },
      cause
    )
    return message
  }

  #settle(exit: Exit.Exit<A, E>, how: TaskEnd, degraded?: string): void {
    const { onExit } = this.#spec.options
    const end = (): void => {
      if (this.#stopping) this.named.stopped(between(this.#since, this.#supervisor.now()))
      this.#move("Ended")
      this.#exit = exit
      this.#supervisor.ended(this, how, degraded)
      if (this.#awaited !== undefined) Deferred.doneUnsafe(this.#awaited, Effect.succeed(exit))
    }
    if (onExit === undefined) return end()
    Effect.runForkWith(this.#context)(onExit(exit)).addObserver((ran) => {
      if (Exit.isFailure(ran)) this.#tell(ran.cause, "ignore")
      end()
    })
  }

  #move(state: TaskState): void {
    if (this.#state === "Ended" || (this.#state === "Stopping" && state !== "Ended")) return
    this.named.moved(this.#state, state)
    this.#state = state
  }
}
