// The pool inside a Quiesce application: what the report says of it.
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import { SqlClient } from "effect/sql/SqlClient"
import * as App from "quiesce/App"
import { Lifecycle } from "quiesce/Lifecycle"
import * as StopReason from "quiesce/StopReason"
import * as PgComponent from "../src/PgComponent.ts"
import { url } from "./support.ts"

const stopAfter = (work: Effect.Effect<unknown, unknown, SqlClient>) =>
  Layer.effectDiscard(
    Effect.gen(function* () {
      yield* Effect.forkDetach(work)
      const lifecycle = yield* Lifecycle
      yield* Effect.forkScoped(Effect.delay(lifecycle.requestStop(StopReason.requested("test")), "100 millis"))
    })
  )

const launch = (work: Effect.Effect<unknown, unknown, SqlClient>, options: App.Options = {}) =>
  Effect.map(
    App.launch(Layer.provide(stopAfter(work), PgComponent.layer({ url: url(), name: "ledger" })), options),
    (report) => ({ report, ledger: report.components.find(({ name }) => name === "ledger") })
  )

describe("in an application the pool", () => {
  it.live("is named, released after its users, and clean when they are done", () =>
    Effect.gen(function* () {
      const { report, ledger } = yield* launch(Effect.flatMap(SqlClient, (sql) => sql`select 1`))
      expect(report.outcome._tag).toBe("Clean")
      expect(ledger?.end).toBe("stopped")
      // Its user first; then the pool, and what the driver itself was built with.
      expect(report.criticalChain.map(({ name }) => name).slice(1)).toEqual(["ledger", "Reactivity"])
    })
  )

  it.live("makes the outcome Degraded when it had to cut somebody's transaction, and names it", () =>
    Effect.gen(function* () {
      const open = Effect.flatMap(SqlClient, (sql) => sql.withTransaction(Effect.andThen(sql`select 1`, Effect.never)))
      const { report, ledger } = yield* launch(Effect.withSpan(open, "Loose.work"))
      expect(report).toMatchObject({ outcome: { _tag: "Degraded" }, exitCode: 70 })
      expect(ledger?.end).toBe("failed")
      expect(ledger?.failure).toMatch(
        /interrupted and rolled back work of its users: transaction for .* \(Loose\.work\)/
      )
    })
  )

  it.live("fits its stop into what is left of a short grace period, so that it is not left behind", () =>
    Effect.gen(function* () {
      const deaf = Effect.flatMap(SqlClient, (sql) => sql.withTransaction(Effect.sleep("3 seconds")))
      const { report, ledger } = yield* launch(Effect.uninterruptible(deaf), { gracePeriod: "1 second" })
      expect(report.outcome._tag).toBe("Degraded")
      expect(ledger?.end).toBe("failed")
      expect(report.duration).toBeLessThan(1000)
    })
  )

  it.live("that cannot start fails the application with its message and exit code", () =>
    Effect.gen(function* () {
      const dead = PgComponent.layer({ host: "127.0.0.1", port: 1, username: "me", startSchedule: Schedule.recurs(0) })
      const report = yield* App.launch(dead)
      expect(report.reason).toMatchObject({
        _tag: "StartFailed",
        message: expect.stringContaining("postgres at 127.0.0.1:1/me is not reachable")
      })
      expect(report.exitCode).toBe(1)
      const wrong = yield* App.launch(PgComponent.layer({ username: "me", port: 0 }))
      expect(wrong.exitCode).toBe(78)
    })
  )
})
