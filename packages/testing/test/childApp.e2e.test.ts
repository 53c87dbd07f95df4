import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import { existsSync, readFileSync } from "node:fs"
import { join } from "node:path"
import * as ChildApp from "../src/ChildApp.ts"
import type * as Timeline from "../src/Timeline.ts"

const fixtures = join(import.meta.dirname, "fixtures")

const app = (mode = "", main = "main.ts") => ChildApp.start({ args: [main], cwd: fixtures, env: { MODE: mode } })

const node = (program: string) => ChildApp.start({ args: ["-e", program] })

const tags = (timeline: Timeline.Timeline) => timeline.map((entry) => entry._tag)

/** Whether a process runs; one that has ended and that nobody has collected does not. */
const isRunning = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
  } catch {
    return false
  }
  const stat = `/proc/${pid}/stat`
  return !existsSync(stat) || !readFileSync(stat, "utf8").includes(") Z ")
}

const number = (name: string, output: string): number => Number(new RegExp(`${name}=(\\d+);`).exec(output)?.[1])

describe("an application in a process of its own", () => {
  it.effect("stops cleanly on SIGTERM: exit code, events and report tell so", () =>
    Effect.gen(function* () {
      const child = yield* app()
      yield* child.reached("Running")
      yield* child.signal("SIGTERM")
      const { code, events, output, report, signal, stopMillis } = yield* child.ended
      expect([code, signal]).toEqual([0, null])
      expect(report).toMatchObject({ name: "fixture", outcome: { _tag: "Clean" }, exitCode: 0 })
      expect(events[0]?._tag).toBe("AppStarting")
      expect(events.at(-1)).toMatchObject({ _tag: "Ended", exitCode: 0 })
      expect(output).toMatch(/database acquired[^]*worker ready[^]*database released/)
      expect(output).toContain("fixture stopped clean") // the report, the last that it writes
      expect(stopMillis).toBeGreaterThan(0)
    })
  )

  it.effect("has a timeline with the signals where they struck and the exit last", () =>
    Effect.gen(function* () {
      const child = yield* app("endless-job")
      yield* child.reached("Running")
      yield* child.signal("SIGUSR2")
      yield* child.says("in flight: 1 job")
      yield* child.signal("SIGTERM")
      yield* child.reached("Draining")
      yield* child.signal("SIGINT")
      const { timeline } = yield* child.ended
      const story = timeline.flatMap((entry) => {
        if (entry._tag === "StateChanged") return [entry.to]
        if (entry._tag === "Signalled") return [entry.signal]
        if (entry._tag === "Struck") return [entry.what]
        return ["StopRequested", "Escalated", "Ended", "Exited"].includes(entry._tag) ? [entry._tag] : []
      })
      const stop = ["SIGTERM", "StopRequested", "LameDuck", "Draining"]
      expect(story).toEqual(["Running", "SIGUSR2", ...stop, "SIGINT", "Escalated", "Exit", "Ended", "Exited"])
      expect(timeline.at(-1)).toMatchObject({ exitCode: 130 })
      const instants = timeline.map((entry) => entry.at)
      expect(instants).toEqual(instants.toSorted((a, b) => a - b))
    })
  )

  it.effect("has a timeline with a signal that came before there was an application to tell", () =>
    Effect.gen(function* () {
      const child = yield* app()
      yield* child.says("handlers are installed")
      yield* child.signal("SIGTERM")
      const { code, timeline } = yield* child.ended
      const order = tags(timeline).filter((tag) => tag === "Signalled" || tag === "StopRequested")
      expect([code, order]).toEqual([0, ["Signalled", "StopRequested"]])
    })
  )

  it.effect("leaves with 143 on the second SIGTERM, and its report says that it was forced", () =>
    Effect.gen(function* () {
      const child = yield* app("endless-job")
      yield* child.reached("Running")
      yield* child.signal("SIGTERM")
      yield* child.reached("Draining")
      yield* child.signal("SIGTERM")
      const { code, events, report } = yield* child.ended
      expect(code).toBe(143)
      expect(report?.outcome).toEqual({ _tag: "Forced", signal: "SIGTERM" })
      expect(events.at(-1)?._tag).toBe("Ended")
    })
  )

  it.effect("ends by SIGKILL with the events up to then and no report", () =>
    Effect.gen(function* () {
      const child = yield* app()
      yield* child.reached("Running")
      yield* child.signal("SIGKILL")
      const { code, events, report, signal, timeline } = yield* child.ended
      expect([code, signal, report]).toEqual([null, "SIGKILL", undefined])
      expect(events.at(-1)).toMatchObject({ _tag: "StateChanged", to: "Running" })
      expect(tags(timeline).slice(-2)).toEqual(["Struck", "Exited"])
      expect(timeline.at(-1)).toMatchObject({ exitCode: 137 })
    })
  )

  it.effect("sends its events through a wrapper, too", () =>
    Effect.gen(function* () {
      const child = yield* app("", "wrapper.mjs")
      yield* child.reached("Running")
      yield* child.signal("SIGTERM")
      const { code, report } = yield* child.ended
      expect([code, report?.outcome._tag]).toEqual([0, "Clean"])
    })
  )

  it.effect("shows a start that failed", () =>
    Effect.gen(function* () {
      const child = yield* app("no-start")
      const failed = yield* child.happened((event) => event._tag === "ComponentStartFailed")
      expect(failed).toMatchObject({ name: "worker", message: "no such device" })
      const { code, report } = yield* child.ended
      expect([code, report?.reason._tag]).toEqual([1, "StartFailed"])
    })
  )
})

describe("a process that is not as the test wants it", () => {
  it.effect("fails who waits for its words when it ends before, with all that it wrote", () =>
    Effect.gen(function* () {
      const child = yield* node(`console.log("out"); console.error("err"); process.exitCode = 3`)
      const error = yield* Effect.flip(child.says("ready"))
      expect(error.message).toMatch(/ended \(exit code 3\) before it said "ready"; this is what it wrote:\n/)
      expect(error.message).toMatch(/out\n/)
      expect(error.message).toMatch(/err\n/)
    })
  )

  it.effect("fails who waits for an event or a state that does not come any more", () =>
    Effect.gen(function* () {
      const child = yield* app("no-start")
      const error = yield* Effect.flip(child.reached("Running"))
      expect(error.message).toContain("before it reached Running")
      expect(error.message).toContain("worker could not start: no such device")
      const silent = yield* node("")
      expect((yield* Effect.flip(silent.happened(() => true))).message).toContain("it wrote nothing")
    })
  )

  it.effect("is an error that says what to look at when it cannot be started", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(ChildApp.start({ command: "/no/such/program", args: ["it"] }))
      expect(error.message).toMatch(/could not start "\/no\/such\/program it": .*ENOENT; see that/)
      const nowhere = yield* Effect.flip(ChildApp.start({ args: [], cwd: import.meta.filename }))
      expect(nowhere.message).toMatch(/ENOTDIR; see that the command and its cwd exist/)
    })
  )

  it.effect("has ended although something that it started still holds its output", () =>
    Effect.gen(function* () {
      const child = yield* node(
        `const { spawn } = require("node:child_process")
         spawn(process.execPath, ["-e", "setInterval(() => {}, 1000)"], { stdio: "inherit" }).unref()
         console.log("x".repeat(300_000) + "the last")`
      )
      const { code, output } = yield* child.ended
      expect([code, output.length]).toEqual([0, 300_009])
    })
  )

  it.effect("may leave half a line behind: the rest is read", () =>
    Effect.gen(function* () {
      const child = yield* node(
        `const { appendFileSync } = require("node:fs")
         const stopping = JSON.stringify({ _tag: "GateClosed", at: 1, name: "gate 1 é" })
         appendFileSync(process.env.QUIESCE_EVENTS, stopping + '\\n{"_tag":"GateClo')
         process.kill(process.pid, "SIGKILL")`
      )
      const { events, signal, timeline } = yield* child.ended
      expect([signal, events]).toEqual(["SIGKILL", [{ _tag: "GateClosed", at: 1, name: "gate 1 é" }]])
      expect(tags(timeline)).toEqual(["GateClosed", "Exited"])
    })
  )

  it.effect("is not signalled any more when it has ended", () =>
    Effect.gen(function* () {
      const child = yield* node("")
      yield* child.ended
      yield* child.signal("SIGTERM")
      expect(tags((yield* child.ended).timeline)).toEqual(["Exited"])
    })
  )
})

describe("when the scope closes", () => {
  it.effect("no process is left, grandchildren included", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const child = yield* Scope.provide(app("grandchild,endless-job"), scope)
      yield* child.reached("Running")
      const pids = [child.pid, number("GRANDCHILD", yield* child.output)]
      expect(pids.map(isRunning)).toEqual([true, true])
      yield* Scope.close(scope, Exit.void)
      expect(pids.map(isRunning)).toEqual([false, false])
    })
  )

  it.effect("the file of the events is gone, and what was seen of them stays", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const child = yield* Scope.provide(
        node("console.log(`${process.env.QUIESCE_EVENTS};`); setInterval(() => {}, 1000)"),
        scope
      )
      yield* child.says(";")
      const file = (yield* child.output).split(";")[0] ?? ""
      expect(existsSync(file)).toBe(true)
      yield* Scope.close(scope, Exit.void)
      expect(existsSync(file)).toBe(false)
      expect(yield* child.events).toEqual([])
      expect((yield* child.ended).signal).toBe("SIGKILL")
    })
  )

  it.effect("what a killed process had started is gone as well", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const child = yield* Scope.provide(app("grandchild"), scope)
      yield* child.reached("Running")
      yield* child.signal("SIGKILL")
      const grandchild = number("GRANDCHILD", (yield* child.ended).output)
      expect(isRunning(grandchild)).toBe(true)
      yield* Scope.close(scope, Exit.void)
      expect(isRunning(grandchild)).toBe(false)
    })
  )

  it.effect("a signal goes to the process alone: what it has started gets none", () =>
    Effect.gen(function* () {
      const child = yield* app("grandchild")
      yield* child.reached("Running")
      yield* child.signal("SIGTERM")
      const { code, output } = yield* child.ended
      expect([code, isRunning(number("GRANDCHILD", output))]).toEqual([0, true])
    })
  )

  it.effect("nothing is left, and no file, when the test run itself is killed", () =>
    Effect.gen(function* () {
      const tester = yield* ChildApp.start({ args: ["tester.ts"], cwd: fixtures })
      yield* tester.says("STARTED")
      const output = yield* tester.output
      const pids = [number("CHILD", output), number("GRANDCHILD", output)]
      const file = /FILE=(.*);/.exec(output)?.[1] ?? ""
      expect([...pids.map(isRunning), existsSync(file)]).toEqual([true, true, true])
      yield* tester.signal("SIGKILL")
      yield* tester.ended
      yield* Effect.promise(async () => {
        while (pids.some(isRunning) || existsSync(file)) await new Promise((resolve) => setTimeout(resolve, 5))
      })
    })
  )

  it.effect("waiting can be interrupted, and waited for again", () =>
    Effect.gen(function* () {
      const child = yield* app()
      const patience = yield* Effect.forkChild(child.says("never said"), { startImmediately: true })
      patience.interruptUnsafe()
      yield* child.says("worker ready")
    })
  )
})
