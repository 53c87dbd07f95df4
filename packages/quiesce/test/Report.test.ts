/** The account of a stop: pure functions of hand-written logs, and the text that people read. */
import { describe, expect, it } from "@effect/vitest"
import * as Schema from "effect/Schema"
import { Event } from "quiesce/Event"
import * as Report from "quiesce/Report"

type Of<Tag extends Event["_tag"]> = Extract<Event, { readonly _tag: Tag }>

const starting: Of<"AppStarting"> = {
  _tag: "AppStarting",
  at: 0,
  name: "shop",
  epochMillis: 1_790_000_000_000,
  gracePeriod: 25_000
}

const component = (
  id: number,
  name: string,
  builtWith: ReadonlyArray<number>,
  started: number
): ReadonlyArray<Event> => [
  { _tag: "ComponentStarting", at: started - 10, id, name: `layer#${id}`, builtWith },
  { _tag: "ComponentStarted", at: started, id, name, services: [`app/${name}`], empty: false }
]

const release = (id: number, name: string, from: number, to: number, failure?: string): ReadonlyArray<Event> => [
  { _tag: "ComponentStopping", at: from, id, name },
  { _tag: "ComponentStopped", at: to, id, name, ...(failure === undefined ? {} : { failure }) }
]

const states = (...entries: ReadonlyArray<readonly [Of<"StateChanged">["to"], number]>): ReadonlyArray<Event> =>
  entries.map(([to, at], index) => ({ _tag: "StateChanged", at, from: entries[index - 1]?.[0] ?? "Starting", to }))

/** In the order in which the engine would have told it. */
const log = (...events: ReadonlyArray<Event | ReadonlyArray<Event>>): ReadonlyArray<Event> =>
  events.flat().toSorted((a, b) => a.at - b.at)

const term: Event = { _tag: "StopRequested", at: 1000, reason: { _tag: "Signal", signal: "SIGTERM" } }

const ended = (at: number, outcome: Of<"Ended">["outcome"], exitCode: number): Event => ({
  _tag: "Ended",
  at,
  outcome,
  exitCode
})

const clean = log(
  starting,
  component(1, "config", [], 20),
  component(2, "db", [1], 120),
  component(3, "cache", [1], 60),
  component(4, "api", [2, 3], 140),
  component(5, "metrics", [], 30),
  term,
  states(
    ["Running", 140],
    ["LameDuck", 1000],
    ["Draining", 1000],
    ["Interrupting", 1420],
    ["Releasing", 1420],
    ["Flushing", 2040],
    ["Stopped", 2050]
  ),
  { _tag: "InFlight", at: 1000, counts: { request: 3 } },
  { _tag: "GateClosed", at: 1000, name: "http" },
  { _tag: "Awaited", at: 1420, kind: "drainable", name: "http", waited: 420, result: "done" },
  release(4, "api", 1420, 1620),
  release(2, "db", 1620, 2020),
  release(3, "cache", 1620, 1670),
  release(1, "config", 2020, 2040),
  release(5, "metrics", 1420, 1420),
  ended(2050, { _tag: "Clean" }, 0)
)

const degraded = log(
  starting,
  component(1, "postgres", [], 100),
  component(2, "a-third-party-layer-with-a-really-long-name-that-nobody-chose", [1], 200),
  component(3, "mailer", [], 50),
  term,
  states(
    ["Running", 200],
    ["LameDuck", 1000],
    ["Draining", 3000],
    ["Interrupting", 13_000],
    ["Releasing", 14_000],
    ["Flushing", 19_700],
    ["Stopped", 19_900]
  ),
  { _tag: "Awaited", at: 13_000, kind: "drainable", name: "http", waited: 10_000, result: "abandoned" },
  {
    _tag: "Awaited",
    at: 13_000,
    kind: "onStopping",
    name: "deregister",
    waited: 300,
    result: "failed",
    failure: "consul said 500"
  },
  { _tag: "Straggler", at: 13_000, kind: "request", count: 2 },
  { _tag: "Straggler", at: 13_000, kind: "websocket", count: 41 },
  { _tag: "CriticalSectionWaited", at: 14_000, name: "save-layout", waited: 1000, exceeded: true },
  {
    _tag: "ComponentStopping",
    at: 14_000,
    id: 2,
    name: "a-third-party-layer-with-a-really-long-name-that-nobody-chose"
  },
  {
    _tag: "ComponentAbandoned",
    at: 19_000,
    id: 2,
    name: "a-third-party-layer-with-a-really-long-name-that-nobody-chose",
    limit: "stopTimeout",
    after: 5000
  },
  release(1, "postgres", 19_000, 19_700),
  release(3, "mailer", 14_000, 14_250, "connection reset"),
  { _tag: "BackgroundFailed", at: 15_000, id: 3, name: "mailer", message: "queue closed", policy: "log" },
  { _tag: "Lingering", at: 19_900, handles: ["TCP 127.0.0.1:5432", "timer"] },
  ended(19_900, { _tag: "Degraded" }, 70)
)

const timedOut = log(
  starting,
  component(1, "db", [], 100),
  component(2, "api", [1], 200),
  term,
  states(
    ["Running", 200],
    ["LameDuck", 1000],
    ["Draining", 1000],
    ["Interrupting", 11_000],
    ["Releasing", 16_000],
    ["Exit", 26_000]
  ),
  { _tag: "ComponentStopping", at: 16_000, id: 2, name: "api" },
  ended(26_000, { _tag: "TimedOut" }, 124)
)

const forced = log(
  starting,
  component(1, "db", [], 100),
  { _tag: "StopRequested", at: 1000, reason: { _tag: "Signal", signal: "SIGINT" } },
  states(["Running", 100], ["LameDuck", 1000], ["Draining", 1000], ["Exit", 2500]),
  { _tag: "Escalated", at: 2500, rung: "Exit", signal: "SIGINT" },
  { _tag: "Straggler", at: 2500, kind: "upload", count: 1 },
  { _tag: "EmergencyRan", at: 2500, name: "journal" },
  { _tag: "EmergencyRan", at: 2500, name: "telemetry", failure: "socket closed" },
  ended(2500, { _tag: "Forced", signal: "SIGINT" }, 130)
)

const startFailed = log(
  starting,
  component(1, "config", [], 20),
  { _tag: "ComponentStarting", at: 20, id: 2, name: "db", builtWith: [1] },
  {
    _tag: "ComponentStartFailed",
    at: 320,
    id: 2,
    name: "db",
    interrupted: false,
    message: "connection refused at localhost:5432"
  },
  { _tag: "ComponentStarting", at: 25, id: 3, name: "cache", builtWith: [1] },
  { _tag: "ComponentStartFailed", at: 320, id: 3, name: "cache", interrupted: true, message: "interrupted" },
  release(1, "config", 320, 330),
  { _tag: "StopRequested", at: 330, reason: { _tag: "StartFailed", message: "connection refused at localhost:5432" } },
  states(
    ["LameDuck", 330],
    ["Draining", 330],
    ["Interrupting", 330],
    ["Releasing", 330],
    ["Flushing", 330],
    ["Stopped", 330]
  ),
  ended(330, { _tag: "Clean" }, 1)
)

const logs = { clean, degraded, timedOut, forced, startFailed }

describe("the report, as a function of the log", () => {
  it("state times add up to the duration of the stop", () => {
    for (const [name, events] of Object.entries(logs)) {
      const report = Report.fromEvents(events)
      expect({ name, sum: report.states.reduce((sum, row) => sum + row.duration, 0) }).toEqual({
        name,
        sum: report.duration
      })
    }
  })

  it("state times add up to the duration also where the engine itself takes its time between two events", () => {
    const { duration, states: rows } = Report.fromEvents(
      log(
        starting,
        term,
        states(
          ["Running", 140],
          ["LameDuck", 1000.4],
          ["Draining", 1010],
          ["Releasing", 1020.25],
          ["Flushing", 1030],
          ["Stopped", 1040]
        ),
        ended(1043.5, { _tag: "Clean" }, 0)
      )
    )
    expect([duration, rows.map((row) => row.duration)]).toEqual([43.5, [10, 10.25, 9.75, 13.5]])
  })

  it("is about the stop: a section that somebody waited for earlier is not held against it, a crash meanwhile is", () => {
    const exceeded = (at: number): Event => ({
      _tag: "CriticalSectionWaited",
      at,
      name: "save",
      waited: 10,
      exceeded: true
    })
    const crashed: Event = { _tag: "Crashed", at: 1001, kind: "uncaughtException", message: "x is not a function" }
    const outcomes = [
      log(starting, states(["Running", 200]), exceeded(500), term),
      log(starting, term, exceeded(1500)),
      log(starting, term, crashed)
    ].map((events) => [Report.outcomeOf(events)._tag, Report.fromEvents(events).criticalSections.length])
    expect(outcomes).toEqual([
      ["Clean", 0],
      ["Degraded", 1],
      ["Degraded", 0]
    ])
  })

  it("holds against the stop what the rollback of a start had torn before a signal came", () => {
    const torn: Event = { _tag: "Straggler", at: 500, kind: "request", count: 1 }
    expect(Report.outcomeOf(log(starting, torn, term))._tag).toBe("Degraded")
    expect(Report.outcomeOf(log(starting, states(["Running", 200]), torn, term))._tag).toBe("Clean")
  })

  it("along the critical chain waiting and working add up to the time of the release", () => {
    expect(Report.fromEvents(clean).criticalChain).toEqual([
      { name: "api", waiting: 0, working: 200 },
      { name: "db", waiting: 0, working: 400 },
      { name: "config", waiting: 0, working: 20 }
    ])
    const gaps = log(
      starting,
      component(1, "db", [], 100),
      component(2, "api", [1], 200),
      term,
      states(
        ["Running", 200],
        ["LameDuck", 1000],
        ["Draining", 1000],
        ["Interrupting", 1000],
        ["Releasing", 1000],
        ["Flushing", 1400]
      ),
      release(2, "api", 1030, 1130),
      release(1, "db", 1300, 1400)
    )
    expect(Report.fromEvents(gaps).criticalChain).toEqual([
      { name: "api", waiting: 30, working: 100 },
      { name: "db", waiting: 170, working: 100 }
    ])
  })

  it("along the critical chain counts what is left of a release that an interrupted start began before", () => {
    const interrupted = log(
      starting,
      component(1, "db", [], 100),
      { _tag: "ComponentStarting", at: 100, id: 2, name: "api", builtWith: [1] },
      term,
      states(["LameDuck", 1000], ["Draining", 1000], ["Interrupting", 1000], ["Releasing", 1200], ["Flushing", 1500]),
      { _tag: "ComponentStartFailed", at: 1010, id: 2, name: "api", interrupted: true, message: "interrupted" },
      release(1, "db", 1010, 1500)
    )
    expect(Report.fromEvents(interrupted).criticalChain).toEqual([{ name: "db", waiting: 0, working: 300 }])
  })

  it("is about the start and the stop: what running code cut off and waited for itself is not held against it", () => {
    const losses = (at: number): ReadonlyArray<Event> => [
      { _tag: "Straggler", at, kind: "tenant", count: 1 },
      { _tag: "Awaited", at, kind: "interrupt", name: "tenant", waited: 1, result: "done" }
    ]
    const running: Event = { _tag: "StateChanged", at: 100, from: "Starting", to: "Running" }
    const counts = [50, 500, 1500].map((at) => {
      const { awaited, stragglers } = Report.fromEvents(log(starting, running, losses(at), term))
      return [stragglers.length, awaited.length]
    })
    expect(counts).toEqual([
      [1, 1],
      [0, 0],
      [1, 1]
    ])
  })

  it("counts the rollback of a failed start from where the request says that it began", () => {
    const reason = { _tag: "StartFailed", message: "no port" } as const
    const rolledBack = (spent?: number) =>
      Report.fromEvents(
        log(
          starting,
          component(1, "migration", [], 20),
          release(1, "migration", 30, 40),
          { _tag: "StopRequested", at: 60_500, reason, ...(spent === undefined ? {} : { spent }) },
          states(["LameDuck", 60_500], ["Releasing", 60_500]),
          ended(60_500, { _tag: "Clean" }, 1)
        )
      ).duration
    expect([rolledBack(500), rolledBack(0), rolledBack()]).toEqual([500, 0, 60_470])
  })

  it("blames each component for the time that it worked, not for the time that it had to wait", () => {
    const rows = Report.fromEvents(clean).components.map(({ builtWith, name, waiting, working }) => ({
      name,
      builtWith,
      waiting,
      working
    }))
    expect(rows).toEqual([
      { name: "db", builtWith: ["config"], waiting: 200, working: 400 },
      { name: "api", builtWith: ["db", "cache"], waiting: 0, working: 200 },
      { name: "cache", builtWith: ["config"], waiting: 200, working: 50 },
      { name: "config", builtWith: [], waiting: 600, working: 20 },
      { name: "metrics", builtWith: [], waiting: 0, working: 0 }
    ])
  })

  it("says of every component how it ended", () => {
    const endings = Object.entries(logs).map(([name, events]) => [
      name,
      Report.fromEvents(events)
        .components.map((row) => `${row.name.slice(0, 8)}: ${row.end}`)
        .toSorted()
    ])
    expect(Object.fromEntries(endings)).toEqual({
      clean: ["api: stopped", "cache: stopped", "config: stopped", "db: stopped", "metrics: stopped"],
      degraded: ["a-third-: abandoned", "mailer: failed", "postgres: stopped"],
      timedOut: ["api: abandoned", "db: running"],
      forced: ["db: running"],
      startFailed: ["cache: start interrupted", "config: stopped", "db: start failed"]
    })
  })

  it("has one line for each failure of the whole life", () => {
    expect([degraded, forced, startFailed].flatMap((events) => Report.fromEvents(events).failures)).toEqual([
      "deregister (onStopping) failed: consul said 500",
      "mailer failed to stop cleanly: connection reset",
      "a background fiber of mailer died: queue closed",
      "emergency hook telemetry threw: socket closed",
      "db could not start: connection refused at localhost:5432"
    ])
  })

  it("gives advice where several slow releases stood in a queue", () => {
    const queue = log(
      starting,
      [1, 2, 3].flatMap((id) => component(id, `part${id}`, id === 1 ? [] : [id - 1], id * 10)),
      term,
      states(
        ["Running", 40],
        ["LameDuck", 1000],
        ["Draining", 1000],
        ["Interrupting", 1000],
        ["Releasing", 1000],
        ["Flushing", 1600]
      ),
      release(3, "part3", 1000, 1200),
      release(2, "part2", 1200, 1400),
      release(1, "part1", 1400, 1600)
    )
    expect(Report.fromEvents(queue).advice).toEqual([
      "part3, part2, part1 were released one after the other; where one does not use the other, " +
        "combine them with Layer.mergeAll instead of a chain of provides, and they are released in parallel"
    ])
    expect(Report.fromEvents(clean).advice).toEqual([])
  })

  it("of a process that was killed says so, and what it was doing: whether a stop had begun or not", () => {
    const stopping = log(starting, component(1, "db", [], 100), states(["Running", 100], ["Releasing", 1000]), term)
    expect(
      Report.ofKilled(log(stopping, { _tag: "ComponentStopping", at: 1000, id: 1, name: "db" }), 3000)
    ).toMatchObject({
      outcome: { _tag: "Forced", signal: "SIGKILL" },
      reason: { _tag: "Signal", signal: "SIGTERM" },
      exitCode: 137,
      uptime: 1000,
      duration: 2000,
      components: [{ name: "db", end: "abandoned" }]
    })
    expect(Report.ofKilled(log(starting, states(["Running", 100])), 3000)).toMatchObject({
      reason: { _tag: "Signal", signal: "SIGKILL" },
      exitCode: 137,
      uptime: 3000,
      duration: 0
    })
  })

  it("of a log that breaks off says what is known", () => {
    expect(() => Report.render(Report.fromEvents([]))).not.toThrow()
    for (const events of Object.values(logs)) {
      for (let length = 0; length <= events.length; length++) {
        const report = Report.fromEvents(events.slice(0, length))
        expect(report.duration).toBeGreaterThanOrEqual(0)
        expect(() => Report.render(report)).not.toThrow()
      }
    }
  })
})

describe("as JSON", () => {
  it("every event comes back as it was", () => {
    const codec = Schema.fromJsonString(Schema.Array(Event))
    for (const events of Object.values(logs))
      expect(Schema.decodeSync(codec)(Schema.encodeSync(codec)(events))).toEqual(events)
  })

  it("a report comes back as it was, and is the same when computed from a log that was read back", () => {
    const events = Schema.fromJsonString(Schema.Array(Event))
    const codec = Schema.fromJsonString(Report.Report)
    for (const original of Object.values(logs)) {
      const report = Report.fromEvents(original)
      expect(Schema.decodeSync(codec)(Schema.encodeSync(codec)(report))).toEqual(report)
      expect(Report.fromEvents(Schema.decodeSync(events)(Schema.encodeSync(events)(original)))).toEqual(report)
    }
  })
})

describe("as text", () => {
  const text = (events: ReadonlyArray<Event>, width = 80): string =>
    `\n${Report.render(Report.fromEvents(events), { width })}\n`

  it("a clean stop, 100 columns", () =>
    expect(text(clean, 100)).toMatchInlineSnapshot(`
    "
    shop stopped clean in 1.05 s of 25 s (SIGTERM, exit code 0)
      LameDuck 0 ms · Draining 420 ms · Interrupting 0 ms · Releasing 620 ms · Flushing 10 ms
      component    waiting   working
      api             0 ms    200 ms  ██████████
      db            200 ms    400 ms           ███████████████████
      cache         200 ms     50 ms           ██
      config        600 ms     20 ms                               █
      1 more component released in under 1 ms each
      critical chain: api 200 ms > db 400 ms > config 20 ms
      waited for: http 420 ms
    "
  `))
  it("a clean stop, 80 columns", () =>
    expect(text(clean)).toMatchInlineSnapshot(`
    "
    shop stopped clean in 1.05 s of 25 s (SIGTERM, exit code 0)
      LameDuck 0 ms · Draining 420 ms · Interrupting 0 ms · Releasing 620 ms ·
        Flushing 10 ms
      component    waiting   working
      api             0 ms    200 ms  ██████████
      db            200 ms    400 ms           ███████████████████
      cache         200 ms     50 ms           ██
      config        600 ms     20 ms                               █
      1 more component released in under 1 ms each
      critical chain: api 200 ms > db 400 ms > config 20 ms
      waited for: http 420 ms
    "
  `))
  it("a clean stop, 40 columns", () =>
    expect(text(clean, 40)).toMatchInlineSnapshot(`
    "
    shop stopped clean in 1.05 s of 25 s
      SIGTERM, exit code 0
      LameDuck 0 ms · Draining 420 ms ·
        Interrupting 0 ms ·
        Releasing 620 ms · Flushing 10 ms
      component    waiting   working
      api             0 ms    200 ms
      db            200 ms    400 ms
      cache         200 ms     50 ms
      config        600 ms     20 ms
      1 more component released in under
          1 ms each
      critical chain: api 200 ms >
        db 400 ms > config 20 ms
      waited for: http 420 ms
    "
  `))
  it("a degraded stop, 100 columns", () =>
    expect(text(degraded, 100)).toMatchInlineSnapshot(`
    "
    shop stopped, degraded, in 18.9 s of 25 s (SIGTERM, exit code 70)
      LameDuck 2 s · Draining 10 s · Interrupting 1 s · Releasing 5.7 s · Flushing 200 ms
      component                                                        waiting   working
      a-third-party-layer-with-a-really-long-name-that-nobody-chose       0 ms       5 s abandoned
      mailer                                                              0 ms    250 ms failed
      postgres                                                             5 s    700 ms
      critical chain: a-third-party-layer-with-a-really-long-name-that-nobody-chose 5 s >
        postgres 700 ms
      waited for: http 10 s (abandoned), deregister 300 ms (failed)
      critical sections: save-layout 1 s (exceeded its limit)
      unfinished: 2 request, 41 websocket
      failed: deregister (onStopping) failed: consul said 500
      failed: mailer failed to stop cleanly: connection reset
      failed: a background fiber of mailer died: queue closed
      still holding the process: TCP 127.0.0.1:5432, timer
    "
  `))
  it("a degraded stop, 80 columns", () =>
    expect(text(degraded)).toMatchInlineSnapshot(`
    "
    shop stopped, degraded, in 18.9 s of 25 s (SIGTERM, exit code 70)
      LameDuck 2 s · Draining 10 s · Interrupting 1 s · Releasing 5.7 s ·
        Flushing 200 ms
      component                                          waiting   working
      a-third-party-layer-with-a-really-long-name-th…       0 ms       5 s abandoned
      mailer                                                0 ms    250 ms failed
      postgres                                               5 s    700 ms
      critical chain: a-third-party-layer-with-a-really-long-name-that-no… 5 s >
        postgres 700 ms
      waited for: http 10 s (abandoned), deregister 300 ms (failed)
      critical sections: save-layout 1 s (exceeded its limit)
      unfinished: 2 request, 41 websocket
      failed: deregister (onStopping) failed: consul said 500
      failed: mailer failed to stop cleanly: connection reset
      failed: a background fiber of mailer died: queue closed
      still holding the process: TCP 127.0.0.1:5432, timer
    "
  `))
  it("a degraded stop, 40 columns", () =>
    expect(text(degraded, 40)).toMatchInlineSnapshot(`
    "
    shop stopped, degraded, in 18.9 s of
        25 s
      SIGTERM, exit code 70
      LameDuck 2 s · Draining 10 s ·
        Interrupting 1 s · Releasing 5.7 s ·
        Flushing 200 ms
      component    waiting   working
      a-third-…       0 ms       5 s
          abandoned
      mailer          0 ms    250 ms failed
      postgres         5 s    700 ms
      critical chain: a-third-par… 5 s >
        postgres 700 ms
      waited for: http 10 s (abandoned),
        deregister 300 ms (failed)
      critical sections: save-layout 1 s
          (exceeded its limit)
      unfinished: 2 request, 41 websocket
      failed: deregister (onStopping)
          failed: consul said 500
      failed: mailer failed to stop cleanly:
          connection reset
      failed: a background fiber of mailer
          died: queue closed
      still holding the process: TCP
          127.0.0.1:5432,
        timer
    "
  `))
  it("a stop that ran out of time", () =>
    expect(text(timedOut)).toMatchInlineSnapshot(`
    "
    shop ran out of time after 25 s of 25 s (SIGTERM, exit code 124)
      LameDuck 0 ms · Draining 10 s · Interrupting 5 s · Releasing 10 s
      component    waiting   working
      api             0 ms      10 s  ██████████████████████████████ abandoned
      db              0 ms      0 ms   not released
    "
  `))
  it("a forced exit", () =>
    expect(text(forced)).toMatchInlineSnapshot(`
    "
    shop was forced out after 1.5 s of 25 s (SIGINT, exit code 130)
      LameDuck 0 ms · Draining 1.5 s
      component    waiting   working
      db              0 ms      0 ms   not released
      unfinished: 1 upload
      failed: emergency hook telemetry threw: socket closed
    "
  `))
  it("a failed start", () =>
    expect(text(startFailed)).toMatchInlineSnapshot(`
      "
      shop could not start and stopped clean in 10 ms of 25 s
        start failed: connection refused at localhost:5432, exit code 1
        Starting 10 ms · LameDuck 0 ms · Draining 0 ms · Interrupting 0 ms ·
          Releasing 0 ms · Flushing 0 ms
        component    waiting   working
        config          0 ms     10 ms  ████████████████████████████
        db              0 ms      0 ms   start failed
        cache           0 ms      0 ms   start interrupted
        failed: db could not start: connection refused at localhost:5432
      "
    `))

  it("in colour, where only the colours differ", () => {
    const esc = "\u001b"
    for (const events of Object.values(logs)) {
      const report = Report.fromEvents(events)
      const coloured = Report.render(report, { width: 80, color: true })
      expect(coloured.replaceAll(new RegExp(`${esc}\\[\\d+m`, "g"), "")).toBe(Report.render(report, { width: 80 }))
    }
    expect(Report.render(Report.fromEvents(forced), { color: true }).split("\n").slice(0, 4)).toMatchInlineSnapshot(`
      [
        "[1mshop[0m [31mwas forced out[0m after 1.5 s of 25 s (SIGINT, exit code 130)",
        "  LameDuck 0 ms · Draining 1.5 s",
        "[2m  component    waiting   working[0m",
        "  db              0 ms      0 ms  [31m not released[0m",
      ]
    `)
  })

  it("stays within the width, but for a single word that is longer", () => {
    for (const [name, events] of Object.entries(logs)) {
      for (const width of [100, 80, 60, 40]) {
        const tooLong = Report.render(Report.fromEvents(events), { width })
          .split("\n")
          .filter((line) => line.length > width)
        expect({ name, width, tooLong }).toEqual({ name, width, tooLong: [] })
      }
    }
  })
})
