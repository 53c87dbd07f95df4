/** What a partial order asks for, what it leaves open, and how it says what is wrong. */
import { assert, describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as PartialOrder from "../src/PartialOrder.ts"
import type { Entry } from "../src/Timeline.ts"

const { before, chain, entered, event, exactly, never, once, started, stopped, stopping, unordered } = PartialOrder

let id = 0
const at = (millis: number) => ({
  started: (name: string): Entry => ({
    _tag: "ComponentStarted",
    at: millis,
    id: ++id,
    name,
    services: [],
    empty: false
  }),
  stopping: (name: string): Entry => ({ _tag: "ComponentStopping", at: millis, id: ++id, name }),
  stopped: (name: string): Entry => ({ _tag: "ComponentStopped", at: millis, id: ++id, name }),
  draining: (): Entry => ({ _tag: "StateChanged", at: millis, from: "LameDuck", to: "Draining" }),
  logged: (message: string): Entry => ({ _tag: "Logged", at: millis, level: "Info", message })
})

/** Two that stop side by side, and what both of them need. */
const log: ReadonlyArray<Entry> = [
  at(0).started("db"),
  at(1).started("api"),
  at(1).started("jobs"),
  { _tag: "StopRequested", at: 10, reason: { _tag: "Signal", signal: "SIGTERM" } },
  at(10).draining(),
  at(11).logged("closing"),
  at(11).stopping("api"),
  at(11).stopping("jobs"),
  at(20).stopped("jobs"),
  at(30).stopped("api"),
  at(30).stopping("db"),
  at(35).stopped("db")
]

const messages = (...claims: ReadonlyArray<PartialOrder.Claim>) =>
  PartialOrder.check(log, claims).map(({ message }) => message)

describe("a pattern", () => {
  it("is an entry's kind and some of its fields, at any depth", () => {
    expect(messages(event("StopRequested"))).toEqual([])
    expect(messages(event("StopRequested", { reason: { _tag: "Signal" } }))).toEqual([])
    expect(messages(event("StopRequested", { at: 10, reason: { signal: "SIGTERM" } }))).toEqual([])
    expect(messages(event("StopRequested", { reason: { _tag: "Crash" } }))).toHaveLength(1)
    expect(messages(event("ComponentStarted", { name: "db", empty: true }))).toHaveLength(1)
  })

  it("is a predicate where fields are not enough", () => {
    expect(messages(event("ComponentStopped", (entry) => entry.at > 34))).toEqual([])
    expect(messages(event("ComponentStopped", (entry) => entry.at > 35))).toEqual([
      "ComponentStopped as the predicate says did not happen; of ComponentStopped there is only: at 20.0 ms; at 30.0 ms; at 35.0 ms"
    ])
  })

  it("has short words for what a stop consists of", () => {
    expect(messages(started("api"), stopping("api"), stopped("api"), entered("Draining"))).toEqual([])
  })

  it("is itself the claim that it happens, and says what of its kind there is instead", () => {
    expect(messages(stopped("cache"))).toEqual([
      "ComponentStopped name=cache did not happen; of ComponentStopped there is only: name=jobs at 20.0 ms; name=api at 30.0 ms; name=db at 35.0 ms"
    ])
    expect(messages(event("Straggler", { kind: "request" }))).toEqual([
      "Straggler kind=request did not happen, and no other Straggler either"
    ])
  })
})

describe("before", () => {
  it("holds when every one comes before every other", () => {
    expect(messages(before(stopped("api"), stopping("db")))).toEqual([])
    expect(messages(before(event("ComponentStarted"), event("ComponentStopping")))).toEqual([])
  })

  it("is broken when a single one comes too late, and shows the pair", () => {
    // Most of these do come before; the last one does not.
    const [violation, ...others] = PartialOrder.check(log, [before(event("ComponentStopping"), stopped("api"))])
    expect(others).toEqual([])
    expect(violation?.message).toBe(
      "ComponentStopping, at 30.0 ms, came after ComponentStopped name=api, at 30.0 ms, and should have come before it"
    )
    expect(violation?.entries.map((index) => log[index])).toMatchObject([
      { _tag: "ComponentStopped", name: "api" },
      { _tag: "ComponentStopping", name: "db" }
    ])
  })

  it("is broken when a single one comes too early", () => {
    // The last of these comes after it; the first does not.
    expect(messages(before(stopped("jobs"), event("ComponentStopping")))).toEqual([
      "ComponentStopped name=jobs, at 20.0 ms, came after ComponentStopping, at 11.0 ms, and should have come before it"
    ])
  })

  it("is decided by the log's order, not by the time, within one instant", () => {
    expect(messages(before(stopping("api"), stopping("jobs")))).toEqual([])
    expect(messages(before(stopping("jobs"), stopping("api")))).toHaveLength(1)
  })

  it("is broken by what did not happen, on either side", () => {
    expect(messages(before(stopped("cache"), stopped("db")))).toHaveLength(1)
    expect(messages(before(stopped("db"), stopped("cache")))).toHaveLength(1)
    expect(messages(before(event("Straggler"), event("Lingering")))).toHaveLength(2)
  })

  it("does not hold between a thing and itself", () => {
    expect(messages(before(stopped("db"), event("ComponentStopped", { at: 35 })))).toEqual([
      "ComponentStopped name=db and ComponentStopped at=35 are the same entry, at 35.0 ms: nothing comes before itself"
    ])
  })
})

describe("chain", () => {
  it("holds when each step comes before the next", () => {
    expect(messages(chain(started("db"), started("api"), entered("Draining"), stopped("api"), stopped("db")))).toEqual(
      []
    )
  })

  it("says each broken link once, and goes on with the others", () => {
    expect(messages(chain(stopped("api"), stopped("jobs"), started("db"), stopped("db")))).toEqual([
      "ComponentStopped name=api, at 30.0 ms, came after ComponentStopped name=jobs, at 20.0 ms, and should have come before it",
      "ComponentStopped name=jobs, at 20.0 ms, came after ComponentStarted name=db, at 0.0 ms, and should have come before it"
    ])
  })

  it("leaves open the order inside of an unordered step", () => {
    const sideBySide = unordered(stopped("api"), stopped("jobs"))
    const theOtherWay = unordered(stopped("jobs"), stopped("api"))
    expect(messages(chain(entered("Draining"), sideBySide, stopping("db")))).toEqual([])
    expect(messages(chain(entered("Draining"), theOtherWay, stopping("db")))).toEqual([])
  })

  it("asks for every part of an unordered step, and for each in its place", () => {
    expect(messages(chain(unordered(stopped("api"), stopped("cache")), stopped("db")))).toHaveLength(1)
    expect(
      messages(chain(entered("Draining"), unordered(stopped("api"), started("jobs")), stopped("db")))
    ).toHaveLength(1)
    expect(messages(chain(unordered(stopped("api"), stopped("db")), stopping("db")))).toHaveLength(1)
  })

  it("of things that overlap is two claims, one for each beginning", () => {
    expect(messages(before(stopping("api"), stopped("jobs")), before(stopping("jobs"), stopped("api")))).toEqual([])
  })
})

describe("a count", () => {
  it("is exact", () => {
    expect(messages(exactly(3, event("ComponentStopped")), once(stopped("db")), never(event("Straggler")))).toEqual([])
    expect(messages(exactly(2, event("ComponentStopped")))).toEqual([
      "ComponentStopped happened 3 times, at 20.0, 30.0, 35.0 ms, and should happen twice"
    ])
    expect(messages(once(event("ComponentStopping", { at: 11 })))).toEqual([
      "ComponentStopping at=11 happened twice, at 11.0, 11.0 ms, and should happen once"
    ])
    expect(messages(never(stopped("db")))).toEqual([
      "ComponentStopped name=db happened once, at 35.0 ms, and should never happen"
    ])
    expect(messages(once(stopped("cache")))[0]).toContain("did not happen; of ComponentStopped there is only")
  })
})

describe("assert", () => {
  it.effect("succeeds where everything holds, whatever else happens", () =>
    PartialOrder.assert(log, [chain(started("db"), stopped("db")), never(event("ComponentAbandoned"))])
  )

  it.effect("fails with every violation, and with the log in which the lines are marked", () =>
    Effect.gen(function* () {
      const broken = yield* Effect.flip(
        PartialOrder.assert(log, [before(stopped("db"), stopped("api")), never(event("Logged")), stopped("cache")])
      )
      assert(broken._tag === "OrderBroken")
      expect(broken.message).toBe(
        `- ComponentStopped name=db, at 35.0 ms, came after ComponentStopped name=api, at 30.0 ms, and should have come before it
- Logged happened once, at 11.0 ms, and should never happen
- ComponentStopped name=cache did not happen; of ComponentStopped there is only: name=jobs at 20.0 ms; name=api at 30.0 ms; name=db at 35.0 ms

${broken.log}
`
      )
      const marked = broken.log.split("\n").filter((line) => line.startsWith(">"))
      expect(marked.map((line) => line.replace(/ id=\d+/, ""))).toEqual([
        ">      11.0 Logged level=Info message=closing",
        ">      20.0 ComponentStopped name=jobs",
        ">      30.0 ComponentStopped name=api",
        ">      35.0 ComponentStopped name=db"
      ])
      expect(broken.log.split("\n")).toHaveLength(log.length)
    })
  )

  it.effect("says the same thing once, however many claims say it", () =>
    Effect.gen(function* () {
      const wrong = before(stopped("db"), stopped("api"))
      const broken = yield* Effect.flip(PartialOrder.assert(log, [wrong, chain(stopped("db"), stopped("api")), wrong]))
      expect(broken.violations).toHaveLength(1)
    })
  )
})
