import { describe, expect, it } from "@effect/vitest"
import * as EmbeddedPostgres from "@quiesce/sql-pg/EmbeddedPostgres"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Redacted from "effect/Redacted"
import * as Scope from "effect/Scope"
import { readFileSync } from "node:fs"
import { createServer } from "node:net"
import { join } from "node:path"
import { inject } from "vitest"
import { Dashboard, until } from "./support/Dashboard.ts"
import { checkRuns, ownDatabase } from "./support/database.ts"
import { temporaryFolder } from "./support/folder.ts"

const endless = { RUN_DURATION_MIN: "1 hour", RUN_DURATION_MAX: "1 hour" }
const quick = { RUN_DURATION_MIN: "20 ms", RUN_DURATION_MAX: "40 ms", POLL_INTERVAL: "50 ms" }

const isDone = async (dashboard: Dashboard, id: number) => {
  const run = await dashboard.run(id)
  return ["passed", "failed"].includes(run.status) && run
}
const isRunning = async (dashboard: Dashboard, id: number) => (await dashboard.run(id)).status === "running"

/** The process id of the server in a data folder: the first line of its postmaster.pid. */
const serverPid = (dataDir: string): number =>
  Number(readFileSync(join(dataDir, "postgres", "cluster", "postmaster.pid"), "utf8").split("\n")[0])

describe("a dashboard that is killed with -9", () => {
  it("finds its data at the next start, and completes the run that was under execution, once", async () => {
    using folder = temporaryFolder()
    const env = { DATA_DIR: folder.path, GRACE_PERIOD: "5 s" }
    await using first = await Dashboard.ready({ ...env, ...endless })
    const ids = await first.queue(3)
    await until("two runs are executed", () => isRunning(first, ids[1] ?? 0))
    expect(await first.signal("SIGKILL").exited).toMatchObject({ code: null, signal: "SIGKILL" })

    await using second = await Dashboard.ready({ ...env, ...quick })
    expect(second.output).toContain(`runs ${ids[0]}, ${ids[1]} are queued again`)
    expect((await second.request("GET", "/projects")).body["items"]).toHaveLength(1)
    for (const id of ids) await until(`run ${id} is done`, () => isDone(second, id))
    expect((await second.run(ids[0] ?? 0)).attempt).toBe(2)
    expect((await second.run(ids[2] ?? 0)).attempt).toBe(1)
    const url = readFileSync(join(folder.path, "postgres", "url"), "utf8")
    expect(await checkRuns(url, ids)).toBe(3)
    expect(await second.signal("SIGTERM").exited).toMatchObject({ code: 0 })
  })

  it("on a shared database loses its runs to another instance when their lease ends, and not before", async () => {
    await using database = await ownDatabase()
    const env = { DATABASE_URL: database.url, LEASE: "3 s" }
    await using first = await Dashboard.ready({ ...env, ...endless })
    const ids = await first.queue(1)
    const id = ids[0] ?? 0
    await until("it is executed", () => isRunning(first, id))
    await using second = await Dashboard.ready({ ...env, ...quick })
    // Both live: the first one renews its lease, so the second leaves it alone for longer than a lease.
    const since = performance.now()
    while (performance.now() - since < 4500) {
      expect(await second.run(id)).toMatchObject({ status: "running", attempt: 1 })
    }
    await first.signal("SIGKILL").exited
    expect(await until("the other instance completes it", () => isDone(second, id))).toMatchObject({ attempt: 2 })
    expect(await checkRuns(database.url, ids)).toBe(1)
    expect(await second.signal("SIGTERM").exited).toMatchObject({ code: 0 })
  })
})

describe("a dashboard whose database", () => {
  it("is not there at the start says which one, never the password, and exits with 1", async () => {
    await using dashboard = new Dashboard({
      DATABASE_URL: "postgres://app:hunter2@127.0.0.1:1/qa",
      DATABASE_WAIT: "500 ms"
    })
    expect(await dashboard.exited).toMatchObject({ code: 1 })
    expect(dashboard.output).toContain("postgres at 127.0.0.1:1/qa is not reachable")
    expect(dashboard.output).toContain("start the server there or correct host and port")
    expect(dashboard.output).not.toContain("hunter2")
    expect(dashboard.report).toMatchObject({ exitCode: 1, reason: { _tag: "StartFailed" } })
  })

  it("refuses the password says for which user, at once, and exits with 1", async () => {
    const url = new URL(inject("postgres"))
    url.password = "hunter2"
    await using dashboard = new Dashboard({ DATABASE_URL: url.href })
    expect(await dashboard.exited).toMatchObject({ code: 1 })
    expect(dashboard.report.failures.join()).toContain('refused user "postgres"')
    expect(dashboard.output).not.toContain("hunter2")
  })

  it("has an unusable URL names the variable, never the password, and exits with 78", async () => {
    await using dashboard = new Dashboard({ DATABASE_URL: "mysql://app:hunter2@127.0.0.1/qa" })
    expect(await dashboard.exited).toMatchObject({ code: 78 })
    expect(dashboard.output).toContain("DATABASE_URL: it must begin with postgres://")
    expect(dashboard.output).not.toContain("hunter2")
  })

  it("is its own and dies stops itself with 1 and a report that says so; the next start has all the data", async () => {
    using folder = temporaryFolder()
    const env = { DATA_DIR: folder.path, GRACE_PERIOD: "10 s" }
    await using first = await Dashboard.ready({ ...env, ...endless })
    const ids = await first.queue(2)
    await until("both are executed", () => isRunning(first, ids[1] ?? 0))
    const killed = performance.now()
    process.kill(serverPid(folder.path), "SIGKILL")
    expect((await first.exited).code).toBe(1)
    expect(performance.now() - killed).toBeLessThan(9000) // before its grace period is over
    expect(first.report.reason).toMatchObject({ _tag: "ComponentFailed", component: "embedded-postgres" })
    expect(first.report.failures.join("\n")).toContain("embedded Postgres ended on its own")
    expect(first.report.failures.join("\n")).toContain(`the database did not take runs ${ids.join(", ")} back`)

    await using second = await Dashboard.ready({ ...env, ...quick })
    for (const id of ids) await until(`run ${id} is done`, () => isDone(second, id))
    expect(await checkRuns(readFileSync(join(folder.path, "postgres", "url"), "utf8"), ids)).toBe(2)
    expect(await second.signal("SIGTERM").exited).toMatchObject({ code: 0 })
  })

  it("is a real server and goes away answers 503, is not ready, and stores its result when it is back", async () => {
    using folder = temporaryFolder()
    const start = async () => {
      const scope = Scope.makeUnsafe()
      const server = await Effect.runPromise(
        Scope.provide(EmbeddedPostgres.scoped({ dataDir: join(folder.path, "server"), durable: false }), scope)
      )
      return { ...server, close: () => Effect.runPromise(Scope.close(scope, Exit.void)) }
    }
    const server = await start()
    const url = Redacted.value(server.url)
    const { host } = new URL(url)
    const check = 'quiesce_check{check="database",kind="readiness"}'
    await using dashboard = await Dashboard.ready({
      DATABASE_URL: url,
      RUN_DURATION_MIN: "1 s",
      RUN_DURATION_MAX: "1 s",
      POLL_INTERVAL: "50 ms",
      WORKERS: "1"
    })
    const ids = await dashboard.queue(2)
    await until("one is executed", () => isRunning(dashboard, ids[0] ?? 0))
    expect(await dashboard.probe("/readyz")).toBe(200)
    await server.close()
    const outage = await until("the API says so", async () => {
      const answer = await dashboard.request("GET", "/runs")
      return answer.status === 503 && answer
    })
    expect(outage.body).toMatchObject({ _tag: "Unavailable", message: expect.stringContaining("try again") })
    await until("it is not ready", async () => (await dashboard.probe("/readyz")) === 503)
    expect(await dashboard.check("database")).toMatchObject({ status: "fail", detail: expect.stringContaining(host) })
    expect((await dashboard.metrics()).get(check)).toBe(0)
    expect(await dashboard.probe("/livez")).toBe(200)
    await dashboard.says(/could not store the result yet/)
    const back = await start()
    expect(Redacted.value(back.url)).toBe(url)
    await until("it is ready again", async () => (await dashboard.probe("/readyz")) === 200)
    expect((await dashboard.metrics()).get(check)).toBe(1)
    for (const id of ids) await until(`run ${id} is done`, () => isDone(dashboard, id))
    expect((await dashboard.run(ids[0] ?? 0)).attempt).toBe(1)
    expect(await checkRuns(url, ids)).toBe(2)
    expect(await dashboard.signal("SIGTERM").exited).toMatchObject({ code: 0 })
    await back.close()
  })
})

describe("a dashboard whose port is taken", () => {
  for (const variable of ["PORT", "HEALTH_PORT"]) {
    it(`says which one and that ${variable} can be changed, releases everything and exits with 1`, async () => {
      await using database = await ownDatabase()
      const other = createServer().listen(0, "127.0.0.1")
      await new Promise((resolve) => other.once("listening", resolve))
      const address = other.address()
      const port = typeof address === "object" && address !== null ? address.port : 0
      await using dashboard = new Dashboard({ DATABASE_URL: database.url, [variable]: String(port) })
      expect(await dashboard.exited).toMatchObject({ code: 1 })
      expect(dashboard.output).toContain(`127.0.0.1:${port}`)
      expect(dashboard.output).toContain(`set ${variable} to another port`)
      expect(dashboard.report).toMatchObject({ reason: { _tag: "StartFailed" } })
      expect(dashboard.report.components.filter(({ end }) => end === "running" || end === "abandoned")).toEqual([])
      other.close()
    })
  }
})

describe("a dashboard that is configured wrongly", () => {
  it("names every variable and what it must be, and exits with 78, even if that is what its runner reads", async () => {
    await using dashboard = new Dashboard({ GRACE_PERIOD: "soon", LOG_FORMAT: "xml", WORKERS: "x" })
    expect(await dashboard.exited).toMatchObject({ code: 78 })
    for (const text of ["GRACE_PERIOD: expected", "LOG_FORMAT: expected", "WORKERS (workers): expected"]) {
      expect(dashboard.output).toContain(text)
    }
  })

  it("begins no empty database of its own in production", async () => {
    using folder = temporaryFolder()
    await using dashboard = new Dashboard({ NODE_ENV: "production", DATA_DIR: folder.path })
    expect(await dashboard.exited).toMatchObject({ code: 78 })
    expect(dashboard.output).toContain("DATABASE_URL")
  })
})
