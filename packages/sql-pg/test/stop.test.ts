import { describe, expect, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Queue from "effect/Queue"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { PgClient } from "@effect/sql-pg/PgClient"
import { ShuttingDown } from "quiesce/ShuttingDown"
import { open, url } from "./support.ts"

const settled = Effect.sleep("50 millis")
const sessions = (sql: import("effect/sql/SqlClient").SqlClient, name: string) =>
  Effect.map(sql`select pid, state from pg_stat_activity where application_name = ${name}`, (rows) => rows.length)

describe("a stop", () => {
  it.live("of an idle pool takes no time and says nothing", () =>
    Effect.gen(function* () {
      const { sql, close, logs } = yield* open({ url: url() })
      yield* sql`select 1`
      const { took, failure } = yield* close
      expect(took).toBeLessThan(50)
      expect(failure).toBeUndefined()
      expect(logs).toEqual([])
    })
  )

  it.live("lets a query that is under way finish, and refuses a new one with ShuttingDown", () =>
    Effect.gen(function* () {
      const { sql, close, logs } = yield* open({ url: url() })
      const under = yield* Effect.forkDetach(sql`select pg_sleep(0.3), 42 as answer`)
      yield* settled
      const closing = yield* Effect.forkDetach(close)
      yield* settled
      const late = yield* Effect.flip(sql`select 1`)
      expect(late.reason).toMatchObject({ _tag: "UnknownError", cause: new ShuttingDown({ kind: "postgres" }) })
      expect(late.isRetryable).toBe(false)
      expect((yield* Fiber.join(under))[0]).toMatchObject({ answer: 42 })
      const { took, failure } = yield* Fiber.join(closing)
      expect(took).toBeLessThan(400)
      expect(failure).toBeUndefined()
      expect(logs).toEqual([])
    })
  )

  it.live("interrupts a long query, cancels it on the server and names it", () =>
    Effect.gen(function* () {
      const { sql, close, logs } = yield* open({ url: url(), stopTimeout: "1 second" })
      const under = yield* Effect.forkDetach(sql`select pg_sleep(60)`.pipe(Effect.withSpan("Report.build")))
      yield* settled
      const { took, failure } = yield* close
      expect(took).toBeGreaterThan(190)
      expect(took).toBeLessThan(500)
      expect(Exit.isFailure(yield* Fiber.await(under))).toBe(true)
      const named = String.raw`query for 0\.\d s by fiber #\d+ \(Report\.build\), session \d+, last "select pg_sleep\(60\)"`
      expect(logs).toHaveLength(1)
      expect(logs[0]).toMatch(
        new RegExp(`^WARN postgres stops while in use, so it interrupts and rolls back: ${named}$`)
      )
      expect(failure).toMatch(
        new RegExp(`CutShort: postgres interrupted and rolled back work of its users: ${named}; stop them first`)
      )
    })
  )

  it.live("rolls back an open transaction that sleeps and names it", () =>
    Effect.gen(function* () {
      const other = yield* open({ url: url() })
      yield* other.sql`create table if not exists kept (id int)`
      const { sql, close, logs } = yield* open({ url: url(), stopTimeout: "1 second" })
      const work = sql`insert into kept values (1)`.pipe(Effect.andThen(Effect.sleep("1 hour")), sql.withTransaction)
      const under = yield* Effect.forkDetach(work.pipe(Effect.withSpan("Runs.execute")))
      yield* settled
      const { took } = yield* close
      expect(took).toBeLessThan(500)
      expect(Exit.hasInterrupts(yield* Fiber.await(under))).toBe(true)
      expect(logs[0]).toMatch(
        /transaction for \d\.\d s by fiber #\d+ \(Runs\.execute\), session \d+, last "insert into kept values \(1\)"/
      )
      expect(yield* other.sql`select * from kept`).toEqual([])
      yield* other.close
    })
  )

  it.live("does not wait for a transaction that ignores interruption: the server rolls it back", () =>
    Effect.gen(function* () {
      const other = yield* open({ url: url() })
      yield* other.sql`create table if not exists deaf (id int)`
      const { sql, close, logs } = yield* open({ url: url(), stopTimeout: "1 second", applicationName: "deaf" })
      const work = sql`insert into deaf values (1)`.pipe(
        Effect.andThen(Effect.sleep("1500 millis")),
        Effect.andThen(sql`insert into deaf values (2)`),
        sql.withTransaction,
        Effect.uninterruptible
      )
      const under = yield* Effect.forkDetach(work)
      yield* settled
      const { took, failure } = yield* close
      expect(took).toBeLessThan(900)
      expect(failure).toContain("transaction for")
      yield* settled
      expect(yield* sessions(other.sql, "deaf")).toBe(0)
      expect(Exit.isFailure(yield* Fiber.await(under))).toBe(true)
      expect(yield* other.sql`select * from deaf`).toEqual([])
      expect(logs).toHaveLength(1)
      yield* other.close
    })
  )

  it.live("cancels a query on the server that ignores interruption", () =>
    Effect.gen(function* () {
      const other = yield* open({ url: url() })
      const { sql, close } = yield* open({ url: url(), stopTimeout: "1 second", applicationName: "deafquery" })
      const under = yield* Effect.forkDetach(Effect.uninterruptible(sql`select pg_sleep(60)`))
      yield* settled
      const { took } = yield* close
      expect(took).toBeLessThan(900)
      const exit = yield* Fiber.await(under)
      expect(Exit.isFailure(exit) && Cause.pretty(exit.cause)).toContain("Query failed")
      yield* settled
      expect(yield* sessions(other.sql, "deafquery")).toBe(0)
      yield* other.close
    })
  )

  it.live("takes the sessions of streams, listeners and reserved connections away", () =>
    Effect.gen(function* () {
      const { sql, context, close, logs } = yield* open({ url: url(), stopTimeout: "1 second" })
      const pg = yield* Effect.provideContext(PgClient, context)
      const users = yield* Scope.make()
      const queue = yield* Scope.provide(pg.listen("news"), users)
      const reserved = yield* Scope.provide(sql.reserve, users)
      const stream = yield* Effect.forkDetach(
        Stream.runForEach(sql`select * from generate_series(1, 100000000)`.stream, () => Effect.sleep("1 millis"))
      )
      yield* settled
      const { took } = yield* close
      expect(took).toBeLessThan(500)
      expect(Exit.isFailure(yield* Effect.exit(Queue.take(queue)))).toBe(true)
      expect(Exit.isFailure(yield* Effect.exit(reserved.executeRaw("select 1", [])))).toBe(true)
      expect(Exit.isFailure(yield* Fiber.await(stream))).toBe(true)
      for (const kind of ["listener", "reserved", "stream"]) expect(logs[0]).toContain(`${kind} for`)
      expect(logs[0]).toContain('last "LISTEN news"')
      yield* Scope.close(users, Exit.void)
    })
  )

  it.live("interrupts those who wait for a free connection", () =>
    Effect.gen(function* () {
      const { sql, close, logs } = yield* open({ url: url(), stopTimeout: "1 second", maxConnections: 1 })
      yield* Effect.forkDetach(sql`select pg_sleep(60)`)
      yield* settled
      const waiting = yield* Effect.forkDetach(sql`select 1`)
      yield* settled
      const { took } = yield* close
      expect(took).toBeLessThan(500)
      expect(Exit.hasInterrupts(yield* Fiber.await(waiting))).toBe(true)
      expect(logs[0]).toContain("waiting for a connection")
    })
  )
})
