/** HTTP over a network in memory: requests, answers, streams, and how each of them can break. */
import { describe, expect, it } from "@effect/vitest"
import type * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Queue from "effect/Queue"
import * as Stream from "effect/Stream"
import * as Scope from "effect/Scope"
import * as Wire from "../src/Wire.ts"
import { broke, pass } from "./support/wire.ts"

const api = "api:80"

/** A server that answers each request with this, and its client. */
const serve = Effect.fnUntraced(function* <E>(
  answer: Effect.Effect<HttpServerResponse.HttpServerResponse, E, HttpServerRequest.HttpServerRequest>,
  // The end of a test lets no time pass.
  options: Wire.HttpServerOptions = { gracefulShutdownTimeout: 0 }
) {
  const wire = yield* Wire.make
  const server = yield* wire.httpServer(api, options)
  const scope = yield* Effect.acquireRelease(Scope.make(), (scope) => Scope.close(scope, Exit.void))
  yield* Scope.provide(server.serve(Effect.interruptible(answer)), scope)
  return { wire, client: wire.httpClient, stop: Scope.close(scope, Exit.void) }
})

const bytes = (text: string) => new TextEncoder().encode(text)

describe("HTTP on a wire", () => {
  it.effect("carries requests and answers, with everything that belongs to them", () =>
    Effect.gen(function* () {
      const { client } = yield* serve(
        Effect.gen(function* () {
          const request = yield* HttpServerRequest.HttpServerRequest
          const { host, "x-color": color } = request.headers
          const body = yield* request.json
          return HttpServerResponse.jsonUnsafe({ method: request.method, url: request.url, host, color, body }).pipe(
            HttpServerResponse.setStatus(201),
            HttpServerResponse.setHeader("x-taste", "sweet"),
            HttpServerResponse.setCookieUnsafe("crumb", "1")
          )
        })
      )
      const response = yield* HttpClientRequest.post("http://api/orders?id=7").pipe(
        HttpClientRequest.setHeader("x-color", "red"),
        HttpClientRequest.bodyJsonUnsafe({ cakes: 2 }),
        client.execute
      )
      expect([response.status, response.headers["x-taste"], response.cookies.cookies["crumb"]?.value]).toEqual([
        201,
        "sweet",
        "1"
      ])
      expect(response.headers["content-type"]).toBe("application/json")
      expect(yield* response.json).toEqual({
        method: "POST",
        url: "/orders?id=7",
        host: "api",
        color: "red",
        body: { cakes: 2 }
      })
    })
  )

  it.effect("streams both bodies: an answer begins before its request has ended", () =>
    Effect.gen(function* () {
      const { client, wire } = yield* serve(
        Effect.map(HttpServerRequest.HttpServerRequest, (request) => HttpServerResponse.stream(request.stream))
      )
      const upload = yield* Queue.unbounded<Uint8Array, Cause.Done>()
      const response = yield* HttpClientRequest.post("http://api/echo").pipe(
        HttpClientRequest.bodyStream(Stream.fromQueue(upload)),
        client.execute
      )
      const heard: Array<string> = []
      const reading = yield* Effect.forkChild(
        Stream.runForEach(Stream.decodeText(response.stream), (text) => Effect.sync(() => void heard.push(text)))
      )
      yield* Queue.offer(upload, bytes("one"))
      yield* pass(1)
      expect(heard).toEqual(["one"])
      yield* Queue.offer(upload, bytes("two"))
      yield* Queue.end(upload)
      yield* Fiber.join(reading)
      expect([heard.join(" "), yield* wire.connections(api)]).toEqual(["one two", 0])
    })
  )

  it.effect("interrupts the handler of a client that gives up, and ends its upload", () =>
    Effect.gen(function* () {
      const ended: Array<string> = []
      const told = (who: string) => Effect.sync(() => void ended.push(who))
      const { client, wire } = yield* serve(Effect.onInterrupt(Effect.never, () => told("handler")))
      const asking = yield* HttpClientRequest.post("http://api/").pipe(
        HttpClientRequest.bodyStream(Stream.ensuring(Stream.never, told("upload"))),
        client.execute,
        Effect.timeoutOption("3 seconds"),
        Effect.forkChild
      )
      yield* pass("3 seconds")
      expect((yield* Fiber.join(asking))._tag).toBe("None")
      expect([ended.toSorted(), yield* wire.connections(api)]).toEqual([["handler", "upload"], 0])
    })
  )

  it.effect("interrupts a streamed answer whose reader has had enough, and waits for one that is slow", () =>
    Effect.gen(function* () {
      let made = 0
      let interrupted = false
      const { client } = yield* serve(
        Effect.succeed(
          HttpServerResponse.stream(
            Stream.fromEffectRepeat(Effect.sync(() => new Uint8Array((made++, 1024)))).pipe(
              Stream.ensuring(Effect.sync(() => void (interrupted = true)))
            )
          )
        )
      )
      const response = yield* client.get("http://api/")
      yield* pass("1 hour")
      expect(made).toBeLessThan(130)
      yield* response.stream.pipe(Stream.take(300), Stream.runDrain)
      yield* pass(1)
      expect([made > 299, interrupted]).toEqual([true, true])
    })
  )

  it.effect("fails a request whose body cannot be sent, and the server does not take a part for the whole", () =>
    Effect.gen(function* () {
      let received: unknown
      const { client } = yield* serve(
        Effect.gen(function* () {
          const request = yield* HttpServerRequest.HttpServerRequest
          received = yield* Effect.flip(request.text)
          return HttpServerResponse.empty()
        }).pipe(Effect.uninterruptible)
      )
      const body = Stream.concat(
        Stream.succeed(bytes("half")),
        Stream.fromEffect(Effect.delay(Effect.fail("no such file"), "1 second"))
      )
      const sending = yield* HttpClientRequest.post("http://api/").pipe(
        HttpClientRequest.bodyStream(body),
        client.execute,
        Effect.flip,
        Effect.forkChild
      )
      yield* pass("1 second")
      const { reason } = yield* Fiber.join(sending)
      expect([reason._tag, "cause" in reason && reason.cause]).toEqual(["EncodeError", "no such file"])
      expect(broke(received)).toBe("ECONNRESET")
    })
  )

  it.effect("leaves a connection as soon as nothing more can come", () =>
    Effect.gen(function* () {
      const { client, wire } = yield* serve(Effect.succeed(HttpServerResponse.text("hello")))
      yield* client.head("http://api/")
      yield* pass(0)
      expect(yield* wire.connections(api)).toBe(0)
      const response = yield* HttpClient.withScope(client).get("http://api/")
      expect(yield* wire.connections(api)).toBe(1)
      yield* response.text
      expect(yield* wire.connections(api)).toBe(0)
    })
  )

  it.effect("breaks an answer that fails in the middle: the client does not take a part for the whole", () =>
    Effect.gen(function* () {
      const { client } = yield* serve(
        Effect.succeed(
          HttpServerResponse.stream(Stream.concat(Stream.succeed(bytes("half")), Stream.fail(new Error("disk"))))
        )
      )
      const response = yield* client.get("http://api/")
      expect([response.status, broke(yield* Effect.flip(response.text))]).toEqual([200, "ECONNRESET"])
    })
  )

  it.effect("refuses where nobody serves, and resets who is asking when the wire is cut", () =>
    Effect.gen(function* () {
      let interrupted = false
      const { client, wire } = yield* serve(
        Effect.onInterrupt(Effect.never, () => Effect.sync(() => void (interrupted = true)))
      )
      const nobody = yield* Effect.flip(client.get("http://nobody/"))
      expect([nobody.reason._tag, broke(nobody)]).toEqual(["TransportError", "ECONNREFUSED"])
      const asking = yield* Effect.forkChild(Effect.flip(client.get("http://api/")))
      yield* pass(1)
      yield* wire.set(api, Wire.cut())
      const reset = yield* Fiber.join(asking)
      yield* pass(1)
      expect([reset.reason._tag, broke(reset), interrupted]).toEqual(["TransportError", "ECONNRESET", true])
    })
  )

  it.effect("serves what was accepted when its server is released, and nobody new", () =>
    Effect.gen(function* () {
      const { client, stop } = yield* serve(
        Effect.delay(Effect.succeed(HttpServerResponse.text("done")), "10 seconds"),
        {}
      )
      const accepted = yield* Effect.forkChild(Effect.flatMap(client.get("http://api/"), (response) => response.text))
      yield* pass("4 seconds")
      const stopping = yield* Effect.forkChild(stop)
      yield* pass(1)
      expect(broke(yield* Effect.flip(client.get("http://api/")))).toBe("ECONNREFUSED")
      yield* pass("5 seconds")
      expect(stopping.pollUnsafe()).toBe(undefined)
      yield* pass("1 seconds")
      expect(yield* Fiber.join(accepted)).toBe("done")
      yield* Fiber.join(stopping)
    })
  )

  it.effect("answers 503 to what has not ended 20 seconds after its server was released", () =>
    Effect.gen(function* () {
      const { client, stop } = yield* serve(Effect.never, {})
      const asking = yield* Effect.forkChild(client.get("http://api/"))
      yield* pass(1)
      const stopping = yield* Effect.forkChild(stop)
      yield* pass("19 seconds")
      expect(asking.pollUnsafe()).toBe(undefined)
      yield* pass("1 second")
      expect((yield* Fiber.join(asking)).status).toBe(503)
      yield* Fiber.join(stopping)
    })
  )
})
