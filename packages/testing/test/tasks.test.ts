/** The law of tasks: a sound life keeps it, and the same life with one thing changed does not. */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Behaviour from "@quiesce/testing/Behaviour"
import * as Laws from "@quiesce/testing/Laws"
import type { Part } from "@quiesce/testing/Part"
import * as Scripted from "@quiesce/testing/Scripted"
import { strike } from "@quiesce/testing/SignalStorm"
import * as Simulation from "@quiesce/testing/Simulation"
import { only, render } from "@quiesce/testing/Timeline"
import { type Change, changed, is, to, twice, without } from "./support/change.ts"

type TaskPart = Extract<Part, { _tag: "Task" }>

const task = (priority: number, behaviour: Behaviour.Input, fields: Partial<TaskPart> = {}): Part => ({
  _tag: "Task",
  behaviour: Behaviour.make(behaviour),
  restarts: 0,
  every: 100,
  cleanup: 10,
  priority,
  onFailure: "ignore",
  onStop: "interrupt",
  ...fields
})

/** Two loops, one that fails twice, and a worker with a unit in hand when the stop comes and two more in its queue. */
const sound = Effect.suspend(() => {
  const loops = Scripted.component("loops", { parts: [task(0, "hang"), task(5, "hang")] })
  const flaky = Scripted.component("flaky", { parts: [task(0, { end: "fail", after: 50 }, { restarts: 1 })] })
  const mail = Scripted.component("mail", {
    parts: [{ _tag: "Worker", every: 0, count: 4, takes: 600, masked: false, concurrency: 1, poisoned: -1 }]
  })
  return Simulation.run(Layer.mergeAll(loops, flaky, mail), {
    plan: { storm: [strike("SIGTERM", "Running", 1)], options: { interrupt: 900 } }
  })
})

/** Three that may finish when the stop comes: one does, one fails, one never ends. */
const finishing = Effect.suspend(() => {
  const last = (name: string, behaviour: Behaviour.Input) =>
    Scripted.component(name, { parts: [task(0, behaviour, { onStop: "finish", onFailure: "degrade" })] })
  return Simulation.run(
    Layer.mergeAll(
      last("export", { after: 1300 }),
      last("audit", { after: 1200, end: "fail" }),
      last("stuck", { end: "hang", masked: true })
    ),
    { plan: { storm: [strike("SIGTERM", "Running", 1)], options: { drain: 500, interrupt: 300 } } }
  )
})

/** A worker of a table, which has a unit in hand and has asked for another when the stop comes. */
const claiming = Effect.suspend(() => {
  const mail = Scripted.component("mail", {
    parts: [
      { _tag: "Worker", every: 0, count: 4, takes: 600, masked: false, concurrency: 2, poisoned: -1, claims: 700 }
    ]
  })
  return Simulation.run(mail, { plan: { runFor: 1600, storm: [strike("SIGTERM", "Running", 1)] } })
})

type Spoilt = readonly [what: string, change: Change, message: RegExp]

const spoilt: ReadonlyArray<Spoilt> = [
  [
    "a restart is missing",
    without(is("RunBegan", { task: "flaky", run: 2 })),
    /run 2 of flaky was due at 160 ms and never began/
  ],
  [
    "a restart comes late",
    changed(is("RunBegan", { task: "flaky", run: 2 }), { at: 180 }),
    /run 2 of flaky was due at 160 ms and began at 180 ms/
  ],
  [
    "there is a restart too many",
    (timeline) =>
      timeline.flatMap((entry) =>
        entry._tag === "RunEnded" && entry.task === "flaky" && entry.run === 2
          ? [
              entry,
              ...only(timeline, "RunBegan").flatMap((one) =>
                one.task === "flaky" && one.run === 2 ? [{ ...one, run: 3 }] : []
              )
            ]
          : [entry]
      ),
    /flaky ran again after run 2 \(failed\)/
  ],
  [
    "a run begins while draining",
    changed(is("RunBegan", { task: "flaky", run: 2 }), { at: 1100 }),
    /run 2 of flaky began while draining/
  ],
  [
    "the lower priority is interrupted first",
    (timeline) => {
      const ends = only(timeline, "RunEnded").filter(({ how }) => how === "interrupted")
      const [high, low] = [ends.find((end) => end.task === "loops.1"), ends.find((end) => end.task === "loops")]
      if (high === undefined || low === undefined) return timeline
      return timeline.map((entry) =>
        entry === high ? { ...low, at: high.at } : entry === low ? { ...high, at: low.at } : entry
      )
    },
    /loops was interrupted before loops\.1 had ended, whose priority is higher/
  ],
  ["a unit is lost", without(is("HandedBack", { unit: 3 })), /unit 3 of mail was lost/],
  [
    "a unit is handed back twice",
    twice(is("HandedBack", { unit: 3 })),
    /unit 3 of mail was handled 0 times and handed back 2 times/
  ],
  [
    "a unit is begun while draining",
    changed(is("Accepted", { unit: 1 }), { at: 1100 }),
    /mail began unit 1 while draining/
  ]
]

const spoiltFinishes: ReadonlyArray<Spoilt> = [
  [
    "what may finish is interrupted while draining",
    changed(is("RunEnded", { task: "export" }), { how: "interrupted" }),
    /run 1 of export was interrupted while draining/
  ],
  [
    "the drain does not wait for what may finish",
    changed(to("Interrupting"), { at: 1400 }),
    /Draining ended after 400 ms of 500 ms, and run 1 of stuck had not/
  ],
  [
    "the wait is not told",
    without(is("Awaited", { name: "export" })),
    /the drain waited for export, and that is told 0 times/
  ],
  [
    "what has ended is told to be given up",
    changed(is("Awaited", { name: "export" }), { result: "abandoned" }),
    /export was told to be abandoned, and it had ended/
  ],
  ["what is left unfinished is not named", without(is("Straggler")), /stuck was left unfinished, and nothing says so/],
  [
    "what fails in that time is told to be restarted",
    changed(is("TaskFailed"), { next: "restart" }),
    /the failure of run 1 of audit was told as restart instead of degrade/
  ]
]

const spoiltClaims: ReadonlyArray<Spoilt> = [
  [
    "a claim is not waited for",
    changed(is("ClaimAnswered", { at: 2100 }), { whole: false }),
    /mail did not wait for the unit that it had asked for/
  ],
  ["the unit of a claim is lost", without(is("HandedBack", { unit: 1 })), /unit 1 of mail was lost/],
  [
    "a worker asks while draining",
    (timeline) => {
      const asked = timeline.find(is("ClaimAsked", { at: 0 }))
      return timeline.flatMap((entry) =>
        entry._tag === "HandedBack" && asked !== undefined ? [entry, { ...asked, at: entry.at }] : [entry]
      )
    },
    /mail asked for a unit while draining/
  ],
  ["a worker asks for two at a time", twice(is("ClaimAsked", { at: 700 })), /mail asked for two units at a time/]
]

describe("tasks-supervised", () => {
  it.effect("holds for a sound life", () =>
    Effect.gen(function* () {
      const life = yield* sound
      expect(Laws.check(life), render(life.timeline)).toEqual([])
      expect(only(life.timeline, "HandedBack").map(({ unit }) => unit)).toEqual([2, 3])
    })
  )

  it.effect("holds for tasks that a stop lets finish, whatever they then do", () =>
    Effect.gen(function* () {
      const life = yield* finishing
      expect(Laws.check(life), render(life.timeline)).toEqual([])
      const ends = only(life.timeline, "Awaited").filter(({ kind }) => kind === "task")
      expect(ends.map(({ name, result }) => [name, result])).toEqual([
        ["audit", "done"],
        ["export", "done"],
        ["stuck", "abandoned"]
      ])
      expect(only(life.timeline, "TaskFailed").map(({ name, next }) => [name, next])).toEqual([["audit", "degrade"]])
      expect(only(life.timeline, "Straggler").map(({ kind }) => kind)).toEqual(["task stuck"])
    })
  )

  it.effect("holds for a worker of a table that answers when the stop has begun", () =>
    Effect.gen(function* () {
      const life = yield* claiming
      expect(Laws.check(life), render(life.timeline)).toEqual([])
      expect(only(life.timeline, "ClaimAnswered").map(({ at, whole }) => [at, whole])).toEqual([
        [700, true],
        [1400, true],
        [2100, true]
      ])
      expect(only(life.timeline, "Left").map(({ at, unit }) => [at, unit])).toEqual([[2000, 0]])
      expect(only(life.timeline, "HandedBack").map(({ at, unit }) => [at, unit])).toEqual([[2100, 1]])
    })
  )

  for (const [spoils, lived] of [
    [spoilt, sound],
    [spoiltFinishes, finishing],
    [spoiltClaims, claiming]
  ] as const) {
    for (const [what, change, message] of spoils) {
      it.effect(`notices that ${what}`, () =>
        Effect.gen(function* () {
          const life = yield* lived
          const found = Laws.tasksSupervised.check({ ...life, timeline: change(life.timeline) })
          expect(found.map((violation) => violation.message).join("\n")).toMatch(message)
          for (const { entries } of found) expect(entries.every((at) => at >= 0)).toBe(true)
        })
      )
    }
  }

  it.effect("holds in a hundred orders of events", () =>
    Simulation.explore(
      () =>
        Layer.mergeAll(
          Scripted.component("loops", {
            parts: [task(0, "hang"), task(5, { end: "fail", after: 200 }, { restarts: 3 })]
          }),
          Scripted.component("mail", {
            parts: [{ _tag: "Worker", every: 100, count: 12, takes: 150, masked: false, concurrency: 2, poisoned: 2 }]
          })
        ),
      { seeds: 100 }
    )
  )
})
