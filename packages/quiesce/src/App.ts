/**
 * The front door: gives a Layer a life that starts, runs, stops in order and ends in time.
 *
 * It knows no platform: no process, no signals, no timers of its own. `@quiesce/node` adds those.
 */
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import type { Event } from "./Event.ts"
import * as GracePeriod from "./GracePeriod.ts"
import { CurrentComponent } from "./internal/ComponentNode.ts"
import { makeLifecycle } from "./internal/makeLifecycle.ts"
import { Pipeline } from "./internal/Pipeline.ts"
import { Lifecycle } from "./Lifecycle.ts"
import * as Outcome from "./Outcome.ts"
import * as Phase from "./Phase.ts"
import type { Plan } from "./Plan.ts"
import type * as Report from "./Report.ts"
import * as StopReason from "./StopReason.ts"

export interface Options extends GracePeriod.Options {
  /**
   * Shown in log lines and in the report.
   *
   * @default "app"
   */
  readonly name?: string | undefined
  /**
   * What the first, second, ... stop signal does. The last rung repeats.
   *
   * @default `["Graceful", "Exit"]`: the second Ctrl+C leaves at once
   */
  readonly escalation?: Phase.Ladder | undefined
  /**
   * Repeats of one signal within this time count as one.
   *
   * @default 250 milliseconds: wrappers such as npm can deliver one Ctrl+C twice
   */
  readonly signalCooldown?: Duration.Input | undefined
  /**
   * The grace period after a crash, when it is shorter than the usual one.
   *
   * @default 5 seconds: state may be damaged, so no longer than in-flight work needs
   */
  readonly crashGracePeriod?: Duration.Input | undefined
  /**
   * How long the platform waits after its stop signal before it kills, when that is known: Kubernetes'
   * `terminationGracePeriodSeconds`, systemd's `TimeoutStopSec`.
   *
   * @default unknown; `NodeApp.run` reads QUIESCE_PLATFORM_GRACE
   */
  readonly platformGrace?: Duration.Input | undefined
  /**
   * What to do at the start when what was asked for does not fit the grace period, or that not what the platform gives: warn,
   * or refuse to start, as for any other configuration error (exit code 78). See `Plan`.
   *
   * @default "warn"
   */
  readonly plan?: "warn" | "strict" | "off" | undefined
  /**
   * The rule for the exit code.
   *
   * @default `Outcome.exitCode`
   */
  readonly exitCode?: Report.ExitCode | undefined
  /**
   * Called synchronously with each event, in order, before whatever caused it goes on. It must not block.
   */
  readonly onEvent?: ((event: Event) => void) | undefined
  /**
   * Asked in Flushing, when everything has been released, what still holds the process; the platform knows. It must end by
   * itself and soon: nothing bounds it, because a timer would be one more thing that holds the process.
   *
   * @default nothing
   */
  readonly lingering?: Effect.Effect<ReadonlyArray<string>> | undefined
}

/** A started application. */
export interface App {
  readonly lifecycle: Lifecycle["Service"]
  /**
   * Delivers a stop signal, synchronously: the first asks, later ones climb the escalation ladder. `late`: milliseconds that it
   * has waited for somebody to take it; they count as part of the grace period.
   */
  readonly signalUnsafe: (signal: string, late?: number) => void
  /** How many stop signals it has taken so far; repeats within the cooldown count as one. */
  readonly signalsUnsafe: () => number
  /** Asks for a stop, synchronously; see `Lifecycle.requestStop`. */
  readonly requestStopUnsafe: (reason: StopReason.StopReason) => void
  /** Asks for a reload, synchronously; see `Lifecycle.requestReload`. A platform does so for SIGHUP, and else for a stop. */
  readonly requestReloadUnsafe: (trigger: string) => boolean
  /** Whether there is anything that a reload would reload, as far as it is known: it is certain once the application runs. */
  readonly mayReloadUnsafe: () => boolean
  /**
   * Tells of what nobody in the application wanted, such as an exception that nobody caught: logged with its cause, and the
   * reason for a graceful stop within `crashGracePeriod` unless the application is stopping already. `processExit`: of a process
   * that is leaving; the emergency hooks run, and the application has ended when this returns.
   */
  readonly reportCrashUnsafe: (kind: StopReason.CrashKind, error: unknown) => void
  /**
   * Tells that the event loop was blocked for so many milliseconds, and where: the metric `quiesce_event_loop_blocked_millis`,
   * and at most once in ten seconds a log line and a line of the report.
   */
  readonly reportBlockedUnsafe: (millis: number, stack: ReadonlyArray<string>) => void
  /**
   * For who is about to kill the process: runs the emergency hooks that have not run, and answers what is to be told of that
   * and of what is unfinished. It runs none of the application's other code, so that it can be called while that is on the stack.
   */
  readonly lastWordsUnsafe: () => ReadonlyArray<Event>
  /** The event log so far. It grows; of what recurs while the application runs it keeps the latest thousand events. */
  readonly events: ReadonlyArray<Event>
  /** Waits for the end. It never fails: how it ended is in the report. */
  readonly stopped: Effect.Effect<Report.Report>
}

/**
 * Starts an application and returns at once; the application lives on its own, whatever becomes of the calling fiber.
 *
 * **When to use**: in a runner of your own, or in a test that sends signals. Otherwise `launch`, or `NodeApp.run`.
 *
 * **Interruption safety**: atomic; once started, only a stop ends it.
 */
export const start = <A, E, R>(
  layer: Layer.Layer<A, E, R>,
  options: Options = {}
): Effect.Effect<App, never, Exclude<R, Lifecycle>> =>
  Effect.gen(function* () {
    const budgets = yield* GracePeriod.make(options)
    const context = yield* Effect.context<Exclude<R, Lifecycle>>()
    const pipeline = new Pipeline({
      name: options.name ?? "app",
      context,
      budgets,
      crashGracePeriod: Duration.toMillis(options.crashGracePeriod ?? "5 seconds"),
      cooldown: Duration.toMillis(options.signalCooldown ?? Phase.defaultSignalCooldown),
      ladder: options.escalation ?? Phase.defaultLadder,
      exitCode: options.exitCode ?? Outcome.exitCode,
      listeners: options.onEvent === undefined ? [] : [options.onEvent],
      lingering: options.lingering ?? Effect.succeed([]),
      given: {
        lameDuck: options.lameDuck !== undefined,
        drain: options.drain !== undefined,
        interrupt: options.interrupt !== undefined,
        reserve: options.reserve !== undefined
      },
      platformGrace: options.platformGrace === undefined ? undefined : Duration.toMillis(options.platformGrace),
      planPolicy: options.plan ?? "warn"
    })
    const lifecycle = makeLifecycle(pipeline)
    // A launch inside another application is an application of its own.
    const added = context.pipe(Context.add(Lifecycle, lifecycle), Context.add(CurrentComponent, pipeline.ledger.root))
    // Flat: effect copies a context that was added to too often at each further step, and so at each request of a server.
    const services = Context.makeUnsafe<R>(new Map(added.mapUnsafe))
    pipeline.start((memoMap, scope) => Effect.provideContext(Layer.buildWithMemoMap(layer, memoMap, scope), services))
    return {
      lifecycle,
      signalUnsafe: pipeline.signal,
      signalsUnsafe: () => pipeline.phase.signals,
      requestStopUnsafe: pipeline.requestStop,
      requestReloadUnsafe: (trigger) => pipeline.reloads.request(trigger),
      mayReloadUnsafe: () => pipeline.reloads.configured,
      reportCrashUnsafe: pipeline.crash,
      reportBlockedUnsafe: pipeline.blocks.tell,
      lastWordsUnsafe: pipeline.lastWords,
      events: pipeline.log.events,
      stopped: Deferred.await(pipeline.stopped)
    }
  })

/**
 * Runs an application to its end and returns the report: build, run, drain, release in reverse dependency order, always
 * within the grace period.
 *
 * **When to use**: instead of `Layer.launch` where no process is to be managed: tests, embedding. At the entry point of a
 * Node process use `NodeApp.run`, which adds signals, crash capture, progress and exit.
 *
 * **Details**: takes any Layer, unmodified. What it builds is seen and named by the services it provides; wrap with
 * `Component.make` for names and limits of your own. The error type is `never`: a start that fails is a stop with the
 * reason `StartFailed`, fully released and reported.
 *
 * **Interruption safety**: interrupting it asks for a graceful stop and waits for its end.
 *
 * @example
 * ```ts
 * import * as Effect from "effect/Effect"
 * import * as Layer from "effect/Layer"
 * import * as App from "quiesce/App"
 *
 * const Main = Layer.effectDiscard(Effect.acquireRelease(Effect.log("up"), () => Effect.log("down")))
 *
 * const program = App.launch(Main, { gracePeriod: "10 seconds" }).pipe(
 *   Effect.flatMap((report) => Effect.log(report.outcome._tag, report.duration))
 * )
 * ```
 */
export const launch = <A, E, R>(
  layer: Layer.Layer<A, E, R>,
  options: Options = {}
): Effect.Effect<Report.Report, never, Exclude<R, Lifecycle>> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.flatMap(start(layer, options), (app) =>
      restore(app.stopped).pipe(
        Effect.onInterrupt(() => Effect.andThen(app.lifecycle.requestStop(StopReason.interrupted), app.stopped))
      )
    )
  )

/** The application could not be started, so that there is no plan of it; `code` is the exit code that its error asks for. */
export class PlanError extends Schema.TaggedError<PlanError>()("PlanError", {
  reason: Schema.String,
  code: Schema.optionalKey(Schema.Number)
}) {
  override get message(): string {
    return `there is no plan of an application that cannot start: ${this.reason}`
  }
}

/**
 * What a stop of this application may take at worst: the graph of its components, the budgets, the slowest chain of releases,
 * and whether it fits the grace period.
 *
 * **When to use**: in a test or a pipeline, before it is deployed; `Lifecycle.plan` has the plan of the application that runs.
 *
 * **Details**: layers do not say what they consist of before they are built, so the application is started, looked at as soon
 * as it runs, and stopped, in order and with its lame duck. It needs what it needs to start.
 *
 * **Errors**: `PlanError` when it cannot start.
 *
 * **Interruption safety**: interrupting it stops the application in order, and waits for that.
 *
 * @example
 * ```ts
 * import * as Effect from "effect/Effect"
 * import * as Layer from "effect/Layer"
 * import * as App from "quiesce/App"
 * import * as Plan from "quiesce/Plan"
 *
 * declare const Main: Layer.Layer<never>
 *
 * const program = App.plan(Main, { platformGrace: "30 seconds" }).pipe(
 *   Effect.flatMap((plan) => Effect.log(Plan.render(plan)))
 * )
 * ```
 */
export const plan = <A, E, R>(
  layer: Layer.Layer<A, E, R>,
  options: Options = {}
): Effect.Effect<Plan, PlanError, Exclude<R, Lifecycle>> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.gen(function* () {
      const { lifecycle, stopped } = yield* start(layer, { ...options, plan: "off" })
      const failed = Effect.flatMap(stopped, ({ reason }) =>
        Effect.fail(
          new PlanError({
            reason: reason._tag === "StartFailed" ? reason.message : StopReason.describe(reason),
            ...("code" in reason && reason.code !== undefined ? { code: reason.code } : {})
          })
        )
      )
      return yield* restore(Effect.raceFirst(Effect.andThen(lifecycle.running, lifecycle.plan), failed)).pipe(
        Effect.ensuring(Effect.andThen(lifecycle.requestStop(StopReason.requested("the plan")), stopped))
      )
    })
  )
