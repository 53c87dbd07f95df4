/**
 * Named places in production code where a test can make something happen: a crash between two writes, a signal in the middle
 * of a start, a call that never comes back.
 *
 * It is imported by production code, and so it imports nothing that Effect itself has not loaded already (`Schema` would
 * double the time).
 */
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { record } from "./internal/Journal.ts"

/** What an armed failpoint failed with, and where. At a site that says no error of its own it is a defect. */
export class FailpointHit extends Data.TaggedError("FailpointHit")<{
  readonly site: string
  readonly error: unknown
}> {
  override get message(): string {
    const error = this.error instanceof Error ? this.error.message : String(this.error)
    return `failpoint ${this.site} was armed to fail: ${error}`
  }
}

/**
 * What happens at a site: an effect, or a function of how often the site has been reached (1, 2, ...) that answers with an
 * effect, or with nothing. The effect runs in the fiber that has reached the site, which goes on when it has succeeded:
 * `Effect.sleep("3 seconds")` delays, `Effect.never` hangs, `Effect.die` breaks, `TestApp.signal()` sends a signal.
 */
export type Fault = Effect.Effect<unknown, unknown> | ((hit: number) => Effect.Effect<unknown, unknown> | undefined)

/** Faults by the names of their sites. */
export type Faults = Readonly<Record<string, Fault>>

interface Armed {
  readonly faults: Faults
  readonly hits: Array<string>
  /** What was armed around it. */
  readonly outer: Armed | undefined
}

const CurrentArmed = Context.Reference<Armed | undefined>("@quiesce/testing/Failpoint", {
  defaultValue: () => undefined
})

/**
 * A place where a test can make something happen; everywhere else nothing does.
 *
 * **When to use**: in production code between two steps that a crash, a delay or a signal must not tear apart. Names belong to
 * the whole program: begin them with what they are about, as in `"orders.commit"`.
 *
 * **Details**: with nothing armed it is one look-up in the fiber's context, less than two steps of `Effect.sync`: about
 * 0.2 microseconds. The package that uses it has `@quiesce/testing` among its dependencies; this module loads nothing of it
 * but itself.
 *
 * **Errors**: a site cannot know what a test will arm it with, so its error type is its own: none, and then a fault that
 * fails dies with a `FailpointHit`; or what `failsWith` makes of the hit, and then the code around it must handle that error
 * as it handles the real one. Defects and interruptions pass as they are.
 *
 * **Interruption safety**: unarmed it is a synchronous step. Armed it is as interruptible as the code around it: a fault that
 * hangs inside of `Effect.uninterruptible` or a finalizer hangs for good, until a budget of the stop leaves it behind.
 *
 * @example
 * ```ts
 * import * as Effect from "effect/Effect"
 * import * as Schema from "effect/Schema"
 * import * as Failpoint from "@quiesce/testing/Failpoint"
 *
 * class DiskFull extends Schema.TaggedError<DiskFull>()("DiskFull", { message: Schema.String }) {}
 *
 * const save = Effect.gen(function* () {
 *   yield* Effect.log("the file is written")
 *   yield* Failpoint.site("save.written") // can hang, die, delay, interrupt
 *   yield* Failpoint.site("save.index", ({ message }) => new DiskFull({ message })) // can also fail, with DiskFull
 *   yield* Effect.log("the index is written")
 * })
 * ```
 */
export function site(name: string): Effect.Effect<void>
export function site<E>(name: string, failsWith: (hit: FailpointHit) => E): Effect.Effect<void, E>
export function site<E>(name: string, failsWith?: (hit: FailpointHit) => E): Effect.Effect<void, E> {
  return Effect.withFiber((fiber) => {
    const armed = fiber.getRef(CurrentArmed)
    if (armed === undefined) return Effect.void
    const reached = reach(armed, name)
    return failsWith === undefined ? Effect.orDie(reached) : Effect.mapError(reached, failsWith)
  })
}

/** Counts the hit wherever something is armed; the innermost fault of that name happens. */
const reach = (innermost: Armed, name: string): Effect.Effect<void, FailpointHit> => {
  let happens: Effect.Effect<unknown, unknown> | undefined
  let decided = false
  for (let armed: Armed | undefined = innermost; armed !== undefined; armed = armed.outer) {
    armed.hits.push(name)
    const fault = Object.hasOwn(armed.faults, name) ? armed.faults[name] : undefined
    if (decided || fault === undefined) continue
    decided = true
    happens = Effect.isEffect(fault) ? fault : fault(count(armed, name))
  }
  if (happens === undefined) return Effect.void
  return record({ _tag: "Struck", what: `failpoint ${name}` }).pipe(
    Effect.andThen(happens),
    Effect.mapError((error) => new FailpointHit({ site: name, error })),
    Effect.asVoid
  )
}

const count = (armed: Armed, name: string): number => armed.hits.filter((hit) => hit === name).length

/** A fault that happens at the `n`th hit of its site and at no other. */
export const nth = (n: number, effect: Effect.Effect<unknown, unknown>): Fault => {
  return (hit) => (hit === n ? effect : undefined)
}

/** A fault that happens at the first hit of its site and at no other. */
export const once = (effect: Effect.Effect<unknown, unknown>): Fault => nth(1, effect)

/** A fault that never lets go of who has reached the site, unless it is interrupted. */
export const hang: Fault = Effect.never

const enter = (faults: Faults, outer: Armed | undefined): Armed => ({ faults, hits: [], outer })

/**
 * Arms failpoints for everything that an effect runs and forks. An application that it starts is armed with it: its layers,
 * its background fibers and its finalizers. `Failpoint.hits` and `Failpoint.unreached` inside of it tell what was reached.
 *
 * **When to use**: around the body of a test, also with no fault at all, to see which sites are passed in which order.
 *
 * **Details**: every run of the effect counts from the beginning. Armed inside of something armed, the inner fault of a name
 * replaces the outer one, and both count the hit. What was forked before, or elsewhere, is not armed.
 *
 * **Interruption safety**: that of the effect.
 *
 * @example
 * ```ts
 * import * as Effect from "effect/Effect"
 * import * as Failpoint from "@quiesce/testing/Failpoint"
 *
 * const save = Effect.andThen(Effect.log("written"), Failpoint.site("save.written"))
 *
 * const test = Effect.gen(function* () {
 *   yield* Effect.exit(save)
 *   const reached = yield* Failpoint.hits // ["save.written"]
 *   const misspelt = yield* Failpoint.unreached // []
 * }).pipe(Failpoint.arm({ "save.written": Failpoint.once(Effect.die(new Error("power cut"))) }))
 * ```
 */
export const arm =
  (faults: Faults) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.withFiber((fiber) => Effect.provideService(effect, CurrentArmed, enter(faults, fiber.getRef(CurrentArmed))))

/**
 * Arms failpoints for the layer that it is provided to: one part of an application, or an application in a world of its own
 * (`Simulation`). Hits are counted in what is armed around it as well, for example by `Failpoint.arm({})` around the test.
 *
 * **Interruption safety**: that of the layer.
 *
 * @example
 * ```ts
 * import * as Effect from "effect/Effect"
 * import * as Layer from "effect/Layer"
 * import * as Failpoint from "@quiesce/testing/Failpoint"
 *
 * const Mailer = Layer.effectDiscard(
 *   Effect.acquireRelease(Effect.log("open"), () => Failpoint.site("mailer.close"))
 * )
 *
 * const StuckMailer = Mailer.pipe(Layer.provide(Failpoint.layer({ "mailer.close": Failpoint.hang })))
 * ```
 */
export const layer = (faults: Faults): Layer.Layer<never> =>
  Layer.effect(
    CurrentArmed,
    Effect.map(CurrentArmed, (outer) => enter(faults, outer))
  )

const armedHere = <A>(read: (armed: Armed) => A): Effect.Effect<A> =>
  Effect.flatMap(CurrentArmed, (armed) =>
    armed === undefined
      ? Effect.die(
          new Error("no failpoints are armed here: ask inside of the effect that Failpoint.arm was applied to")
        )
      : Effect.succeed(read(armed))
  )

/** The names of the sites reached so far, armed or not, in order; a site that was reached twice is there twice. */
export const hits: Effect.Effect<ReadonlyArray<string>> = armedHere((armed) => [...armed.hits])

/** The armed names that no site has answered to so far: code that was not run, or a misspelt name. */
export const unreached: Effect.Effect<ReadonlyArray<string>> = armedHere((armed) =>
  Object.keys(armed.faults).filter((name) => !armed.hits.includes(name))
)
