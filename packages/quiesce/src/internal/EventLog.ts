/**
 * The event log: synchronous, in order. Renderers hear of an event before whoever emitted it goes on, so that nothing is lost
 * when the process is about to leave.
 *
 * It keeps everything but what can come again and again while the application runs: of that the latest, so that a check that
 * flaps for a year does not fill the memory. Of a stop it forgets nothing.
 */
import type * as Cause from "effect/Cause"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as PubSub from "effect/PubSub"
import * as Stream from "effect/Stream"
import { type Event, isRecurring } from "../Event.ts"
import { logEvent } from "./logEvent.ts"

/** How many recurring events are kept. */
const mostRecurring = 1000

/** An event, and how many came before it. */
type Numbered = readonly [number, Event]

export class EventLog {
  readonly events: Array<Event> = []
  readonly #pubsub: PubSub.PubSub<Numbered> = Effect.runSync(PubSub.unbounded<Numbered>())
  /** Of each event that is kept, how many came before it. */
  readonly #numbers: Array<number> = []
  #count = 0
  #recurring = 0
  #stopping = false
  readonly #untold: Array<readonly [Event, Cause.Cause<unknown> | undefined]> = []
  #telling = false
  #confidant: Array<Event> | undefined
  readonly #listeners: ReadonlyArray<(event: Event) => void>
  readonly #context: Context.Context<never>

  constructor(context: Context.Context<never>, listeners: ReadonlyArray<(event: Event) => void>) {
    this.#context = context
    this.#listeners = listeners
  }

  /**
   * Runs something whose events are told to the caller alone. It may run on top of code of the application that does not
   * return, and who listens to the log would run there too.
   */
  confide(run: () => void): ReadonlyArray<Event> {
    const told: Array<Event> = []
    const outer = this.#confidant
    this.#confidant = told
    try {
      run()
    } finally {
      this.#confidant = outer
    }
    return told
  }

  /** For who is about to leave, and does not come back to whoever is being told something: from now on all hear at once. */
  tellAtOnce(): void {
    this.#confidant = undefined
    this.#telling = false
  }

  emit(event: Event, cause: Cause.Cause<unknown> | undefined): void {
    if (this.#confidant !== undefined) return void this.#confidant.push(event)
    const number = this.#count++
    this.events.push(event)
    this.#numbers.push(number)
    if (event._tag === "StopRequested") this.#stopping = true
    if (!this.#stopping && isRecurring(event) && ++this.#recurring > mostRecurring) this.#forgetOne()
    this.#untold.push([event, cause])
    PubSub.publishUnsafe(this.#pubsub, [number, event])
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

  /** How many events there have been. */
  get count(): number {
    return this.#count
  }

  /** From the given count on: what has happened, then what happens, each once; ends with the application. */
  since(count: number): Stream.Stream<Event> {
    return Stream.unwrap(
      Effect.suspend(() => {
        if (this.events.some((event) => event._tag === "Ended"))
          return Effect.succeed(Stream.fromIterable(this.#from(count)))
        return Effect.map(PubSub.subscribe(this.#pubsub), (subscription) => {
          const past = this.#from(count)
          const next = Math.max(count, this.#count)
          const future = Stream.fromSubscription(subscription).pipe(
            Stream.filter(([number]) => number >= next),
            Stream.map(([, event]) => event)
          )
          return Stream.concat(Stream.fromIterable(past), future).pipe(
            Stream.takeUntil((event) => event._tag === "Ended")
          )
        })
      })
    )
  }

  #from(count: number): ReadonlyArray<Event> {
    return this.events.filter((_, index) => (this.#numbers[index] ?? 0) >= count)
  }

  #forgetOne(): void {
    const oldest = this.events.findIndex(isRecurring)
    this.events.splice(oldest, 1)
    this.#numbers.splice(oldest, 1)
    this.#recurring--
  }
}
