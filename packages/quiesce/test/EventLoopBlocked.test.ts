/** Code that does not return: what the log, the report and the metrics say of it. */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import * as Metric from "effect/Metric"
import * as Schema from "effect/Schema"
import * as TestClock from "effect/testing/TestClock"
import * as App from "quiesce/App"
import type { Event } from "quiesce/Event"
import * as Report from "quiesce/Report"
import { only, runToEnd, scripted } from "./support/scripted.ts"

const frames = [
  "hash (node:internal/crypto/hash:79:12)",
  "checksum (/srv/shop/src/invoice.ts:31:9)",
  "render (/srv/shop/src/invoice.ts:12:3)"
]

describe("a blocked event loop", () => {
  it.effect("is a warning that names the line of code and shows where that was called", () =>
    Effect.gen(function* () {
      const lines: Array<string> = []
      const logger = Logger.make(({ logLevel, message }) => void lines.push(`${logLevel} ${String(message)}`))
      const app = yield* App.start(scripted("db")).pipe(Effect.provide(Logger.layer([logger])))
      app.reportBlockedUnsafe(2300, frames)
      expect(lines.at(-1)).toBe(
        [
          "Warn the event loop was blocked for 2.3 s by checksum (/srv/shop/src/invoice.ts:31:9)",
          ...frames.map((frame) => `    at ${frame}`)
        ].join("\n")
      )
      yield* TestClock.adjust("10 seconds")
      app.reportBlockedUnsafe(1200, [])
      expect(lines.at(-1)).toBe(
        "Warn the event loop was blocked for 1.2 s by native code, or by code that cannot be looked into"
      )
      yield* TestClock.adjust("10 seconds")
      app.reportBlockedUnsafe(1200, ["spawnSync (node:internal/child_process:1124:20)"])
      expect(lines.at(-1)).toContain("by spawnSync (node:internal/child_process:1124:20)\n")
    })
  )

  it.effect("is in the report of the life, and holds nothing against its stop", () =>
    Effect.gen(function* () {
      const app = yield* App.start(scripted("db"))
      yield* TestClock.adjust("3 seconds")
      app.reportBlockedUnsafe(2300, frames)
      app.requestStopUnsafe({ _tag: "Finished" })
      const report = yield* runToEnd(app)
      expect(report.blocked).toEqual([{ at: 3000, millis: 2300, stack: frames, killed: false }])
      expect([report.outcome._tag, report.exitCode, report.failures]).toEqual(["Clean", 0, []])
    })
  )

  it.effect("is told once in ten seconds, however often it comes", () =>
    Effect.gen(function* () {
      const app = yield* App.start(scripted("db")).pipe(Effect.provide(Logger.layer([])))
      for (let second = 0; second < 60; second++) {
        app.reportBlockedUnsafe(1000 + second, frames)
        yield* TestClock.adjust("1 second")
      }
      expect(only(app.events, "EventLoopBlocked").map(({ millis }) => millis)).toEqual([
        1000, 1010, 1020, 1030, 1040, 1050
      ])
    })
  )

  it.effect("again and again leaves the log no longer than any other event that recurs", () =>
    Effect.gen(function* () {
      const app = yield* App.start(scripted("db")).pipe(Effect.provide(Logger.layer([])))
      const others = app.events.length
      for (let millis = 0; millis < 2500; millis++) {
        app.reportBlockedUnsafe(millis, [])
        yield* TestClock.adjust("10 seconds")
      }
      expect(app.events.length).toBe(others + 1000)
      app.requestStopUnsafe({ _tag: "Finished" })
      const { blocked } = yield* runToEnd(app)
      expect([blocked.length, blocked[0]?.millis, blocked.at(-1)?.millis]).toEqual([1000, 1500, 2499])
      expect(only(app.events, "AppStarting").length).toBe(1)
    })
  )

  it.effect("is measured", () =>
    Effect.gen(function* () {
      const app = yield* App.start(scripted("db"))
      for (const millis of [1500, 1900, 45_000]) app.reportBlockedUnsafe(millis, [])
      const found = (yield* Metric.snapshot).find(({ id }) => id === "quiesce_event_loop_blocked_millis")
      expect(found?.type === "Histogram" ? found.state : undefined).toMatchObject({
        count: 3,
        min: 1500,
        max: 45_000,
        sum: 48_400
      })
    }).pipe(Effect.provideService(Metric.MetricRegistry, new Map()))
  )
})

const killed: ReadonlyArray<Event> = [
  { _tag: "AppStarting", at: 0, name: "shop", epochMillis: 1_790_000_000_000, gracePeriod: 25_000 },
  { _tag: "ComponentStarting", at: 0, id: 1, name: "layer#1", builtWith: [] },
  { _tag: "ComponentStarted", at: 20, id: 1, name: "db", services: ["app/db"], empty: false },
  { _tag: "StateChanged", at: 20, from: "Starting", to: "Running" },
  { _tag: "EventLoopBlocked", at: 4000, millis: 1300, stack: frames.slice(1), killed: false },
  { _tag: "StopRequested", at: 10_000, reason: { _tag: "Signal", signal: "SIGTERM" } },
  { _tag: "StateChanged", at: 10_000, from: "Running", to: "LameDuck" },
  { _tag: "StateChanged", at: 10_000, from: "LameDuck", to: "Draining" },
  { _tag: "StateChanged", at: 10_000, from: "Draining", to: "Interrupting" },
  { _tag: "StateChanged", at: 10_000, from: "Interrupting", to: "Releasing" },
  { _tag: "ComponentStopping", at: 10_000, id: 1, name: "db" },
  { _tag: "Straggler", at: 35_050, kind: "upload", count: 2 },
  { _tag: "EmergencyRan", at: 35_050, name: "flush" },
  { _tag: "EmergencyRan", at: 35_060, name: "telemetry", failure: "socket closed" },
  { _tag: "EventLoopBlocked", at: 35_060, millis: 24_900, stack: frames, killed: true },
  { _tag: "Ended", at: 35_060, outcome: { _tag: "Forced", signal: "SIGKILL" }, exitCode: 137 }
]

describe("the report of a process that was killed for it", () => {
  it("names the line of code that held it", () =>
    expect(`\n${Report.render(Report.fromEvents(killed), { width: 100 })}\n`).toMatchInlineSnapshot(`
      "
      shop was forced out after 25.06 s of 25 s (SIGTERM, exit code 137)
        LameDuck 0 ms · Draining 0 ms · Interrupting 0 ms · Releasing 25.06 s
        component    waiting   working
        db              0 ms   25.06 s  ██████████████████████████████ abandoned
        unfinished: 2 upload
        failed: emergency hook telemetry threw: socket closed
        failed: the event loop was blocked for 24.9 s by checksum (/srv/shop/src/invoice.ts:31:9)
      "
    `))

  it("comes back from its JSON as it was, with where the event loop was blocked", () => {
    const codec = Schema.fromJsonString(Report.Report)
    const report = Report.fromEvents(killed)
    expect(Schema.decodeSync(codec)(Schema.encodeSync(codec)(report))).toEqual(report)
    expect(report.blocked).toEqual([
      { at: 4000, millis: 1300, stack: frames.slice(1), killed: false },
      { at: 35_060, millis: 24_900, stack: frames, killed: true }
    ])
  })
})
