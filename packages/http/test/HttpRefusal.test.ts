import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as HttpApi from "effect/http-api/HttpApi"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import * as HttpApiClient from "effect/http-api/HttpApiClient"
import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as HttpApiSchema from "effect/http-api/HttpApiSchema"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import { AtCapacity } from "quiesce/AtCapacity"
import * as DrainGate from "quiesce/DrainGate"
import * as Optional from "quiesce/Optional"
import { ShuttingDown } from "quiesce/ShuttingDown"
import { Unavailable } from "quiesce/Unavailable"
import { describe, expect, test } from "vitest"
import * as HttpDrain from "../src/HttpDrain.ts"
import * as HttpRefusal from "../src/HttpRefusal.ts"
import { Service } from "./support/Service.ts"
import { Wire } from "./support/Wire.ts"

/** Two paths behind one gate with one place: `/stays` takes it and keeps it, `/` finds it taken. */
const gated = HttpRouter.use((router) =>
  Effect.gen(function* () {
    const gate = yield* DrainGate.make("uploads", { capacity: 1, whenFull: "reject" })
    yield* router.add("GET", "/stays", gate.run(Effect.never))
    yield* router.add("GET", "/", gate.run(Effect.succeed(HttpServerResponse.text("ok"))))
  })
)

/** An application's own 503, beside the refusal. */
class Maintenance extends Schema.TaggedError<Maintenance>()("Maintenance", {}, { httpApiStatus: 503 }) {}

const away = { component: "cache", state: "Down", attempts: 3, next: "retry" } as const

const Api = HttpApi.make("api").add(
  HttpApiGroup.make("jobs").add(
    HttpApiEndpoint.get("full", "/full", {
      success: HttpApiSchema.NoContent,
      error: [Maintenance, HttpRefusal.error({ retryAfter: "7.2 seconds" })]
    }),
    HttpApiEndpoint.get("stopping", "/stopping", {
      success: HttpApiSchema.NoContent,
      error: HttpRefusal.error()
    }),
    HttpApiEndpoint.get("away", "/away", {
      success: HttpApiSchema.NoContent,
      error: HttpRefusal.error()
    })
  )
)

const apiRoutes = HttpApiBuilder.layer(Api).pipe(
  Layer.provide(
    HttpApiBuilder.group(Api, "jobs", (handlers) =>
      handlers
        .handle("full", () => Effect.fail(new AtCapacity({ kind: "uploads", capacity: 1 })))
        .handle("stopping", () => Effect.fail(new ShuttingDown({ kind: "uploads" })))
        .handle("away", () => Effect.fail(new Unavailable({ ...away, retryIn: 4200, failure: "10.0.0.7 refused" })))
    )
  )
)

/** What a request is answered with, from its first byte to its last, but for the date. */
const answerOf = async (service: Service, path: string): Promise<string> => {
  const wire = await Wire.open(service.port)
  wire.get(path, "Connection: close\r\n")
  return (await wire.closed).replace(/Date: .*\r\n/, "")
}

const body = (members: object): string =>
  JSON.stringify({ type: "about:blank", title: "Service Unavailable", ...members })

const full = body({
  status: 503,
  detail: "uploads takes no more work now: 1 are in flight, its whole capacity; retry later",
  _tag: "AtCapacity",
  kind: "uploads",
  capacity: 1
})

const refusal = (body: string, retryAfter: number): string =>
  `HTTP/1.1 503 Service Unavailable\r\nretry-after: ${retryAfter}\r\ncontent-type: application/problem+json\r\n` +
  `content-length: ${body.length}\r\nConnection: close\r\n\r\n${body}`

describe("a route of a full gate", () => {
  test("answers 503 with Retry-After, and nobody has to write that down", async () => {
    const service = await Service.start(gated)
    const first = await Wire.open(service.port)
    first.get("/stays")
    await service.inFlight("uploads", 1)
    expect(await answerOf(service, "/")).toBe(refusal(full, 1))
    first.destroy()
    // A place that is free again is given away again.
    await service.inFlight("uploads", 0)
    expect(await answerOf(service, "/")).toMatch(/^HTTP\/1.1 200 [\s\S]*ok$/)
    expect((await service.stop()).outcome._tag).toBe("Clean")
  })

  test("says what the server's own Retry-After says", async () => {
    const service = await Service.start(gated, { drain: { retryAfter: "12 seconds" } })
    const first = await Wire.open(service.port)
    first.get("/stays")
    await service.inFlight("uploads", 1)
    expect(await answerOf(service, "/")).toBe(refusal(full, 12))
    first.destroy()
    await service.stop()
  })

  test("shows its 503 to the middleware around it with HttpDrain.refused", async () => {
    const seen: Array<number> = []
    const watch = HttpRouter.middleware(
      Effect.map((response: HttpServerResponse.HttpServerResponse) => (seen.push(response.status), response))
    )
    const service = await Service.start(
      HttpRouter.add("GET", "/", Effect.fail(new AtCapacity({ kind: "uploads", capacity: 1 }))).pipe(
        Layer.provide(HttpDrain.refused),
        Layer.provide(watch.layer)
      )
    )
    expect(await answerOf(service, "/")).toBe(refusal(full, 1))
    expect(seen).toEqual([503])
    await service.stop()
  })
})

test("a route that a stop refuses answers 503, and nobody has to write that down", async () => {
  const service = await Service.start(HttpRouter.add("GET", "/", Effect.fail(new ShuttingDown({ kind: "jobs" }))))
  const detail = "jobs takes no new work: the application is stopping; retry against another instance"
  expect(await answerOf(service, "/")).toBe(
    refusal(body({ status: 503, detail, _tag: "ShuttingDown", kind: "jobs" }), 1)
  )
  await service.stop()
})

describe("a route whose optional component is not up", () => {
  class Cache extends Context.Service<Cache, { readonly size: number }>()("app/Cache") {}
  const route = HttpRouter.use((router) =>
    Effect.flatMap(Optional.of(Cache), (cache) =>
      router.add(
        "GET",
        "/",
        cache.use(({ size }) => Effect.succeed(HttpServerResponse.text(`${size}`)))
      )
    )
  )
  const without = (retry: Schedule.Schedule<unknown>) =>
    Service.start(
      Layer.provide(route, Optional.layer(Cache, Layer.effect(Cache, Effect.fail("10.0.0.7 refused")), { retry }))
    )

  test("answers 503, and Retry-After says when it is tried next, not what it failed with", async () => {
    const service = await without(Schedule.spaced("1 hour"))
    await service.told("OptionalDown")
    const answer = await answerOf(service, "/")
    const retryAfter = Number(/retry-after: (\d+)/.exec(answer)?.[1])
    expect([retryAfter > 3000, retryAfter <= 3600]).toEqual([true, true])
    const retryIn = Number(/"retryIn":([\d.]+)/.exec(answer)?.[1])
    expect(Math.ceil(retryIn / 1000)).toBe(retryAfter)
    const detail = "Cache is not available now; retry later"
    const told = { _tag: "Unavailable", component: "Cache", state: "Down", attempts: 1, next: "retry", retryIn }
    expect(answer).toBe(refusal(body({ status: 503, detail, ...told }), retryAfter))
    await service.stop()
  })

  test("has no Retry-After when it has been given up", async () => {
    const service = await without(Schedule.recurs(0))
    await service.told("OptionalDown")
    const answer = await answerOf(service, "/")
    expect(answer).toMatch(/^HTTP\/1.1 503 [^]*"detail":"Cache is not available now"[^]*"next":"giveUp"/)
    expect(answer).not.toContain("retry-after")
    await service.stop()
  })
})

test("another failure stays a failure", async () => {
  const service = await Service.start(HttpRouter.add("GET", "/", Effect.fail("a bug")))
  expect(await answerOf(service, "/")).toMatch(/^HTTP\/1.1 500 /)
  await service.stop()
})

describe("an endpoint of an HttpApi that declares its refusals", () => {
  test("answers them with 503, Retry-After and a problem document", async () => {
    const service = await Service.start(apiRoutes)
    const [head, text] = (await answerOf(service, "/full")).split("\r\n\r\n")
    expect(head?.split("\r\n")).toEqual([
      "HTTP/1.1 503 Service Unavailable",
      "content-type: application/problem+json",
      `content-length: ${text?.length}`,
      "retry-after: 8",
      "Connection: close"
    ])
    expect(JSON.parse(text ?? "")).toEqual(JSON.parse(full))
    expect(await answerOf(service, "/stopping")).toMatch(/^HTTP\/1.1 503 [\s\S]*retry-after: 1\r\n/)
    const out = await answerOf(service, "/away")
    expect(out).toMatch(/^HTTP\/1.1 503 [\s\S]*retry-after: 5\r\n/)
    expect(out).not.toContain("10.0.0.7")
    await service.stop()
  })

  test("gives its client the errors that the handler failed with", async () => {
    const service = await Service.start(apiRoutes)
    const errors = await Effect.gen(function* () {
      const client = yield* HttpApiClient.make(Api, { baseUrl: `http://127.0.0.1:${service.port}` })
      return [
        yield* Effect.flip(client.jobs.full()),
        yield* Effect.flip(client.jobs.stopping()),
        yield* Effect.flip(client.jobs.away())
      ]
    }).pipe(Effect.provide(FetchHttpClient.layer), Effect.runPromise)
    expect(errors).toEqual([
      new AtCapacity({ kind: "uploads", capacity: 1 }),
      new ShuttingDown({ kind: "uploads" }),
      new Unavailable({ ...away, retryIn: 4200 })
    ])
    await service.stop()
  })
})
