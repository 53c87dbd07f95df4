/**
 * The service that running code sees of its own application: what state it is in, how long is left, and the places where
 * a component takes part in the stop.
 *
 * `App.launch` provides it to every layer it builds; nothing else has to be wired.
 */
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import type { Event } from "./Event.ts"
import type { HealthState, Kind, Summary } from "./HealthState.ts"
import type { Contribution } from "./internal/HealthBoard.ts"
import type { OptionalSpec } from "./internal/OptionalComponent.ts"
import type { Release, ReleaseSpec } from "./internal/Release.ts"
import type { Section, SectionOptions } from "./internal/Sections.ts"
import type { TaskSpec } from "./internal/SupervisedTask.ts"
import type { Handle } from "./Optional.ts"
import type { AppState } from "./Phase.ts"
import type { Plan } from "./Plan.ts"
import type { Report } from "./Report.ts"
import type { ShuttingDown } from "./ShuttingDown.ts"
import type { StopReason } from "./StopReason.ts"
import type { Task } from "./Task.ts"

/**
 * Counts of accepted and unfinished work by kind, for example `{ request: 2, websocket: 1 }`. Kinds at zero may be absent.
 */
export type InFlight = Readonly<Record<string, number>>

/**
 * Something that accepts work and can bring it to an end: an HTTP server, a queue consumer, a `DrainGate`.
 *
 * Order within a stop: `lameDuck` when the state becomes LameDuck, `drain` when it becomes Draining, `interrupt` when it
 * becomes Interrupting and work is left. All drainables go through each step in parallel.
 */
export interface Drainable {
  /** Shown in the progress line, in events and in the report. */
  readonly name: string
  /** A cheap synchronous snapshot. It is read for progress and for the report, also after a forced exit. */
  readonly inFlight: () => InFlight
  /**
   * Runs when lame duck begins: announce it (`Connection: close`, deregistration). New work is still accepted. The state does
   * not last longer for it; the drain waits for it.
   */
  readonly lameDuck?: Effect.Effect<void>
  /**
   * Refuses new work from its first step on and succeeds when everything accepted has finished. It is interrupted at the
   * end of the drain budget, and must then leave the work itself untouched.
   */
  readonly drain: Effect.Effect<void>
  /** Interrupts what is still in flight after the drain budget; bounded by the interrupt budget. */
  readonly interrupt?: Effect.Effect<void>
}

/** What a reload came to. Keys are paths, as `server.port`. */
export interface Reloaded {
  /** Counts the configurations that were put in force; 1 is the one of the start. */
  readonly version: number
  /** Keys whose new values are in force; none: nothing had changed, and that is a success. */
  readonly changed: ReadonlyArray<string>
  /** Keys that have changed and keep their old values until a restart. */
  readonly restart: ReadonlyArray<string>
}

/**
 * Runs the one synchronous step that puts in place what a reload has built, and tells the reload as done within it. Once the
 * reload has been abandoned the step does not run, and this ends in an interruption.
 */
export type Swap = (place: () => Reloaded) => Effect.Effect<Reloaded>

/**
 * The tasks of one name that have not ended: how many are at work, wait with nothing in hand, wait for their restart, and have
 * been told to end; and how many runs have failed so far.
 */
export interface TaskStatus {
  readonly name: string
  readonly component?: string
  readonly priority: number
  readonly tags: ReadonlyArray<string>
  readonly running: number
  readonly waiting: number
  readonly restarting: number
  readonly stopping: number
  readonly failures: number
}

/** What a person asks with `SIGUSR2`, `/status` or a progress line: a snapshot, never waiting. */
export interface Status {
  readonly state: AppState
  readonly reason: StopReason | undefined
  /** Milliseconds since the application began to start. */
  readonly uptime: number
  /** Milliseconds to the deadline while stopping. */
  readonly remaining: number | undefined
  readonly health: Summary
  readonly inFlight: InFlight
  readonly criticalSections: ReadonlyArray<string>
  readonly components: ReadonlyArray<{ readonly name: string; readonly state: string; readonly since: number }>
  readonly tasks: ReadonlyArray<TaskStatus>
  /** Who is awaited right now, for the progress line: drainables, waiters, sections, components. */
  readonly awaiting: ReadonlyArray<string>
}

/**
 * **When to use**: in a component that accepts work, waits for something, or must react to a stop. Code that only uses
 * services and scopes needs none of it.
 *
 * **Interruption safety**: every member may be called at any time, also while stopping and from finalizers; registration
 * is atomic and is undone when the scope closes.
 *
 * @example
 * ```ts
 * import * as Effect from "effect/Effect"
 * import * as Layer from "effect/Layer"
 * import { Lifecycle } from "quiesce/Lifecycle"
 *
 * const Announcer = Layer.effectDiscard(
 *   Effect.gen(function* () {
 *     const lifecycle = yield* Lifecycle
 *     yield* lifecycle.onStopping("announcer", Effect.log("we are closing"))
 *   })
 * )
 * ```
 */
export class Lifecycle extends Context.Service<
  Lifecycle,
  {
    /** The state now. */
    readonly state: Effect.Effect<AppState>
    /** The state now, for synchronous code: probes, request hooks, a watchdog thread's mirror. */
    readonly stateUnsafe: () => AppState
    /** The state now and every later one. */
    readonly changes: Stream.Stream<AppState>
    /** Every event so far (of those that recur while the application runs the latest thousand) and every later one, in order. */
    readonly events: Stream.Stream<Event>
    /** What a stop may take at worst, of the application as it is now. */
    readonly plan: Effect.Effect<Plan>
    /** A snapshot for people. */
    readonly status: Effect.Effect<Status>
    /** The same, for synchronous code. */
    readonly statusUnsafe: () => Status

    /**
     * Asks for a graceful stop and returns at once. Idempotent: the first reason counts, later calls change nothing.
     */
    readonly requestStop: (reason: StopReason) => Effect.Effect<void>
    /** Waits until the application has stopped; every caller gets the same report. */
    readonly stopped: Effect.Effect<Report>
    /**
     * Completes when every component runs; never when a stop comes before that. A job that ends by itself waits for it in a
     * fiber of its own, works, and then asks for the stop with `StopReason.finished`.
     */
    readonly running: Effect.Effect<void>
    /**
     * Completes when a stop has begun (LameDuck). Nobody waits for what is done then: the state lasts as long as its budget, by
     * default no time at all, whoever is still at it. What has to be over before new work is refused needs a `lameDuck` budget
     * that is long enough; what the drain should wait for is a `Drainable` or `awaitBeforeStop`.
     */
    readonly lameDuck: Effect.Effect<void>
    /** Completes when draining has begun: no new work from here on. */
    readonly stopping: Effect.Effect<void>

    /** Time to the deadline; `None` while no stop has been requested. */
    readonly remaining: Effect.Effect<Option.Option<Duration.Duration>>
    /**
     * Time until every release must be over, the deadline without the reserve: what a finalizer with a limit of its own must
     * stay below. `None` while neither a stop nor the rollback of a failed start is going on.
     */
    readonly releaseRemaining: Effect.Effect<Option.Option<Duration.Duration>>
    /**
     * Asks for a longer budget for the phase or component at work, for example while a large upload completes. Grants at
     * most what the grace period leaves and returns what it granted: zero when no stop is going on, when the budget has just
     * ended, and after the release, where all that is left is given already.
     */
    readonly extendStop: (by: Duration.Input) => Effect.Effect<Duration.Duration>

    /**
     * Takes part in the drain until the scope closes. Registered while already draining, it is drained at once. Where the
     * scope closes before the drain, as in the rollback of a failed start, `drain` is begun, so that it refuses, and given up;
     * work that is left is told as `Straggler` and interrupted, for at most the application's `stopTimeout`.
     */
    readonly drainable: (drainable: Drainable) => Effect.Effect<void, never, Scope.Scope>
    /**
     * Runs when draining begins, all in parallel, bounded by the drain budget; a failure is logged and degrades. New work is
     * refused by then. Registered while draining it runs at once; after that it is too late, and it does not run. Where an
     * escalation skips the drain it runs while interrupting.
     */
    readonly onStopping: <R>(
      name: string,
      effect: Effect.Effect<unknown, unknown, R>
    ) => Effect.Effect<void, never, R | Scope.Scope>
    /**
     * Draining is not over before this effect has ended; bounded by the drain budget, and then named in the report. It begins
     * together with `onStopping` and beside it, not after it: what follows a notification belongs into one effect with it.
     * Registered while draining it begins at once; what is registered later is not waited for, and nothing is where an
     * escalation skips the drain.
     */
    readonly awaitBeforeStop: <R>(
      name: string,
      effect: Effect.Effect<unknown, unknown, R>
    ) => Effect.Effect<void, never, R | Scope.Scope>
    /**
     * Runs in Flushing, when every component has been released, and is not undone with the scope of its caller: final-state
     * verification, last reports. A failure makes the outcome Degraded. Bounded by
     * what is left of the grace period then, at least nine tenths of the reserve.
     */
    readonly onStopped: <R>(name: string, effect: Effect.Effect<unknown, unknown, R>) => Effect.Effect<void, never, R>
    /**
     * Runs the reload of `name` in the state Reloading, and tells how it ended. One at a time: whoever comes while another
     * runs waits for its turn, and during the start for its end. A stop abandons it: the work is interrupted, and it fails with
     * `ShuttingDown`. Work that is given as a function says by `swap` when what is new is put in place: what comes after that
     * finds it done and told, what comes before has it abandoned, with nothing in place. That a failure leaves everything as it was is
     * the work's own business; `@quiesce/reload` sees to that.
     */
    readonly reload: <E, R>(
      what: { readonly name: string; readonly trigger: string },
      work: Effect.Effect<Reloaded, E, R> | ((swap: Swap) => Effect.Effect<Reloaded, E, R>)
    ) => Effect.Effect<Reloaded, E | ShuttingDown, R>
    /**
     * Is told when a reload is asked for, until the scope closes: `request` makes a note of it and returns. Where there is one,
     * SIGHUP asks for a reload and not for a stop, to the end of the application.
     */
    readonly onReloadRequested: (
      name: string,
      request: (trigger: string) => void
    ) => Effect.Effect<void, never, Scope.Scope>
    /** Asks for a reload and returns at once; `false`: there is nothing to be reloaded. */
    readonly requestReload: (trigger: string) => Effect.Effect<boolean>
    /**
     * A synchronous function for the forced exit, when nothing asynchronous runs any more: write a state file, send a last
     * datagram. A throw is caught and reported. Removed when the scope closes.
     */
    readonly emergency: (name: string, run: () => void) => Effect.Effect<void, never, Scope.Scope>

    /** What `Health` is made of; use that. */
    readonly health: {
      readonly summaryUnsafe: () => Summary
      readonly changes: Stream.Stream<HealthState>
      readonly contribute: (
        name: string,
        kind: Kind,
        impact: "Degraded" | "Unhealthy",
        status: "pending" | "pass"
      ) => Effect.Effect<Contribution, never, Scope.Scope>
    }
    /** What `Resources` is made of; use that. For the component whose code this is. */
    readonly releases: Effect.Effect<(spec: ReleaseSpec) => Release>
    /** What `CriticalSection.run` is made of; use that. */
    readonly criticalSections: {
      readonly enter: (
        name: string,
        options: SectionOptions,
        restore: (effect: Effect.Effect<boolean>) => Effect.Effect<boolean>
      ) => Effect.Effect<Section, ShuttingDown>
      readonly leave: (section: Section) => void
      readonly bound: (section: Section) => Effect.Effect<void>
    }
    /** What `Optional.layer` is made of; use that. */
    readonly optionals: {
      readonly start: <I, S, R>(
        spec: OptionalSpec<I, S, R>
      ) => Effect.Effect<Handle<S>, never, R | Lifecycle | Scope.Scope>
    }
    /** What `Tasks.start` and the kinds of `Task` are made of; use those. */
    readonly tasks: {
      readonly start: <A, E, R, R2>(
        spec: TaskSpec<A, E, R, R2>
      ) => Effect.Effect<Task<A, E>, never, R | R2 | Scope.Scope>
    }
  }
>()("quiesce/Lifecycle") {}
