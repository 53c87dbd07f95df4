/**
 * An application in the hands of a test: started, signalled, moved through time and looked at, under Effect's TestClock.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Schema from "effect/Schema"
import * as Scheduler from "effect/Scheduler"
import type * as Scope from "effect/Scope"
import type * as TestClock from "effect/testing/TestClock"
import * as App from "quiesce/App"
import type { Event } from "quiesce/Event"
import { Lifecycle } from "quiesce/Lifecycle"
import { AppState, isStopping, isTerminal } from "quiesce/Phase"
import * as Report from "quiesce/Report"
import * as StopReason from "quiesce/StopReason"
import { observe } from "./internal/budgets.ts"
import * as Journal from "./internal/Journal.ts"
import { listen, logger } from "./internal/logger.ts"
import { ownedBy } from "./internal/ownedBy.ts"
import { TestAppStage } from "./internal/TestAppStage.ts"
import * as Laws from "./Laws.ts"
import { entered, type Pattern } from "./PartialOrder.ts"
import { type Entry, only, render, type Timeline } from "./Timeline.ts"

/**
 * A test waited for something that did not come. The message says what the application waits for, what can be done about
 * it, and shows the timeline.
 */
export class NotReached extends Schema.TaggedError<NotReached>()("NotReached", {
  awaited: Schema.String,
  state: AppState,
  /** What the application itself was waiting for. */
  awaiting: Schema.Array(Schema.String),
  message: Schema.String
}) {}

/**
 * The services of an application were to be used while there are none: before it runs, or after its end, when a real client
 * would find nobody there.
 */
export class NotInUse extends Schema.TaggedError<NotInUse>()("NotInUse", { state: AppState }) {
  override get message(): string {
    return isStopping(this.state)
      ? `the application is ${this.state}: nothing of it can be used any more; use it before the end`
      : `the application is ${this.state}: its services can be used once it is Running; app.until("Running") waits for that`
  }
}

/**
 * An application under test. After each step it is at rest: everything that needs no time has been done, and it waits for
 * time to pass or for something from outside.
 */
export interface TestApp<Services = never> {
  readonly lifecycle: Lifecycle["Service"]
  /** The state now. */
  readonly state: AppState
  /** The application's own events so far. */
  readonly events: ReadonlyArray<Event>
  /** The events, and between them what the test kit saw: signals, log lines, failpoints, scripted components at work. */
  readonly timeline: Timeline
  /** The report, once it has ended. */
  readonly report: Report.Report | undefined
  /** Sends a stop signal, `"SIGTERM"` unless another is named. After the end nothing happens. */
  readonly signal: (signal?: string) => Effect.Effect<void>
  /** Tells the application of an exception that nobody caught, as the process would. After the end nothing happens. */
  readonly crash: (error: unknown) => Effect.Effect<void>
  /** Lets so much time pass. */
  readonly advance: (duration: Duration.Input) => Effect.Effect<void>
  /**
   * Lets time pass until the application has entered a state, or its timeline has an entry like this; returns at once when
   * that has happened already. States in which there is nothing to do take no time, and are passed through in one step. It
   * stops at the very instant, or up to 50 ms later where a fiber of the test is the cause.
   */
  readonly until: (what: AppState | Pattern) => Effect.Effect<void, NotReached>
  /** Lets time pass until the application has ended, and gives the report. It does not ask it to stop. */
  readonly runToEnd: Effect.Effect<Report.Report, NotReached>
  /** Fails unless every law of `Laws.all` holds for the whole life; runs to the end before, if need be. */
  readonly assertLaws: Effect.Effect<void, NotReached | Laws.LawsBroken>
  /**
   * Runs an effect with the services of the application: a request, a message, a query. Fork it when it takes time, and let
   * time pass. Interrupting it interrupts the effect, and does not wait until that has come to its end: a test that is over
   * lets no more time pass. Before the application runs, and when it has ended, it fails with `NotInUse` and runs nothing.
   */
  readonly use: <A, E, R>(
    effect: Effect.Effect<A, E, R>
  ) => Effect.Effect<A, E | NotInUse, Exclude<R, Services | Lifecycle>>
}

/** How the fibers of an application reach whoever tests it. */
const CurrentSignal = Context.Reference<((signal: string) => void) | undefined>("@quiesce/testing/TestApp", {
  defaultValue: () => undefined
})

/**
 * Sends a stop signal to the application that the current fiber belongs to: armed at a failpoint, a signal at exactly that
 * place.
 *
 * **Interruption safety**: a synchronous step.
 *
 * @example
 * ```ts
 * import * as Failpoint from "@quiesce/testing/Failpoint"
 * import * as TestApp from "@quiesce/testing/TestApp"
 *
 * const stoppedWhileCommitting = Failpoint.arm({ "orders.commit": TestApp.signal("SIGTERM") })
 * ```
 */
export const signal = (name = "SIGTERM"): Effect.Effect<void> =>
  Effect.flatMap(CurrentSignal, (send) =>
    send === undefined
      ? Effect.die(new Error("TestApp.signal was run outside of an application that TestApp.make has started"))
      : Effect.sync(() => send(name))
  )

/**
 * Starts an application in a test. It is stopped when the test leaves its scope, if it has not ended before: in order, within
 * its own budgets, in virtual time. What is left behind then stays as it is, and holds nothing up.
 *
 * **When to use**: in `it.effect`, to test what your application does when it is told to stop: order, time, outcome, report.
 * For what many orders of events would do use `Simulation`, for a real process `ChildApp`.
 *
 * **Details**
 * - It needs the TestClock, which `it.effect` provides, and moves it from timer to timer. The clock belongs to the whole test.
 * - The application sees the services and references of the test that starts it: loggers, configuration, what
 *   `Failpoint.arm` has armed.
 * - Real input and output is not seen by the TestClock: while a socket or a file is awaited, virtual time flies and every
 *   timeout fires. Replace it by a layer that stays in memory, sockets and HTTP by `Wire`, or test a real process.
 * - A scripted part that `blocks` takes no time here; it does in the simulation.
 * - `until` and `runToEnd` give up after a minute of virtual time plus the grace period.
 *
 * **Errors**: starting never fails: a start that fails is a stop with a report. Without the TestClock it dies and says so.
 *
 * **Interruption safety**: interrupting a step leaves the application where it is; leaving the scope stops it.
 *
 * @example
 * ```ts
 * import { expect, it } from "@effect/vitest"
 * import * as Effect from "effect/Effect"
 * import * as Scripted from "@quiesce/testing/Scripted"
 * import * as TestApp from "@quiesce/testing/TestApp"
 *
 * const Shop = Scripted.component("shop", { release: { after: 300 } })
 *
 * it.effect("the shop closes in order", () =>
 *   Effect.gen(function* () {
 *     const app = yield* TestApp.make(Shop)
 *     yield* app.signal("SIGTERM")
 *     const report = yield* app.runToEnd
 *     expect([report.outcome._tag, report.duration]).toEqual(["Clean", 300])
 *     yield* app.assertLaws
 *   })
 * )
 * ```
 */
export const make = <A, E, R>(
  layer: Layer.Layer<A, E, R>,
  given: App.Options = {}
): Effect.Effect<TestApp<A>, never, Exclude<R, Lifecycle> | Scope.Scope> =>
  Effect.gen(function* () {
    const stage = new TestAppStage(yield* testClock, yield* Scheduler.Scheduler)
    const timeline: Array<Entry> = []
    const began = stage.clock.monotonicTimeNanosUnsafe()
    const now = () => Number((stage.clock.monotonicTimeNanosUnsafe() - began) / 1000n) / 1000
    const journal = Journal.make(timeline, now, () => {})
    const { limits, options } = observe(given, now)
    const patience = () => only(timeline, "AppStarting").reduce((sum, { gracePeriod }) => sum + gracePeriod, minute)
    let services: Context.Context<A> | undefined
    let send = (_signal: string): void => {}

    const inside = Context.empty().pipe(
      Context.add(Clock.Clock, stage.clock),
      Context.add(Scheduler.Scheduler, stage),
      Context.add(Journal.CurrentJournal, journal),
      Context.add(CurrentSignal, (name) => send(name))
    )
    const around = Context.merge(yield* Effect.context(), inside)
    const { context, loggers, within } = listen(around, logger(journal), yield* Logger.CurrentLoggers)
    const whole = ownedBy(journal, layer, (build) =>
      Effect.tap(within(build), (built) => Effect.sync(() => void (services = built)))
    )
    const app = yield* Effect.acquireRelease(
      App.start(whole, {
        ...options,
        onEvent: (event) => {
          timeline.push(event)
          if (event._tag === "Ended") journal.record({ _tag: "Exited", exitCode: event.exitCode })
          options.onEvent?.(event)
        }
      }).pipe(Effect.provideContext(context)),
      ({ lifecycle, requestStopUnsafe }) =>
        Effect.suspend(() => {
          requestStopUnsafe(StopReason.interrupted)
          return stage.pass(stage.now + patience(), () => isTerminal(lifecycle.stateUnsafe()))
        })
    )
    const state = app.lifecycle.stateUnsafe
    const hasEnded = (): boolean => isTerminal(state())
    send = (name) => {
      // Nobody is there any more to hear of it.
      if (hasEnded()) return
      journal.record({ _tag: "Signalled", signal: name })
      app.signalUnsafe(name)
    }

    const notReached = (awaited: string) =>
      Effect.sync(() => {
        const why = hasEnded() ? "it has ended without it" : waitsFor(app, stage, patience())
        const { awaiting } = app.lifecycle.statusUnsafe()
        const message = `${awaited} was not reached: ${why}\n\n${render(timeline)}\n`
        return new NotReached({ awaited, state: state(), awaiting, message })
      }).pipe(Effect.flatMap(Effect.fail))

    const until = (what: AppState | Pattern) => {
      const pattern = typeof what === "string" ? entered(what) : what
      const reached = () => what === "Starting" || timeline.some(pattern.matches)
      return stage
        .pass(stage.now + patience(), () => reached() || hasEnded())
        .pipe(Effect.andThen(Effect.suspend(() => (reached() ? Effect.void : notReached(pattern.says)))))
    }
    const runToEnd = Effect.suspend(() => stage.pass(stage.now + patience(), hasEnded)).pipe(
      Effect.flatMap((ended) => (ended ? Effect.andThen(stage.settle(), app.stopped) : notReached("the end")))
    )
    // A rule for exit codes of one's own is not the law's.
    const laws = options.exitCode === undefined ? Laws.all : Laws.all.filter((law) => law !== Laws.exitCode)

    yield* stage.settle()
    return {
      lifecycle: app.lifecycle,
      get state() {
        return state()
      },
      events: app.events,
      timeline,
      get report() {
        return hasEnded() ? Report.fromEvents(app.events) : undefined
      },
      signal: (name = "SIGTERM") =>
        Effect.andThen(
          Effect.sync(() => send(name)),
          stage.settle()
        ),
      crash: (error) =>
        Effect.sync(() => {
          if (hasEnded()) return
          journal.record({ _tag: "Struck", what: "an uncaught exception" })
          app.reportCrashUnsafe("uncaughtException", error)
        }).pipe(Effect.andThen(stage.settle())),
      advance: (duration) => Effect.asVoid(Effect.suspend(() => stage.pass(stage.now + Duration.toMillis(duration)))),
      until,
      runToEnd,
      assertLaws: Effect.andThen(
        runToEnd,
        Effect.flatMap(
          Effect.suspend(() => limits(timeline)),
          (known) => Laws.assert({ timeline, limits: known, logged: true }, laws)
        )
      ),
      use: (effect) =>
        Effect.gen(function* () {
          if (services === undefined || hasEnded()) return yield* new NotInUse({ state: state() })
          const seen = services.pipe(
            Context.merge(inside),
            Context.add(Logger.CurrentLoggers, loggers),
            Context.add(Lifecycle, app.lifecycle)
          )
          return yield* Effect.onExit(onItsOwn(Effect.provideContext(effect, seen)), () => stage.rest)
        })
    }
  })

const minute = 60_000

/** In a fiber that nobody waits for when it is interrupted. */
const onItsOwn = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.flatMap(Effect.forkDetach(effect, { startImmediately: true, uninterruptible: false }), (fiber) =>
      restore(Fiber.join(fiber)).pipe(Effect.onInterrupt(() => Effect.sync(() => fiber.interruptUnsafe())))
    )
  )

const isTestClock = (clock: Clock.Clock): clock is TestClock.TestClock => "setTime" in clock && "adjust" in clock

const testClock: Effect.Effect<TestClock.TestClock> = Effect.flatMap(Clock.Clock, (clock) =>
  isTestClock(clock)
    ? Effect.succeed(clock)
    : Effect.die(new Error("TestApp needs the TestClock: use it.effect, or provide TestClock.layer()"))
)

/** What holds an application up, and what a test can do about it. */
const waitsFor = (app: App.App, stage: TestAppStage, patience: number): string => {
  const { awaiting, components, state } = app.lifecycle.statusUnsafe()
  const starting = components.flatMap((component) => (component.state === "Starting" ? [component.name] : []))
  const names = (state === "Starting" ? starting : awaiting).join(", ") || "nothing that has a name"
  const waited = `after ${patience / 1000} s of virtual time the application is still ${state}`
  if (state === "Running") return `${waited}, and nobody has asked it to stop; app.signal() does`
  const outside = stage.isWaitingForOutside
    ? ". No timer is set: if that is real input or output, the TestClock cannot see it"
    : ""
  return `${waited} and waits for ${names}${outside}${isStopping(state) ? ". A stop must end within its grace period" : ""}`
}
