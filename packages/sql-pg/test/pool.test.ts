import { describe, expect, it } from "@effect/vitest"
import { PgClient } from "@effect/sql-pg/PgClient"
import * as PgMigrator from "@effect/sql-pg/PgMigrator"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import * as Redacted from "effect/Redacted"
import * as Migrator from "effect/sql/Migrator"
import { SqlClient } from "effect/sql/SqlClient"
import * as Stream from "effect/Stream"
import { inject } from "vitest"
import * as PgComponent from "../src/PgComponent.ts"
import * as TestPostgres from "../src/TestPostgres.ts"

/** A pool on a database of the test's own. */
const pool = (options: Omit<PgComponent.Options, "url"> = {}) =>
  Layer.unwrap(
    Effect.map(TestPostgres.database(inject("postgres")), ({ url }) => PgComponent.layer({ ...options, url }))
  )

const migrations = Migrator.fromRecord({
  "0001_projects": Effect.flatMap(SqlClient, (sql) => sql`create table projects (id int primary key, name text)`),
  "0002_seed": Effect.flatMap(SqlClient, (sql) => sql`insert into projects values (1, 'first')`)
})

describe("a pool", () => {
  it.live("is ready when the layer is built, with one connection open", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient
      const rows = yield* sql`select count(*)::int as open from pg_stat_activity where datname = current_database()`
      expect(rows).toEqual([{ open: 1 }])
      expect(sql.driver).toBe("pg")
      yield* PgComponent.ping
    }).pipe(Effect.provide(pool()))
  )

  it.live("never opens more than maxConnections sessions", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient
      yield* Effect.all(
        Array.from({ length: 30 }, () => sql`select pg_sleep(0.01)`),
        { concurrency: "unbounded" }
      )
      const rows = yield* sql`select count(*)::int as open from pg_stat_activity where datname = current_database()`
      expect(rows).toEqual([{ open: 3 }])
    }).pipe(Effect.provide(pool({ maxConnections: 3 })))
  )

  it.live("runs the migrations of effect/sql, which need nothing but the client", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient
      const run = Migrator.make({})({ loader: migrations })
      expect(yield* run).toEqual([
        [1, "projects"],
        [2, "seed"]
      ])
      expect(yield* run).toEqual([])
      expect(yield* sql`select * from projects`).toEqual([{ id: 1, name: "first" }])
    }).pipe(Effect.provide(pool()))
  )

  it.live("runs PgMigrator", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient
      expect(yield* sql`select name from effect_sql_migrations order by 1`).toEqual([
        { name: "projects" },
        { name: "seed" }
      ])
    }).pipe(
      Effect.provide(
        PgMigrator.layer({ loader: migrations }).pipe(Layer.provideMerge(pool()), Layer.provide(NodeServices.layer))
      )
    )
  )

  it.live("commits, rolls back and nests transactions as the driver's own client does", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient
      yield* sql`create table t (id int primary key deferrable initially deferred)`
      const insert = (id: number) => sql`insert into t values (${id})`
      yield* sql.withTransaction(insert(1))
      yield* sql.withTransaction(Effect.andThen(insert(2), Effect.fail("no"))).pipe(Effect.flip)
      yield* sql.withTransaction(
        Effect.andThen(insert(3), Effect.ignore(sql.withTransaction(Effect.andThen(insert(4), Effect.fail("no")))))
      )
      const swallowed = sql.withTransaction(Effect.andThen(insert(5), Effect.ignore(sql`select 1/0`)))
      expect((yield* Effect.flip(swallowed)).message).toBe("COMMIT rolled back an aborted transaction")
      const twice = yield* Effect.flip(sql.withTransaction(Effect.andThen(insert(1), insert(6))))
      expect(twice.reason._tag).toBe("UniqueViolation")
      expect(yield* sql`select id from t order by id`).toEqual([{ id: 1 }, { id: 3 }])
    }).pipe(Effect.provide(pool()))
  )

  it.live("streams, listens, notifies, and takes JSON and values", () =>
    Effect.gen(function* () {
      const sql = yield* PgClient
      const rows = yield* Stream.runCollect(sql<{ n: number }>`select n from generate_series(1, 2000) n`.stream)
      expect(Array.from(rows, (row) => row.n)).toEqual(Array.from({ length: 2000 }, (_, index) => index + 1))
      yield* Effect.scoped(
        Effect.gen(function* () {
          const news = yield* sql.listen("news")
          yield* sql.notify("news", "hello")
          expect((yield* Queue.take(news)).payload).toBe("hello")
        })
      )
      expect(yield* sql`select ${sql.json({ a: [1] })}::jsonb as j`).toEqual([{ j: { a: [1] } }])
      expect(yield* sql`select 1 as a, 'x' as b`.values).toEqual([[1, "x"]])
      expect((yield* Effect.flip(sql.notify("n".repeat(64), "x"))).message).toContain("63 UTF-8 bytes")
    }).pipe(Effect.provide(pool()))
  )

  it.live("transforms names", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient
      expect(yield* sql`select 1 as ${sql("aB")}`).toEqual([{ A_B: 1 }])
      expect(yield* sql.withoutTransforms()`select 1 as a_b`).toEqual([{ a_b: 1 }])
      expect(Array.from(yield* Stream.runCollect(sql`select 1 as a_b`.stream))).toEqual([{ A_B: 1 }])
    }).pipe(
      Effect.provide(
        pool({
          transformQueryNames: (name) => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`),
          transformResultNames: (name) => name.toUpperCase()
        })
      )
    )
  )

  it.live("pipelines queries with multiplex, and still stops in time", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient
      const rows = yield* Effect.forEach(
        Array.from({ length: 100 }, (_, n) => n),
        (n) => sql`select ${n}::int as n`,
        {
          concurrency: "unbounded"
        }
      )
      expect(rows.flat()).toEqual(Array.from({ length: 100 }, (_, n) => ({ n })))
      yield* sql.withTransaction(sql`select 1`)
    }).pipe(Effect.provide(pool({ multiplex: true, maxConnections: 2 })))
  )

  it.live("has everything in its config that pg_dump needs, wherever it came from", () =>
    Effect.gen(function* () {
      const { config } = yield* PgClient
      const server = new URL(inject("postgres"))
      expect(config).toMatchObject({ host: "127.0.0.1", port: Number(server.port), username: "postgres" })
      expect(config.database).toMatch(/^test_/)
      expect(Redacted.isRedacted(config.password) && Redacted.value(config.password)).toBe(server.password)
    }).pipe(Effect.provide(pool()))
  )
})

describe("ping", () => {
  it.live("says who holds all connections", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient
      const holder = yield* Effect.forkChild(sql`select pg_sleep(30)`.pipe(Effect.withSpan("Reports.yearly")))
      yield* Effect.sleep("50 millis")
      const error = yield* Effect.flip(PgComponent.ping)
      expect(error.reason).toMatchObject({ _tag: "TimedOut", after: 900 })
      expect(error.message).toMatch(
        /did not answer within 900 ms: all 1 connections of the pool are in use, the longest by a query for \d\.\d s by fiber #\d+ \(Reports\.yearly\)/
      )
      yield* Fiber.interrupt(holder)
      yield* PgComponent.ping
    }).pipe(Effect.provide(pool({ maxConnections: 1 })))
  )
})
