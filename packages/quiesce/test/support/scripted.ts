/** Components whose start and stop are scripts, and the questions that the laws ask of an event log. */
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as TestClock from "effect/testing/TestClock"
import * as App from "quiesce/App"
import * as Component from "quiesce/Component"
import type { Event } from "quiesce/Event"
import type { Lifecycle } from "quiesce/Lifecycle"
import type { Report } from "quiesce/Report"

export type AnyLayer = Layer.Layer<never, unknown, Lifecycle>

export interface Script extends Component.Policy {
  readonly start?: Effect.Effect<unknown, unknown>
  readonly stop?: Effect.Effect<unknown>
  readonly needs?: ReadonlyArray<AnyLayer>
  /** What happened to the resource itself, as the component sees it. */
  readonly log?: Array<string>
}

/** A closed layer: its dependencies are provided, so that it can be shared by reference. */
export const scripted = (name: string, script: Script = {}): AnyLayer => {
  const tag = Context.Service<{ readonly name: string }>(`test/${name}`)
  const acquire = Effect.andThen(
    script.start ?? Effect.void,
    Effect.sync(() => {
      script.log?.push(`+${name}`)
      return { name }
    })
  )
  const release = Effect.andThen(
    script.stop ?? Effect.void,
    Effect.sync(() => void script.log?.push(`-${name}`))
  )
  const layer = Layer.effect(
    tag,
    Effect.acquireRelease(acquire, () => release, { interruptible: true })
  ).pipe(Component.make(name, script))
  const [first, ...rest] = script.needs ?? []
  return first === undefined ? layer : layer.pipe(Layer.provide([first, ...rest]))
}

export const merge = (...layers: ReadonlyArray<AnyLayer>): AnyLayer => {
  const [first, ...rest] = layers
  return first === undefined ? Layer.empty : Layer.mergeAll(first, ...rest)
}

/** Virtual milliseconds. */
export const sleep = (millis: Duration.Input): Effect.Effect<void> => Effect.sleep(millis)

/** Lets virtual time run until the application has ended, and gives the report. */
export const runToEnd = (app: App.App): Effect.Effect<Report> =>
  Effect.gen(function* () {
    const ended = yield* Effect.forkChild(app.stopped, { startImmediately: true })
    for (let n = 0; n < 400 && ended.pollUnsafe() === undefined; n++) yield* TestClock.adjust(250)
    if (ended.pollUnsafe() === undefined)
      return yield* Effect.die(new Error("the application did not end within 100 s"))
    return yield* Fiber.join(ended)
  })

/** Starts, runs for a while, is asked to stop by a signal, and ends. */
export const lifeOf = (
  layer: AnyLayer,
  options: App.Options & { readonly runFor?: Duration.Input; readonly signals?: ReadonlyArray<number> } = {}
) =>
  Effect.gen(function* () {
    const app = yield* App.start(layer, options)
    yield* TestClock.adjust(options.runFor ?? "1 second")
    app.signalUnsafe("SIGTERM")
    for (const after of options.signals ?? []) {
      yield* TestClock.adjust(after)
      app.signalUnsafe("SIGTERM")
    }
    const report = yield* runToEnd(app)
    return { app, report, events: app.events }
  })

type Of<Tag extends Event["_tag"]> = Extract<Event, { readonly _tag: Tag }>

export const only = <Tag extends Event["_tag"]>(events: ReadonlyArray<Event>, tag: Tag): ReadonlyArray<Of<Tag>> =>
  events.filter((event): event is Of<Tag> => event._tag === tag)

export const states = (events: ReadonlyArray<Event>): ReadonlyArray<string> =>
  only(events, "StateChanged").map((event) => event.to)

/** Position in the log of the event in which the component settled. */
const settledAt = (events: ReadonlyArray<Event>, id: number): number =>
  events.findIndex(
    (event) => (event._tag === "ComponentStopped" || event._tag === "ComponentAbandoned") && event.id === id
  )

/** Every pair in which a component began to stop before something that was built with it had settled. */
export const orderViolations = (events: ReadonlyArray<Event>): ReadonlyArray<string> =>
  events.flatMap((event, position) =>
    event._tag !== "ComponentStopping"
      ? []
      : only(events, "ComponentStarting")
          .filter((dependant) => dependant.builtWith.includes(event.id))
          .filter((dependant) =>
            only(events, "ComponentStarted").some((started) => started.id === dependant.id && !started.empty)
          )
          .filter((dependant) => {
            const settled = settledAt(events, dependant.id)
            return settled === -1 || settled > position
          })
          .map((dependant) => `${event.name} began to stop before ${dependant.name} had settled`)
  )

/** How often each started component was told to have ended. */
export const releases = (events: ReadonlyArray<Event>): Readonly<Record<string, number>> =>
  Object.fromEntries(
    only(events, "ComponentStarted")
      .filter((started) => !started.empty)
      .map((started) => [
        started.name,
        events.filter(
          (event) =>
            (event._tag === "ComponentStopped" || event._tag === "ComponentAbandoned") && event.id === started.id
        ).length
      ])
  )
