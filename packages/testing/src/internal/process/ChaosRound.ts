/** One round of a chaos run: one life of the application, from its start to the checks after its end. */
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import type { ChaosApp, Fault } from "../../Chaos.ts"
import type { ChildApp, Ended } from "../../ChildApp.ts"
import type { Law, Limits } from "../../Law.ts"
import * as Laws from "../../Laws.ts"
import { breaches } from "./ChaosContract.ts"
import { orphans } from "./ChaosOrphans.ts"
import type { Instant, Round } from "./ChaosPlan.ts"
import { tail } from "./chaosText.ts"

/** The same for all rounds; milliseconds. */
export interface Setting {
  readonly limits: Limits
  readonly laws: ReadonlyArray<Law> | undefined
  readonly runFor: number
  readonly startTimeout: number
  readonly slack: number
}

/** How long a start and a stop usually take here, in milliseconds: learned from round to round. */
export interface Pace {
  start: number
  stop: number
}

export interface Result {
  readonly wrong: ReadonlyArray<string>
  readonly done: ReadonlyArray<string>
  readonly end: string
  readonly output: string
}

/** A check or a finish that takes longer is stuck. */
const patience = "120 seconds"

/** What happens in a life, written down while it goes on. */
class Diary {
  readonly wrong: Array<string> = []
  readonly done: Array<string> = []
  readonly faults: Array<string> = []
  readonly signals: Array<NodeJS.Signals> = []
  readonly began = performance.now()
  wasReady = false

  get elapsed(): number {
    return performance.now() - this.began
  }

  /** Whatever an effect of the application fails with is a failure of the round. */
  judge<R>(what: string, effect: Effect.Effect<unknown, unknown, R>): Effect.Effect<void, never, R> {
    return Effect.matchCause(effect, {
      onSuccess: () => {},
      onFailure: (cause) => {
        if (!Cause.hasInterruptsOnly(cause)) this.wrong.push(`${what}: ${Cause.pretty(cause)}`)
      }
    })
  }
}

export const runRound = Effect.fnUntraced(function* <World>(
  app: ChaosApp<World>,
  faults: ReadonlyArray<Fault<World>>,
  world: World,
  round: Round,
  pace: Pace,
  setting: Setting
): Effect.fn.Return<Result> {
  const diary = new Diary()
  const struck = new Map<string, Fault<World>>()
  const life = Effect.gen(function* () {
    const child = yield* start(app, world, round.number, diary)
    if (child === undefined) return undefined
    const ready = yield* Deferred.make<void>()
    const load = yield* Effect.forkScoped(
      Effect.gen(function* () {
        yield* becomeReady(app, world, child, diary, setting)
        pace.start = (pace.start + Math.min(diary.elapsed, 4 * pace.start)) / 2
        yield* Deferred.succeed(ready, undefined)
        if (diary.wasReady) yield* diary.judge("the load failed", Effect.scoped(app.load(world, child)))
      })
    )
    let readyAt: number | undefined

    const instant = ({ fraction, phase }: Instant) =>
      Effect.gen(function* () {
        if (phase === "starting") return yield* until(diary.began + fraction * pace.start)
        if (phase === "running") {
          yield* Deferred.await(ready)
          readyAt ??= performance.now()
          return yield* until(readyAt + fraction * setting.runFor)
        }
        yield* child.happened((event) => event._tag === "StopRequested")
        return yield* Effect.sleep(fraction * pace.stop)
      })

    for (const { at, heals, what } of round.steps) {
      const isOver = yield* Effect.raceFirst(Effect.as(Effect.ignore(instant(at)), false), Effect.as(child.ended, true))
      if (isOver) break
      const place = `at ${Math.round(diary.elapsed)} ms, ${at.fraction.toFixed(2)} of ${at.phase}`
      diary.done.push(`${heals ? `${what} is over` : what} (${place})`)
      const fault = faults.find(({ name }) => name === what)
      if (heals) {
        struck.delete(what)
        yield* diary.judge(`could not heal "${what}"`, fault?.heal?.(world) ?? Effect.void)
      } else {
        diary.faults.push(what)
        if (fault !== undefined) struck.set(what, fault)
        const strike = fault === undefined ? child.signal(what as NodeJS.Signals) : fault.strike(world, child)
        yield* diary.judge(`could not do "${what}"`, strike)
      }
    }
    const ended = yield* end(child, diary, setting)
    pace.stop = (pace.stop + Math.min(ended.stopMillis, 2 * pace.stop)) / 2
    yield* Fiber.interrupt(load)
    return { child, ended }
  })
  const heal = Effect.suspend(() =>
    Effect.forEach(
      struck.values(),
      ({ heal, name }) => diary.judge(`could not heal "${name}"`, heal?.(world) ?? Effect.void),
      { discard: true }
    )
  )
  const excused = () => diary.faults.flatMap((name) => faults.find((fault) => fault.name === name)?.excuses ?? [])
  return yield* whole(app, world, diary, setting, life, heal, excused)
})

/** A start after all rounds, in which nothing is done to it. */
export const runLast = Effect.fnUntraced(function* <World>(
  app: ChaosApp<World>,
  world: World,
  setting: Setting
): Effect.fn.Return<Result> {
  const diary = new Diary()
  const life = Effect.gen(function* () {
    const child = yield* start(app, world, "last", diary)
    if (child === undefined) return undefined
    yield* becomeReady(app, world, child, diary, setting)
    if (diary.wasReady && app.finish !== undefined) {
      yield* diary.judge("it did not finish what was left", Effect.timeout(app.finish(world, child), patience))
    }
    yield* child.signal("SIGTERM")
    return { child, ended: yield* end(child, diary, setting) }
  })
  return yield* whole(app, world, diary, setting, life, Effect.void, () => [])
})

/** A life and what has to hold after it. */
const whole = Effect.fnUntraced(function* <World>(
  app: ChaosApp<World>,
  world: World,
  diary: Diary,
  setting: Setting,
  life: Effect.Effect<{ readonly child: ChildApp; readonly ended: Ended } | undefined, never, Scope.Scope>,
  heal: Effect.Effect<void>,
  excused: () => ReadonlyArray<number>
) {
  const { done, faults, signals, wrong } = diary
  // Before the scope closes: it kills who is left.
  const lived = yield* Effect.scoped(
    Effect.tap(life, (lived) =>
      lived === undefined
        ? Effect.void
        : Effect.map(orphans(lived.child.pid), (left) =>
            wrong.push(...left.map((process) => `a process that it had started outlives it: ${process}`))
          )
    )
  )
  yield* heal
  if (lived === undefined) return { wrong, done, end: "no start", output: "" }
  const { ended } = lived
  const { gracePeriod } = setting.limits
  wrong.push(...breaches(ended, { signals, excused: excused(), gracePeriod, slack: setting.slack }))
  if (ended.report !== undefined) {
    const violations = Laws.check({ timeline: ended.timeline, limits: setting.limits }, setting.laws ?? Laws.unhurried)
    if (violations.length > 0) wrong.push(Laws.explain(violations, ended.timeline))
  }
  const { wasReady } = diary
  yield* diary.judge("a promise is broken", Effect.timeout(app.check(world, { ended, wasReady, faults }), patience))
  const end = ended.signal ?? `exit code ${ended.code}`
  return { wrong, done, end, output: tail(ended.output) }
})

/** The child, which tells the diary of every signal that it is sent. */
const start = Effect.fnUntraced(function* <World>(
  app: ChaosApp<World>,
  world: World,
  round: number | "last",
  diary: Diary
) {
  const started = yield* Effect.exit(app.start(world, round))
  if (Exit.isFailure(started)) {
    diary.wrong.push(`it could not be started: ${Cause.pretty(started.cause)}`)
    return undefined
  }
  const child = started.value
  return {
    ...child,
    signal: (signal) =>
      Effect.andThen(
        Effect.sync(() => diary.signals.push(signal)),
        child.signal(signal)
      )
  } satisfies ChildApp
})

/** Waits until it is ready, has ended or takes too long; the last is wrong unless something was done to it before. */
const becomeReady = Effect.fnUntraced(function* <World>(
  app: ChaosApp<World>,
  world: World,
  child: ChildApp,
  diary: Diary,
  { startTimeout }: Setting
) {
  const ready = app.ready?.(world, child) ?? child.reached("Running")
  const exit = yield* Effect.exit(Effect.timeoutOption(ready, startTimeout))
  if (Exit.isSuccess(exit) && Option.isSome(exit.value)) diary.wasReady = true
  else if (diary.faults.length === 0) {
    const why = Exit.isSuccess(exit) ? `after ${startTimeout} ms it was not ready` : Cause.pretty(exit.cause)
    diary.wrong.push(`it does not start; has the life before it left a lock behind? ${why}`)
  }
})

/** Waits for the end as long as it may take, and then brings it about. */
const end = Effect.fnUntraced(function* (child: ChildApp, diary: Diary, { limits, slack }: Setting) {
  if (diary.wrong.length > 0) yield* child.signal("SIGKILL")
  const ended = yield* Effect.timeoutOption(child.ended, limits.gracePeriod + slack)
  if (Option.isSome(ended)) return ended.value
  diary.wrong.push(`it is still there ${limits.gracePeriod + slack} ms after the last thing that was done to it`)
  yield* child.signal("SIGKILL")
  return yield* child.ended
})

const until = (instant: number) => Effect.suspend(() => Effect.sleep(Math.max(0, instant - performance.now())))
