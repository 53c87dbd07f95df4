/** Why an application stops, as people and as machines read it. */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as TestClock from "effect/testing/TestClock"
import * as App from "quiesce/App"
import * as StopReason from "quiesce/StopReason"
import { runToEnd } from "./support/scripted.ts"

const reasons: ReadonlyArray<StopReason.StopReason> = [
  StopReason.signal("SIGTERM"),
  StopReason.requested("the admin API"),
  StopReason.finished,
  StopReason.interrupted,
  { _tag: "StartFailed", message: "port 80 is taken" },
  { _tag: "StartFailed", message: "no DATABASE_URL", code: 78 },
  { _tag: "ComponentFailed", component: "db", message: "connection lost" },
  { _tag: "TaskFailed", task: "sweeper", message: "no restarts left" },
  { _tag: "Crash", kind: "unhandledRejection", message: "x is not a function" }
]

describe("a reason to stop", () => {
  it("is one line for people, and says whether it is a failure", () => {
    expect(
      reasons.map((reason) => `${StopReason.describe(reason)} | ${StopReason.isFailure(reason) ? "failure" : "fine"}`)
    ).toEqual([
      "SIGTERM | fine",
      "requested by the admin API | fine",
      "finished | fine",
      "interrupted | fine",
      "start failed: port 80 is taken | failure",
      "start failed: no DATABASE_URL | failure",
      "db failed: connection lost | failure",
      "task sweeper failed: no restarts left | failure",
      "unhandledRejection: x is not a function | failure"
    ])
  })

  it("comes back from JSON as it was, and an unknown one is refused", () => {
    const codec = Schema.fromJsonString(StopReason.StopReason)
    for (const reason of reasons) expect(Schema.decodeSync(codec)(Schema.encodeSync(codec)(reason))).toEqual(reason)
    expect(() => Schema.decodeUnknownSync(codec)(`{"_tag":"Bored"}`)).toThrow()
  })

  it.effect("counts when it is the first; a later one changes nothing", () =>
    Effect.gen(function* () {
      const slow = Layer.effectDiscard(Effect.addFinalizer(() => Effect.sleep("2 seconds")))
      const app = yield* App.start(slow)
      app.requestStopUnsafe(StopReason.requested("first"))
      app.requestStopUnsafe(StopReason.requested("second"))
      yield* TestClock.adjust("1 second")
      app.requestStopUnsafe({ _tag: "ComponentFailed", component: "db", message: "third" })
      const report = yield* runToEnd(app)
      expect([report.reason, report.exitCode]).toEqual([StopReason.requested("first"), 0])
      expect(app.events.filter((event) => event._tag === "StopRequested").length).toBe(1)
    })
  )
})
