import { expect, it } from "@effect/vitest"
import { vi } from "vitest"
import { Dashboard, until } from "./support/Dashboard.ts"
import { checkRuns, ownDatabase } from "./support/database.ts"
import { random } from "./support/random.ts"

const grace = 2000
/** What two busy cores may add until a process hears of a signal, and until we hear of its end. */
const slack = 2000
const instants = 40
/** Half of them meet a start, wherever it is by then, and half an application that runs. */
interface Instant {
  readonly after: "spawn" | "ready"
  readonly millis: number
}

// A busy machine needs longer for each start.
vi.setConfig({ testTimeout: 600_000 })

it(`SIGTERM at ${instants} random instants, start included, always ends in time with 0, and loses no run`, async () => {
  const seed = Number(process.env["SEED"] ?? Date.now() % 1_000_000)
  const next = random(seed)
  await using database = await ownDatabase()
  // Most runs can finish in the half of the grace period that they are given, some cannot.
  const env = {
    DATABASE_URL: database.url,
    GRACE_PERIOD: `${grace} ms`,
    RUN_DURATION_MIN: "50 ms",
    RUN_DURATION_MAX: "1500 ms"
  }
  const ids: Array<number> = []
  const began = performance.now()
  /** How long a start takes on this machine. */
  let start: number
  {
    await using dashboard = await Dashboard.ready({ ...env, WORKERS: "0" })
    start = performance.now() - began
    ids.push(...(await dashboard.queue(80)))
    await dashboard.signal("SIGTERM").exited
  }

  const stopAt = async ({ after, millis }: Instant): Promise<"before" | "starting" | "running"> => {
    await using dashboard = new Dashboard(env)
    if (after === "ready") await dashboard.says(/Starting -> Running/)
    await new Promise((resolve) => setTimeout(resolve, millis))
    const asked = Date.now()
    const { code, signal } = await dashboard.signal("SIGTERM").exited
    const gone = Date.now()
    const context = `seed ${seed}, SIGTERM ${Math.round(millis)} ms after ${after}:\n${dashboard.output}`
    // Before Node has run the first lines of main.ts there is nothing that could listen, and nothing to stop.
    if (signal === "SIGTERM" && dashboard.output === "") return "before"
    expect(code, context).toBe(0)
    const { duration, failures, outcome, startedAt, uptime } = dashboard.report
    const met = dashboard.output.includes("Starting -> Running") ? "running" : "starting"
    expect([outcome, failures], context).toEqual([{ _tag: "Clean" }, []])
    expect(duration, context).toBeLessThanOrEqual(grace + slack)
    expect(gone - (startedAt + uptime + duration), context).toBeLessThan(slack)
    // While modules are loaded no JavaScript listens, so then the stop begins a little later.
    if (met === "running") expect(startedAt + uptime - asked, context).toBeLessThan(slack)
    return met
  }

  // Two at a time: they share the queue, as instances do.
  const left = Array.from({ length: instants }, (_, n): Instant =>
    n % 2 === 0 ? { after: "spawn", millis: next() * start * 1.5 } : { after: "ready", millis: next() * 1000 }
  )
  const count = { before: 0, starting: 0, running: 0 }
  const lane = async (): Promise<void> => {
    for (let instant = left.pop(); instant !== undefined; instant = left.pop()) count[await stopAt(instant)]++
  }
  await Promise.all([lane(), lane()])
  console.log(`seed ${seed}: before ${count.before}, starting ${count.starting}, running ${count.running}`)
  expect(count.starting, "stops during the start").toBeGreaterThan(0)
  expect(count.running, "stops while running").toBeGreaterThan(0)

  await checkRuns(database.url, ids)
  await using dashboard = await Dashboard.ready({
    ...env,
    WORKERS: "16",
    RUN_DURATION_MAX: "60 ms",
    POLL_INTERVAL: "50 ms"
  })
  for (const id of ids) {
    await until(`run ${id} is done`, async () => ["passed", "failed"].includes((await dashboard.run(id)).status))
  }
  expect(await dashboard.signal("SIGTERM").exited).toMatchObject({ code: 0 })
  expect(await checkRuns(database.url, ids)).toBe(ids.length)
})
