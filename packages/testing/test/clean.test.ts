/** The law of a good stop: it is silent about one, and names the culprit of every other. */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Behaviour from "@quiesce/testing/Behaviour"
import * as Laws from "@quiesce/testing/Laws"
import type { Part } from "@quiesce/testing/Part"
import * as Plan from "@quiesce/testing/Plan"
import * as Scripted from "@quiesce/testing/Scripted"
import * as Search from "@quiesce/testing/Search"
import { type Strike, strike } from "@quiesce/testing/SignalStorm"
import * as Simulation from "@quiesce/testing/Simulation"
import type * as App from "quiesce/App"

const request: Part = { _tag: "Requests", when: 900, every: 0, count: 1, takes: 400, masked: false }

/** What `clean` says of a life with such a component and an innocent one beside it; the other laws hold in each. */
const saidOf = (
  script: Scripted.Script,
  {
    options = {},
    storm = [strike("SIGTERM", "Running", 1)]
  }: { storm?: ReadonlyArray<Strike>; options?: App.Options } = {}
) =>
  Effect.gen(function* () {
    const app = () => Layer.mergeAll(Scripted.component("mailer", script), Scripted.component("other"))
    const life = yield* Simulation.run(app, { plan: { storm, options } })
    expect(Laws.check(life)).toEqual([])
    return Laws.clean.check(life).map(({ message }) => message)
  })

const saysOfRelease = (release: Behaviour.Input) => saidOf({ release, stopTimeout: 2000 })

describe("a good stop keeps it", () => {
  it.effect("with work to finish, a section to wait for, and a release that takes its time", () =>
    Effect.gen(function* () {
      const section: Part = {
        _tag: "Section",
        when: 900,
        takes: 300,
        atMost: 1000,
        masked: false,
        allowDuringStop: false
      }
      expect(yield* saidOf({ parts: [request, section], release: { after: 300 } })).toEqual([])
    })
  )

  it.effect("when the signal comes while it starts", () =>
    Effect.gen(function* () {
      expect(yield* saidOf({ acquire: { after: 500 } }, { storm: [strike("SIGTERM", "Starting", 0.5)] })).toEqual([])
    })
  )

  it.effect("when it ends by itself", () =>
    Effect.gen(function* () {
      const ends: Part = { _tag: "Ends", after: 100, reason: "finished" }
      expect(yield* saidOf({ parts: [ends] }, { storm: [] })).toEqual([])
    })
  )

  it.effect("although a background fiber had died that its component only logs", () =>
    Effect.gen(function* () {
      const dies: Part = {
        _tag: "Background",
        behaviour: { end: "die", after: 100, masked: false, blocks: false }
      }
      expect(yield* saidOf({ parts: [dies], onBackgroundFailure: "log" })).toEqual([])
    })
  )
})

describe("a stop that is not good breaks it, and only it", () => {
  it.effect("a component that is left behind", () =>
    Effect.gen(function* () {
      expect(yield* saysOfRelease("hang")).toEqual([
        "mailer did not stop within 2 s and was left behind",
        "it ended Degraded, with exit code 70"
      ])
    })
  )

  it.effect("a finalizer that fails", () =>
    Effect.gen(function* () {
      expect(yield* saysOfRelease("fail")).toEqual([
        "mailer failed to stop cleanly: mailer: release failed on purpose",
        "it ended Degraded, with exit code 70"
      ])
    })
  )

  it.effect("accepted work that is not finished in time", () =>
    Effect.gen(function* () {
      const never: Part = { ...request, takes: -1 }
      expect(yield* saidOf({ parts: [never] }, { options: { drain: 500 } })).toEqual([
        "mailer (drainable) was not done after 500 ms",
        "1 mailer did not finish",
        "it ended Degraded, with exit code 70"
      ])
    })
  )

  it.effect("a critical section that exceeds its limit", () =>
    Effect.gen(function* () {
      const endless: Part = {
        _tag: "Section",
        when: 900,
        takes: -1,
        atMost: 1000,
        masked: false,
        allowDuringStop: false
      }
      expect(yield* saidOf({ parts: [endless] })).toEqual([
        "critical section mailer exceeded its limit",
        "it ended Degraded, with exit code 70"
      ])
    })
  )

  it.effect("a task that may finish, and fails while the stop waits for it", () =>
    Effect.gen(function* () {
      const task: Part = {
        _tag: "Task",
        behaviour: { end: "fail", after: 1200, masked: false, blocks: false },
        restarts: 0,
        every: 0,
        cleanup: 0,
        priority: 0,
        onFailure: "stop",
        onStop: "finish"
      }
      expect(yield* saidOf({ parts: [task] })).toEqual([
        "task mailer failed: mailer: run 1 on purpose",
        "it ended Degraded, with exit code 70"
      ])
    })
  )

  it.effect("a hook that fails", () =>
    Effect.gen(function* () {
      const hook: Part = {
        _tag: "Hook",
        on: "awaitBeforeStop",
        behaviour: { end: "fail", after: 0, masked: false, blocks: false }
      }
      expect(yield* saidOf({ parts: [hook] })).toEqual([
        "mailer/awaitBeforeStop (awaitBeforeStop) failed: mailer: awaitBeforeStop failed on purpose",
        "it ended Degraded, with exit code 70"
      ])
    })
  )

  it.effect("a release that has no time left", () =>
    Effect.gen(function* () {
      const options = { gracePeriod: 1000, stopTimeout: 5000 }
      expect(yield* saidOf({ release: "hang" }, { options })).toEqual([
        "mailer was left behind after 900 ms because the grace period was used up",
        "it ended TimedOut, with exit code 124"
      ])
    })
  )

  it.effect("a second signal, and who had not stopped then", () =>
    Effect.gen(function* () {
      const storm = [strike("SIGTERM", "Running", 1), strike("SIGINT", "Releasing", 0.5)]
      expect(yield* saidOf({ release: { after: 1000 } }, { storm })).toEqual([
        "it left at once in Releasing: SIGINT asked for it, and mailer had not stopped",
        "it ended Forced, with exit code 130"
      ])
    })
  )

  it.effect("a start that fails, although everything that was acquired is released", () =>
    Effect.gen(function* () {
      expect(yield* saidOf({ acquire: "fail" })).toEqual([
        "the reason of its stop is a failure: start failed: mailer: acquire failed on purpose",
        "it ended Clean, with exit code 1"
      ])
    })
  )

  it.effect("a crash", () =>
    Effect.gen(function* () {
      const [reason, ...rest] = yield* saidOf({}, { storm: [strike("crash", "Running", 1)] })
      expect(reason).toMatch(/^the reason of its stop is a failure: uncaughtException: .*on purpose/)
      expect(rest).toEqual(["it ended Clean, with exit code 1"])
    })
  )

  it.effect("a background fiber that dies", () =>
    Effect.gen(function* () {
      const dies: Part = {
        _tag: "Background",
        behaviour: { end: "die", after: 100, masked: false, blocks: false }
      }
      expect(yield* saidOf({ parts: [dies] })).toEqual([
        "the reason of its stop is a failure: mailer failed: mailer: background failed on purpose",
        "it ended Clean, with exit code 1"
      ])
    })
  )

  it.effect("an end that nothing tells of, and a kill", () =>
    Effect.gen(function* () {
      const life = yield* Simulation.run(Scripted.component("db"))
      const timeline = life.timeline.filter(({ _tag }) => _tag !== "Ended")
      const [last] = Laws.clean.check({ ...life, timeline })
      expect(last?.message).toBe("nothing tells of its end")
      const struck = [...timeline, { _tag: "Struck", at: 2000, what: "SIGKILL" } as const]
      expect(Laws.clean.check({ ...life, timeline: struck })).toEqual([
        { law: "clean", message: "it was killed", entries: [struck.length - 1] }
      ])
    })
  )
})

it.effect("in random lives it is silent of those that ended Clean with 0, and names a culprit in all others", () =>
  Effect.gen(function* () {
    const lives = { good: 0, bad: 0 }
    const wrong: Array<string> = []
    yield* Search.run({
      programs: 300,
      onLife: (plan, life) => {
        const { exitCode, outcome } = life.report
        const good = outcome._tag === "Clean" && exitCode === 0
        lives[good ? "good" : "bad"]++
        const said = Laws.clean.check(life).map(({ message }) => message)
        // The last sentence says how it ended, the others why. Who is killed has nothing to say.
        const silent = said.length < 2 && !said.includes("it was killed")
        if (good ? said.length > 0 : silent) wrong.push(`${said.join("\n")}\n${Plan.toJson(plan)}`)
      }
    })
    expect(wrong).toEqual([])
    expect(lives.good).toBeGreaterThan(20)
    expect(lives.bad).toBeGreaterThan(20)
  })
)

it("is no law of every application", () => {
  expect(Laws.all).not.toContain(Laws.clean)
})
