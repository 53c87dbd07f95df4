// The embedded server and the pool in one process, and what can happen to them.
import { describe, expect, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import { SqlClient } from "effect/sql/SqlClient"
import { chmodSync, cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as EmbeddedPostgres from "../src/EmbeddedPostgres.ts"
import { findBinaries } from "../src/internal/embedded/binaries.ts"
import { prepare } from "../src/internal/embedded/folder.ts"
import * as PgComponent from "../src/PgComponent.ts"
import * as TestPostgres from "../src/TestPostgres.ts"
import { newFolder, usedFolder } from "./fixtures/folder.ts"
import { isRunning } from "./fixtures/process.ts"
import { open } from "./support.ts"

const isRoot = process.getuid?.() === 0

const folder = Effect.sync(usedFolder)

/** A server on `dataDir` and the means to stop it. */
const serve = Effect.fnUntraced(function* (options: EmbeddedPostgres.Options) {
  const scope = yield* Scope.fork(yield* Scope.Scope)
  const server = yield* Scope.provide(EmbeddedPostgres.scoped({ durable: false, ...options }), scope)
  return { ...server, stop: Scope.close(scope, Exit.void) }
})

const family = (pid: number) => {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim().split(" ").map(Number)
  return [pid, ...children]
}

describe("a server that goes away", () => {
  it.live("makes ping fail with a reason, and the pool recovers when it is back", () =>
    Effect.gen(function* () {
      const dataDir = yield* folder
      const first = yield* serve({ dataDir })
      yield* Effect.gen(function* () {
        const sql = yield* SqlClient
        yield* PgComponent.ping
        yield* first.stop
        const error = yield* Effect.flip(PgComponent.ping)
        expect(["Unreachable", "NotAccepting"]).toContain(error.reason._tag)
        expect((yield* Effect.flip(sql`select 1`))._tag).toBe("SqlError")
        yield* serve({ dataDir, port: first.port })
        yield* PgComponent.ping.pipe(Effect.retry(Schedule.recurs(3)))
        expect(yield* sql`select 1 as one`).toEqual([{ one: 1 }])
      }).pipe(Effect.provide(PgComponent.layer({ url: first.url })))
    }).pipe(Effect.scoped)
  )

  it.live("by hanging does not hold up the stop of the pool, nor its own", () =>
    Effect.gen(function* () {
      const server = yield* serve({ dataDir: yield* folder, stopTimeout: "1 second" })
      const { sql, close, logs } = yield* open({ url: server.url, stopTimeout: "1 second" })
      const under = yield* Effect.forkDetach(
        sql.withTransaction(Effect.andThen(sql`select 1`, sql`select pg_sleep(60)`))
      )
      yield* Effect.sleep("100 millis")
      const pids = family(server.pid)
      for (const pid of pids) process.kill(pid, "SIGSTOP")

      const pong = yield* Effect.timed(
        Effect.flip(
          PgComponent.ping.pipe(
            Effect.provide(
              PgComponent.layer({ url: server.url, connectTimeout: "200 millis", startSchedule: Schedule.recurs(0) })
            )
          )
        )
      )
      expect(Duration.toMillis(pong[0])).toBeLessThan(500)
      expect(pong[1]).toMatchObject({ reason: { _tag: "TimedOut", after: 200 } })

      const { took, failure } = yield* close
      expect(took).toBeLessThan(1000)
      // Not "left connections open": the sockets themselves were destroyed.
      expect(failure).toMatch(/interrupted and rolled back work of its users: transaction for/)
      expect(logs[0]).toContain("transaction for")

      const [stopTook] = yield* Effect.timed(server.stop)
      expect(Duration.toMillis(stopTook)).toBeLessThan(1100)
      expect(pids.filter(isRunning)).toEqual([])
      yield* Fiber.await(under)
    }).pipe(Effect.scoped)
  )

  it.live("is noticed by its scope, with what it said last", () =>
    Effect.gen(function* () {
      const server = yield* serve({ dataDir: yield* folder })
      process.kill(server.pid, "SIGKILL")
      const error = yield* Effect.flip(server.createDatabase("late")).pipe(
        Effect.retry(Schedule.recurs(0)),
        Effect.delay("100 millis")
      )
      expect(error.message).toMatch(/^embedded Postgres could not create database "late": connect ECONNREFUSED/)
    }).pipe(Effect.scoped)
  )
})

describe("a server", () => {
  it.live("copies databases from a template and drops them with the scope", () =>
    Effect.gen(function* () {
      const server = yield* serve({ dataDir: yield* folder, database: "base" })
      const base = PgComponent.layer({ url: server.url })
      yield* Effect.provide(
        Effect.flatMap(SqlClient, (sql) => sql`create table t as select 7 as n`),
        base
      )
      const [took, copy] = yield* Effect.timed(server.createDatabase("copy", { template: "base" }))
      expect(Duration.toMillis(took)).toBeLessThan(1000)
      const read = Effect.flatMap(SqlClient, (sql) => sql`select n from t`)
      expect(yield* Effect.provide(read, PgComponent.layer({ url: copy.url }))).toEqual([{ n: 7 }])
      expect((yield* Effect.flip(server.createDatabase("copy"))).message).toBe(
        'embedded Postgres could not create database "copy": database "copy" already exists'
      )
      const names = Effect.flatMap(SqlClient, (sql) => sql<{ datname: string }>`select datname from pg_database`).pipe(
        Effect.provide(base),
        Effect.map((rows) => rows.map((row) => row.datname))
      )
      const url = Redacted.value(server.url)
      const own = yield* Effect.scoped(
        Effect.gen(function* () {
          const { database } = yield* TestPostgres.database(url, { template: "base" })
          expect(yield* names).toContain(database)
          return database
        })
      )
      expect(yield* names).not.toContain(own)
    }).pipe(Effect.scoped)
  )

  it.live("without a password is open to everybody on this machine, and to nobody else", () =>
    Effect.gen(function* () {
      const server = yield* serve({ dataDir: yield* folder, auth: "trust" })
      expect(new URL(Redacted.value(server.url)).password).toBe("")
      yield* PgComponent.ping.pipe(Effect.provide(PgComponent.layer({ url: server.url })))
      const address = Effect.flatMap(SqlClient, (sql) => sql`show listen_addresses`)
      expect(yield* Effect.provide(address, PgComponent.layer({ url: server.url }))).toEqual([
        { listen_addresses: "127.0.0.1" }
      ])
    }).pipe(Effect.scoped)
  )

  it.live("that is interrupted while it starts leaves neither process nor half a folder", () =>
    Effect.gen(function* () {
      const dataDir = newFolder()
      for (const after of [30, 400]) {
        const fiber = yield* Effect.forkChild(Effect.scoped(Effect.andThen(serve({ dataDir }), Effect.never)))
        yield* Effect.sleep(after)
        const [took] = yield* Effect.timed(Fiber.interrupt(fiber))
        expect(Duration.toMillis(took)).toBeLessThan(1000)
        expect(readdirSync(dataDir).filter((name) => name.startsWith("cluster.new"))).toEqual([])
        expect(existsSync(join(dataDir, "cluster/postmaster.pid"))).toBe(false)
      }
      yield* serve({ dataDir })
    }).pipe(Effect.scoped)
  )

  it.live("says which port is taken, and takes another when it may choose", () =>
    Effect.gen(function* () {
      const dataDir = yield* folder
      const taken = yield* Effect.acquireRelease(
        Effect.callback<{ readonly port: number; readonly server: ReturnType<typeof createServer> }>((resume) => {
          const server = createServer().listen(0, "127.0.0.1", () => {
            resume(Effect.succeed({ server, port: (server.address() as { readonly port: number }).port }))
          })
        }),
        ({ server }) => Effect.sync(() => server.close())
      )
      const error = yield* Effect.flip(serve({ dataDir, port: taken.port }))
      expect(error.message).toBe(
        `embedded Postgres cannot listen on 127.0.0.1:${taken.port}: another process does; give another port, or none to get a free one`
      )
      writeFileSync(join(dataDir, "port"), String(taken.port))
      const server = yield* serve({ dataDir })
      expect(server.port).not.toBe(taken.port)
      const again = yield* Effect.flip(serve({ dataDir }))
      expect(again.message).toContain(`in use by this application (pid ${process.pid}) already`)
    }).pipe(Effect.scoped)
  )

  it.live("refuses data that it cannot use, and says why", () =>
    Effect.gen(function* () {
      const dataDir = yield* folder
      const server = yield* serve({ dataDir })
      yield* server.stop
      const password = readFileSync(join(dataDir, "password"))
      rmSync(join(dataDir, "password"))
      expect((yield* Effect.flip(serve({ dataDir }))).message).toBe(
        `embedded Postgres cannot use the data folder ${dataDir}: its file "password" is gone or unreadable, and the data does not open without; bring it back, or remove the folder to start anew`
      )
      writeFileSync(join(dataDir, "password"), password)
      const settings = { wal_level: "nonsense" }
      const error = yield* Effect.flip(serve({ dataDir, settings }))
      expect(error.message).toMatch(
        /^embedded Postgres did not start on \S+: invalid value for parameter "wal_level": "nonsense"; Available values: minimal, replica, logical; all it said is in/
      )
      writeFileSync(join(dataDir, "cluster/PG_VERSION"), "17\n")
      expect((yield* Effect.flip(serve({ dataDir }))).message).toMatch(
        /it holds data of Postgres 17 and the binaries are 18\./
      )
    }).pipe(Effect.scoped)
  )

  it.live.runIf(isRoot)("runs from a copy of its binaries where nobody cannot reach them", () =>
    Effect.gen(function* () {
      const dataDir = newFolder()
      const binaries = findBinaries()
      if (binaries === undefined) return expect.unreachable()
      const closed = yield* Effect.acquireRelease(
        Effect.sync(() => mkdtempSync(join(tmpdir(), "quiesce-closed-"))),
        (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
      )
      cpSync(binaries.root, closed, { recursive: true, verbatimSymlinks: true })
      chmodSync(closed, 0o700)
      const prepared = yield* prepare(dataDir, { ...binaries, root: closed })
      expect(prepared.binaries).toBe(join(dataDir, `postgres-${binaries.version}`))
      expect(existsSync(join(prepared.binaries, "bin/postgres"))).toBe(true)
    }).pipe(Effect.scoped)
  )

  it.live("in a thrown-away folder leaves nothing", () =>
    Effect.gen(function* () {
      const exit = yield* Effect.exit(Effect.scoped(TestPostgres.scoped({ settings: { wal_level: "nonsense" } })))
      expect(Exit.isFailure(exit) && Cause.pretty(exit.cause)).toContain("did not start")
      expect(readdirSync(tmpdir()).filter((name) => name.startsWith(`quiesce-test-postgres-${process.pid}-`))).toEqual(
        []
      )
    })
  )
})
