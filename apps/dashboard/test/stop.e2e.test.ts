import { describe, expect, it } from "@effect/vitest"
import { Dashboard, until } from "./support/Dashboard.ts"
import { checkRuns, ownDatabase } from "./support/database.ts"

const brief = { RUN_DURATION_MIN: "600 ms", RUN_DURATION_MAX: "700 ms" }
const endless = { RUN_DURATION_MIN: "1 hour", RUN_DURATION_MAX: "1 hour" }
const quick = { RUN_DURATION_MIN: "20 ms", RUN_DURATION_MAX: "40 ms", POLL_INTERVAL: "50 ms" }

const isRunning = async (dashboard: Dashboard, id: number) => (await dashboard.run(id)).status === "running"

/** Everything in the queue is executed by a dashboard that starts now. */
const finishAll = async (url: string, ids: ReadonlyArray<number>, env: Record<string, string> = {}): Promise<void> => {
  await using dashboard = await Dashboard.ready({ DATABASE_URL: url, ...quick, WORKERS: "8", ...env })
  for (const id of ids) {
    await until(`run ${id} is done`, async () => ["passed", "failed"].includes((await dashboard.run(id)).status))
  }
  expect(await dashboard.signal("SIGTERM").exited).toMatchObject({ code: 0 })
}

describe("a dashboard that is stopped", () => {
  it("by SIGTERM finishes the runs in hand, leaves the others in the queue, and exits with 0", async () => {
    await using database = await ownDatabase()
    await using dashboard = await Dashboard.ready({ DATABASE_URL: database.url, ...brief })
    const ids = await dashboard.queue(5)
    await until("two runs are executed", () => isRunning(dashboard, ids[1] ?? 0))
    const ended = await dashboard.signal("SIGTERM").exited
    expect(ended).toMatchObject({ code: 0, signal: null })
    expect(ended.after).toBeLessThan(8000) // long before its grace period is over
    expect(dashboard.report).toMatchObject({
      name: "dashboard",
      outcome: { _tag: "Clean" },
      reason: { _tag: "Signal", signal: "SIGTERM" },
      stragglers: [],
      failures: []
    })
    expect(dashboard.report.awaited.find((wait) => wait.name === "run")).toMatchObject({ result: "done" })
    expect(dashboard.report.components.map((component) => component.name)).toEqual(
      expect.arrayContaining(["settings", "postgres", "migrations", "http", "api", "worker", "health"])
    )
    expect(await checkRuns(database.url, ids)).toBe(2)
    await finishAll(database.url, ids)
    expect(await checkRuns(database.url, ids)).toBe(5)
  })

  it("with a lame duck is no longer ready at once, and serves on until it is over", async () => {
    await using database = await ownDatabase()
    await using dashboard = await Dashboard.ready({ DATABASE_URL: database.url, LAME_DUCK: "4 s" })
    expect([await dashboard.probe("/readyz"), await dashboard.probe("/startupz")]).toEqual([200, 200])
    dashboard.signal("SIGTERM")
    await dashboard.says(/Running -> LameDuck/)
    expect([await dashboard.probe("/readyz"), await dashboard.probe("/livez")]).toEqual([503, 200])
    expect((await dashboard.request("GET", "/projects")).status).toBe(200)
    expect(dashboard.output).not.toContain("LameDuck -> Draining")
    expect(await dashboard.exited).toMatchObject({ code: 0 })
  })

  it("by SIGTERM puts back the runs that cannot finish in time, and the next start completes each once", async () => {
    await using database = await ownDatabase()
    await using dashboard = await Dashboard.ready({ DATABASE_URL: database.url, ...endless, GRACE_PERIOD: "2 s" })
    const ids = await dashboard.queue(3)
    await until("two runs are executed", () => isRunning(dashboard, ids[1] ?? 0))
    const ended = await dashboard.signal("SIGTERM").exited
    expect(ended.code).toBe(0) // 124 where the grace period was used up
    expect(ended.after).toBeLessThan(6000)
    expect(dashboard.output).toContain(`run ${ids[0]} goes back to the queue`)
    expect(dashboard.report).toMatchObject({ outcome: { _tag: "Clean" }, stragglers: [] })
    expect(await checkRuns(database.url, ids)).toBe(0)
    await finishAll(database.url, ids)
    expect(await checkRuns(database.url, ids)).toBe(3)
  })

  it("by a second SIGINT leaves at once with 130, and the run in hand is taken back at the next start", async () => {
    await using database = await ownDatabase()
    const env = { DATABASE_URL: database.url, INSTANCE: "twice" }
    await using dashboard = await Dashboard.ready({ ...env, ...endless })
    const ids = await dashboard.queue(1)
    await until("it is executed", () => isRunning(dashboard, ids[0] ?? 0))
    dashboard.signal("SIGINT")
    await dashboard.says(/waiting for \d run/)
    // Repeats within 250 ms are the same Ctrl+C, so the second one is sent until it counts.
    const second = performance.now()
    const again = setInterval(() => dashboard.signal("SIGINT"), 50)
    const ended = await dashboard.exited.finally(() => clearInterval(again))
    expect(ended).toMatchObject({ code: 130, signal: null })
    expect(performance.now() - second).toBeLessThan(5000) // a run takes an hour
    expect(dashboard.report).toMatchObject({
      outcome: { _tag: "Forced", signal: "SIGINT" },
      stragglers: [{ kind: "run" }]
    })
    expect(await checkRuns(database.url, ids, { killed: true })).toBe(0)
    await finishAll(database.url, ids, { INSTANCE: "twice" })
    expect(await checkRuns(database.url, ids)).toBe(1)
  })

  it("under load answers every request it accepted, and no run that it said was queued is lost or doubled", async () => {
    await using database = await ownDatabase()
    const env = { DATABASE_URL: database.url, ...quick }
    const queued = new Map<string, number>()
    const open = new Set<string>()
    let failed = 0
    {
      await using dashboard = await Dashboard.ready(env)
      await dashboard.queue(1)
      const client = async (name: number): Promise<void> => {
        for (let n = 0; ; n++) {
          const key = `${name}-${n}`
          open.add(key)
          const answer = await dashboard
            .request("POST", "/suites/1/runs", {}, { "idempotency-key": key })
            .catch(() => undefined)
          if (answer === undefined || answer.status === 503) return // refused, or the door is closed: the retry is below
          open.delete(key)
          if (answer.status === 202) queued.set(key, Number(answer.body["id"]))
          else failed++
        }
      }
      const clients = Array.from({ length: 20 }, (_, name) => client(name))
      await until("the load has begun", async () => queued.size > 100)
      expect(await dashboard.signal("SIGTERM").exited).toMatchObject({ code: 0 })
      await Promise.all(clients)
    }
    expect(failed).toBe(0)
    {
      await using dashboard = await Dashboard.ready({ ...env, WORKERS: "8" })
      // Whoever got no answer asks again with the same key; so do some who got one.
      for (const key of [...open, ...Array.from(queued.keys()).slice(0, 20)]) {
        const answer = await dashboard.request("POST", "/suites/1/runs", {}, { "idempotency-key": key })
        expect(answer.status).toBe(202)
        expect(answer.body["id"]).toBe(queued.get(key) ?? answer.body["id"])
        queued.set(key, Number(answer.body["id"]))
      }
      await until("the queue is empty", async () => {
        const left = await Promise.all(
          ["queued", "running"].map((status) => dashboard.request("GET", `/runs?status=${status}`))
        )
        return left.every(({ body }) => (body["items"] as Array<unknown>).length === 0)
      })
      expect(await dashboard.signal("SIGTERM").exited).toMatchObject({ code: 0 })
    }
    const ids = Array.from(queued.values())
    expect(new Set(ids).size).toBe(ids.length)
    expect(await checkRuns(database.url, ids)).toBe(ids.length + 1)
  })
})
