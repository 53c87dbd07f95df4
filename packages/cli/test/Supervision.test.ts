import { describe, expect, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/testing/TestClock"
import { backoff } from "../src/Supervisor.ts"
import { Stage } from "./support/Stage.ts"

const restart = { when: "on-failure", most: 3, window: Duration.minutes(1), schedule: backoff("100 millis") } as const
const asked = (stage: Stage) => Effect.forkChild(Effect.result(stage.supervision.reload), { startImmediately: true })
const exitCode = (stage: Stage) => stage.supervision.over
/** With a first life that serves. */
const serving = Effect.tap(Stage.start(), (stage) => {
  stage.life(1).says({ READY: "1" })
  return stage.settled
})

describe("restarts", () => {
  it.effect("come after a delay that doubles, and begins anew after a life that was ready", () =>
    Effect.gen(function* () {
      const stage = yield* Stage.start()
      const after = (millis: number) => Effect.andThen(TestClock.adjust(millis), stage.settled)
      stage.life(1).ends({ code: 1 })
      yield* stage.settled
      expect(yield* after(99)).toEqual([])
      expect(yield* after(1)).toEqual(["start 2"])
      stage.life(2).ends({ signal: "SIGSEGV" })
      yield* stage.settled
      expect(yield* after(199)).toEqual([])
      expect(yield* after(1)).toEqual(["start 3"])
      stage.life(3).says({ READY: "1" })
      stage.life(3).ends({ code: 1 })
      yield* stage.settled
      expect(yield* after(100)).toEqual(["start 4"])
      expect(yield* stage.supervision.status).toMatchObject({ restarts: 3, lastExit: { generation: 3, code: 1 } })
    })
  )

  it.effect("begin anew too after a life as long as the window, which never told that it is ready", () =>
    Effect.gen(function* () {
      const stage = yield* Stage.start()
      const ends = Effect.fnUntraced(function* (generation: number) {
        stage.life(generation).ends({ code: 1 })
        yield* stage.settled
        yield* TestClock.adjust("100 millis")
        return yield* stage.settled
      })
      expect(yield* ends(1)).toEqual(["start 2"])
      expect(yield* ends(2)).toEqual([])
      yield* TestClock.adjust("100 millis")
      expect(yield* stage.settled).toEqual(["start 3"])
      yield* TestClock.adjust("1 minute")
      expect(yield* ends(3)).toEqual(["start 4"])
    })
  )

  it.effect("never wait longer than 10 seconds", () =>
    Effect.gen(function* () {
      const stage = yield* Stage.start({ restart: { ...restart, most: 100 } })
      for (let generation = 1; generation <= 12; generation++) {
        stage.life(generation).ends({ code: 1 })
        yield* stage.settled
        yield* TestClock.adjust("10 seconds")
        expect(yield* stage.settled).toEqual([`start ${generation + 1}`])
      }
    })
  )

  it.effect("end when there were too many within the window, with the last exit code", () =>
    Effect.gen(function* () {
      const stage = yield* Stage.start({ restart })
      for (const generation of [1, 2, 3]) {
        stage.life(generation).ends({ code: 10 + generation })
        yield* stage.settled
        yield* TestClock.adjust("1 second")
      }
      stage.life(4).ends({ signal: "SIGABRT" })
      expect(yield* exitCode(stage)).toBe(134)
    })
  )

  it.effect("go on for ever when they are rare", () =>
    Effect.gen(function* () {
      const stage = yield* Stage.start({ restart })
      for (let generation = 1; generation <= 20; generation++) {
        stage.life(generation).ends({ code: 1 })
        yield* stage.settled
        yield* TestClock.adjust("30 seconds")
      }
      expect(yield* stage.supervision.status).toMatchObject({ restarts: 20, child: { generation: 21 } })
    })
  )

  for (const code of [0, 2, 78, 126, 127]) {
    it.effect(`do not follow exit code ${code}`, () =>
      Effect.gen(function* () {
        const stage = yield* Stage.start()
        stage.life(1).ends({ code })
        expect(yield* exitCode(stage)).toBe(code)
      })
    )
  }

  it.effect("follow exit code 0 where they always do", () =>
    Effect.gen(function* () {
      const stage = yield* Stage.start({ restart: { ...restart, when: "always" } })
      stage.life(1).ends({ code: 0 })
      yield* stage.settled
      yield* TestClock.adjust("100 millis")
      expect(yield* stage.settled).toEqual(["start 2"])
    })
  )
})

describe("a reload", () => {
  it.effect("tells the old life to leave only when the new one is ready", () =>
    Effect.gen(function* () {
      const stage = yield* serving
      const reload = yield* asked(stage)
      yield* TestClock.adjust("4 seconds")
      expect(yield* stage.settled).toEqual(["start 2", "manager: RELOADING=1 MONOTONIC_USEC"])
      stage.life(2).says({ READY: "1", STATUS: "Running" })
      expect(yield* stage.settled).toEqual(["SIGTERM to 1", "manager: READY=1 STATUS=Running"])
      expect(yield* Fiber.join(reload)).toMatchObject({ success: { pid: 1002, generation: 2, replaced: 1001 } })
    })
  )

  it.effect("of a life that ends before it is ready leaves the old one alone", () =>
    Effect.gen(function* () {
      const stage = yield* serving
      const reload = yield* asked(stage)
      yield* stage.settled
      stage.life(2).ends({ code: 78 })
      expect(yield* stage.settled).toEqual(["manager: READY=1"])
      expect(yield* Fiber.join(reload)).toMatchObject({
        failure: "generation 2 (pid 1002) ended before it was ready: exit code 78; generation 1 (pid 1001) goes on"
      })
    })
  )

  it.effect("of a life that is not ready in time ends that one, and kills it at its deadline", () =>
    Effect.gen(function* () {
      const stage = yield* serving
      yield* asked(stage)
      yield* stage.settled
      yield* TestClock.adjust("5 seconds")
      expect(yield* stage.settled).toEqual(["SIGTERM to 2", "manager: READY=1"])
      yield* TestClock.adjust("1899 millis")
      expect(yield* stage.settled).toEqual([])
      yield* TestClock.adjust("1 millis")
      expect(yield* stage.settled).toEqual(["kill 2"])
    })
  )

  it.effect("that is asked for during another one comes after it, once for all who asked", () =>
    Effect.gen(function* () {
      const stage = yield* Stage.start()
      const first = yield* asked(stage)
      const others = [yield* asked(stage), yield* asked(stage)]
      yield* stage.settled
      stage.life(2).says({ READY: "1" })
      yield* stage.settled
      stage.life(3).says({ READY: "1" })
      yield* stage.settled
      expect(yield* Fiber.join(first)).toMatchObject({ success: { generation: 2 } })
      for (const other of others) expect(yield* Fiber.join(other)).toMatchObject({ success: { generation: 3 } })
      expect(yield* stage.supervision.status).toMatchObject({ child: { generation: 3 }, next: null })
    })
  )

  it.effect("goes on when the old life crashes meanwhile, and no other life is started", () =>
    Effect.gen(function* () {
      const stage = yield* Stage.start()
      const reload = yield* asked(stage)
      yield* stage.settled
      stage.life(1).ends({ signal: "SIGKILL" })
      yield* TestClock.adjust("1 second")
      expect(yield* stage.settled).toEqual([])
      stage.life(2).says({ READY: "1" })
      expect(yield* Fiber.join(reload)).toMatchObject({ success: { generation: 2, replaced: null } })
    })
  )

  it.effect("that fails when the old life has crashed meanwhile is a crash like any other", () =>
    Effect.gen(function* () {
      const stage = yield* Stage.start()
      yield* asked(stage)
      yield* stage.settled
      stage.life(1).ends({ signal: "SIGKILL" })
      stage.life(2).ends({ code: 1 })
      yield* stage.settled
      yield* TestClock.adjust("100 millis")
      expect(yield* stage.settled).toEqual(["start 3"])
    })
  )

  it.effect("of an application that is still starting tells the manager nothing that is not so", () =>
    Effect.gen(function* () {
      const stage = yield* Stage.start()
      yield* asked(stage)
      yield* stage.settled
      stage.life(2).ends({ code: 1 })
      expect(yield* stage.settled).toEqual([])
      yield* asked(stage)
      yield* stage.settled
      stage.life(3).says({ READY: "1" })
      expect(yield* stage.settled).toEqual(["SIGTERM to 1", "manager: READY=1"])
    })
  )

  it.effect("while nothing runs, before a restart, takes the place of the restart", () =>
    Effect.gen(function* () {
      const stage = yield* Stage.start()
      stage.life(1).ends({ code: 1 })
      yield* stage.settled
      yield* asked(stage)
      yield* TestClock.adjust("1 second")
      stage.life(2).says({ READY: "1" })
      yield* stage.settled
      expect(yield* stage.supervision.status).toMatchObject({ child: { generation: 2 }, next: null, leaving: [] })
    })
  )
})

describe("a stop", () => {
  it.effect("reaches every life, refuses who waits for a reload, and starts nothing any more", () =>
    Effect.gen(function* () {
      const stage = yield* Stage.start()
      const reload = yield* asked(stage)
      yield* stage.settled
      stage.supervision.stop("SIGINT")
      expect(yield* stage.settled).toEqual(["manager: STOPPING=1", "SIGINT to 1", "SIGINT to 2"])
      expect(yield* Fiber.join(reload)).toMatchObject({ failure: "the application is being stopped" })
      expect(yield* Fiber.join(yield* asked(stage))).toMatchObject({ failure: "the application is being stopped" })
      stage.life(2).says({ READY: "1" })
      stage.life(1).ends({ code: 70 })
      expect(yield* stage.settled).toEqual([])
      stage.life(2).ends({ code: 0 })
      expect(yield* exitCode(stage)).toBe(70)
    })
  )

  it.effect("has the deadline that the application tells, and 0.9 seconds more", () =>
    Effect.gen(function* () {
      const stage = yield* Stage.start({ gracePeriod: undefined })
      const event = { _tag: "AppStarting", at: 0, name: "app", epochMillis: 0, gracePeriod: 3000 }
      stage.life(1).says({ X_QUIESCE_EVENT: JSON.stringify(event) })
      stage.supervision.stop("SIGTERM")
      stage.supervision.stop("SIGTERM")
      yield* stage.settled
      yield* TestClock.adjust("3899 millis")
      expect(yield* stage.settled).toEqual([])
      yield* TestClock.adjust("1 millis")
      expect(yield* stage.settled).toEqual(["kill 1"])
      stage.life(1).ends({ signal: "SIGKILL" })
      expect(yield* exitCode(stage)).toBe(137)
    })
  )

  it.effect("signals and kills first, and speaks of it then: a line can have to wait for its reader", () =>
    Effect.gen(function* () {
      const stage: Stage = yield* Stage.start({ say: (line) => void stage.log.push(line) })
      yield* stage.settled
      stage.supervision.stop("SIGTERM")
      expect(yield* stage.settled).toEqual(["manager: STOPPING=1", "SIGTERM to 1", "SIGTERM: stopping"])
      yield* TestClock.adjust("1900 millis")
      expect(yield* stage.settled).toEqual([
        "kill 1",
        "generation 1 (pid 1001) has not ended within 1s 900ms: it is killed, with its process group"
      ])
      stage.life(1).ends({ signal: "SIGKILL" })
      expect(yield* exitCode(stage)).toBe(137)
    })
  )

  it.effect("does not hurry lives that were replaced and finish their work, unless it is asked for again", () =>
    Effect.gen(function* () {
      const stage = yield* Stage.start()
      yield* asked(stage)
      yield* stage.settled
      stage.life(2).says({ READY: "1" })
      yield* stage.settled
      stage.supervision.stop("SIGTERM")
      expect(yield* stage.settled).toEqual(["manager: STOPPING=1", "SIGTERM to 2"])
      stage.supervision.stop("SIGINT")
      expect(yield* stage.settled).toEqual(["SIGINT to 2", "SIGINT to 1"])
    })
  )

  it.effect("that the application begins by itself has a deadline too, and is followed by a restart", () =>
    Effect.gen(function* () {
      const stage = yield* serving
      stage.life(1).says({ STOPPING: "1" })
      yield* stage.settled
      yield* TestClock.adjust("1899 millis")
      expect(yield* stage.settled).toEqual([])
      yield* TestClock.adjust("1 millis")
      expect(yield* stage.settled).toEqual(["kill 1"])
      stage.life(1).ends({ signal: "SIGKILL" })
      expect(yield* stage.settled).toEqual([
        "manager: STATUS=generation 1 ended: killed by SIGKILL; started again in 100ms"
      ])
      yield* TestClock.adjust("100 millis")
      expect(yield* stage.settled).toEqual(["start 2"])
    })
  )

  it.effect("waits for lives that were replaced and still finish their work", () =>
    Effect.gen(function* () {
      const stage = yield* Stage.start()
      yield* asked(stage)
      yield* stage.settled
      stage.life(2).says({ READY: "1" })
      yield* stage.settled
      stage.life(2).ends({ code: 0 })
      yield* stage.settled
      expect(yield* stage.supervision.status).toMatchObject({ child: null, leaving: [{ generation: 1 }] })
      stage.life(1).ends({ code: 0 })
      expect(yield* exitCode(stage)).toBe(0)
    })
  )
})

it.effect("heartbeats are the supervisor's as long as no life has told anything", () =>
  Effect.gen(function* () {
    const stage = yield* Stage.start()
    expect(stage.supervision.isSilent).toBe(true)
    stage.life(1).says({ STATUS: "Starting" })
    yield* stage.settled
    expect(stage.supervision.isSilent).toBe(false)
    stage.life(1).ends({ code: 1 })
    yield* stage.settled
    expect(stage.supervision.isSilent).toBe(true)
    yield* TestClock.adjust("100 millis")
    expect(yield* stage.settled).toEqual(["start 2"])
    expect(stage.supervision.isSilent).toBe(true)
  })
)

it.effect("the service manager hears of the life that serves, and of no other", () =>
  Effect.gen(function* () {
    const stage = yield* Stage.start()
    yield* stage.settled
    stage.life(1).says({ READY: "1", STATUS: "Running", X_QUIESCE_EVENT: "{}" })
    expect(yield* stage.settled).toEqual(["manager: READY=1 STATUS=Running"])
    yield* asked(stage)
    stage.life(1).says({ WATCHDOG: "1" })
    yield* stage.settled
    stage.life(2).says({ STATUS: "Starting" })
    expect(yield* stage.settled).toEqual([])
    stage.life(2).says({ READY: "1" })
    yield* stage.settled
    stage.life(1).says({ STOPPING: "1", STATUS: "Draining" })
    expect(yield* stage.settled).toEqual([])
  })
)
