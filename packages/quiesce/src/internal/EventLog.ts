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
  readonly #pubsub: PubSub.PubSub<Event> = Effect.runSync(PubSub.unbounded<Event>())
  readonly #listeners: ReadonlyArray<(event: Event) => void>
  readonly #context: Context.Context<never>

  constructor(context: Context.Context<never>, listeners: ReadonlyArray<(event: Event) => void>) {
    this.#context = context
    this.#listeners = listeners
  }

  emit(event: Event, cause: Cause.Cause<unknown> | undefined): void {
    this.events.push(event)
    logEvent(this.#context, event, cause)
    for (const listener of this.#listeners) {
      try {
        listener(event)
      } catch (defect) {
        // A renderer that throws must not break what it renders.
        Effect.runSyncWith(this.#context)(Effect.logError("an event listener of the application threw", defect))
      }
    }
    if (event._tag === "Ended") PubSub.endUnsafe(this.#pubsub, event)
    else PubSub.publishUnsafe(this.#pubsub, event)
  }

  /** From the given position on: what has happened, then what happens, each once; ends with the application. */
  since(position: number): Stream.Stream<Event> {
    return Stream.unwrap(
      Effect.suspend(() => {
        if (this.events.some((event) => event._tag === "Ended")) return Effect.succeed(Stream.fromIterable(this.events.slice(position)))
        return Effect.map(PubSub.subscribe(this.#pubsub), (subscription) =>
          Stream.concat(Stream.fromIterable(this.events.slice(position)), Stream.fromSubscription(subscription))
        )
      })
    )
  }
}
