/** Every law of the kit can be broken: a sound life keeps it, and the same life with one thing changed does not. */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Law from "@quiesce/testing/Law"
import * as Laws from "@quiesce/testing/Laws"
import * as Plan from "@quiesce/testing/Plan"
import * as Scripted from "@quiesce/testing/Scripted"
import { strike } from "@quiesce/testing/SignalStorm"
import * as Search from "@quiesce/testing/Search"
import * as Simulation from "@quiesce/testing/Simulation"
import { type Entry, render, type Timeline } from "@quiesce/testing/Timeline"

/** Two components, one built with the other; work, a section, a finalizer that fails. */
const sound = Effect.suspend(() => {
  const db = Scripted.component("db", { release: { after: 100 } })
  const api = Scripted.component("api", {
    needs: [db],
    release: { after: 50, end: "fail" },
    parts: [
      { _tag: "Requests", when: 900, every: 0, count: 1, takes: 400, masked: false },
      { _tag: "Section", when: 900, takes: 300, atMost: 1000, masked: false, allowDuringStop: false }
    ]
  })
  return Simulation.run(Layer.mergeAll(api, db), {
    plan: { storm: [strike("SIGTERM", "Running", 1)], options: { lameDuck: 100 } }
  })
})

/** A start that fails when another component is up already. */
const failing = Effect.suspend(() => {
  const db = Scripted.component("db", { release: { after: 100 } })
  return Simulation.run(Scripted.component("api", { needs: [db], acquire: "fail" }))
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

const twice =
  (which: (entry: Entry) => boolean): Change =>
  (timeline) =>
    timeline.flatMap((entry) => (which(entry) ? [entry, entry] : [entry]))

const changed =
  (which: (entry: Entry) => boolean, fields: object): Change =>
  (timeline) =>
    timeline.map((entry) => (which(entry) ? { ...entry, ...fields } : entry))

/** Takes the first such entry out and puts it before or behind another. */
const moved =
  (which: (entry: Entry) => boolean, place: "before" | "behind", other: (entry: Entry) => boolean): Change =>
  (timeline) => {
    const taken = timeline.find(which)
    if (taken === undefined) return timeline
    const rest = timeline.filter((entry) => entry !== taken)
    const at = rest.findIndex(other) + (place === "before" ? 0 : 1)
    return rest.toSpliced(at, 0, { ...taken, at: rest[at]?.at ?? taken.at })
  }

const accepted: Entry = { _tag: "Accepted", at: 1500, gate: "api", unit: 9, masked: false }
const left: Entry = { _tag: "Left", at: 1500, gate: "api", unit: 9, whole: true }
const drained = is("Awaited", { kind: "drainable", name: "api" })

const spoilt: ReadonlyArray<readonly [law: string, what: string, change: Change, message: string]> = [
  [
    "released-once",
    "a release is missing",
    without(is("Releasing", { component: "db" })),
    "db was acquired and never released"
  ],
  ["released-once", "a release comes twice", twice(is("Releasing", { component: "db" })), "db was released 2 times"],
  [
    "released-once",
    "an end is not told",
    without(is("ComponentStopped", { name: "db" })),
    "db started and never ended"
  ],
  [
    "reverse-order",
    "a dependency is released first",
    moved(is("Releasing", { component: "db" }), "before", is("Releasing", { component: "api" })),
    "db began to stop while api was using it"
  ],
  [
    "reverse-order",
    "a dependency is told to stop first",
    moved(is("ComponentStopping", { name: "db" }), "before", is("ComponentStopping", { name: "api" })),
    "db began to stop before api had settled"
  ],
  [
    "no-late-acceptance",
    "a unit gets in when the gate was drained",
    (timeline) => timeline.flatMap((entry) => (drained(entry) ? [entry, accepted, left] : [entry])),
    "api accepted unit 9 after it was drained"
  ],
  [
    "no-late-acceptance",
    "a unit never ends",
    without(is("Left", { gate: "api" })),
    "unit 0 of api never ended, and nothing says so"
  ],
  [
    "no-late-acceptance",
    "a unit is torn",
    changed(is("Left", { gate: "api" }), { whole: false }),
    "unit 0 of api was torn, and nothing had said so"
  ],
  [
    "ready-before-refuse",
    "the gate closes while it is ready",
    moved(is("GateClosed"), "before", is("StateChanged", { to: "LameDuck" })),
    "new work was refused while the application said that it was ready"
  ],
  [
    "ready-before-refuse",
    "lame duck is too short",
    changed(is("GateClosed"), { at: 1040 }),
    "lame duck lasted 40 ms instead of 100 ms"
  ],
  ["ends-in-time", "the end comes late", changed(is("Exited"), { at: 90_000 }), "the stop took 89000 ms of 25000 ms"],
  ["ends-in-time", "there is no end", without(is("Exited")), "it was asked to stop and never ended"],
  [
    "ends-in-time",
    "nobody hears the request",
    changed(is("StopRequested"), { at: 1100 }),
    "it was asked to stop (Signalled), and went on"
  ],
  [
    "isolation",
    "one is not released because another fails",
    without(is("Releasing", { component: "db" })),
    "db was never released, because of api"
  ],
  [
    "accounted",
    "the log forgets an end",
    without(is("ComponentStopped", { name: "db" })),
    "the report says that db abandoned, and it was stopped"
  ],
  [
    "escalation-forward",
    "two states are swapped",
    moved(is("StateChanged", { to: "Draining" }), "behind", is("StateChanged", { to: "Interrupting" })),
    "Draining -> Interrupting is not a step forward from where it was"
  ],
  [
    "escalation-forward",
    "a second signal does nothing",
    (timeline) =>
      timeline.flatMap((entry) =>
        drained(entry) ? [{ _tag: "Signalled", at: 1350, signal: "SIGINT" }, entry] : [entry]
      ),
    "SIGINT was the last rung, and the application stayed"
  ],
  [
    "critical-section-whole",
    "a section is torn",
    changed(is("SectionLeft"), { whole: false }),
    "api.1 was interrupted, and it had not exceeded its limit"
  ],
  [
    "critical-section-whole",
    "the release begins under a section",
    moved(is("SectionLeft"), "behind", is("StateChanged", { to: "Releasing" })),
    "the release began while api.1 was going on, and nothing says so"
  ],
  [
    "exit-code",
    "the process leaves with another code",
    changed(is("Exited"), { exitCode: 0 }),
    "it exited with 0, and a stop that is Degraded with the reason Signal exits with 70"
  ],
  [
    "exit-code",
    "the outcome is better than what happened",
    changed(is("Ended"), { outcome: { _tag: "Clean" } }),
    "it said that it was Clean, and it was Degraded"
  ],
  [
    "never-silent",
    "nothing is logged",
    without(is("Logged")),
    'nothing was logged of "api: release failed on purpose"'
  ],
  [
    "never-silent",
    "a failure is logged twice",
    twice(is("Logged", { level: "Error" })),
    '"api: release failed on purpose" was logged 2 times'
  ],
  [
    "never-silent",
    "the line does not name the component",
    changed(is("Logged", { level: "Error" }), { message: "something: release failed on purpose" }),
    'nothing was logged of "api: release failed on purpose"'
  ]
]

describe("a sound life keeps every law", () => {
  it.effect("with work, a section and a finalizer that fails", () =>
    Effect.gen(function* () {
      const life = yield* sound
      expect(Laws.check(life), render(life.timeline)).toEqual([])
    })
  )

  it.effect("with a failpoint that is hit while it runs", () =>
    Effect.gen(function* () {
      const life = yield* sound
      const hit: Entry = { _tag: "Struck", at: 900, what: "failpoint orders.commit" }
      const at = life.timeline.findIndex(is("Signalled"))
      expect(Laws.check({ ...life, timeline: life.timeline.toSpliced(at, 0, hit) })).toEqual([])
    })
  )

  it.effect("with a start that fails", () =>
    Effect.gen(function* () {
      const life = yield* failing
      expect(Laws.check(life), render(life.timeline)).toEqual([])
    })
  )
})

describe("where each step takes a little time, as on a real machine", () => {
  /** The same life, with 20 microseconds between one entry and the next. */
  const late: Change = (timeline) => timeline.map((entry, index) => ({ ...entry, at: entry.at + index / 50 }))

  it.effect("a drain that is told 60 microseconds off is within a slack of 1 ms, and outside of none", () =>
    Effect.gen(function* () {
      const life = yield* sound
      const timeline = changed(drained, { waited: 199.94 })(life.timeline)
      expect(Laws.accounted.check({ ...life, timeline }).map(({ message }) => message)).toEqual([
        "api was waited for 200 ms, and 199.94 ms are told"
      ])
      const limits = yield* Law.limits({ lameDuck: 100 }, 1)
      expect(Laws.accounted.check({ ...life, limits, timeline })).toEqual([])
    })
  )

  it.effect("the laws that a chaos run checks hold for all that the simulation finds sound", () =>
    Effect.gen(function* () {
      const broken: Array<string> = []
      yield* Search.run({
        programs: 300,
        onLife: (plan, life) => {
          const slower = { ...life, timeline: late(life.timeline), limits: { ...life.limits, slack: 100 } }
          for (const { law, message } of Laws.check(slower, Laws.unhurried))
            broken.push(`${law}: ${message}\n${Plan.toJson(plan)}`)
        }
      })
      expect(broken).toEqual([])
    })
  )
})

describe("every law bites", () => {
  for (const [name, what, change, message] of spoilt) {
    it.effect(`${name}: ${what}`, () =>
      Effect.gen(function* () {
        const life = yield* sound
        const law = Laws.all.find((one) => one.name === name)
        const found = law?.check({ ...life, timeline: change(life.timeline) }) ?? []
        expect(found.map((violation) => violation.message)).toContain(message)
        for (const { entries, law } of found) {
          expect(law).toBe(name)
          expect(entries.every((at) => at >= 0)).toBe(true)
        }
      })
    )
  }

  it.effect("start-rollback: what a failed start had acquired is not released", () =>
    Effect.gen(function* () {
      const life = yield* failing
      const timeline = without(is("Releasing", { component: "db" }))(life.timeline)
      expect(Laws.startRollback.check({ ...life, timeline }).map(({ message }) => message)).toEqual([
        "db was acquired by a start that did not succeed, and was never released"
      ])
    })
  )

  it.effect("start-rollback: the application runs although its start failed", () =>
    Effect.gen(function* () {
      const life = yield* failing
      const running: Entry = { _tag: "StateChanged", at: 0, from: "Starting", to: "Running" }
      const found = Laws.startRollback.check({ ...life, timeline: [running, ...life.timeline] })
      expect(found.map(({ message }) => message)).toContain("the start failed, and yet it was running")
    })
  )

  it.effect("replay: one entry is another", () =>
    Effect.gen(function* () {
      const life = yield* sound
      const again = { ...life, timeline: changed(is("Exited"), { exitCode: 1 })(life.timeline) }
      expect(Laws.replay(life, again)).toEqual([
        {
          law: "replay",
          message: `the second time there was ${JSON.stringify(again.timeline.at(-1))}`,
          entries: [life.timeline.length - 1]
        }
      ])
      expect(Laws.replay(life, life)).toEqual([])
    })
  )

  it("every law of the list has been tried", () => {
    const tried = new Set([...spoilt.map(([name]) => name), "start-rollback", "tasks-supervised", "reload-atomic"])
    expect(Laws.all.map(({ name }) => name).filter((name) => !tried.has(name))).toEqual([])
  })
})

describe("Laws.assert", () => {
  it.effect("says which laws are broken, and marks the lines that show it", () =>
    Effect.gen(function* () {
      const life = yield* sound
      const timeline = changed(is("Exited"), { exitCode: 0 })(life.timeline)
      const broken = yield* Effect.flip(Laws.assert({ ...life, timeline }))
      expect(broken.laws).toEqual(["exit-code"])
      const [sentence, , ...log] = broken.message.split("\n")
      expect(sentence).toBe(
        "exit-code: it exited with 0, and a stop that is Degraded with the reason Signal exits with 70"
      )
      expect(log.filter((line) => line.startsWith(">"))).toEqual([">    1450.0 Exited exitCode=0"])
      expect(log.length).toBeGreaterThan(20)
    })
  )
})
