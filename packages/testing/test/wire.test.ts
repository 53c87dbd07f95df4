/** A network in memory: that it does what networks do, in virtual time and in the order of the seed. */
import { describe, expect, it } from "@effect/vitest"
import type * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import * as Stream from "effect/Stream"
import * as Rpc from "effect/rpc/Rpc"
import * as RpcClient from "effect/rpc/RpcClient"
import * as RpcGroup from "effect/rpc/RpcGroup"
import * as RpcSerialization from "effect/rpc/RpcSerialization"
import * as RpcServer from "effect/rpc/RpcServer"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as Socket from "effect/socket/Socket"
import * as TestClock from "effect/testing/TestClock"
import * as Simulation from "../src/Simulation.ts"
import * as TestApp from "../src/TestApp.ts"
import { only } from "../src/Timeline.ts"
import * as Wire from "../src/Wire.ts"

const db = "db:5432"

/** Everything happens that needs no time, and then time passes. */
const pass = (duration: Duration.Input) =>
  Effect.andThen(Effect.repeat(Effect.yieldNow, { times: 500 }), TestClock.adjust(duration)).pipe(
    Effect.andThen(Effect.repeat(Effect.yieldNow, { times: 500 }))
  )

/** What a connection says, and how it ends: `1000` for a proper end, else the code of the error. */
const why = ({ reason }: Socket.SocketError): string => {
  if (reason._tag === "SocketCloseError") return String(reason.code)
  const cause = "cause" in reason ? reason.cause : undefined
  return cause instanceof Wire.WireError ? cause.code : String(cause)
}

const listen = Effect.fnUntraced(function* <E, R>(
  wire: Wire.Wire["Service"],
  handler: (socket: Socket.Socket) => Effect.Effect<unknown, E, R>
) {
  const server = yield* wire.socketServer(db)
  return yield* Effect.forkScoped(server.run(handler))
})

/** One side of a connection that is used by hand. */
const open = Effect.fnUntraced(function* (socket: Socket.Socket) {
  const pull = yield* Socket.readerString(socket)
  const { write } = yield* socket.writer
  return {
    write,
    hears: Effect.map(pull, (texts) => texts.join("")),
    /** Everything up to the end, and how it ended. */
    all: Effect.gen(function* () {
      let heard = ""
      while (true) {
        const next = yield* Effect.result(pull)
        if (next._tag === "Failure") return [heard, why(next.failure)]
        heard += next.success.join("")
      }
    })
  }
})

type End = Effect.Success<ReturnType<typeof open>>

/** A connection with both ends in the hand of the test. */
const connection = Effect.gen(function* () {
  const wire = yield* Wire.make
  const accepted = yield* Deferred.make<End>()
  yield* listen(wire, (socket) =>
    Effect.scoped(
      Effect.gen(function* () {
        yield* Deferred.succeed(accepted, yield* open(socket))
        return yield* Effect.never
      })
    )
  )
  const client = yield* open(wire.socket(db))
  return { wire, client, server: yield* Deferred.await(accepted) }
})

const echo = (socket: Socket.Socket) =>
  Effect.scoped(
    Effect.gen(function* () {
      const { pull } = yield* socket.reader
      const { writeAll } = yield* socket.writer
      return yield* Effect.forever(Effect.flatMap(pull, writeAll))
    })
  ).pipe(Effect.ignore)

describe("a wire", () => {
  it.effect("carries every byte in order, both ways, however it was written", () =>
    Effect.gen(function* () {
      const wire = yield* Wire.make
      yield* listen(wire, echo)
      yield* wire.set(db, Wire.latency(5, { jitter: 20 }))
      const socket = wire.socket(db)
      const { pull } = yield* socket.reader
      const sent = Uint8Array.from({ length: 300_000 }, (_, index) => index % 251)
      const writing = Effect.gen(function* () {
        const { write } = yield* socket.writer
        for (let from = 0; from < sent.length;) {
          const size = 1 + ((from * 7919) % 9973)
          yield* write(sent.slice(from, from + size))
          from += size
        }
      }).pipe(Effect.scoped)
      const reading = Effect.gen(function* () {
        const heard: Array<number> = []
        while (heard.length < sent.length) {
          for (const piece of yield* pull) heard.push(...(typeof piece === "string" ? [] : piece))
        }
        return Uint8Array.from(heard)
      })
      const both = yield* Effect.forkChild(Effect.all([writing, reading], { concurrency: 2 }))
      while (both.pollUnsafe() === undefined) yield* TestClock.adjust(5)
      const [, heard] = yield* Fiber.join(both)
      expect(heard).toEqual(sent)
    })
  )

  it.effect("refuses where nobody listens, and where nobody listens any more", () =>
    Effect.gen(function* () {
      const wire = yield* Wire.make
      const dial = Effect.scoped(open(wire.socket(db))).pipe(Effect.flip, Effect.map(why))
      expect(yield* dial).toBe("ECONNREFUSED")
      yield* Effect.scoped(
        Effect.gen(function* () {
          yield* listen(wire, echo)
          yield* Effect.scoped(open(wire.socket(db)))
          const second = yield* Effect.flip(wire.socketServer(db))
          expect(String(second.cause)).toContain("EADDRINUSE db:5432: somebody listens there already")
        })
      )
      expect(yield* dial).toBe("ECONNREFUSED")
    })
  )

  it.effect("lets a side end, and the other one go on", () =>
    Effect.gen(function* () {
      const wire = yield* Wire.make
      yield* listen(wire, (socket) =>
        Effect.scoped(
          Effect.gen(function* () {
            const { all, write } = yield* open(socket)
            yield* write(`heard ${(yield* all).join(", then ")}`)
          })
        )
      )
      const socket = wire.socket(db)
      const pull = yield* Socket.readerString(socket)
      yield* Effect.scoped(Effect.flatMap(socket.writer, ({ write }) => write("hello")))
      expect(yield* pull).toEqual(["heard hello, then 1000"])
      expect(why(yield* Effect.flip(pull))).toBe("1000")
    })
  )

  it.effect("fails a pull that waits when its own side is closed, and a write when the other side is", () =>
    Effect.gen(function* () {
      const wire = yield* Wire.make
      yield* listen(wire, echo)
      const scope = yield* Scope.make()
      const socket = wire.socket(db)
      const client = yield* Scope.provide(open(socket), scope)
      const waiting = yield* Effect.forkChild(Effect.flip(client.hears), { startImmediately: true })
      yield* Scope.close(scope, Exit.void)
      expect(why(yield* Fiber.join(waiting))).toBe("1006")

      const { client: other, server } = yield* connection
      yield* server.write(new Socket.CloseEvent(1000))
      expect(yield* other.all).toEqual(["", "1000"])
      expect(why(yield* Effect.flip(other.write("too late")))).toBe("EPIPE")
    })
  )

  it.effect("makes a writer wait that is faster than its reader", () =>
    Effect.gen(function* () {
      const { client, server } = yield* connection
      let written = 0
      const chunk = "x".repeat(1024)
      const writing = yield* Effect.forkChild(
        Effect.repeat(
          Effect.tap(client.write(chunk), () => Effect.sync(() => void written++)),
          { times: 199 }
        )
      )
      yield* pass("1 hour")
      expect(written).toBe(63)
      let heard = 0
      while (heard < 200 * 1024) heard += (yield* server.hears).length
      yield* Fiber.join(writing)
      expect([written, heard]).toEqual([200, 200 * 1024])
    })
  )

  it.effect("connects the same socket again, after its connection has ended", () =>
    Effect.gen(function* () {
      const wire = yield* Wire.make
      yield* listen(wire, echo)
      const socket = wire.socket(db)
      for (const word of ["once", "again"]) {
        yield* Effect.scoped(
          Effect.gen(function* () {
            const client = yield* open(socket)
            yield* client.write(word)
            expect(yield* client.hears).toBe(word)
          })
        )
      }
    })
  )

  it.effect(
    "ends with its server: who is connected is reset, who still waits to be accepted too, and handlers are gone",
    () =>
      Effect.gen(function* () {
        const wire = yield* Wire.make
        const ended: Array<string> = []
        const scope = yield* Scope.make()
        const accepted = yield* Deferred.make<void>()
        const running = yield* Scope.provide(
          listen(wire, (socket) =>
            Effect.andThen(open(socket), Deferred.succeed(accepted, undefined)).pipe(
              Effect.andThen(Effect.never),
              Effect.scoped,
              Effect.ensuring(Effect.sync(() => void ended.push("handler")))
            )
          ),
          scope
        )
        const first = yield* open(wire.socket(db))
        yield* Deferred.await(accepted)
        yield* Fiber.interrupt(running)
        expect(ended).toEqual(["handler"])
        expect(yield* first.all).toEqual(["", "1000"])

        const late = yield* open(wire.socket(db))
        yield* Scope.close(scope, Exit.void)
        expect(yield* late.all).toEqual(["", "ECONNRESET"])
      })
  )

  it.effect("keeps what is written while nobody is connected for the next connection", () =>
    Effect.gen(function* () {
      const wire = yield* Wire.make
      yield* listen(wire, echo)
      const socket = wire.socket(db)
      const { write } = yield* socket.writer
      yield* Effect.scoped(socket.reader)
      const writing = yield* Effect.forkChild(write("hello"))
      yield* pass("1 minute")
      expect(writing.pollUnsafe()).toBe(undefined)
      const pull = yield* Socket.readerString(socket)
      expect(yield* pull).toEqual(["hello"])
    })
  )

  it.effect("still brings what a server has said before it was released", () =>
    Effect.gen(function* () {
      const wire = yield* Wire.make
      const scope = yield* Scope.make()
      yield* Scope.provide(
        listen(wire, (socket) => Effect.scoped(Effect.flatMap(open(socket), ({ write }) => write("goodbye")))),
        scope
      )
      const client = yield* open(wire.socket(db))
      yield* pass(0)
      yield* Scope.close(scope, Exit.void)
      expect(yield* client.all).toEqual(["goodbye", "1000"])
    })
  )

  it.effect("lets another server listen where the last one still has connections, and each has its own", () =>
    Effect.gen(function* () {
      const wire = yield* Wire.make
      const scope = yield* Scope.make()
      const first = yield* Scope.provide(wire.httpServer(db), scope)
      const serving = yield* Scope.fork(scope)
      const slow = Effect.delay(Effect.succeed(HttpServerResponse.text("first")), "5 seconds")
      yield* Scope.provide(first.serve(slow), serving)
      const asking = yield* Effect.forkChild(Effect.flatMap(wire.httpClient.get(`http://${db}`), ({ text }) => text))
      yield* pass("1 second")
      const closing = yield* Effect.forkChild(Scope.close(scope, Exit.void))
      yield* pass("1 second")
      yield* listen(wire, echo)
      const client = yield* open(wire.socket(db))
      yield* pass("3 seconds")
      expect(yield* Fiber.join(asking)).toBe("first")
      yield* Fiber.join(closing)
      yield* client.write("second")
      expect(yield* client.hears).toBe("second")
      yield* Effect.scoped(open(wire.socket(db)))
    })
  )

  it.effect("keeps nothing of a connection that both sides have left", () =>
    Effect.gen(function* () {
      const wire = yield* Wire.make
      yield* listen(wire, echo)
      for (let index = 0; index < 20; index++) {
        yield* Effect.scoped(Effect.flatMap(open(wire.socket(db)), ({ write }) => write("hello")))
      }
      yield* pass(0)
      expect(yield* wire.connections(db)).toBe(0)
    })
  )
})

describe("a wire with a fault", () => {
  it.effect("that is slow brings each piece later, in order, and the rest at once when it is healed", () =>
    Effect.gen(function* () {
      const { client, server, wire } = yield* connection
      yield* wire.set(db, Wire.latency(30))
      const heard: Array<readonly [number, string]> = []
      yield* Effect.forkChild(
        Effect.forever(
          Effect.gen(function* () {
            const text = yield* server.hears
            heard.push([yield* Clock.currentTimeMillis, text])
          })
        )
      )
      yield* client.write("a")
      yield* pass(20)
      yield* client.write("b")
      yield* pass(25)
      yield* client.write("c")
      yield* wire.heal(db)
      yield* pass(100)
      expect(heard).toEqual([
        [30, "a"],
        [45, "bc"]
      ])
    })
  )

  it.effect("that is cut resets both sides, and nothing arrives after it", () =>
    Effect.gen(function* () {
      const { client, server, wire } = yield* connection
      yield* wire.set(db, Wire.latency(30))
      yield* client.write("on its way")
      yield* wire.set(db, Wire.cut())
      expect(yield* server.all).toEqual(["", "ECONNRESET"])
      expect(yield* client.all).toEqual(["", "ECONNRESET"])
      expect(why(yield* Effect.flip(client.write("more")))).toBe("ECONNRESET")
      expect(yield* wire.connections(db)).toBe(0)
      yield* Effect.scoped(open(wire.socket(db)))
      yield* wire.set(db, Wire.cut({ newcomers: "refused" }))
      expect(why(yield* Effect.flip(Effect.scoped(open(wire.socket(db)))))).toBe("ECONNREFUSED")
    })
  )

  it.effect("that is half open: what the silent side sends never arrives, and the reader's own timeout ends it", () =>
    Effect.gen(function* () {
      const { client, server, wire } = yield* connection
      yield* wire.set(db, Wire.halfOpen("target"))
      yield* client.write("are you there?")
      expect(yield* server.hears).toBe("are you there?")
      yield* server.write("yes")
      const asked = yield* Effect.forkChild(
        Effect.timeoutOrElse(client.hears, { duration: "30 seconds", orElse: () => Effect.succeed("timed out") })
      )
      yield* pass("29 seconds")
      expect(asked.pollUnsafe()).toBe(undefined)
      yield* pass("1 second")
      expect(yield* Fiber.join(asked)).toBe("timed out")
      // Never continued with a hole in it.
      yield* wire.heal(db)
      expect(yield* client.all).toEqual(["", "ECONNRESET"])
    })
  )

  it.effect("that swallows the end of a side: the other one does not hear of it, and goes on to write", () =>
    Effect.gen(function* () {
      const { client, server, wire } = yield* connection
      yield* wire.set(db, Wire.halfOpen("target"))
      yield* server.write(new Socket.CloseEvent(1000))
      yield* client.write("anybody?")
      const waiting = yield* Effect.forkChild(client.all)
      yield* pass("1 hour")
      expect([waiting.pollUnsafe(), yield* wire.connections(db)]).toEqual([undefined, 1])
      yield* wire.heal(db)
      expect(yield* Fiber.join(waiting)).toEqual(["", "ECONNRESET"])
    })
  )

  it.effect("that is a black hole holds what is sent until it is healed, and the writer with it", () =>
    Effect.gen(function* () {
      const { client, server, wire } = yield* connection
      yield* wire.set(db, Wire.blackHole({ bytes: "held" }))
      const writing = yield* Effect.forkChild(client.write("x".repeat(100_000)))
      yield* server.write("y")
      const hearing = yield* Effect.forkChild(client.hears)
      yield* pass("1 hour")
      expect([writing.pollUnsafe(), hearing.pollUnsafe()]).toEqual([undefined, undefined])
      yield* wire.heal(db)
      expect([(yield* server.hears).length, yield* Fiber.join(hearing)]).toEqual([100_000, "y"])
      yield* Fiber.join(writing)
    })
  )

  it.effect("that is a black hole from the beginning: it connects, and the server never hears of it", () =>
    Effect.gen(function* () {
      const wire = yield* Wire.make
      let accepted = 0
      yield* listen(wire, (socket) =>
        Effect.andThen(
          Effect.sync(() => void accepted++),
          echo(socket)
        )
      )
      yield* wire.set(db, Wire.blackHole())
      const silent = yield* open(wire.socket(db))
      const talking = yield* open(wire.socket(db))
      yield* talking.write("hello")
      yield* pass("1 minute")
      expect(accepted).toBe(0)
      yield* wire.heal(db)
      // Only who has lost something cannot go on.
      expect(yield* talking.all).toEqual(["", "ECONNRESET"])
      yield* silent.write("hello")
      expect([yield* silent.hears, accepted]).toEqual(["hello", 1])
    })
  )

  it.effect("that refuses lets open connections go on", () =>
    Effect.gen(function* () {
      const { client, server, wire } = yield* connection
      yield* wire.set(db, Wire.refuse)
      expect(why(yield* Effect.flip(Effect.scoped(open(wire.socket(db)))))).toBe("ECONNREFUSED")
      yield* client.write("still here")
      expect(yield* server.hears).toBe("still here")
    })
  )
})

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

/** The code of what went wrong on the wire. */
const broke = (error: unknown): unknown => {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if (cause instanceof Wire.WireError) return cause.code
  }
  return error
}

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

const Greeter = RpcGroup.make(
  Rpc.make("greet", { payload: { name: Schema.String }, success: Schema.String, stream: true })
)

/** Two customers and a shop, over HTTP, that talk when the seed lets them. */
const Talk = Layer.effectDiscard(
  Effect.gen(function* () {
    const wire = yield* Wire.Wire
    const server = yield* wire.httpServer(api)
    yield* server.serve(
      Effect.gen(function* () {
        const { url } = yield* HttpServerRequest.HttpServerRequest
        yield* Effect.log(`asked ${url}`)
        yield* Effect.sleep(10)
        return HttpServerResponse.text(url)
      })
    )
    for (const who of ["ada", "bob", "cyd"]) {
      yield* wire.httpClient.get(`http://api/${who}`).pipe(
        Effect.flatMap(({ text }) => text),
        Effect.flatMap((text) => Effect.log(`heard ${text}`)),
        Effect.catch((error) => Effect.log(`${who} heard ${String(broke(error))}`)),
        Effect.repeat({ times: 3 }),
        Effect.forkScoped
      )
    }
  })
)

const logOf = (seed: number, weather: ReadonlyArray<Wire.FaultAt> = []) =>
  Simulation.run(() => Talk.pipe(Layer.provide(Wire.layer(weather))), { seed }).pipe(
    Effect.map(({ timeline }) => only(timeline, "Logged").map(({ at, message }) => `${at} ${message}`))
  )

const stormy: ReadonlyArray<Wire.FaultAt> = [
  { at: 0, address: api, fault: Wire.latency(3, { jitter: 30 }) },
  { at: 35, address: api, fault: Wire.cut() }
]

describe("in an application", () => {
  it.effect("the same seed gives the same log, and another seed another one", () =>
    Effect.gen(function* () {
      const seeds = Array.from({ length: 10 }, (_, seed) => seed)
      const lives = yield* Effect.forEach(seeds, (seed) => logOf(seed, stormy))
      const again = yield* Effect.forEach(seeds, (seed) => logOf(seed, stormy))
      expect(again).toEqual(lives)
      expect(new Set(lives.map((life) => life.join())).size).toBe(10)
      expect(lives.flat().filter((line) => line.endsWith("ECONNRESET")).length).toBeGreaterThan(0)
      expect((yield* logOf(1)).filter((line) => line.includes("heard")).length).toBe(12)
    })
  )

  it.effect("a stop waits for the answer that is on its way, in a TestApp too", () =>
    Effect.gen(function* () {
      const wire = yield* Wire.make
      const routes = HttpRouter.add(
        "GET",
        "/",
        Effect.delay(Effect.succeed(HttpServerResponse.text("done")), "1 second")
      )
      const app = yield* TestApp.make(
        HttpRouter.serve(routes, { disableLogger: true }).pipe(
          Layer.provide(Wire.layerHttpServer("shop:80")),
          Layer.provide(Layer.succeed(Wire.Wire, wire))
        )
      )
      yield* wire.set("shop:80", Wire.latency(100))
      const asking = yield* Effect.forkChild(
        app.use(Effect.flatMap(wire.httpClient.get("http://shop/"), ({ text }) => text))
      )
      yield* app.advance("200 millis")
      yield* app.signal()
      const report = yield* app.runToEnd
      // The request took 100 ms, its handler a second; the last answer is on its way when the application is gone.
      expect([report.outcome._tag, report.duration]).toEqual(["Clean", 900])
      yield* app.advance("100 millis")
      expect(yield* Fiber.join(asking)).toBe("done")
    })
  )

  it.effect("what effect builds on sockets works: its RPC, with a stream, over a wire that is slow", () =>
    Effect.gen(function* () {
      const server = RpcServer.layer(Greeter).pipe(
        Layer.provide(
          Greeter.toLayer({ greet: ({ name }) => Stream.make("hello", name, "goodbye").pipe(Stream.rechunk(1)) })
        ),
        Layer.provide(RpcServer.layerProtocolSocketServer),
        Layer.provide(Wire.layerSocketServer(db))
      )
      const client = RpcClient.layerProtocolSocket().pipe(
        Layer.provide(Wire.layerSocket(db)),
        Layer.provideMerge(server)
      )
      const network = Wire.layer([{ at: 0, address: db, fault: Wire.latency(10, { jitter: 10 }) }])
      const words = Effect.gen(function* () {
        const { greet } = yield* RpcClient.make(Greeter)
        return yield* Stream.runCollect(greet({ name: "ada" }))
      }).pipe(Effect.scoped, Effect.provide(client.pipe(Layer.provide([network, RpcSerialization.layerNdjson]))))
      const { report } = yield* Simulation.run(
        Layer.effectDiscard(
          Effect.flatMap(words, (heard) => Effect.sync(() => expect(heard).toEqual(["hello", "ada", "goodbye"])))
        )
      )
      expect(report.outcome).toEqual({ _tag: "Clean" })
    })
  )
})
