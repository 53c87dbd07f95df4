import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Stream from "effect/Stream"
import { createServer } from "node:http"
import * as App from "quiesce/App"
import * as Health from "quiesce/Health"
import type { Lifecycle } from "quiesce/Lifecycle"
import * as StopReason from "quiesce/StopReason"
import { describe, expect, test, vi } from "vitest"
import * as HealthProbes from "../src/HealthProbes.ts"
import { Service } from "./support/Service.ts"

interface Body {
  readonly status: string
  readonly checks: ReadonlyArray<{ readonly name: string; readonly status: string; readonly detail: string }>
}

const probe = async (url: string, path: string) => {
  const response = await fetch(`${url}${path}`)
  const body: Body = JSON.parse(await response.text())
  return { status: response.status, type: response.headers.get("content-type"), body }
}

/** An application that starts, and stops, when it is told to. */
const scripted = async () => {
  const [mayStart, mayStop, stopping] = [
    Deferred.makeUnsafe<void>(),
    Deferred.makeUnsafe<void>(),
    Deferred.makeUnsafe<void>()
  ]
  const address = Deferred.makeUnsafe<HealthProbes.Address>()
  const Main = Layer.effectDiscard(
    Effect.gen(function* () {
      yield* Deferred.succeed(address, (yield* HealthProbes.HealthProbes).address)
      yield* Effect.acquireRelease(Deferred.await(mayStart), () =>
        Effect.andThen(Deferred.succeed(stopping, undefined), Deferred.await(mayStop))
      )
    })
  ).pipe(Layer.provide(HealthProbes.layer({ port: 0 })))
  const app = await Effect.runPromise(Effect.provide(App.start(Main), Logger.layer([])))
  const go = (deferred: Deferred.Deferred<void>) => Effect.runSync(Deferred.succeed(deferred, undefined))
  return {
    app,
    address: await Effect.runPromise(Deferred.await(address)),
    start: async () => {
      go(mayStart)
      await Effect.runPromise(
        app.lifecycle.changes.pipe(
          Stream.takeUntil((_) => _ === "Running"),
          Stream.runDrain
        )
      )
    },
    releasing: async () => {
      app.requestStopUnsafe(StopReason.requested("the test"))
      await Effect.runPromise(Deferred.await(stopping))
    },
    end: async () => {
      go(mayStop)
      return Effect.runPromise(app.stopped)
    }
  }
}

const pass = (name: string, detail: string) => ({
  status: 200,
  type: "application/health+json",
  body: { status: "pass", checks: [{ name, status: "pass", detail }] }
})
const fail = (name: string, detail: string) => ({
  status: 503,
  type: "application/health+json",
  body: { status: "fail", checks: [{ name, status: "fail", detail }] }
})

describe("the health probes", () => {
  test("say what the checks of the application say, each where it counts", async () => {
    let [cache, database, frames, schema] = [true, true, true, false]
    const ask = (name: string, ok: () => boolean) =>
      Effect.suspend(() => (ok() ? Effect.void : Effect.fail(`${name} is away`)))
    const soon = { every: 5, failuresToFlip: 1 } as const
    const Main = Layer.mergeAll(
      Layer.effectDiscard(
        Health.check(
          "cache",
          ask("cache", () => cache),
          { ...soon, impact: "Degraded" }
        )
      ),
      Layer.effectDiscard(
        Health.check(
          "database",
          ask("database", () => database),
          soon
        )
      ),
      Layer.effectDiscard(
        Health.check(
          "schema",
          ask("schema", () => schema),
          { ...soon, kind: "startup" }
        )
      ),
      Layer.effectDiscard(
        Health.liveness(
          "frames",
          ask("frames", () => frames),
          soon
        )
      ),
      Layer.effectDiscard(
        Effect.flatMap(HealthProbes.HealthProbes, ({ address: found }) => Deferred.succeed(address, found))
      ).pipe(Layer.provide(HealthProbes.layer({ port: 0 })))
    )
    const address = Deferred.makeUnsafe<HealthProbes.Address>()
    const app = await Effect.runPromise(Effect.provide(App.start(Main), Logger.layer([])))
    const { url } = await Effect.runPromise(Deferred.await(address))
    /** When every check has come to that word, what the three probes say of them. */
    const when = async (words: Readonly<Record<string, string>>) => {
      await vi.waitFor(() => {
        const { checks } = app.lifecycle.health.summaryUnsafe()
        expect(Object.fromEntries(checks.map(({ name, status }) => [name, status]))).toMatchObject(words)
      })
      const answers = await Promise.all(["/livez", "/readyz", "/startupz"].map((path) => probe(url, path)))
      return answers.map(({ body, status }) => [
        status,
        body.status,
        ...body.checks.flatMap((check) => (check.status === "pass" ? [] : [`${check.name}: ${check.detail}`]))
      ])
    }
    expect(await when({ schema: "fail" })).toEqual([
      [200, "pass"],
      [503, "fail", "schema: schema is away"],
      [503, "fail", "schema: schema is away"]
    ])
    schema = true
    expect(await when({ schema: "pass" })).toEqual([
      [200, "pass"],
      [200, "pass"],
      [200, "pass"]
    ])
    cache = false
    expect(await when({ cache: "fail" })).toEqual([
      [200, "pass"],
      [200, "warn", "cache: cache is away"],
      [200, "pass"]
    ])
    database = false
    expect(await when({ database: "fail" })).toEqual([
      [200, "pass"],
      [503, "fail", "cache: cache is away", "database: database is away"],
      [200, "pass"]
    ])
    frames = false
    expect((await when({ frames: "fail" }))[0]).toEqual([503, "fail", "frames: frames is away"])
    app.requestStopUnsafe(StopReason.finished)
    await Effect.runPromise(app.stopped)
  })

  test("follow the application from its start to the last release", async () => {
    const { address, app, end, releasing, start } = await scripted()
    const all = () => Promise.all(["/livez", "/readyz", "/startupz"].map((path) => probe(address.url, path)))
    expect(await all()).toEqual([
      pass("event-loop", "answering"),
      fail("lifecycle", "Starting: not started yet"),
      fail("lifecycle", "Starting: not started")
    ])
    await start()
    expect(await all()).toEqual([
      pass("event-loop", "answering"),
      pass("lifecycle", "Running"),
      pass("lifecycle", "started")
    ])
    await releasing()
    expect(app.lifecycle.stateUnsafe()).toBe("Releasing")
    expect(await all()).toEqual([
      pass("event-loop", "answering"),
      fail("lifecycle", "Releasing: stopping, takes no new work"),
      pass("lifecycle", "started")
    ])
    const report = await end()
    expect(report.outcome._tag).toBe("Clean")
    await expect(fetch(`${address.url}/livez`)).rejects.toThrow()
    // Provided outermost, released last.
    const stopping = app.events.filter((_) => _._tag === "ComponentStopping").map((_) => _.name)
    expect(stopping.at(-1)).toBe("HealthProbes")
  })

  test("listen on the loopback address unless told otherwise", async () => {
    const { address, end, releasing, start } = await scripted()
    expect(address).toEqual({ host: "127.0.0.1", port: address.port, url: `http://127.0.0.1:${address.port}` })
    await start()
    await releasing()
    await end()
  })

  test("say what paths there are", async () => {
    const { address, end, releasing, start } = await scripted()
    expect(await probe(address.url, "/healthz")).toMatchObject({
      status: 404,
      body: { output: "the probes are /livez, /readyz, /startupz" }
    })
    expect((await fetch(`${address.url}/livez`, { method: "POST" })).status).toBe(405)
    expect((await fetch(`${address.url}/livez`, { method: "HEAD" })).status).toBe(200)
    await start()
    await releasing()
    await end()
  })

  test("a port that is taken is an error that names it", async () => {
    const blocker = createServer().listen(0, "127.0.0.1")
    await new Promise((resolve) => blocker.once("listening", resolve))
    const { port } = blocker.address() as { port: number }
    const report = await Effect.runPromise(Effect.provide(App.launch(HealthProbes.layer({ port })), Logger.layer([])))
    expect(report.reason).toMatchObject({
      _tag: "StartFailed",
      message: expect.stringContaining(
        `the health probes cannot listen on 127.0.0.1, port ${port}: another process has it`
      )
    })
    blocker.close()
  })

  test("can be routes of the application", async () => {
    const service = await Service.start(
      Layer.mergeAll(HttpRouter.add("GET", "/", HttpServerResponse.text("ok")), HealthProbes.routes),
      { app: { lameDuck: 400 } }
    )
    const url = `http://127.0.0.1:${service.port}`
    await service.reached("Running")
    expect(await probe(url, "/readyz")).toEqual(pass("lifecycle", "Running"))
    const stopped = service.stop()
    await service.reached("LameDuck")
    expect(await probe(url, "/readyz")).toEqual(fail("lifecycle", "LameDuck: stopping, send new work elsewhere"))
    expect(await probe(url, "/livez")).toEqual(pass("event-loop", "answering"))
    await stopped
  })
})

test("the service of the probes needs nothing but the lifecycle", () => {
  const layer: Layer.Layer<HealthProbes.HealthProbes, unknown, Lifecycle> = HealthProbes.layer({ port: 0 })
  expect(Layer.isLayer(layer)).toBe(true)
})
