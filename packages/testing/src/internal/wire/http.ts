/** HTTP over a connection in memory: one request on each, its head as a value, its body as pieces. */
import * as Cause from "effect/Cause"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as HttpBody from "effect/http/HttpBody"
import * as HttpClient from "effect/http/HttpClient"
import { EncodeError, HttpClientError, TransportError } from "effect/http/HttpClientError"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as HttpEffect from "effect/http/HttpEffect"
import type { HttpMiddleware } from "effect/http/HttpMiddleware"
import { ClientAbort } from "effect/http/HttpServerError"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { Side } from "./Connection.ts"
import { WireError } from "./Flow.ts"
import type { Listener } from "./Network.ts"

/** Says that a head has arrived. */
const head = new Uint8Array(0)

/** The rest of what has come with the head, and what follows it. */
const bodyOf = (side: Side, first: ReadonlyArray<Uint8Array>): Stream.Stream<Uint8Array, WireError> =>
  Stream.concat(Stream.fromIterable(first), Stream.fromPull(Effect.succeed(side.pull)))

// --- The server -------------------------------------------------------------------------------------------------------

const respondOn =
  (side: Side) => (request: HttpServerRequest.HttpServerRequest, response: HttpServerResponse.HttpServerResponse) =>
    Effect.gen(function* () {
      side.connection.response = response
      yield* side.write([head])
      if (isEmpty(request.method, response)) return
      yield* HttpServerResponse.toClientResponse(response).stream.pipe(
        Stream.orDie,
        Stream.runForEachArray(side.write),
        Effect.interruptible,
        // The client must not take a part for the whole.
        Effect.onError(() => side.abort)
      )
    }).pipe(Effect.ignore)

const isEmpty = (method: string, response: HttpServerResponse.HttpServerResponse): boolean =>
  method === "HEAD" || HttpServerResponse.omitsBody(response) || response.body._tag === "Empty"

/** As `NodeHttpServer`: when the scope closes nobody new gets in, and requests have a while to end before they are interrupted. */
export const serve = (listener: Listener, gracefulShutdownTimeout: Duration.Input) =>
  Effect.fnUntraced(function* (
    httpEffect: Effect.Effect<
      HttpServerResponse.HttpServerResponse,
      unknown,
      HttpServerRequest.HttpServerRequest | Scope.Scope
    >,
    middleware?: HttpMiddleware
  ): Effect.fn.Return<void, never, Scope.Scope> {
    const requests = yield* Scope.fork(yield* Effect.scope, "parallel")
    const answer = (side: Side) =>
      Effect.gen(function* () {
        const [, ...first] = yield* side.pull
        const { request } = side.connection
        // Whoever is connected does not speak HTTP.
        if (request === undefined) return
        yield* Effect.withFiber((fiber) => {
          side.whenGone(() => fiber.interruptUnsafe(fiber.id, ClientAbort.annotation))
          return HttpEffect.toHandled(httpEffect, respondOn(side), middleware)
        }).pipe(Effect.provideService(HttpServerRequest.HttpServerRequest, received(request, bodyOf(side, first))))
      }).pipe(Effect.ignore, Effect.ensuring(side.close))
    yield* Effect.flatMap(listener.accept, (side) => Effect.forkIn(answer(side), requests)).pipe(
      Effect.forever,
      Effect.forkIn(requests)
    )
    yield* Effect.addFinalizer(() =>
      Effect.forkDetach(listener.drain).pipe(
        Effect.flatMap((drained) => Effect.timeoutOption(Fiber.await(drained), gracefulShutdownTimeout))
      )
    )
  })

const received = (request: HttpClientRequest.HttpClientRequest, bytes: Stream.Stream<Uint8Array, WireError>) => {
  const { body, hash, headers, method, url, urlParams } = request
  if (isWithHead(body)) return HttpServerRequest.fromClientRequest(request)
  const streamed = HttpBody.stream(bytes, body.contentType, body.contentLength)
  return HttpServerRequest.fromClientRequest(
    HttpClientRequest.makeWith(method, url, urlParams, hash, headers, streamed)
  )
}

/** No bytes come after the head; the parts of a form travel with it. */
const isWithHead = (body: HttpBody.HttpBody): body is HttpBody.Empty | HttpBody.FormData =>
  body._tag === "Empty" || body._tag === "FormData"

// --- The client -------------------------------------------------------------------------------------------------------

/** One connection for each request; the server's refusal and reset are its `TransportError`, as with the real ones. */
export const client = (connect: (address: string) => Effect.Effect<Side, WireError>): HttpClient.HttpClient =>
  HttpClient.make((request, url, signal) =>
    Effect.uninterruptibleMask((restore) =>
      Effect.gen(function* () {
        const failed = (cause: unknown) => new HttpClientError({ reason: new TransportError({ request, cause }) })
        const address = `${url.hostname}:${url.port || (url.protocol === "https:" ? 443 : 80)}`
        const side = yield* Effect.mapError(connect(address), failed)
        side.connection.request = HttpClientRequest.setHeader(request, "host", url.host)
        yield* Effect.ignore(side.write([head]))
        const upload = yield* Effect.forkDetach(send(request, side))
        // Where the upload has not ended the server must not take a part for the whole either.
        const close = Effect.andThen(
          Effect.sync(() => upload.interruptUnsafe()),
          side.abort
        )
        const context = yield* Effect.context()
        signal.addEventListener("abort", () => Effect.runSyncWith(context)(close), { once: true })
        return yield* Effect.gen(function* () {
          const [, ...first] = yield* Effect.mapError(side.pull, (cause) =>
            failed(Cause.isDone(cause) ? new WireError({ code: "ECONNRESET", address }) : cause)
          )
          const { response } = side.connection
          if (response === undefined) return yield* failed(new Error(`${address} does not speak HTTP`))
          const bytes = Stream.ensuring(bodyOf(side, first), close)
          if (isEmpty(request.method, response)) yield* close
          const answer = HttpServerResponse.toClientResponse(sent(request, response, bytes), { request })
          // The client aborts a response that is garbage, and when that is seen is not up to the seed.
          side.connection.held = answer
          return answer
        }).pipe(
          Effect.raceFirst(Effect.andThen(Fiber.join(upload), Effect.never)),
          restore,
          Effect.onError(() => close)
        )
      })
    )
  )

const sent = (
  { method }: HttpClientRequest.HttpClientRequest,
  response: HttpServerResponse.HttpServerResponse,
  bytes: Stream.Stream<Uint8Array, WireError>
): HttpServerResponse.HttpServerResponse => {
  const { body } = response
  if (body._tag === "Empty") return response
  const arriving = isEmpty(method, response) ? Stream.empty : bytes
  return HttpServerResponse.setBody(response, HttpBody.stream(arriving, body.contentType, body.contentLength))
}

/** Sends the body, until the server wants no more of it; what cannot be sent at all fails the request. */
const send = (request: HttpClientRequest.HttpClientRequest, side: Side): Effect.Effect<void, HttpClientError> => {
  const { body } = request
  if (isWithHead(body)) return side.end
  const bytes = body._tag === "Stream" ? body.stream : HttpServerRequest.fromClientRequest(request).stream
  return bytes.pipe(
    Stream.mapError((cause) => new HttpClientError({ reason: new EncodeError({ request, cause }) })),
    Stream.runForEachArray(side.write),
    Effect.catchTag("WireError", () => Effect.void),
    Effect.andThen(side.end)
  )
}
