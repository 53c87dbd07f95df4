import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as HttpRouter from "effect/http/HttpRouter"
import { HttpServer } from "effect/http/HttpServer"
import { HttpServerRequest } from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { once } from "node:events"
import { createServer } from "node:http"
import { Lifecycle } from "quiesce/Lifecycle"
import { ShuttingDown } from "quiesce/ShuttingDown"
import { describe, expect, test } from "vitest"
import * as HttpDrain from "../src/HttpDrain.ts"
import { requestRead, Service } from "./support/Service.ts"
import { Wire } from "./support/Wire.ts"

/** A route that says when it was entered and waits to be told how to go on. */
const makeRoute = () => {
  const entered = Deferred.makeUnsafe<void>()
  const answer = Deferred.makeUnsafe<string>()
  const handler = Effect.andThen(
    Deferred.succeed(entered, undefined),
    Effect.map(Deferred.await(answer), (text) => HttpServerResponse.text(text))
  )
  return {
    handler,
    entered: Effect.runPromise(Deferred.await(entered)),
    answer: (text: string) => Effect.runSync(Deferred.succeed(answer, text))
  }
}

/** A lifecycle in which nothing ever happens. */
const noLifecycle = Layer.succeed(Lifecycle, { drainable: () => Effect.void } as unknown as Lifecycle["Service"])

const ok = HttpRouter.add("GET", "/", HttpServerResponse.text("ok"))

describe("lame duck", () => {
  test("serves everything, new connections too, and says Connection: close", async () => {
    const service = await Service.start(ok, { app: { lameDuck: 1500 } })
    const old = await Wire.open(service.port)
    old.get("/")
    await old.received("\r\n\r\nok")
    expect(old.take()).toContain("Connection: keep-alive")
    const stopped = service.stop()
    await service.reached("LameDuck")
    const late = await Wire.open(service.port)
    for (const wire of [old, late]) {
      wire.get("/")
      expect(await wire.closed).toMatch(/^HTTP\/1.1 200 [\s\S]*Connection: close[\s\S]*ok$/)
    }
    expect((await stopped).outcome._tag).toBe("Clean")
  })

  test("says Connection: close also in the answer to a request that had come before", async () => {
    const route = makeRoute()
    const service = await Service.start(HttpRouter.add("GET", "/", route.handler), { app: { lameDuck: 400 } })
    const wire = await Wire.open(service.port)
    wire.get("/")
    await route.entered
    const stopped = service.stop()
    await service.reached("LameDuck")
    route.answer("done")
    expect(await wire.closed).toMatch(/^HTTP\/1.1 200 [\s\S]*Connection: close[\s\S]*done$/)
    await stopped
  })
})

describe("in flight", () => {
  test("is counted by kind", async () => {
    const route = makeRoute()
    const gate = Deferred.makeUnsafe<string>()
    const rest = Stream.fromEffect(Deferred.await(gate))
    const service = await Service.start(
      Layer.mergeAll(
        ok,
        HttpRouter.add("GET", "/wait", route.handler),
        HttpRouter.add(
          "POST",
          "/upload",
          Effect.as(
            Effect.flatMap(HttpServerRequest, (_) => _.text),
            HttpServerResponse.text("x")
          )
        ),
        HttpRouter.add(
          "GET",
          "/stream",
          Effect.sync(() => HttpServerResponse.stream(Stream.encodeText(Stream.concat(Stream.make("part"), rest))))
        ),
        HttpRouter.add(
          "GET",
          "/ws",
          Effect.gen(function* () {
            const socket = yield* (yield* HttpServerRequest).upgrade
            const { pull } = yield* socket.reader
            return yield* Effect.forever(pull)
          }).pipe(Effect.catchTag("SocketError", () => Effect.succeed(HttpServerResponse.empty())))
        )
      )
    )
    const request = await Wire.open(service.port)
    request.get("/wait")
    await route.entered
    const upload = await Wire.open(service.port)
    upload.send("POST /upload HTTP/1.1\r\nHost: test\r\nContent-Length: 100\r\nExpect: 100-continue\r\n\r\n")
    await upload.received("100 Continue")
    const stream = await Wire.open(service.port)
    stream.get("/stream")
    await stream.received("part")
    const webSocket = new WebSocket(`ws://127.0.0.1:${service.port}/ws`)
    await once(webSocket, "open")
    const idle = await Wire.open(service.port)
    idle.get("/")
    await idle.received("ok")
    expect(service.app.lifecycle.statusUnsafe().inFlight).toEqual({ request: 1, stream: 1, upload: 1, websocket: 1 })
    route.answer("done")
    Effect.runSync(Deferred.succeed(gate, "rest"))
    await stream.received("0\r\n\r\n")
    upload.send("x".repeat(100))
    await upload.received("\r\n\r\nx")
    await request.received("done")
    for (const wire of [request, upload, stream, idle]) wire.destroy()
    expect((await service.stop()).outcome._tag).toBe("Clean")
  })
})

describe("pipelined requests", () => {
  test("are all answered when they came before the first answer, and only the last says Connection: close", async () => {
    const [first, second] = [makeRoute(), makeRoute()]
    const service = await Service.start(
      Layer.mergeAll(HttpRouter.add("GET", "/1", first.handler), HttpRouter.add("GET", "/2", second.handler))
    )
    const wire = await Wire.open(service.port)
    wire.get("/1")
    await first.entered
    const stopped = service.stop()
    await service.reached("Draining")
    wire.get("/2")
    await second.entered
    second.answer("two")
    first.answer("one")
    const text = await wire.closed
    expect(text.match(/Connection: \S+/g)).toEqual(["Connection: keep-alive", "Connection: close"])
    expect(text).toMatch(/one[\s\S]*two$/)
    expect((await stopped).outcome._tag).toBe("Clean")
  })

  test("are all answered when they came before the stop", async () => {
    const [first, second] = [makeRoute(), makeRoute()]
    const service = await Service.start(
      Layer.mergeAll(HttpRouter.add("GET", "/1", first.handler), HttpRouter.add("GET", "/2", second.handler))
    )
    const wire = await Wire.open(service.port)
    wire.get("/1")
    wire.get("/2")
    await Promise.all([first.entered, second.entered])
    const stopped = service.stop()
    await service.reached("Draining")
    second.answer("two")
    first.answer("one")
    expect(await wire.closed).toMatch(/one[\s\S]*two$/)
    expect((await stopped).outcome._tag).toBe("Clean")
  })

  test("are not processed behind an answer that said Connection: close", async () => {
    let count = 0
    const service = await Service.start(
      HttpRouter.add(
        "GET",
        "/",
        Effect.sync(() => HttpServerResponse.text(`${++count}`))
      ),
      { drain: { quiet: 1000, refuseAtMost: 8000 } }
    )
    const wire = await Wire.open(service.port)
    const stopped = service.stop()
    await service.reached("Draining")
    wire.send("GET / HTTP/1.1\r\nHost: test\r\n\r\n".repeat(3))
    expect((await wire.closed).match(/HTTP\/1.1/g)).toHaveLength(1)
    expect(count).toBe(1)
    await stopped
  })
})

describe("a stop during start", () => {
  test("answers the requests that waited for the application with 503", async () => {
    const service = await Service.start(ok, { before: Layer.effectDiscard(Effect.never) })
    const wire = await Wire.open(service.port)
    const held = requestRead()
    wire.get("/")
    await held
    const stopped = service.stop()
    expect(await wire.closed).toMatch(/^HTTP\/1.1 503 [\s\S]*Retry-After: 1\r\n/)
    expect((await stopped).stragglers).toEqual([])
  })

  test("a start that fails answers them as well, and has left nothing unfinished", async () => {
    const failed = Deferred.makeUnsafe<void>()
    const service = await Service.start(ok, {
      before: Layer.effectDiscard(Effect.andThen(Deferred.await(failed), Effect.die("no such device")))
    })
    const wire = await Wire.open(service.port)
    const held = requestRead()
    wire.get("/")
    await held
    expect(service.app.lifecycle.statusUnsafe().inFlight).toEqual({})
    Effect.runSync(Deferred.succeed(failed, undefined))
    expect(await wire.closed).toMatch(/^HTTP\/1.1 503 [\s\S]*Retry-After: 1\r\n/)
    const { outcome, reason, stragglers } = await service.stopped()
    expect([outcome._tag, reason._tag, stragglers]).toEqual(["Clean", "StartFailed", []])
  })

  test("a start that succeeds serves the requests that waited for it", async () => {
    const ready = Deferred.makeUnsafe<void>()
    const service = await Service.start(ok, { before: Layer.effectDiscard(Deferred.await(ready)) })
    const wire = await Wire.open(service.port)
    const held = requestRead()
    wire.get("/")
    await held
    Effect.runSync(Deferred.succeed(ready, undefined))
    await wire.received("\r\n\r\nok")
    expect(wire.text).toContain("200")
    wire.destroy()
    expect((await service.stop()).outcome._tag).toBe("Clean")
  })
})

describe("the end of the drain budget", () => {
  test("leaves the requests alone, and the interruption answers them with 503", async () => {
    const route = makeRoute()
    const service = await Service.start(HttpRouter.add("GET", "/", route.handler), { app: { drain: 100 } })
    const wire = await Wire.open(service.port)
    wire.get("/")
    await route.entered
    const report = await service.stop()
    expect(await wire.closed).toMatch(/^HTTP\/1.1 503 /)
    expect(report.stragglers).toEqual([{ kind: "request", count: 1 }])
    expect(report.outcome._tag).toBe("Degraded")
  })

  test("drain-touches-no-work: a request that cannot be interrupted is still answered after it", async () => {
    const route = makeRoute()
    const service = await Service.start(HttpRouter.add("GET", "/", route.handler, { uninterruptible: true }), {
      app: { drain: 100, interrupt: "10 seconds" }
    })
    const wire = await Wire.open(service.port)
    wire.get("/")
    await route.entered
    const stopped = service.stop()
    await service.reached("Interrupting")
    route.answer("done")
    expect(await wire.closed).toMatch(/^HTTP\/1.1 200 [\s\S]*done$/)
    await stopped
  })

  test("is not waited for when the request is done before", async () => {
    const route = makeRoute()
    const service = await Service.start(HttpRouter.add("GET", "/", route.handler), { app: { drain: "10 seconds" } })
    const wire = await Wire.open(service.port)
    wire.get("/")
    await route.entered
    const stopped = service.stop()
    await service.reached("Draining")
    route.answer("done")
    await wire.closed
    expect((await stopped).duration).toBeLessThan(5000)
  })
})

test("a WebSocket handler that waits for the stop can say goodbye before the close frame", async () => {
  const service = await Service.start(
    HttpRouter.add(
      "GET",
      "/ws",
      Effect.gen(function* () {
        const socket = yield* (yield* HttpServerRequest).upgrade
        const { pull } = yield* socket.reader
        const { write } = yield* socket.writer
        yield* Effect.forkScoped(Effect.andThen(HttpDrain.stopping, write("goodbye")))
        return yield* Effect.forever(pull)
      }).pipe(Effect.catchTag("SocketError", () => Effect.succeed(HttpServerResponse.empty())))
    )
  )
  const webSocket = new WebSocket(`ws://127.0.0.1:${service.port}/ws`)
  await once(webSocket, "open")
  const messages: Array<unknown> = []
  webSocket.addEventListener("message", (event) => messages.push(event.data))
  const closed = once(webSocket, "close")
  const stopped = service.stop()
  const [event] = (await closed) as [CloseEvent]
  expect(messages).toEqual(["goodbye"])
  expect(event.code).toBe(1001)
  expect((await stopped).outcome._tag).toBe("Clean")
})

test("listens-until-quiet: each arrival prolongs it, and then nobody listens", async () => {
  const service = await Service.start(ok, { drain: { quiet: 1000, refuseAtMost: 10_000 } })
  const old = await Wire.open(service.port)
  const stopped = service.stop()
  await service.reached("Draining")
  const began = performance.now()
  const late: Array<Wire> = []
  for (let n = 0; n < 3; n++) {
    await new Promise((resolve) => setTimeout(resolve, 400)) // not quiet, and not without a pause either
    const wire = await Wire.open(service.port)
    wire.get("/")
    late.push(wire)
  }
  for (const wire of late) expect(await wire.closed).toMatch(/^HTTP\/1.1 503 /)
  expect(performance.now() - began).toBeGreaterThan(3 * 400 + 990)
  await expect(Wire.open(service.port)).rejects.toThrow("ECONNREFUSED")
  old.destroy()
  await stopped
})

describe("refusals", () => {
  test("of a gate inside a route become 503 with Retry-After", async () => {
    const service = await Service.start(
      HttpRouter.add("GET", "/", Effect.fail(new ShuttingDown({ kind: "jobs" }))).pipe(Layer.provide(HttpDrain.refused))
    )
    const wire = await Wire.open(service.port)
    wire.get("/", "Connection: close\r\n")
    expect(await wire.closed).toMatch(/^HTTP\/1.1 503 [\s\S]*retry-after: 1[\s\S]*jobs takes no new work/)
    await service.stop()
  })

  test("spare the exempt paths", async () => {
    const service = await Service.start(
      Layer.mergeAll(ok, HttpRouter.add("GET", "/readyz", HttpServerResponse.text("probe"))),
      {
        drain: { quiet: 1500, refuseAtMost: 8000 }
      }
    )
    const old = await Wire.open(service.port)
    const stopped = service.stop()
    await service.reached("Draining")
    const [probe, other] = [await Wire.open(service.port), await Wire.open(service.port)]
    probe.get("/readyz")
    other.get("/")
    expect(await probe.closed).toMatch(/^HTTP\/1.1 200 [\s\S]*probe$/)
    expect(await other.closed).toMatch(/^HTTP\/1.1 503 /)
    old.destroy()
    await stopped
  })

  test("are complete even for a client that is still sending its body", async () => {
    const service = await Service.start(ok, { drain: { quiet: 1500, refuseAtMost: 8000 } })
    const old = await Wire.open(service.port)
    const stopped = service.stop()
    await service.reached("Draining")
    const wire = await Wire.open(service.port)
    wire.send(`POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 50000000\r\n\r\n`)
    wire.send("x".repeat(3_000_000))
    expect(await wire.closed).toMatch(/^HTTP\/1.1 503 [\s\S]*another connection\."\}$/)
    old.destroy()
    await stopped
  })
})

test("a server that is released outside a stop finishes its requests first", async () => {
  const route = makeRoute()
  const scope = Scope.makeUnsafe()
  const Served = HttpRouter.serve(HttpRouter.add("GET", "/", route.handler), {
    disableLogger: true,
    disableListenLog: true
  })
  const Main = Layer.provideMerge(
    Served,
    HttpDrain.layer(() => createServer(), { port: 0, host: "127.0.0.1" })
  )
  const context = await Effect.runPromise(Layer.buildWithScope(Layer.provide(Main, noLifecycle), scope))
  const { address } = Context.get(context, HttpServer)
  const wire = await Wire.open("port" in address ? address.port : 0)
  wire.get("/")
  await route.entered
  const closed = Effect.runPromise(Scope.close(scope, Exit.void))
  route.answer("done")
  expect(await wire.closed).toMatch(/^HTTP\/1.1 200 [\s\S]*Connection: close[\s\S]*done$/)
  await closed
})

test("a server that is released outside a stop leaves behind what cannot be interrupted", async () => {
  const scope = Scope.makeUnsafe()
  const entered = Deferred.makeUnsafe<void>()
  const stuck = Effect.andThen(Deferred.succeed(entered, undefined), Effect.never)
  const Served = HttpRouter.serve(HttpRouter.add("GET", "/", stuck, { uninterruptible: true }), {
    disableLogger: true,
    disableListenLog: true
  })
  // Two applications on one server: the first to be released drains it, the second finds it drained.
  const Main = Layer.provideMerge(
    Layer.merge(Served, Layer.fresh(Served)),
    HttpDrain.layer(() => createServer(), { port: 0, host: "127.0.0.1" }, { releaseTimeout: 100 })
  )
  const context = await Effect.runPromise(Layer.buildWithScope(Layer.provide(Main, noLifecycle), scope))
  const { address } = Context.get(context, HttpServer)
  const wire = await Wire.open("port" in address ? address.port : 0)
  wire.get("/")
  await Effect.runPromise(Deferred.await(entered))
  await Effect.runPromise(Scope.close(scope, Exit.void))
  expect(await wire.closed).toBe("")
})

test("a port that is taken is an error that says what to do", async () => {
  const blocker = createServer().listen(0, "127.0.0.1")
  await new Promise((resolve) => blocker.once("listening", resolve))
  const { port } = blocker.address() as { port: number }
  const failure = await Effect.runPromise(
    Layer.build(
      Layer.provide(
        HttpDrain.layer(() => createServer(), { port, host: "127.0.0.1" }),
        noLifecycle
      )
    ).pipe(Effect.scoped, Effect.flip)
  )
  expect(failure.message).toBe(
    `http cannot listen on 127.0.0.1, port ${port}: another process has it; stop that process or choose another port (0 takes a free one) (EADDRINUSE)`
  )
  blocker.close()
})
