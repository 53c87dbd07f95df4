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
import { type Entry, type Of, only, render, type Timeline } from "@quiesce/testing/Timeline"

const task = (priority: number, behaviour: Behaviour.Input, restarts = 0): Part => ({
  _tag: "Task",
  behaviour: Behaviour.make(behaviour),
  restarts,
  every: 100,
  cleanup: 10,
  priority,
  onFailure: "ignore",
  onStop: "interrupt"
})

/** Two loops, one that fails twice, and a worker with a unit in hand when the stop comes and two more in its queue. */
const sound = Effect.suspend(() => {
  const loops = Scripted.component("loops", { parts: [task(0, "hang"), task(5, "hang")] })
  const flaky = Scripted.component("flaky", { parts: [task(0, { end: "fail", after: 50 }, 1)] })
  const mail = Scripted.component("mail", {
    parts: [{ _tag: "Worker", every: 0, count: 4, takes: 600, masked: false, concurrency: 1, poisoned: -1 }]
  })
  return Simulation.run(Layer.mergeAll(loops, flaky, mail), {
    plan: { storm: [strike("SIGTERM", "Running", 1)], options: { interrupt: 900 } }
  })
})

type Change = (timeline: Timeline) => Timeline

const without =
  <Tag extends Entry["_tag"]>(tag: Tag, where: (entry: Of<Tag>) => boolean): Change =>
  (timeline) => {
    const gone = new Set<Entry>(only(timeline, tag).filter(where))
    return timeline.filter((entry) => !gone.has(entry))
  }

const changed =
  <Tag extends Entry["_tag"]>(tag: Tag, where: (entry: Of<Tag>) => boolean, fields: Partial<Of<Tag>>): Change =>
  (timeline) => {
    const found = new Set<Entry>(only(timeline, tag).filter(where))
    return timeline.map((entry) => (found.has(entry) ? { ...entry, ...fields } : entry))
  }

const spoilt: ReadonlyArray<readonly [what: string, change: Change, message: RegExp]> = [
  [
    "a restart is missing",
    without("RunBegan", ({ run, task }) => task === "flaky" && run === 2),
    /run 2 of flaky was due at 160 ms and never began/
  ],
  [
    "a restart comes late",
    changed("RunBegan", ({ run, task }) => task === "flaky" && run === 2, { at: 180 }),
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
    changed("RunBegan", ({ run, task }) => task === "flaky" && run === 2, { at: 1100 }),
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
  ["a unit is lost", without("HandedBack", ({ unit }) => unit === 3), /unit 3 of mail was lost/],
  [
    "a unit is handed back twice",
    (timeline) =>
      timeline.flatMap((entry) => (entry._tag === "HandedBack" && entry.unit === 3 ? [entry, entry] : [entry])),
    /unit 3 of mail was handled 0 times and handed back 2 times/
  ],
  [
    "a unit is begun while draining",
    changed("Accepted", ({ unit }) => unit === 1, { at: 1100 }),
    /mail began unit 1 while draining/
  ]
]

describe("tasks-supervised", () => {
  it.effect("holds for a sound life", () =>
    Effect.gen(function* () {
      const life = yield* sound
      expect(Laws.check(life), render(life.timeline)).toEqual([])
      expect(only(life.timeline, "HandedBack").map(({ unit }) => unit)).toEqual([2, 3])
    })
  )

  for (const [what, change, message] of spoilt) {
    it.effect(`notices that ${what}`, () =>
      Effect.gen(function* () {
        const life = yield* sound
        const found = Laws.tasksSupervised.check({ ...life, timeline: change(life.timeline) })
        expect(found.map((violation) => violation.message).join("\n")).toMatch(message)
        for (const { entries } of found) expect(entries.every((at) => at >= 0)).toBe(true)
      })
    )
  }

  it.effect("holds in a hundred orders of events", () =>
    Simulation.explore(
      () =>
        Layer.mergeAll(
          Scripted.component("loops", { parts: [task(0, "hang"), task(5, { end: "fail", after: 200 }, 3)] }),
          Scripted.component("mail", {
            parts: [{ _tag: "Worker", every: 100, count: 12, takes: 150, masked: false, concurrency: 2, poisoned: 2 }]
          })
        ),
      { seeds: 100 }
    )
  )
})
