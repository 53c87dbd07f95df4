/** An optional cache over something outside that can be away, slow or deaf; and what events tell of it. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import type * as App from "quiesce/App"
import type { Event } from "quiesce/Event"
import type { Lifecycle } from "quiesce/Lifecycle"
import * as Optional from "quiesce/Optional"
import { runningWith } from "./running.ts"

export class Cache extends Context.Service<
  Cache,
  { readonly number: number; readonly get: Effect.Effect<number, string> }
>()("test/Cache") {}

export type CacheHandle = Optional.Handle<Cache["Service"]>

/** Something outside, and what a layer over it went through. */
export class Outside {
  readonly log: Array<string> = []
  /** How the next start goes. */
  start: Effect.Effect<unknown, string> = Effect.void
  /** How the next release goes. */
  stop: Effect.Effect<unknown> = Effect.void
  /** What it does in the background. */
  background: Effect.Effect<unknown, string> = Effect.never
  answer: Effect.Effect<unknown, string> = Effect.void
  acquired = 0
  open = 0
  mostOpen = 0

  readonly layer = Layer.effect(
    Cache,
    Effect.gen({ self: this }, function* () {
      yield* this.start
      const number = yield* Effect.acquireRelease(
        Effect.sync(() => {
          this.log.push(`+${++this.acquired}`)
          this.mostOpen = Math.max(this.mostOpen, ++this.open)
          return this.acquired
        }),
        (number) =>
          Effect.andThen(
            this.stop,
            Effect.sync(() => {
              this.open--
              this.log.push(`-${number}`)
            })
          )
      )
      yield* Effect.forkScoped(this.background)
      const get = Effect.as(
        Effect.suspend(() => this.answer),
        number
      )
      return { number, get }
    })
  )
}

export const everySecond = Schedule.spaced("1 second")

/** A running application with an optional part, and the handle of the cache in it. */
export const runningOver = (part: Layer.Layer<Optional.Optional<Cache>, never, Lifecycle>, options: App.Options = {}) =>
  Effect.map(
    runningWith<CacheHandle>(
      (made) => Layer.effectDiscard(Effect.flatMap(Optional.of(Cache), made)).pipe(Layer.provide(part)),
      options
    ),
    ({ app, made }) => ({ app, cache: made })
  )

/** Likewise, over something outside; it is tried again every second. */
export const running = (
  options: Optional.Options<Cache["Service"]> = {},
  outside = new Outside(),
  appOptions: App.Options = {}
) =>
  Effect.map(
    runningOver(Optional.layer(Cache, outside.layer, { retry: everySecond, ...options }), appOptions),
    ({ app, cache }) => ({ app, cache, outside })
  )

export const down = (start: Effect.Effect<unknown, string>): Outside => {
  const outside = new Outside()
  outside.start = start
  return outside
}

/** What events tell of optional parts. */
export const told = (events: ReadonlyArray<Event>): ReadonlyArray<string> =>
  events.flatMap((event) =>
    event._tag === "OptionalUp"
      ? [`${event.at}: up, generation ${event.generation} after ${event.attempts}`]
      : event._tag === "OptionalDown"
        ? [`${event.at}: down (${event.attempts}) ${event.failure}, ${event.next} ${event.retryIn ?? ""}`.trimEnd()]
        : []
  )

/** The number of the generation that is up, or 0. */
export const number = (cache: CacheHandle) =>
  cache.useOr(
    (service) => Effect.succeed(service.number),
    () => Effect.succeed(0)
  )
