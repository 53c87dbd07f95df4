/** The exit code tells the truth: one table of every outcome and every reason. */
import { describe, expect, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Config from "effect/Config"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Runtime from "effect/Runtime"
import * as Schema from "effect/Schema"
import * as TestClock from "effect/testing/TestClock"
import * as App from "quiesce/App"
import * as Outcome from "quiesce/Outcome"
import type { StopReason } from "quiesce/StopReason"
import { exitCodeOf } from "../src/internal/exitCodeOf.ts"
import { runToEnd } from "./support/scripted.ts"

const reasons: Readonly<Record<string, StopReason>> = {
  SIGTERM: { _tag: "Signal", signal: "SIGTERM" },
  SIGINT: { _tag: "Signal", signal: "SIGINT" },
  requested: { _tag: "Requested", by: "admin" },
  finished: { _tag: "Finished" },
  interrupted: { _tag: "Interrupted" },
  "start failed": { _tag: "StartFailed", message: "port taken" },
  "start failed, usage": { _tag: "StartFailed", message: "no such option", code: 2 },
  "start failed, configuration": { _tag: "StartFailed", message: "no DATABASE_URL", code: 78 },
  "component failed": { _tag: "ComponentFailed", component: "db", message: "gone" },
  "component failed, its own code": { _tag: "ComponentFailed", component: "db", message: "gone", code: 9 },
  "task failed": { _tag: "TaskFailed", task: "sweeper", message: "gone" },
  crash: { _tag: "Crash", kind: "uncaughtException", message: "x is not a function" }
}

const outcomes: Readonly<Record<string, Outcome.Outcome>> = {
  clean: { _tag: "Clean" },
  degraded: { _tag: "Degraded" },
  "timed out": { _tag: "TimedOut" },
  "forced by SIGINT": { _tag: "Forced", signal: "SIGINT" },
  "forced by SIGHUP": { _tag: "Forced", signal: "SIGHUP" },
  "forced by SIGTERM": { _tag: "Forced", signal: "SIGTERM" },
  "forced by an unknown signal": { _tag: "Forced", signal: "SIGWHAT" },
  "forced by nobody": { _tag: "Forced" }
}

describe("the exit code", () => {
  it("is 0 only for a clean stop without a failure; every other code says what happened", () => {
    const header = ["", ...Object.keys(outcomes)].join(" | ")
    const rows = Object.entries(reasons).map(([name, reason]) =>
      [name, ...Object.values(outcomes).map((outcome) => Outcome.exitCode(outcome, reason))].join(" | ")
    )
    expect([header, ...rows].join("\n")).toBe(
      `
 | clean | degraded | timed out | forced by SIGINT | forced by SIGHUP | forced by SIGTERM | forced by an unknown signal | forced by nobody
SIGTERM | 0 | 70 | 124 | 130 | 129 | 143 | 1 | 1
SIGINT | 0 | 70 | 124 | 130 | 129 | 143 | 1 | 1
requested | 0 | 70 | 124 | 130 | 129 | 143 | 1 | 1
finished | 0 | 70 | 124 | 130 | 129 | 143 | 1 | 1
interrupted | 0 | 70 | 124 | 130 | 129 | 143 | 1 | 1
start failed | 1 | 1 | 124 | 130 | 129 | 143 | 1 | 1
start failed, usage | 2 | 2 | 124 | 130 | 129 | 143 | 1 | 1
start failed, configuration | 78 | 78 | 124 | 130 | 129 | 143 | 1 | 1
component failed | 1 | 1 | 124 | 130 | 129 | 143 | 1 | 1
component failed, its own code | 9 | 9 | 124 | 130 | 129 | 143 | 1 | 1
task failed | 1 | 1 | 124 | 130 | 129 | 143 | 1 | 1
crash | 1 | 1 | 124 | 130 | 129 | 143 | 1 | 1`.slice(1)
    )
  })

  it.effect("names a signal only where a second signal was sent: requests and crashes do not escalate", () =>
    Effect.gen(function* () {
      type Step = (app: App.App) => void
      const request: Step = (app) => app.requestStopUnsafe({ _tag: "Requested", by: "admin" })
      const crash: Step = (app) => app.reportCrashUnsafe("uncaughtException", new Error("x is not a function"))
      const sent =
        (name: string): Step =>
        (app) =>
          app.signalUnsafe(name)
      const lives: Readonly<Record<string, readonly [first: Step, second: Step, ...rest: ReadonlyArray<Step>]>> = {
        "a request after a signal": [sent("SIGTERM"), request, request],
        "a crash after a signal": [sent("SIGTERM"), crash, crash],
        "a signal after a request": [request, sent("SIGTERM")],
        "a signal after a crash": [crash, sent("SIGTERM"), crash],
        "two signals after a request": [request, sent("SIGTERM"), sent("SIGINT")],
        "two signals after a crash": [crash, sent("SIGTERM"), sent("SIGTERM")],
        "SIGHUP after SIGTERM": [sent("SIGTERM"), sent("SIGHUP")],
        "no signal after SIGTERM": [sent("SIGTERM"), sent("the admin's console")]
      }
      const slow = Layer.effectDiscard(Effect.addFinalizer(() => Effect.sleep("2 seconds")))
      const ends: Record<string, string> = {}
      for (const [name, steps] of Object.entries(lives)) {
        const app = yield* App.start(slow)
        for (const step of steps) {
          yield* TestClock.adjust("500 millis")
          step(app)
        }
        const { exitCode, outcome } = yield* runToEnd(app)
        ends[name] = `${outcome._tag} ${exitCode}`
      }
      expect(ends).toEqual({
        "a request after a signal": "Clean 0",
        "a crash after a signal": "Degraded 70",
        "a signal after a request": "Clean 0",
        "a signal after a crash": "Degraded 1",
        "two signals after a request": "Forced 130",
        "two signals after a crash": "Forced 143",
        "SIGHUP after SIGTERM": "Forced 129",
        "no signal after SIGTERM": "Forced 1"
      })
    })
  )

  it("of a failed start is the one that the error asks for", () => {
    class Usage extends Schema.TaggedError<Usage>()("Usage", {}) {
      override readonly [Runtime.errorExitCode] = 2
    }
    const missing = Effect.runSyncExit(
      Effect.gen(function* () {
        return yield* Config.String("DATABASE_URL")
      }).pipe(Effect.provideService(ConfigProvider.ConfigProvider, ConfigProvider.fromUnknown({})))
    )
    expect([
      exitCodeOf(Cause.fail(new Usage())),
      Exit.isFailure(missing) ? exitCodeOf(missing.cause) : "succeeded",
      exitCodeOf(Cause.fail(new Error("port taken"))),
      exitCodeOf(Cause.die("a defect")),
      exitCodeOf(Cause.interrupt())
    ]).toEqual([2, 78, undefined, undefined, undefined])
  })

  it.effect("follows a rule of the user's own where there is one", () =>
    Effect.gen(function* () {
      const app = yield* App.start(Layer.effectDiscard(Effect.fail("no")), {
        exitCode: (outcome, reason) => (reason._tag === "StartFailed" ? 69 : Outcome.exitCode(outcome, reason))
      })
      const report = yield* runToEnd(app)
      expect([report.exitCode, report.outcome, report.reason]).toEqual([
        69,
        { _tag: "Clean" },
        { _tag: "StartFailed", message: "no" }
      ])
    })
  )

  it.effect("is the usual one when the user's own rule throws, and the application still ends", () =>
    Effect.gen(function* () {
      const app = yield* App.start(Layer.effectDiscard(Effect.fail("no")), {
        exitCode: () => {
          throw new Error("a rule with a hole")
        }
      })
      expect((yield* runToEnd(app)).exitCode).toBe(1)
    })
  )
})

describe("an outcome as JSON", () => {
  it("comes back as it was", () => {
    const codec = Schema.fromJsonString(Outcome.Outcome)
    for (const outcome of Object.values(outcomes)) {
      expect(Schema.decodeSync(codec)(Schema.encodeSync(codec)(outcome))).toEqual(outcome)
    }
  })
})
