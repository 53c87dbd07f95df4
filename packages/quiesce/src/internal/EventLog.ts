/**
 * The event log: synchronous, append-only, in order. Renderers hear of an event before whoever emitted it goes on, so that
 * nothing is lost when the process is about to leave.
 */
import type * as Cause from "effect/Cause"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as PubSub from "effect/PubSub"
import * as Stream from "effect/Stream"
import type { Event } from "../Event.ts"
import { logEvent } from "./logEvent.ts"

export class EventLog {
  readonly events: Array<Event> = []
  /** Announces the positions of new events. */
  readonly #pubsub: PubSub.PubSub<number> = Effect.runSync(PubSub.unbounded<number>())
  readonly #untold: Array<readonly [Event, Cause.Cause<unknown> | undefined]> = []
  #telling = false
  readonly #listeners: ReadonlyArray<(event: Event) => void>
  readonly #context: Context.Context<never>

  constructor(context: Context.Context<never>, listeners: ReadonlyArray<(event: Event) => void>) {
    this.#context = context
    this.#listeners = listeners
  }

  emit(event: Event, cause: Cause.Cause<unknown> | undefined): void {
    this.events.push(event)
    this.#untold.push([event, cause])
    PubSub.publishUnsafe(this.#pubsub, this.events.length - 1)
    // What a renderer causes is told when all have heard of the event before.
    if (this.#telling) return
    this.#telling = true
    for (let next = this.#untold.shift(); next !== undefined; next = this.#untold.shift()) this.#tell(...next)
    this.#telling = false
  }

  /** Runs what was handed in from outside; one that throws must not break what it is told of, nor the stop. */
  guard<A>(what: string, run: () => A, otherwise: A): A {
    try {
      return run()
    } catch (defect) {
      try {
        Effect.runSyncWith(this.#context)(Effect.logError(`${what} threw`, defect))
      } catch {
        // The logger itself throws: there is nobody left to tell.
      }
      return otherwise
    }
  }

  #tell(event: Event, cause: Cause.Cause<unknown> | undefined): void {
    this.guard("a logger", () => logEvent(this.#context, event, cause), undefined)
    for (const listener of this.#listeners)
      this.guard("an event listener of the application", () => listener(event), undefined)
  }

  /** From the given position on: what has happened, then what happens, each once; ends with the application. */
  since(position: number): Stream.Stream<Event> {
    return Stream.unwrap(
      Effect.suspend(() => {
        if (this.events.some((event) => event._tag === "Ended"))
          return Effect.succeed(Stream.fromIterable(this.events.slice(position)))
        return Effect.map(PubSub.subscribe(this.#pubsub), (subscription) => {
          const past = this.events.slice(position)
          const next = Math.max(position, this.events.length)
          const future = Stream.fromSubscription(subscription).pipe(
            Stream.filter((at) => at >= next),
            Stream.flatMap((at) => Stream.fromIterable(this.events.slice(at, at + 1)))
          )
          return Stream.concat(Stream.fromIterable(past), future).pipe(
            Stream.takeUntil((event) => event._tag === "Ended")
          )
        })
      })
    )
  }
}
