/** Lives that keep every law, each with much of what the laws look at. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Scripted from "@quiesce/testing/Scripted"
import { strike } from "@quiesce/testing/SignalStorm"
import * as Simulation from "@quiesce/testing/Simulation"

const calm = { end: "return", after: 0, masked: false, blocks: false } as const
const hangs = { ...calm, end: "hang" } as const

/** Two components, one built with the other; work, sections, hooks, a finalizer that fails. */
export const sound = Effect.suspend(() => {
  const db = Scripted.component("db", {
    release: { after: 100 },
    parts: [
      { _tag: "Hook", on: "awaitBeforeStop", behaviour: { ...calm, after: 50 } },
      { _tag: "Hook", on: "onStopped", behaviour: calm },
      { _tag: "Emergency", throws: false }
    ]
  })
  const api = Scripted.component("api", {
    needs: [db],
    release: { after: 50, end: "fail" },
    parts: [
      { _tag: "Requests", when: 900, every: 0, count: 1, takes: 400, masked: false },
      { _tag: "Section", when: 900, takes: 300, atMost: 1000, masked: false, allowDuringStop: false },
      { _tag: "Section", when: "stopping", takes: 0, atMost: 0, masked: false, allowDuringStop: true },
      { _tag: "Section", when: "stopping", takes: 0, atMost: 0, masked: false, allowDuringStop: false }
    ]
  })
  return Simulation.run(Layer.mergeAll(api, db), {
    plan: { storm: [strike("SIGTERM", "Running", 1)], options: { lameDuck: 100 } }
  })
})

/** Everything is given up that can be: work, a section, hooks, a component. */
const slow = Effect.suspend(() => {
  const db = Scripted.component("db", {
    release: "hang",
    stopTimeout: 200,
    parts: [
      { _tag: "Hook", on: "onStopping", behaviour: hangs },
      { _tag: "Hook", on: "onStopped", behaviour: hangs }
    ]
  })
  const api = Scripted.component("api", {
    needs: [db],
    parts: [
      { _tag: "Requests", when: 900, every: 0, count: 2, takes: -1, masked: false },
      { _tag: "Section", when: 900, takes: -1, atMost: 300, masked: false, allowDuringStop: false },
      { _tag: "Lease", millis: 100 }
    ]
  })
  return Simulation.run(Layer.mergeAll(api, db), {
    plan: {
      storm: [strike("SIGTERM", "Running", 1)],
      options: { gracePeriod: 5000, drain: 400, interrupt: 1000 }
    }
  })
})

/** It leaves at once, out of the drain, with a section in it. */
const forced = Effect.suspend(() =>
  Simulation.run(
    Scripted.component("db", {
      parts: [
        { _tag: "Emergency", throws: true },
        { _tag: "Section", when: 900, takes: -1, atMost: 3000, masked: false, allowDuringStop: false }
      ]
    }),
    { plan: { storm: [strike("SIGTERM", "Running", 1), strike("SIGINT", "Draining", 0.5)] } }
  )
)

/** It skips the drain. */
const escalated = Effect.suspend(() =>
  Simulation.run(
    Scripted.component("db", { parts: [{ _tag: "Hook", on: "onStopping", behaviour: { ...calm, after: 50 } }] }),
    {
      plan: {
        storm: [strike("SIGTERM", "Running", 1), strike("SIGINT", "LameDuck", 0.5)],
        options: { lameDuck: 1000, escalation: ["Graceful", "Interrupt", "Exit"] }
      }
    }
  )
)

/** A start that fails when another component is up already. */
const failing = Effect.suspend(() => {
  const db = Scripted.component("db", { release: { after: 100 } })
  return Simulation.run(Scripted.component("api", { needs: [db], acquire: "fail" }))
})

/** More than there are places for: a gate with a line, one that turns away, and sections that want one key. */
const crowded = Effect.suspend(() => {
  const line = { _tag: "Requests", when: 800, every: 10, count: 4, takes: 150, masked: false, capacity: 1 } as const
  const section = {
    _tag: "Section",
    takes: 50,
    atMost: 1000,
    masked: false,
    allowDuringStop: false,
    key: "disk"
  } as const
  return Simulation.run(
    Layer.mergeAll(
      Scripted.component("shop", { parts: [{ ...line, kinds: 2 }] }),
      Scripted.component("desk", { parts: [{ ...line, takes: 50, whenFull: "reject" }] }),
      Scripted.component("disk", {
        parts: [
          { ...section, when: 900 },
          { ...section, when: 910, takes: 200 },
          { ...section, when: 920 },
          { ...section, when: 930, allowDuringStop: true }
        ]
      })
    ),
    { plan: { storm: [strike("SIGTERM", "Running", 1)] } }
  )
})

export const lives = { sound, slow, forced, escalated, failing, crowded }
