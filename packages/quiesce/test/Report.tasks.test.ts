/** What the report says of tasks. */
import { describe, expect, it } from "@effect/vitest"
import * as Schema from "effect/Schema"
import { Event } from "quiesce/Event"
import * as Report from "quiesce/Report"

const mailer = { name: "mailer", component: "mail" }
const tunnel = { name: "tunnel" }

const events: ReadonlyArray<Event> = [
  { _tag: "AppStarting", at: 0, name: "shop", epochMillis: 0, gracePeriod: 25_000 },
  { _tag: "TaskStarted", at: 1, ...mailer, priority: 5, tags: ["io"] },
  { _tag: "TaskStarted", at: 1, ...tunnel, priority: 0, tags: [] },
  { _tag: "TaskStarted", at: 1, name: "import", priority: 0, tags: [] },
  { _tag: "StateChanged", at: 2, from: "Starting", to: "Running" },
  { _tag: "TaskFailed", at: 10, ...mailer, attempt: 1, message: "refused", next: "restart", restartIn: 100 },
  { _tag: "TaskFailed", at: 120, ...mailer, attempt: 2, message: "timed out", next: "restart", restartIn: 200 },
  { _tag: "TaskFailed", at: 200, ...tunnel, attempt: 1, message: "no route", next: "degrade" },
  { _tag: "TaskEnded", at: 300, name: "import" },
  { _tag: "StopRequested", at: 1000, reason: { _tag: "Signal", signal: "SIGTERM" } },
  { _tag: "StateChanged", at: 1000, from: "Running", to: "Interrupting" },
  { _tag: "TaskInterrupted", at: 1000, ...mailer, priority: 5, count: 1 },
  { _tag: "Straggler", at: 6000, kind: "task mailer", count: 1 },
  { _tag: "StateChanged", at: 6000, from: "Interrupting", to: "Stopped" },
  { _tag: "Ended", at: 6000, outcome: { _tag: "Degraded" }, exitCode: 70 }
]

describe("the report of tasks", () => {
  it("says of each name how often it failed and was restarted, and how it ended", () => {
    expect(Report.fromEvents(events).tasks).toEqual([
      { ...mailer, failures: 2, restarts: 2, end: "left behind" },
      { ...tunnel, failures: 1, restarts: 0, end: "failed" },
      { name: "import", failures: 0, restarts: 0, end: "done" }
    ])
  })

  it("does not take unfinished work behind a gate for a task of that name", () => {
    const imports: Event = { _tag: "Straggler", at: 5000, kind: "import", count: 3 }
    const { stragglers, tasks } = Report.fromEvents(events.toSpliced(-2, 0, imports))
    expect([stragglers.map(({ kind }) => kind), tasks.at(-1)]).toEqual([
      ["task mailer", "import"],
      { name: "import", failures: 0, restarts: 0, end: "done" }
    ])
  })

  it("has one line for a task that failed again and again", () => {
    expect(Report.fromEvents(events).failures).toEqual([
      "task mailer failed 2 times, in the end: timed out",
      "task tunnel failed: no route"
    ])
  })

  it("as text", () => {
    expect(`\n${Report.render(Report.fromEvents(events))}\n`).toMatchInlineSnapshot(`
      "
      shop stopped, degraded, in 5 s of 25 s (SIGTERM, exit code 70)
        Interrupting 5 s
        unfinished: 1 task mailer
        restarted: mailer 2 times
        failed: task mailer failed 2 times, in the end: timed out
        failed: task tunnel failed: no route
      "
    `)
  })

  it("counts against the stop what fails during it and would have stopped the application, and nothing before", () => {
    const failed: Event = { _tag: "TaskFailed", at: 1, ...tunnel, attempt: 1, message: "no", next: "stop" }
    const stop: Event = { _tag: "StopRequested", at: 1, reason: { _tag: "TaskFailed", task: "tunnel", message: "no" } }
    const ran: Event = { _tag: "StateChanged", at: 0, from: "Starting", to: "Running" }
    expect(
      [
        [ran, failed, stop],
        [ran, stop, failed],
        [ran, stop, { ...failed, next: "stopping" } as const],
        [ran, stop, { ...failed, next: "ignore" } as const]
      ].map((log) => Report.outcomeOf(log)._tag)
    ).toEqual(["Clean", "Degraded", "Clean", "Clean"])
  })

  it("comes back from JSON as it was", () => {
    const codec = Schema.fromJsonString(Schema.Array(Event))
    expect(Schema.decodeSync(codec)(Schema.encodeSync(codec)(events))).toEqual(events)
    const report = Schema.fromJsonString(Report.Report)
    const made = Report.fromEvents(events)
    expect(Schema.decodeSync(report)(Schema.encodeSync(report)(made))).toEqual(made)
  })
})
