/**
 * The end that nothing asynchronous survives, in the simulation: a process that leaves, one that is killed, signals that have
 * waited, and code that blocks the event loop. A law holds for each of these lives, and breaks when one thing in it is changed.
 */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Laws from "@quiesce/testing/Laws"
import * as Plan from "@quiesce/testing/Plan"
import * as Scripted from "@quiesce/testing/Scripted"
import { type Strike, strike } from "@quiesce/testing/SignalStorm"
import * as Simulation from "@quiesce/testing/Simulation"
import { type Entry, only, render, type Timeline } from "@quiesce/testing/Timeline"
import { plans } from "./support/plans.ts"

const late = (millis: number, kind: Strike["kind"] = "SIGTERM"): Strike => ({
  ...strike(kind, "Running", 1),
  late: millis
})

/** What has a request and hooks in hand, and takes a second to stop. */
const busy = () =>
  Scripted.component("db", {
    release: { after: 1000 },
    parts: [
      { _tag: "Requests", when: 9900, every: 0, count: 1, takes: 4000, masked: true },
      { _tag: "Emergency", throws: false },
      { _tag: "Emergency", throws: true }
    ]
  })

/** A finalizer that does not return for so long. */
const blocking = (millis: number) => () => Scripted.component("db", { release: { after: millis, blocks: true } })

const live = <A, E>(app: Simulation.Subject<A, E>, ...storm: ReadonlyArray<Strike>) =>
  Simulation.run(app, { seed: 3, plan: { storm, runFor: 10_000, options: { gracePeriod: 10_000 } } })

const lives = {
  left: Effect.suspend(() => live(busy, strike("exit", "Running", 1))),
  "left in the middle": Effect.suspend(() =>
    live(busy, strike("SIGTERM", "Running", 1), strike("exit", "Draining", 0.5))
  ),
  killed: Effect.suspend(() => live(busy, strike("SIGTERM", "Running", 1), strike("kill", "Draining", 0.5))),
  late: Effect.suspend(() => live(busy, late(4000))),
  blocked: Effect.suspend(() => live(blocking(3000), strike("SIGTERM", "Running", 1))),
  "blocked for too long": Effect.suspend(() => live(blocking(12_000), strike("SIGTERM", "Running", 1)))
}

const outcomeOf = ({ report }: Simulation.Simulated): string => {
  const { exitCode, outcome, reason } = report
  return `${outcome._tag} ${exitCode} ${reason._tag}`
}

describe("a life that ends", () => {
  const expected: Readonly<Record<keyof typeof lives, string>> = {
    left: "Forced 1 Crash",
    "left in the middle": "Forced 1 Signal",
    killed: "Forced 137 Signal",
    late: "Clean 0 Signal",
    blocked: "Clean 0 Signal",
    "blocked for too long": "TimedOut 124 Signal"
  }
  for (const [name, life] of Object.entries(lives))
    it.effect(`${name}, keeps every law`, () =>
      Effect.gen(function* () {
        const lived = yield* life
        expect(Laws.check(lived), render(lived.timeline)).toEqual([])
        expect(outcomeOf(lived)).toBe(Reflect.get(expected, name))
      })
    )

  it.effect("with a kill has said its last words, each hook once, and nothing else", () =>
    Effect.gen(function* () {
      const { timeline } = yield* lives.killed
      const from = timeline.findIndex(({ _tag }) => _tag === "Struck")
      expect(timeline.slice(from).map((entry) => (entry._tag === "Struck" ? entry.what : entry._tag))).toEqual([
        "watchdog",
        "HookRan",
        "HookEnded",
        "HookRan",
        "HookEnded",
        "Failed",
        // What was said is known when it has been said.
        "Straggler",
        "EmergencyRan",
        "EmergencyRan",
        "SIGKILL"
      ])
    })
  )

  it.effect("in a hook that does not return is ended by a watchdog, which runs the others", () =>
    Effect.gen(function* () {
      const app = () =>
        Scripted.component("db", {
          parts: [
            { _tag: "Emergency", throws: false, blocks: 5000 },
            { _tag: "Emergency", throws: false },
            { _tag: "Requests", when: 9900, every: 0, count: 1, takes: -1, masked: true }
          ]
        })
      const life = yield* live(app, strike("SIGTERM", "Running", 1), strike("SIGINT", "Draining"))
      expect(Laws.check(life)).toEqual([])
      expect(only(life.timeline, "HookRan").map(({ hook }) => hook)).toEqual(["db/emergency", "db.1/emergency"])
      expect(only(life.timeline, "EmergencyRan").map(({ name }) => name)).toEqual(["db.1/emergency"])
      expect([life.timeline.at(-1), outcomeOf(life)]).toEqual([
        { _tag: "Struck", at: 15_000, what: "SIGKILL" },
        "Forced 137 Signal"
      ])
    })
  )

  it.effect("with the event loop blocked has been told of it, from a second on", () =>
    Effect.gen(function* () {
      const told = (millis: number) =>
        Effect.map(live(blocking(millis), strike("SIGTERM", "Running", 1)), ({ report }) => report.blocked)
      expect(yield* told(999)).toEqual([])
      expect(yield* told(1000)).toEqual([{ at: 11_000, millis: 1000, stack: [], killed: false }])
    })
  )

  it.effect("after a signal that has waited has so much less time", () =>
    Effect.gen(function* () {
      const hangs = () => Scripted.component("db", { release: "hang" })
      const took = (millis: number) =>
        Effect.map(live(hangs, late(millis)), ({ report, timeline }) => [
          only(timeline, "Exited")[0]?.at,
          report.duration,
          report.outcome._tag
        ])
      expect(yield* took(0)).toEqual([15_000, 5000, "Degraded"])
      expect(yield* took(6000)).toEqual([13_000, 9000, "TimedOut"])
      expect(yield* took(20_000)).toEqual([10_000, 10_000, "TimedOut"])
    })
  )
})

type Change = (timeline: Timeline) => Timeline

const is =
  (tag: Entry["_tag"], fields: Readonly<Record<string, unknown>> = {}) =>
  (entry: Entry): boolean =>
    entry._tag === tag && Object.entries(fields).every(([key, value]) => Reflect.get(entry, key) === value)

const without =
  (which: (entry: Entry) => boolean): Change =>
  (timeline) =>
    timeline.filter((entry) => !which(entry))

const changed =
  (which: (entry: Entry) => boolean, fields: object): Change =>
  (timeline) =>
    timeline.map((entry) => (which(entry) ? { ...entry, ...fields } : entry))

const behind =
  (which: (entry: Entry) => boolean, added: Entry): Change =>
  (timeline) =>
    timeline.flatMap((entry) => (which(entry) ? [entry, added] : [entry]))

const logged: Entry = { _tag: "Logged", at: 10_000, level: "Info", message: "hello" }

const breaches: ReadonlyArray<
  readonly [law: string, what: string, life: keyof typeof lives, change: Change, says: string]
> = [
  [
    "exit-code",
    "a process that was left says that it has timed out",
    "left",
    changed(is("Ended"), { outcome: { _tag: "TimedOut" } }),
    "it said that it was TimedOut, and it was Forced"
  ],
  [
    "exit-code",
    "a process that was left exits as if all were well",
    "left in the middle",
    changed(is("Exited"), { exitCode: 0 }),
    "it exited with 0, and a stop that is Forced with the reason Signal exits with 1"
  ],
  [
    "exit-code",
    "a stop ends behind its deadline, and is Clean",
    "blocked for too long",
    (timeline) =>
      changed(is("Ended"), { outcome: { _tag: "Clean" } })(without(is("StateChanged", { to: "Exit" }))(timeline)),
    "it ended 2000 ms behind its deadline, and said that it was Clean"
  ],
  [
    "ends-in-time",
    "a process that was left goes on",
    "left",
    changed(is("Exited"), { at: 10_500 }),
    "its process was left, and it went on"
  ],
  [
    "ends-in-time",
    "the time that a signal has waited is not counted",
    "late",
    changed(is("StopRequested"), { spent: 0 }),
    "the signal had waited for 4000 ms, and 0 ms were counted"
  ],
  [
    "ends-in-time",
    "a signal has waited, and the stop takes as long as ever",
    "late",
    changed(is("Exited"), { at: 18_000 }),
    "the stop took 8000 ms of 6000 ms"
  ],
  [
    "accounted",
    "the report leaves out what the signal has waited",
    "late",
    (timeline) => timeline,
    "the report says that the stop took 1 ms, and it was 8900 ms"
  ],
  [
    "accounted",
    "the report leaves out where the event loop was blocked",
    "blocked",
    (timeline) => timeline,
    "the report does not say that the event loop was blocked for 3000 ms"
  ],
  [
    "accounted",
    "a hook that has run is not told to who kills the process",
    "killed",
    without(is("EmergencyRan", { name: "db.2/emergency" })),
    "db.2/emergency was told 0 times to have run"
  ],
  [
    "never-silent",
    "nothing is logged of an event loop that is blocked",
    "blocked",
    without(({ _tag }) => _tag === "Logged"),
    "nothing was logged of EventLoopBlocked: the event loop was blocked"
  ],
  [
    "released-once",
    "something else runs where the process is being killed",
    "killed",
    behind(is("Struck", { what: "watchdog" }), logged),
    "there was Logged where nothing but emergency hooks may run"
  ],
  [
    "released-once",
    "a hook does not run before the process is killed",
    "killed",
    without(is("HookRan", { hook: "db.1/emergency" })),
    "db.1/emergency did not run although the application left at once"
  ],
  [
    "released-once",
    "a hook runs again",
    "killed",
    behind(is("EmergencyRan", { name: "db.1/emergency" }), { _tag: "HookRan", at: 11_950, hook: "db.1/emergency" }),
    "db.1/emergency ran 2 times"
  ]
]

describe("a law is broken where", () => {
  for (const [law, what, name, change, says] of breaches)
    it.effect(`${what} (${law})`, () =>
      Effect.gen(function* () {
        const life = yield* lives[name]
        const report = { ...life.report, duration: 1, blocked: [] }
        const found = Laws.check({ ...life, report, timeline: change(life.timeline) })
        expect(found.map((violation) => `${violation.law}: ${violation.message}`)).toContain(`${law}: ${says}`)
      })
    )
})

describe("random programs", () => {
  it.effect("meet each of these ends", () =>
    Effect.gen(function* () {
      const met = { left: 0, killed: 0, late: 0, blocked: 0, "behind the deadline": 0 }
      for (const plan of yield* plans(600, "leaving")) {
        const { report, timeline } = yield* Plan.play(plan)
        const stop = only(timeline, "StopRequested")[0]
        if (only(timeline, "Crashed").some(({ kind }) => kind === "processExit")) met.left++
        if (timeline.at(-1)?._tag === "Struck") met.killed++
        if (stop?.reason._tag === "Signal" && stop.spent !== undefined) met.late++
        if (report.blocked.length > 0) met.blocked++
        const took = (only(timeline, "Ended")[0]?.at ?? 0) - (stop?.at ?? 0)
        if (report.outcome._tag === "TimedOut" && took > report.gracePeriod) met["behind the deadline"]++
      }
      console.log(met)
      expect(Object.entries(met).filter(([, times]) => times === 0)).toEqual([])
    })
  )
})
