/**
 * What the code of a request can ask of the drain.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Stream from "effect/Stream"
import { AtCapacity } from "quiesce/AtCapacity"
import { ShuttingDown } from "quiesce/ShuttingDown"
import { Unavailable } from "quiesce/Unavailable"
import { contentType, headersOf, problemOf, type Refusal } from "./refusal.ts"

/** The drain of the server that serves the current request; without one, nothing ever drains. */
export const Drain = Context.Reference<{
  readonly begun: Effect.Effect<void>
  readonly isDraining: () => boolean
  readonly retryAfter: number
}>("@quiesce/http/Drain", { defaultValue: () => ({ begun: Effect.never, isDraining: () => false, retryAfter: 1000 }) })

/**
 * Completes when draining begins. In the code of a request, a stream or a WebSocket.
 *
 * **When to use**: to say goodbye in the application's own protocol. What the handler of a WebSocket writes at once is
 * sent before the close frame, which follows in the next turn of the event loop.
 *
 * **Interruption safety**: waiting can be interrupted at any time.
 */
export const stopping: Effect.Effect<void> = Effect.flatMap(Drain, (_) => _.begun)

/** Whether draining has begun, for the code of a request that would rather not start something long. */
export const isDraining: Effect.Effect<boolean> = Effect.map(Drain, (_) => _.isDraining())

/**
 * Ends a stream when draining begins, regularly: the response gets its last chunk, and the client knows that it is whole.
 *
 * **When to use**: for streamed responses without an end of their own that are not `text/event-stream` (those end by
 * themselves): a tail of a log, newline-delimited JSON of a subscription. Not for a file: its client would take the part
 * for the whole.
 *
 * **Interruption safety**: an element that is being pulled is dropped, one that was pulled is written.
 *
 * @example
 * ```ts
 * import * as Schedule from "effect/Schedule"
 * import * as Stream from "effect/Stream"
 * import * as HttpServerResponse from "effect/http/HttpServerResponse"
 * import * as HttpDrain from "@quiesce/http/HttpDrain"
 *
 * const ticks = Stream.fromSchedule(Schedule.spaced("1 second")).pipe(
 *   Stream.map((n) => `${JSON.stringify({ n })}\n`),
 *   HttpDrain.untilDrain,
 *   Stream.encodeText
 * )
 * const response = HttpServerResponse.stream(ticks, { contentType: "application/x-ndjson" })
 * ```
 */
export const untilDrain = <A, E, R>(stream: Stream.Stream<A, E, R>): Stream.Stream<A, E, R> =>
  Stream.interruptWhen(stream, stopping)

/**
 * The 503 of a refused request, with `Retry-After` and a problem document. For what is `Unavailable` it is not sooner than the
 * next attempt, and there is none when that has been given up.
 *
 * **When to use**: in a handler that catches its failures itself, with `Effect.catchTag("AtCapacity", HttpDrain.refuse)`. A
 * refusal that a route lets through is answered so by the server; for the endpoints of an `HttpApi` see `HttpRefusal`.
 */
export const refuse = (error: Refusal): Effect.Effect<HttpServerResponse.HttpServerResponse> =>
  Effect.map(Drain, ({ retryAfter }) =>
    HttpServerResponse.jsonUnsafe(problemOf(error), {
      status: 503,
      contentType,
      headers: headersOf(error, retryAfter)
    })
  )

const isRefusal = (error: unknown): error is Refusal =>
  error instanceof AtCapacity || error instanceof ShuttingDown || error instanceof Unavailable

/** Answers what gates, critical sections and optional components refuse; every other failure stays one. */
export const answerRefusals = <A, E, R>(
  effect: Effect.Effect<A, E | Refusal, R>
): Effect.Effect<A | HttpServerResponse.HttpServerResponse, Exclude<E, Refusal>, R> =>
  effect.pipe(Effect.catch((error) => (isRefusal(error) ? refuse(error) : Effect.fail(error as Exclude<E, Refusal>))))

/**
 * Route middleware: turns `AtCapacity`, `ShuttingDown` and `Unavailable`, wherever they come from in these routes, into 503
 * with `Retry-After`.
 *
 * **When to use**: where a middleware around these routes should see the 503 and not the error: one that logs failures, or
 * turns them into 500. Without any, the server of `HttpDrain` answers in the same way.
 *
 * @example
 * ```ts
 * import * as Effect from "effect/Effect"
 * import * as Layer from "effect/Layer"
 * import * as HttpRouter from "effect/http/HttpRouter"
 * import * as HttpServerResponse from "effect/http/HttpServerResponse"
 * import * as HttpDrain from "@quiesce/http/HttpDrain"
 * import * as DrainGate from "quiesce/DrainGate"
 *
 * const Routes = HttpRouter.use((router) =>
 *   Effect.gen(function* () {
 *     const gate = yield* DrainGate.make("jobs", { capacity: 8, whenFull: "reject" })
 *     yield* router.add("POST", "/jobs", gate.run(Effect.succeed(HttpServerResponse.text("done"))))
 *   })
 * ).pipe(Layer.provide(HttpDrain.refused))
 * ```
 */
export const refused = HttpRouter.middleware<{ handles: Refusal }>()((httpEffect) => answerRefusals(httpEffect)).layer

/**
 * Route middleware: from draining on these routes take no new work and answer 503 with `Retry-After`, on whatever
 * connection the request comes. What they are doing goes on.
 *
 * **When to use**: for work that is long or cannot be repeated, and should not begin when the end is near: uploads,
 * payments, reports. Routes without it serve every request of a connection that was there before.
 *
 * **Interruption safety**: nothing of a refused request has run.
 *
 * @example
 * ```ts
 * import * as Layer from "effect/Layer"
 * import * as HttpRouter from "effect/http/HttpRouter"
 * import * as HttpServerResponse from "effect/http/HttpServerResponse"
 * import * as HttpDrain from "@quiesce/http/HttpDrain"
 *
 * const Reports = HttpRouter.add("POST", "/reports", HttpServerResponse.text("done")).pipe(Layer.provide(HttpDrain.gated))
 * ```
 */
export const gated = HttpRouter.middleware((httpEffect) =>
  Effect.flatMap(Drain, (drain) => (drain.isDraining() ? refuse(new ShuttingDown({ kind: "http" })) : httpEffect))
).layer
