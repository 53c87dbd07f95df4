/** Law 14, `reload-atomic`, holds for lives with reloads of every kind, and bites. */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Behaviour from "@quiesce/testing/Behaviour"
import * as Laws from "@quiesce/testing/Laws"
import * as Scripted from "@quiesce/testing/Scripted"
import { strike } from "@quiesce/testing/SignalStorm"
import * as Simulation from "@quiesce/testing/Simulation"
import { type Entry, render, type Timeline } from "@quiesce/testing/Timeline"

const reloading = (behaviour: Behaviour.Input, count = 2) =>
  Scripted.component("settings", {
    parts: [{ _tag: "Reloads", when: 100, every: 50, count, behaviour: Behaviour.make(behaviour) }]
  })

const live = (behaviour: Behaviour.Input, fraction = 1) =>
  Simulation.run(reloading(behaviour), { plan: { storm: [strike("SIGTERM", "Running", fraction)] } })

/** The words that were found for the reloads, and how it ended. */
const told = (timeline: Timeline): ReadonlyArray<string> =>
  timeline.flatMap((entry) => (entry._tag.startsWith("Reload") && "name" in entry ? [entry._tag] : []))

describe("a life with reloads keeps every law", () => {
  for (const [what, behaviour, fraction, words] of [
    ["that succeed", { after: 20 }, 1, ["ReloadStarted", "Reloaded", "ReloadStarted", "Reloaded"]],
    ["that fail", { after: 20, end: "fail" }, 1, ["ReloadStarted", "ReloadFailed", "ReloadStarted", "ReloadFailed"]],
    ["that die", { end: "die" }, 1, ["ReloadStarted", "ReloadFailed", "ReloadStarted", "ReloadFailed"]],
    ["that hang, until a stop abandons them", "hang", 1, ["ReloadStarted", "ReloadAbandoned"]],
    ["that hang and ignore their interruption", "deaf", 1, ["ReloadStarted", "ReloadAbandoned"]],
    ["in the middle of which it stops", { after: 200 }, 0.2, ["ReloadStarted", "ReloadAbandoned"]],
    ["that heed their interruption late", { after: 200, masked: true }, 0.2, ["ReloadStarted", "ReloadAbandoned"]],
    [
      "that fail although they were abandoned",
      { after: 200, end: "fail", masked: true },
      0.2,
      ["ReloadStarted", "ReloadAbandoned", "ReloadFailed"]
    ]
  ] as const) {
    it.effect(what, () =>
      Effect.gen(function* () {
        const life = yield* live(behaviour, fraction)
        expect(Laws.check(life), render(life.timeline)).toEqual([])
        expect(told(life.timeline)).toEqual(words)
      })
    )
  }

  it.effect("of several components, at every instant of a stop", () =>
    Simulation.explore(
      () =>
        Scripted.component("api", {
          needs: [reloading({ after: 30 }, 40)],
          parts: [
            { _tag: "Reloads", when: 90, every: 10, count: 40, behaviour: Behaviour.make({ after: 15, end: "fail" }) }
          ]
        }),
      { seeds: 60 }
    )
  )
})

describe("the law bites", () => {
  const is =
    (tag: Entry["_tag"]) =>
    (entry: Entry): boolean =>
      entry._tag === tag
  const spoilt: ReadonlyArray<readonly [what: string, change: (timeline: Timeline) => Timeline, message: string]> = [
    [
      "a reload runs while Running",
      (timeline) => timeline.filter((entry) => entry._tag !== "StateChanged" || entry.to !== "Reloading"),
      "reload 1 of settings began while Running"
    ],
    [
      "two run at once",
      (timeline) => {
        const second = timeline.filter(is("ReloadBegan"))[1]
        const rest = timeline.filter((entry) => entry !== second)
        return second === undefined ? rest : rest.toSpliced(rest.findIndex(is("ReloadBegan")) + 1, 0, second)
      },
      "reload 2 of settings began while another was going on"
    ],
    [
      "a failure is told as a success",
      (timeline) =>
        timeline.map((entry): Entry =>
          entry._tag === "ReloadFailed"
            ? { _tag: "Reloaded", at: entry.at, name: entry.name, version: 1, changed: [], restart: [] }
            : entry
        ),
      "reload 1 of settings was failed, and the word for it was Reloaded"
    ],
    [
      "nothing is told",
      (timeline) => timeline.filter((entry) => entry._tag !== "ReloadFailed"),
      "reload 1 of settings was failed, and the word for it was none"
    ],
    [
      "it stays Reloading",
      (timeline) => timeline.filter((entry) => entry._tag !== "StateChanged" || entry.from !== "Reloading"),
      "the reload was over, and it stayed Reloading"
    ]
  ]
  for (const [what, change, message] of spoilt) {
    it.effect(what, () =>
      Effect.gen(function* () {
        const life = yield* live({ after: 20, end: "fail" })
        const found = Laws.reloadAtomic.check({ ...life, timeline: change(life.timeline) })
        expect(found.map((violation) => violation.message)).toContain(message)
      })
    )
  }

  it.effect("a stop waits for a reload", () =>
    Effect.gen(function* () {
      const life = yield* live({ after: 200 }, 0.2)
      const timeline = life.timeline.map((entry) => (entry._tag === "ReloadAbandoned" ? { ...entry, at: 300 } : entry))
      expect(Laws.reloadAtomic.check({ ...life, timeline }).map(({ message }) => message)).toEqual([
        "a stop came in the middle of a reload of settings, which was not abandoned"
      ])
    })
  )
})
