// What the package takes for granted of others, so that an update which changes it is noticed here.
import { describe, expect, it } from "@effect/vitest"
import * as PgConnection from "@effect/sql-pg/PgConnection"
import * as Effect from "effect/Effect"
import { spawn } from "node:child_process"
import { Duplex } from "node:stream"
import { fromPs, identify, isAlive } from "../src/internal/embedded/identity.ts"
import { reasonIn } from "../src/internal/embedded/serverLog.ts"
import { cancelOf, socketOf } from "../src/internal/sockets.ts"
import { url } from "./support.ts"

describe("the driver", () => {
  it.live("keeps its socket and its cancel where we look for them, pinned or not", () =>
    Effect.gen(function* () {
      const connection = yield* PgConnection.make({ url: url() })
      const socket = socketOf(connection)
      expect(socket).toBeInstanceOf(Duplex)
      expect(cancelOf(connection)).not.toBe(connection.interrupt)
      expect(socketOf(yield* connection.pin)).toBe(socket)
    }).pipe(Effect.scoped)
  )
})

describe("a process", () => {
  it("is known by its start and its command, by /proc as by ps", () => {
    const byProc = identify(process.pid)
    const byPs = fromPs(process.pid)
    expect(byPs?.command.join(" ")).toBe(byProc?.command.join(" "))
    expect(byPs?.startedAt).toMatch(/^\w{3} \w{3} +\d+ \d\d:\d\d:\d\d \d{4}$/)
    expect(byProc?.startedAt).toMatch(/^\d+$/)
  })

  it("is not alive any more when it has ended, and never another one with its pid", async () => {
    const child = spawn("sleep", ["60"], { stdio: "ignore" })
    const identity = identify(child.pid ?? 0)
    expect(identity?.command).toEqual(["sleep", "60"])
    expect(identity && isAlive(identity)).toBe(true)
    expect(identity && isAlive({ ...identity, startedAt: "1" })).toBe(false)
    child.kill("SIGKILL")
    await new Promise((resolve) => child.on("exit", resolve))
    expect(identity && isAlive(identity)).toBe(false)
    expect(identify(0)).toBeUndefined()
    expect(identify(Number.NaN)).toBeUndefined()
  })
})

describe("what Postgres says", () => {
  it("is cut to its reason, detail and hint", () => {
    const log = [
      "2026-11-21 02:41:12.807 UTC [8204] LOG:  starting PostgreSQL 18.4",
      '2026-11-21 02:41:12.808 UTC [8204] FATAL:  lock file "postmaster.pid" already exists',
      "2026-11-21 02:41:12.808 UTC [8204] HINT:  Is another postmaster (PID 1) running in data directory?",
      ""
    ].join("\n")
    expect(reasonIn(log)).toBe(
      'lock file "postmaster.pid" already exists; Is another postmaster (PID 1) running in data directory?'
    )
    expect(reasonIn("2026-11-21 02:41:12.807 UTC [8204] LOG:  shutting down\n")).toBe("shutting down")
    expect(reasonIn("initdb: error: could not create directory: No space left on device\n")).toBe(
      "error: could not create directory: No space left on device"
    )
    expect(reasonIn("")).toBe("it said nothing")
  })
})
