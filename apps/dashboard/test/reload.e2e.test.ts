import { expect, it } from "@effect/vitest"
import { closeSync, openSync, renameSync, writeFileSync, writeSync } from "node:fs"
import { join } from "node:path"
import { setTimeout } from "node:timers/promises"
import { Dashboard, until } from "./support/Dashboard.ts"
import { checkRuns, ownDatabase } from "./support/database.ts"
import { temporaryFolder } from "./support/folder.ts"
import { random } from "./support/random.ts"

const changes = 100
const clients = 8

const quick = "runDurationMin: 20 ms\nrunDurationMax: 40 ms\n"
/** Under which no run would begin any more, or none would end: that one of them was in force would be seen. */
const standstill = "workers: 0\nrunDurationMin: 1 hour\nrunDurationMax: 2 hours\n"
const broken: ReadonlyArray<(n: number) => string> = [
  (n) => `${standstill}lease: ${n}\n`,
  (n) => `${standstill}wrokers: ${n}\n`,
  (n) => `${standstill}pollInterval: [${n}\n`,
  (n) => `workers: 0\nrunDurationMin: 2 hours\nrunDurationMax: ${n} ms\n`
]

/** What the metrics say, as far as it is about the configuration. */
const configurationOf = async (dashboard: Dashboard) => {
  const metrics = await dashboard.metrics()
  const of = (name: string): number => metrics.get(`quiesce_config_${name}{config="settings"}`) ?? Number.NaN
  return {
    version: of("version"),
    rejected: of("rejected"),
    lastSuccess: Math.round(of("last_success_seconds") * 1000)
  }
}

/** Without a turn of the event loop, in which much else could happen: the writer must not look as if it were done. */
const pause = (millis: number): void => void Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, millis)

const seed = Number(process.env["SEED"] ?? 1)

it(`${changes} changes of the configuration under load, valid, broken and unchanged, fail no request and lose no run (SEED=${seed})`, async () => {
  const next = random(seed)
  const pick = (upTo: number): number => Math.floor(next() * upTo)
  using folder = temporaryFolder()
  const path = join(folder.path, "dashboard.yaml")
  let inForce = `workers: 2\n${quick}`
  writeFileSync(path, inForce)
  await using database = await ownDatabase()
  await using dashboard = await Dashboard.ready({ DATABASE_URL: database.url, CONFIG_FILE: path })
  const ids = Array.from(await dashboard.queue(1))
  const suite = 1

  const failed: Array<string> = []
  let requests = 0
  const storm = new AbortController()
  /** Over connections that are kept alive, one request after the other. */
  const client = async (): Promise<void> => {
    const ask = async (method: string, path: string, body?: unknown) => {
      requests++
      const answer = await dashboard.request(method, path, body)
      if (answer.status >= 300) failed.push(`${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`)
      return Number(answer.body["id"])
    }
    try {
      while (!storm.signal.aborted) {
        const id = await ask("POST", `/suites/${suite}/runs`, {})
        ids.push(id)
        await ask("GET", `/runs/${id}`)
        await ask("GET", "/projects?limit=5")
        await setTimeout(10)
      }
    } catch (error) {
      failed.push(String(error))
    }
  }
  const load = Promise.all(Array.from({ length: clients }, client))

  const expected = { version: 1, rejected: 0, isBroken: false }
  let asked = 0
  let inSteps = 0
  const count = { valid: 0, broken: 0, unchanged: 0 }
  const change = async (n: number): Promise<void> => {
    const kind = (["valid", "broken", "unchanged"] as const)[pick(3)] ?? "valid"
    count[kind]++
    const text =
      kind === "broken"
        ? (broken[pick(broken.length)]?.(n) ?? "")
        : kind === "valid"
          ? `workers: ${1 + pick(8)}\npollInterval: ${100 + n} ms\n${quick}`
          : inForce
    if (kind === "valid") inForce = text
    expected.version += kind === "valid" ? 1 : 0
    expected.rejected += kind === "broken" ? 1 : 0
    expected.isBroken = kind === "broken"

    const before = Date.now()
    // On request, or noticed by itself.
    const asks = pick(2) === 0
    const ask = (): void => void (asks && dashboard.signal("SIGHUP"))
    // Of every fourth, there is nothing for a moment, and then a part; that is when it is asked for.
    const steps = pick(4) === 0
    if (steps) {
      inSteps++
      const file = openSync(path, "w")
      if (pick(2) === 0) ask()
      else {
        writeSync(file, text.slice(0, pick(text.length)))
        ask()
      }
      pause(1 + pick(15))
      writeSync(file, text, 0)
      closeSync(file)
    } else {
      // In one step, so that nobody can read a part of it.
      writeFileSync(`${path}.new`, text)
      renameSync(`${path}.new`, path)
      ask()
    }
    const atMost = { ...expected }
    // A busy process may have noticed the file by itself when it hears that it is asked; then it looks again, and says so.
    if (asks && kind === "broken") atMost.rejected++
    asked += asks ? 1 : 0
    const seen = await until(`change ${n} (${kind}, seed ${seed}) is taken up`, async () => {
      const heard = dashboard.output.split(/settings is reloading \([^)]*SIGHUP/).length - 1
      const now = await configurationOf(dashboard)
      const isTakenUp = {
        valid: now.version >= expected.version,
        broken: now.rejected >= expected.rejected,
        unchanged: now.lastSuccess >= before
      }[kind]
      return heard === asked && isTakenUp && now
    })
    expect(seen.version, `change ${n} (${kind}, seed ${seed})`).toBe(expected.version)
    expect([expected.rejected, atMost.rejected], `change ${n} (${kind}, seed ${seed})`).toContain(seen.rejected)
    expected.rejected = seen.rejected
    // Degraded at most: what was in force serves on.
    expect(await dashboard.probe("/readyz")).toBe(200)
    expect(await dashboard.check("settings")).toMatchObject(
      expected.isBroken ? { status: "warn", detail: expect.stringContaining(path) } : { status: "pass" }
    )
  }
  for (let n = 1; n <= changes; n++) await change(n)

  storm.abort()
  await load
  expect(failed).toEqual([])
  console.log(`seed ${seed}: ${JSON.stringify(count)}, ${inSteps} in steps, ${requests} requests`)

  const last = await dashboard.post(`/suites/${suite}/runs`, {})
  ids.push(last)
  expect((await dashboard.metrics()).get('quiesce_tasks_running{task="run"}')).toBe(1)
  const { code } = await dashboard.signal("SIGTERM").exited
  expect(code).toBe(0)
  expect(dashboard.report).toMatchObject({ outcome: { _tag: "Clean" }, reason: { signal: "SIGTERM" }, stragglers: [] })
  expect(await checkRuns(database.url, ids)).toBeGreaterThan(changes)
})
