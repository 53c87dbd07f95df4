import { expect, it } from "@effect/vitest"
import * as Chaos from "@quiesce/testing/Chaos"
import * as ChildApp from "@quiesce/testing/ChildApp"
import * as FaultProxy from "@quiesce/testing/FaultProxy"
import * as TestPostgres from "@quiesce/sql-pg/TestPostgres"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { join } from "node:path"
import { inject } from "vitest"
import { processOptions } from "../src/settings/processOptions.ts"
import { queueRuns, type Told } from "./support/client.ts"
import { until } from "./support/Dashboard.ts"
import { checkKeys, checkRuns } from "./support/database.ts"
import * as KillablePostgres from "./support/KillablePostgres.ts"

interface World {
  readonly lane: number
  readonly postgres: KillablePostgres.KillablePostgres
  /** Between the dashboard and its database. */
  readonly wire: FaultProxy.FaultProxy
  readonly told: Told
  /** Between the clients and the dashboard, and what is wrong there; each start has another port. */
  web: FaultProxy.FaultProxy | undefined
  webFault: FaultProxy.Fault | undefined
}

const clients = 4
/** What a stop under such a fault cannot write is named and left to its lease (70); a start that needs it may fail (1). */
const excuses = [1, 70]

const onWire = (name: string, fault: FaultProxy.Fault, excuses: ReadonlyArray<number>): Chaos.Fault<World> => ({
  name,
  strike: ({ wire }) => wire.set(fault),
  heal: ({ wire }) => wire.heal,
  excuses
})

const setWeb = (world: World, fault: FaultProxy.Fault | undefined) =>
  Effect.suspend(() => {
    world.webFault = fault
    if (world.web === undefined) return Effect.void
    return fault === undefined ? world.web.heal : world.web.set(fault)
  })

/** Nothing excuses anything here: what clients do is no reason for a stop that is not in order. */
const onWeb = (name: string, fault: FaultProxy.Fault): Chaos.Fault<World> => ({
  name,
  strike: (world) => setWeb(world, fault),
  heal: (world) => setWeb(world, undefined)
})

const databaseFaults: ReadonlyArray<Chaos.Fault<World>> = [
  onWire("the database is slow", FaultProxy.latency(15, { jitter: 15 }), [70]),
  onWire("the database is cut", FaultProxy.cut(), excuses),
  onWire("the database is a black hole", FaultProxy.blackHole(), excuses),
  {
    name: "the database is killed",
    strike: ({ postgres }) => postgres.kill,
    heal: ({ postgres }) => postgres.restart,
    excuses
  }
]

const env = {
  PORT: "0",
  HEALTH_PORT: "0",
  LOG_FORMAT: "json",
  GRACE_PERIOD: "3 s",
  POLL_INTERVAL: "50 ms",
  // Most runs can finish in the half of the grace period that they are given, some cannot.
  RUN_DURATION_MIN: "20 ms",
  RUN_DURATION_MAX: "3000 ms"
}
/** What is left in the queue is to be done soon. */
const quick = { WORKERS: "16", RUN_DURATION_MAX: "30 ms" }

/**
 * What becomes of the runs of a killed life: under a name, the next start takes them back at once; without one, their lease
 * has to end, and a short one also ends while the database is away and the run goes on.
 */
const isNamed = (lane: number) => lane % 2 === 0
const claims = (lane: number): Record<string, string> =>
  isNamed(lane) ? { INSTANCE: `lane ${lane}` } : { LEASE: "300 ms" }

const urlOf = (child: ChildApp.ChildApp) =>
  Effect.map(child.output, (output) => new URL(/ready on (http:\/\/[\d.:]+)/.exec(output)?.[1] ?? ""))

const ask = async (url: URL, path: string) =>
  ((await (await fetch(new URL(path, url))).json()) as { readonly items: ReadonlyArray<unknown> }).items

const main = join(import.meta.dirname, "../src/main.ts")

const dashboard: Chaos.ChaosApp<World> = {
  name: "dashboard",
  options: processOptions(env),
  world: Effect.fnUntraced(function* (lane) {
    const postgres = yield* KillablePostgres.make
    const wire = yield* FaultProxy.make({ host: "127.0.0.1", port: postgres.port })
    const told: Told = { suite: undefined, acknowledged: new Map(), open: new Map() }
    return { lane, postgres, wire, told, web: undefined, webFault: undefined }
  }),
  start: ({ lane, postgres, wire }, round) =>
    ChildApp.start({
      args: [main],
      env: {
        ...env,
        ...(round === "last" ? quick : {}),
        ...claims(lane),
        DATABASE_URL: wire.through(postgres.url)
      }
    }),
  ready: (_, child) => child.says("ready on http://"),
  load: (world, child) =>
    Effect.gen(function* () {
      const { port } = yield* urlOf(child)
      const web = yield* FaultProxy.make({ host: "127.0.0.1", port: Number(port) })
      world.web = web
      yield* Effect.addFinalizer(() => Effect.sync(() => (world.web = undefined)))
      if (world.webFault !== undefined) yield* web.set(world.webFault)
      const client = (_: unknown, name: number) =>
        Effect.promise((signal) => queueRuns(`http://127.0.0.1:${web.port}`, name, world.told, signal))
      return yield* Effect.forEach(Array.from({ length: clients }), client, { concurrency: clients })
    }),
  faults: [
    ...databaseFaults,
    onWeb("the clients are cut off", FaultProxy.cut()),
    onWeb("the clients vanish", FaultProxy.blackHole())
  ],
  check: ({ lane, postgres, told }, { ended, faults, wasReady }) =>
    Effect.promise(async () => {
      if (told.suite === undefined) return
      // Nothing is left under execution by a stop in order; what a life before it had left, its start has taken back.
      const isWell = !faults.some((name) => name.startsWith("the database"))
      const inOrder = isNamed(lane) && ended.code === 0 && wasReady && isWell
      await checkRuns(postgres.url, Array.from(told.acknowledged.values()), { killed: !inOrder })
      await checkKeys(postgres.url, told.acknowledged)
    }),
  finish: ({ postgres, told }, child) =>
    Effect.gen(function* () {
      const url = yield* urlOf(child)
      yield* Effect.promise(() =>
        until(
          "the queue is empty",
          async () => {
            const left = await Promise.all(["queued", "running"].map((status) => ask(url, `/runs?status=${status}`)))
            return left.flat().length === 0
          },
          60_000
        )
      )
      const ids = Array.from(told.acknowledged.values())
      const completed = yield* Effect.promise(() => checkRuns(postgres.url, ids))
      expect(completed).toBeGreaterThanOrEqual(ids.length)
      console.log(`lane: ${completed} runs completed, ${ids.length} acknowledged`)
    })
}

it.live(
  "a dashboard under load loses nothing and does nothing twice, whatever is done to it and its database at any instant",
  () =>
    Effect.flatMap(Chaos.run(dashboard, { lanes: 2 }), (summary) =>
      Effect.sync(() => console.log(Chaos.render(summary)))
    ),
  3_600_000
)

it.live(
  "a dashboard whose database has become a black hole leaves in time with 70, and names the runs in its hands",
  () =>
    Effect.gen(function* () {
      const url = Redacted.value((yield* TestPostgres.database(inject("postgres"))).url)
      const { hostname, port } = new URL(url)
      const wire = yield* FaultProxy.make({ host: hostname, port: Number(port) })
      const endless = { RUN_DURATION_MIN: "1 hour", RUN_DURATION_MAX: "1 hour", WORKERS: "3" }
      const child = yield* ChildApp.start({
        args: [main],
        env: { ...env, ...endless, DATABASE_URL: wire.through(url) }
      })
      yield* child.says("ready on http://")
      const told: Told = { suite: undefined, acknowledged: new Map(), open: new Map() }
      const api = (yield* urlOf(child)).origin
      yield* Effect.forkScoped(Effect.promise((signal) => queueRuns(api, 0, told, signal)))
      // Three workers have two runs and, at most instants, a question to the queue that is never answered.
      yield* Effect.andThen(child.says("run 1 begins"), child.says("run 2 begins"))
      yield* wire.set(FaultProxy.blackHole())
      yield* child.signal("SIGTERM")
      const { code, report, stopMillis } = yield* child.ended
      expect([code, report?.outcome]).toEqual([70, { _tag: "Degraded" }])
      expect(report?.failures.join()).toMatch(/the database did not take runs? .*1, 2.* back/)
      expect(stopMillis).toBeLessThan(6000) // its grace period is 3 s, and 124 would say that it was used up
    })
)
