import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { expect, layer } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as HttpRouter from "effect/http/HttpRouter"
import * as Layer from "effect/Layer"
import { SqlClient } from "effect/sql/SqlClient"
import { routes } from "../src/api/Http.ts"
import { stores, storesWith } from "./support/stores.ts"

interface Answer {
  readonly status: number
  readonly headers: Headers
  readonly body: Record<string, unknown>
  /** The id in the body. */
  readonly id: number
}

interface CallOptions {
  readonly body?: unknown
  readonly headers?: Record<string, string>
}

/** The API without a server: requests go in, answers come out. */
class Client extends Context.Service<
  Client,
  { readonly call: (method: string, path: string, options?: CallOptions) => Effect.Effect<Answer> }
>()("test/Client") {
  static readonly layer = Layer.effect(
    Client,
    Effect.gen(function* () {
      const context = yield* Effect.context<Layer.Success<typeof stores>>()
      const served = routes.pipe(
        Layer.provide(NodeHttpServer.layerHttpServices),
        Layer.provide(Layer.succeedContext(context))
      )
      const { handler } = yield* Effect.acquireRelease(
        Effect.sync(() => HttpRouter.toWebHandler(served, { disableLogger: true })),
        ({ dispose }) => Effect.promise(dispose)
      )
      const call = (method: string, path: string, { body, headers = {} }: CallOptions = {}) =>
        Effect.promise(async (): Promise<Answer> => {
          const init =
            body === undefined
              ? { method, headers }
              : {
                  method,
                  headers: { "content-type": "application/json", ...headers },
                  body: typeof body === "string" ? body : JSON.stringify(body)
                }
          const response = await handler(new Request(`http://dashboard${path}`, init))
          const text = await response.text()
          const json = text.startsWith("{") || text.startsWith("[")
          const answer: Record<string, unknown> = json ? JSON.parse(text) : { text }
          return { status: response.status, headers: response.headers, body: answer, id: Number(answer["id"]) }
        })
      return Client.of({ call })
    })
  )
}

const call = (method: string, path: string, options?: CallOptions) =>
  Effect.flatMap(Client, (client) => client.call(method, path, options))

const post = (path: string, body: unknown, headers: Record<string, string> = {}) =>
  call("POST", path, { body, headers })
const get = (path: string) => call("GET", path)

const aSuite = Effect.gen(function* () {
  const project = yield* post("/projects", { name: `project ${crypto.randomUUID()}` })
  const suite = yield* post(`/projects/${project.id}/suites`, { name: "checkout", cases: ["cart", "payment"] })
  return { project: project.id, suite: suite.id }
})

layer(Client.layer.pipe(Layer.provideMerge(stores)), { excludeTestServices: true })((it) => {
  it.effect("a project, a suite and a run are created, found again and listed", () =>
    Effect.gen(function* () {
      const project = yield* post("/projects", { name: "shop", description: "the web shop" })
      expect([project.status, project.body]).toMatchObject([201, { name: "shop", description: "the web shop" }])
      const { id } = project
      const suite = yield* post(`/projects/${id}/suites`, { name: "checkout", cases: ["cart", "payment"] })
      expect([suite.status, suite.body]).toMatchObject([201, { projectId: id, cases: ["cart", "payment"] }])
      const run = yield* post(`/suites/${suite.id}/runs`, { label: "nightly" })
      expect([run.status, run.body]).toMatchObject([202, { status: "queued", label: "nightly", attempt: 0 }])

      expect(yield* get(`/projects/${id}`)).toMatchObject({ status: 200, body: project.body })
      expect(yield* get(`/suites/${suite.id}`)).toMatchObject({ status: 200, body: suite.body })
      expect(yield* get(`/runs/${run.id}`)).toMatchObject({ status: 200, body: run.body })
      expect((yield* get(`/projects/${id}/suites`)).body).toEqual({ items: [suite.body], next: null })
      expect((yield* get(`/runs?suiteId=${suite.id}&status=queued`)).body).toEqual({
        items: [run.body],
        next: null
      })
      expect((yield* get(`/runs?suiteId=${suite.id}&status=passed`)).body).toEqual({ items: [], next: null })
      expect((yield* get(`/runs/${run.id}/results`)).body).toEqual([])
      expect((yield* get(`/runs/${run.id}/events`)).body).toMatchObject({
        items: [{ kind: "queued" }],
        next: null
      })
    })
  )

  it.effect("a list comes in pages that together hold everything once, newest first", () =>
    Effect.gen(function* () {
      const { suite } = yield* aSuite
      for (let n = 0; n < 7; n++) yield* post(`/suites/${suite}/runs`, {})
      const ids: Array<number> = []
      const sizes: Array<number> = []
      let before = ""
      while (true) {
        const { body } = yield* get(`/runs?suiteId=${suite}&limit=3${before}`)
        const page = body as { items: Array<{ id: number }>; next: number | null }
        ids.push(...page.items.map((run) => run.id))
        sizes.push(page.items.length)
        if (page.next === null) break
        before = `&before=${page.next}`
      }
      expect(sizes).toEqual([3, 3, 1])
      expect(ids).toEqual(ids.toSorted((a, b) => b - a))
      expect(new Set(ids).size).toBe(7)
    })
  )

  it.effect("the events of a run can be followed from the last one seen", () =>
    Effect.gen(function* () {
      const { suite } = yield* aSuite
      const run = yield* post(`/suites/${suite}/runs`, {})
      const first = (yield* get(`/runs/${run.id}/events?limit=1`)).body as { items: Array<{ id: number }> }
      expect((yield* get(`/runs/${run.id}/events?after=${first.items[0]?.id}`)).body).toEqual({
        items: [],
        next: null
      })
    })
  )

  it.effect("a repeated request with the same Idempotency-Key is answered with the run that is there", () =>
    Effect.gen(function* () {
      const { suite } = yield* aSuite
      const key = { "Idempotency-Key": "nightly-1" }
      const first = yield* post(`/suites/${suite}/runs`, { label: "nightly" }, key)
      const again = yield* post(`/suites/${suite}/runs`, { label: "nightly" }, key)
      expect([again.status, again.body]).toEqual([202, first.body])
      const other = yield* post(`/suites/${suite}/runs`, { label: "weekly" }, key)
      expect([other.status, other.body["message"]]).toEqual([
        409,
        expect.stringContaining(`"nightly-1" was used for run ${first.id}`)
      ])
    })
  )

  const refused: ReadonlyArray<readonly [what: string, method: string, path: string, body: unknown, field: string]> = [
    ["an empty name", "POST", "/projects", { name: "" }, "body.name"],
    ["a missing name", "POST", "/projects", {}, "body.name"],
    ["a name that is no string", "POST", "/projects", { name: 7 }, "body.name"],
    ["a name with spaces around it", "POST", "/projects", { name: " shop " }, "body.name"],
    ["a body that is no JSON", "POST", "/projects", "{", "body"],
    ["no cases", "POST", "/projects/1/suites", { name: "a", cases: [] }, "body.cases"],
    ["an empty case", "POST", "/projects/1/suites", { name: "a", cases: ["x", ""] }, "body.cases.1"],
    ["the same case twice", "POST", "/projects/1/suites", { name: "a", cases: ["x", "x"] }, "body.cases"],
    ["an id that is no number", "GET", "/runs/abc", undefined, "path.runId"],
    ["an id that no run can have", "GET", "/runs/99999999999", undefined, "path.runId"],
    ["a page of zero", "GET", "/runs?limit=0", undefined, "query.limit"],
    ["a page of a thousand", "GET", "/projects?limit=1000", undefined, "query.limit"],
    ["an unknown status", "GET", "/runs?status=lost", undefined, "query.status"]
  ]
  for (const [what, method, path, body, field] of refused) {
    it.effect(`${what} is a 400 that names ${field}`, () =>
      Effect.gen(function* () {
        const answer = yield* call(method, path, { body })
        expect(answer.status).toBe(400)
        expect(answer.body).toMatchObject({ _tag: "InvalidRequest", issues: [{ field }] })
        expect(answer.body["message"]).toContain(`${field}: `)
      })
    )
  }

  it.effect("an empty Idempotency-Key is a 400 that names the header", () =>
    Effect.gen(function* () {
      const { suite } = yield* aSuite
      const answer = yield* post(`/suites/${suite}/runs`, {}, { "Idempotency-Key": "" })
      expect([answer.status, answer.body]).toMatchObject([400, { issues: [{ field: "header.idempotency-key" }] }])
    })
  )

  it.effect("a name that is taken is a 409 that says so", () =>
    Effect.gen(function* () {
      yield* post("/projects", { name: "taken" })
      const { body, status } = yield* post("/projects", { name: "taken" })
      expect([status, body["message"]]).toEqual([409, 'a project named "taken" exists already; choose another name'])
      const { project } = yield* aSuite
      const suite = yield* post(`/projects/${project}/suites`, { name: "checkout", cases: ["a"] })
      expect(suite.status).toBe(409)
    })
  )

  const missing: ReadonlyArray<readonly [method: string, path: string]> = [
    ["GET", "/projects/999999"],
    ["GET", "/projects/999999/suites"],
    ["GET", "/suites/999999"],
    ["GET", "/runs/999999"],
    ["GET", "/runs/999999/results"],
    ["GET", "/runs/999999/events"],
    ["POST", "/suites/999999/runs"]
  ]
  for (const [method, path] of missing) {
    it.effect(`${method} ${path} is a 404 that says what is not there and where to look`, () =>
      Effect.gen(function* () {
        const { body, status } = yield* call(method, path, method === "POST" ? { body: {} } : {})
        expect(status).toBe(404)
        expect(body["message"]).toMatch(/^there is no (project|suite|run) 999999; GET \//)
      })
    )
  }

  it.effect("an unknown path is a 404 that points to the documentation", () =>
    Effect.gen(function* () {
      const { body, status } = yield* get("/nothing")
      expect([status, body["message"]]).toEqual([404, "there is no such page; GET /docs shows all there are"])
    })
  )

  it.effect("the OpenAPI document has every path, and the documentation page shows it", () =>
    Effect.gen(function* () {
      const openapi = yield* get("/openapi.json")
      expect(Object.keys(openapi.body["paths"] as object).toSorted()).toEqual([
        "/projects",
        "/projects/{projectId}",
        "/projects/{projectId}/suites",
        "/runs",
        "/runs/{runId}",
        "/runs/{runId}/events",
        "/runs/{runId}/results",
        "/suites/{suiteId}",
        "/suites/{suiteId}/runs"
      ])
      const docs = yield* get("/docs")
      expect([docs.status, docs.headers.get("content-type"), docs.body["text"]]).toEqual([
        200,
        expect.stringContaining("text/html"),
        expect.stringContaining("QA dashboard")
      ])
    })
  )

  it.effect("a defect is a 500 that says so, and not an empty one", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient
      yield* sql`alter table case_results rename to elsewhere`
      const { suite } = yield* aSuite
      const run = yield* post(`/suites/${suite}/runs`, {})
      const { body, status } = yield* get(`/runs/${run.id}/results`)
      yield* sql`alter table elsewhere rename to case_results`
      expect([status, body["_tag"]]).toEqual([500, "InternalError"])
    })
  )
})

layer(Client.layer.pipe(Layer.provideMerge(storesWith({ INTAKE: "1" }))), { excludeTestServices: true })((it) => {
  it.effect(
    "requests to queue a run that the database keeps waiting are accepted up to a limit, and then refused",
    () =>
      Effect.gen(function* () {
        const { suite } = yield* aSuite
        const sql = yield* SqlClient
        const queue = Effect.forkChild(post(`/suites/${suite}/runs`, {}))
        const [refused, both] = yield* sql.withTransaction(
          Effect.gen(function* () {
            yield* sql`lock table runs in exclusive mode`
            const both = [yield* queue, yield* queue] as const
            return [yield* Effect.raceFirst(Fiber.join(both[0]), Fiber.join(both[1])), both] as const
          })
        )
        expect([refused.status, refused.headers.get("retry-after")]).toEqual([503, "1"])
        expect(refused.body).toMatchObject({ _tag: "AtCapacity", capacity: 1 })
        const statuses = Array.from(yield* Fiber.joinAll(both), ({ status }) => status)
        expect(statuses.toSorted((a, b) => a - b)).toEqual([202, 503])
      })
  )

  it.effect("metrics are there for Prometheus", () =>
    Effect.gen(function* () {
      const { body } = yield* get("/metrics")
      expect(body["text"]).toMatch(/^quiesce_check\{check="database",kind="readiness"\} [01]$/m)
    })
  )
})
