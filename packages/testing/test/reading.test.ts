import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Laws from "@quiesce/testing/Laws"
import type { Entry } from "@quiesce/testing/Timeline"
import { abandoned, blocked, startLeftBehind } from "../src/internal/laws/reading.ts"
import { limitsOf } from "../src/internal/limits.ts"

const limits = Effect.runSync(limitsOf({}))

const acquired = (component: string): Entry => ({ _tag: "Acquired", at: 0, component })
const left = (name: string, limit: "start" | "stopTimeout" = "stopTimeout"): Entry => ({
  _tag: "ComponentAbandoned",
  at: 5,
  id: 1,
  name,
  limit,
  after: 5
})

describe("how the laws read a timeline", () => {
  it("of a pause that overlaps a span only what lies in it counts", () => {
    const pause: Entry = { _tag: "Blocked", at: 150, millis: 100 }
    expect([
      blocked([pause], 0, 200),
      blocked([pause], 100, 200),
      blocked([pause], 0, 70),
      blocked([pause], 150, 200)
    ]).toEqual([100, 50, 20, 0])
  })

  it("what has no name excuses nobody when it is left behind", () => {
    expect(abandoned([acquired("db"), left("composition of db, api")], "db")).toBe(false)
    expect(abandoned([acquired("db"), left("the application itself")], "db")).toBe(false)
    expect(abandoned([acquired("db"), left("db")], "db")).toBe(true)
  })

  it("one instance that was left behind excuses one", () => {
    const both = [acquired("db"), acquired("db~2"), left("db")]
    expect([abandoned(both, "db"), abandoned(both, "db~2")]).toEqual([false, false])
    expect(abandoned([...both, left("db#2")], "db~2")).toBe(true)
    expect(abandoned([...both, { _tag: "Released", at: 6, component: "db~2" }], "db")).toBe(true)
  })

  it("a start that was given up excuses only what never started", () => {
    const givenUp: Entry = {
      _tag: "Awaited",
      at: 5,
      kind: "start",
      name: "start",
      waited: 0,
      result: "abandoned"
    }
    expect(startLeftBehind([givenUp, left("db", "start")], "db", 1)).toBe(true)
    expect(startLeftBehind([givenUp, left("db", "start")], "api", 1)).toBe(false)
    expect(startLeftBehind([givenUp], "db", 1)).toBe(false)
    expect(startLeftBehind([left("db", "start")], "db", 1)).toBe(false)
  })
})

describe("a unit that was let in when its gate had closed", () => {
  const life = (counted: number, units: number) => ({
    limits,
    timeline: [
      ...Array.from({ length: units - 1 }, (_, unit): Entry => ({
        _tag: "Accepted",
        at: 1,
        gate: "db",
        unit,
        masked: false
      })),
      { _tag: "StateChanged", at: 1, from: "LameDuck", to: "Draining" },
      ...(counted === 0 ? [] : [{ _tag: "InFlight" as const, at: 1, counts: { db: counted } }]),
      { _tag: "GateClosed", at: 1, name: "db" },
      { _tag: "Accepted", at: 1, gate: "db", unit: units, masked: false }
    ] satisfies ReadonlyArray<Entry>
  })
  const letIn = (counted: number, units: number) =>
    Laws.check(life(counted, units), [Laws.noLateAcceptance]).flatMap(({ message }) =>
      message.includes("were let in") ? [message] : []
    )

  it("is found by the count of the closing, although others keep the drain waiting", () => {
    expect(letIn(1, 2)).toEqual(["db closed with 1 units in it, and 2 were let in"])
    expect(letIn(0, 1)).toEqual(["db closed with 0 units in it, and 1 were let in"])
  })

  it("is no fault when it was counted and only said so late", () => {
    expect(letIn(2, 2)).toEqual([])
  })
})
