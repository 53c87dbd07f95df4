import type { Event } from "quiesce/Event"
import * as StopReason from "quiesce/StopReason"
import { describe, expect, test } from "vitest"
import { Messages } from "../src/internal/notify/messages.ts"

const told = (...events: ReadonlyArray<Event>): ReadonlyArray<ReadonlyArray<string>> => {
  const messages = new Messages()
  return events.map((event) => messages.of(event)).filter((lines) => lines.length > 0)
}

const starting: Event = { _tag: "AppStarting", at: 0, name: "app", epochMillis: 0, gracePeriod: 25_000 }
const running: Event = { _tag: "StateChanged", at: 5, from: "Starting", to: "Running" }
const reloading: Event = { _tag: "StateChanged", at: 10, from: "Running", to: "Reloading" }
const reloaded: Event = { _tag: "StateChanged", at: 20, from: "Reloading", to: "Running" }
const stop = (at: number, spent?: number): Event => ({
  _tag: "StopRequested",
  at,
  reason: StopReason.signal("SIGTERM"),
  ...(spent === undefined ? {} : { spent })
})

describe("what a service manager is told", () => {
  test("a start is ready when every component runs", () => {
    expect(told(starting, running)).toEqual([["STATUS=Starting"], ["READY=1", "STATUS=Running"]])
  })

  test("a reload tells by which clock it began, and is ready again when it has ended", () => {
    const before = process.hrtime.bigint() / 1000n
    const [, , begun, done] = told(starting, running, reloading, reloaded)
    const after = process.hrtime.bigint() / 1000n
    const micros = BigInt(begun?.[1]?.replace("MONOTONIC_USEC=", "") ?? "")
    expect(begun).toEqual(["RELOADING=1", `MONOTONIC_USEC=${micros}`, "STATUS=Reloading"])
    expect(micros >= before && micros <= after).toBe(true)
    expect(done).toEqual(["READY=1", "STATUS=Running"])
  })

  test("a failed reload is in the status until one succeeds", () => {
    const failed: Event = { _tag: "ReloadFailed", at: 15, name: "settings", message: "port:\n  expected a number" }
    const succeeded: Event = { _tag: "Reloaded", at: 15, name: "settings", version: 2, changed: [], restart: [] }
    expect(told(running, reloading, failed, reloaded).at(-1)).toEqual([
      "READY=1",
      "STATUS=Running, the last reload failed: port: expected a number"
    ])
    expect(told(running, reloading, failed, reloaded, reloading, succeeded, reloaded).at(-1)).toEqual([
      "READY=1",
      "STATUS=Running"
    ])
  })

  test("health is in the status while the application runs, and does not make it ready before", () => {
    const sick: Event = { _tag: "HealthChanged", at: 3, from: "Healthy", to: "Degraded", because: ["cache", "mail"] }
    const well: Event = { _tag: "HealthChanged", at: 7, from: "Degraded", to: "Healthy", because: [] }
    expect(told(sick, running, well)).toEqual([
      ["READY=1", "STATUS=Running, Degraded: cache, mail"],
      ["STATUS=Running"]
    ])
  })

  test("a stop is told once, with its reason and the time that it can take at most", () => {
    expect(told(starting, running, stop(1000)).at(-1)).toEqual([
      "STOPPING=1",
      "EXTEND_TIMEOUT_USEC=27000000",
      "STATUS=Stopping (SIGTERM)"
    ])
  })

  test("a stop whose grace period is partly spent asks for what is left of it", () => {
    expect(told(starting, stop(10_000, 10_000)).at(-1)).toContain("EXTEND_TIMEOUT_USEC=17000000")
  })

  test("a lease renews the promise up to the same deadline", () => {
    const lease: Event = { _tag: "LeaseGranted", at: 6000, to: "Draining", millis: 3000 }
    expect(told(starting, running, stop(1000), lease).at(-1)).toEqual(["EXTEND_TIMEOUT_USEC=22000000"])
  })

  test("each state of a stop is a status, and so is the end", () => {
    const draining: Event = { _tag: "StateChanged", at: 1001, from: "LameDuck", to: "Draining" }
    const stopped: Event = { _tag: "StateChanged", at: 1500, from: "Flushing", to: "Stopped" }
    const ended: Event = { _tag: "Ended", at: 1501, outcome: { _tag: "Clean" }, exitCode: 0 }
    expect(told(starting, stop(1000), draining, stopped, ended).slice(2)).toEqual([
      ["STATUS=Draining (SIGTERM)"],
      ["STATUS=Clean, exit code 0 (SIGTERM)"]
    ])
  })

  test("a status is one line of at most 200 characters", () => {
    const reason = { _tag: "StartFailed", message: `no\r\n\u001b[31m${"x".repeat(500)}` } as const
    const line = told(starting, { _tag: "StopRequested", at: 1, reason }).at(-1)?.at(-1) ?? ""
    expect(line).toMatch(/^STATUS=Stopping \(start failed: no \[31mx+…$/)
    expect(line.length).toBe("STATUS=".length + 200)
  })
})
