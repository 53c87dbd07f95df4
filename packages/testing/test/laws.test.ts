/** Every law of the kit can be broken: a sound life keeps it, and the same life with one thing changed does not. */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Law from "@quiesce/testing/Law"
import * as Laws from "@quiesce/testing/Laws"
import * as Plan from "@quiesce/testing/Plan"
import * as Search from "@quiesce/testing/Search"
import { type Entry, render } from "@quiesce/testing/Timeline"
import { capacity } from "./spoilt/capacity.ts"
import { gate } from "./spoilt/gate.ts"
import { release } from "./spoilt/release.ts"
import { sections } from "./spoilt/sections.ts"
import { time } from "./spoilt/time.ts"
import { told } from "./spoilt/told.ts"
import { type Change, changed, is } from "./support/change.ts"
import { lives, sound } from "./support/lives.ts"
import { spoil } from "./support/spoil.ts"

describe("a sound life keeps every law", () => {
  for (const [name, lived] of Object.entries(lives)) {
    it.effect(name, () =>
      Effect.gen(function* () {
        const life = yield* lived
        expect(Laws.check(life), render(life.timeline)).toEqual([])
      })
    )
  }

  it.effect("with a failpoint that is hit while it runs", () =>
    Effect.gen(function* () {
      const life = yield* sound
      const hit: Entry = { _tag: "Struck", at: 900, what: "failpoint orders.commit" }
      const at = life.timeline.findIndex(is("Signalled"))
      expect(Laws.check({ ...life, timeline: life.timeline.toSpliced(at, 0, hit) })).toEqual([])
    })
  )
})

describe("where each step takes a little time, as on a real machine", () => {
  /** The same life, with 20 microseconds between one entry and the next. */
  const late: Change = (timeline) => timeline.map((entry, index) => ({ ...entry, at: entry.at + index / 50 }))

  it.effect("a drain that is told 60 microseconds off is within a slack of 1 ms, and outside of none", () =>
    Effect.gen(function* () {
      const life = { ...(yield* sound), report: undefined }
      const timeline = changed(is("Awaited", { kind: "drainable", name: "api" }), { waited: 199.94 })(life.timeline)
      expect(Laws.accounted.check({ ...life, timeline }).map(({ message }) => message)).toEqual([
        "api was waited for 200 ms, and 199.94 ms are told"
      ])
      const limits = yield* Law.limits({ lameDuck: 100 }, 1)
      expect(Laws.accounted.check({ ...life, limits, timeline })).toEqual([])
    })
  )

  it.effect(
    "the laws that a chaos run checks hold for all that the simulation finds sound",
    () =>
      Effect.gen(function* () {
        const broken: Array<string> = []
        yield* Search.run({
          programs: 300,
          onLife: (plan, life) => {
            const slower = {
              ...life,
              report: undefined,
              timeline: late(life.timeline),
              limits: { ...life.limits, slack: 100 }
            }
            for (const { law, message } of Laws.check(slower, Laws.unhurried))
              broken.push(`${law}: ${message}\n${Plan.toJson(plan)}`)
          }
        })
        expect(broken).toEqual([])
      }),
    30_000
  )
})

const spoilt = [...release, ...gate, ...capacity, ...time, ...sections, ...told]

describe("every law bites", () => {
  for (const [name, what, lived, change, message] of spoilt) {
    it.effect(`${name}: ${what}`, () =>
      Effect.gen(function* () {
        const law = Laws.all.find((one) => one.name === name)
        const found = law?.check(spoil(yield* lives[lived], change)) ?? []
        expect(found.map((violation) => violation.message)).toContain(message)
        for (const { entries, law } of found) {
          expect(law).toBe(name)
          expect(entries.every((at) => at >= 0)).toBe(true)
        }
      })
    )
  }

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
    const tried = new Set([...spoilt.map(([name]) => name), "tasks-supervised", "reload-atomic"])
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
