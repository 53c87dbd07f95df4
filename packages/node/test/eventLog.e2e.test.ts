import { spawnSync } from "node:child_process"
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, describe, expect, it } from "@effect/vitest"
import * as Schema from "effect/Schema"
import { Event } from "quiesce/Event"
import * as Report from "quiesce/Report"
import { Child, type Ended } from "./support/child.ts"

const folder = mkdtempSync(join(tmpdir(), "quiesce-events-"))
afterAll(() => rmSync(folder, { recursive: true }))

let files = 0
const newFile = (): string => join(folder, `${++files}.jsonl`)

const decode = Schema.decodeUnknownSync(Event)

const eventsIn = (file: string): ReadonlyArray<Event> =>
  readFileSync(file, "utf8")
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => decode(JSON.parse(line)))

const app = (mode: string, file: string): Child =>
  Child.node("main.ts", { MODE: mode, QUIESCE_EVENTS: file, LOG_FORMAT: "json" })

/** The application's own account is made of all its events, so it is the witness that none is missing. */
const expectComplete = (events: ReadonlyArray<Event>, { stderr }: Ended): void => {
  expect(Report.fromEvents(events)).toEqual(JSON.parse(stderr))
  expect(events[0]?._tag).toBe("AppStarting")
  expect(events.at(-1)?._tag).toBe("Ended")
  const instants = events.map(({ at }) => at)
  expect(instants).toEqual(instants.toSorted((a, b) => a - b))
}

const statesIn = (events: ReadonlyArray<Event>): ReadonlyArray<string> =>
  events.flatMap((event) => (event._tag === "StateChanged" ? [event.to] : []))

describe("the event log of a process as a file", () => {
  it("has every event of a clean stop, in order", async () => {
    const file = newFile()
    const child = await app("job", file).says("ready")
    const ended = await child.signal("SIGTERM").ended()
    const events = eventsIn(file)
    expectComplete(events, ended)
    expect(statesIn(events)).toEqual([
      "Running",
      "LameDuck",
      "Draining",
      "Interrupting",
      "Releasing",
      "Flushing",
      "Stopped"
    ])
  })

  it("has every event of a forced exit, the last included", async () => {
    const file = newFile()
    const child = await app("endless-job", file).says("ready")
    await child.signal("SIGTERM").says("LameDuck -> Draining")
    const ended = await child.signal("SIGINT").ended() // another signal: no repeat, so at once
    const events = eventsIn(file)
    expectComplete(events, ended)
    expect(ended.code).toBe(130)
    expect(events.at(-1)).toMatchObject({ outcome: { _tag: "Forced", signal: "SIGINT" }, exitCode: 130 })
    expect(events.some((event) => event._tag === "Straggler" && event.kind === "job")).toBe(true)
  })

  it("has every event of a start that failed", async () => {
    const file = newFile()
    const ended = await app("fail-start", file).ended()
    const events = eventsIn(file)
    expectComplete(events, ended)
    expect(ended.code).toBe(1)
    expect(events.find((event) => event._tag === "ComponentStartFailed")).toMatchObject({ message: "no such device" })
  })

  it("has every event up to kill -9", async () => {
    const file = newFile()
    const child = await app("", file).says("ready")
    await child.signal("SIGKILL").ended()
    expect(statesIn(eventsIn(file))).toEqual(["Running"])
  })

  it("is written before the application's own listener hears of an event", async () => {
    const file = newFile()
    const program = `
      import { readFileSync } from "node:fs"
      import * as Layer from "effect/Layer"
      import * as NodeApp from "@quiesce/node/NodeApp"
      let missing = 0
      NodeApp.run(Layer.empty, {
        eventLog: ${JSON.stringify(file)},
        onEvent: (event) => {
          const last = readFileSync(${JSON.stringify(file)}, "utf8").trimEnd().split("\\n").at(-1)
          if (last !== JSON.stringify(event)) missing++
          if (event._tag === "StateChanged" && event.to === "Running") process.kill(process.pid, "SIGTERM")
          if (event._tag === "Ended") console.log("missing: " + missing)
        }
      })`
    const { code, stdout } = await new Child(process.execPath, ["--input-type=module", "-e", program]).ended()
    expect([code, /missing: \d+/.exec(stdout)?.[0]]).toEqual([0, "missing: 0"])
  })

  it("is where the option says when the environment says something else", async () => {
    const [named, other] = [newFile(), newFile()]
    const program = `
      import * as Effect from "effect/Effect"
      import * as Layer from "effect/Layer"
      import * as NodeApp from "@quiesce/node/NodeApp"
      NodeApp.run(Layer.effectDiscard(Effect.die("no")), { eventLog: ${JSON.stringify(named)} })`
    const arguments_ = ["--input-type=module", "-e", program]
    await new Child(process.execPath, arguments_, { env: { QUIESCE_EVENTS: other } }).ended()
    expect([eventsIn(named).at(-1)?._tag, existsSync(other)]).toEqual(["Ended", false])
  })

  it("is no business of what the application starts: the variable is gone", async () => {
    const program = `
      import * as Effect from "effect/Effect"
      import * as Layer from "effect/Layer"
      import * as NodeApp from "@quiesce/node/NodeApp"
      const show = Effect.sync(() => console.log("handed on: " + process.env.QUIESCE_EVENTS))
      NodeApp.run(Layer.effectDiscard(Effect.andThen(show, Effect.die("enough"))))`
    const env = { QUIESCE_EVENTS: newFile() }
    const { stdout } = await new Child(process.execPath, ["--input-type=module", "-e", program], { env }).ended()
    expect(stdout).toContain("handed on: undefined")
  })

  it("goes on after a life that was killed in the middle of a line", async () => {
    const file = newFile()
    writeFileSync(file, '{"_tag":"StateChan')
    await app("finish", file).ended()
    const [half, ...lines] = readFileSync(file, "utf8").split("\n")
    expect(half).toBe('{"_tag":"StateChan')
    expect(lines.slice(0, -1).map((line) => decode(JSON.parse(line))._tag)).toContain("Ended")
  })
})

describe("a process that lives long", () => {
  it("holds the latest thousand of what happens again and again, however often it has happened", async () => {
    const file = newFile()
    const program = `
      import * as Effect from "effect/Effect"
      import * as Layer from "effect/Layer"
      import * as Schedule from "effect/Schedule"
      import * as NodeApp from "@quiesce/node/NodeApp"
      import * as Tasks from "quiesce/Tasks"
      const restart = Schedule.recurs(1500)
      NodeApp.run(Layer.effectDiscard(Tasks.start("flaky", Effect.fail("away"), { restart })), { logLevel: "None" })`
    const { code, stderr } = await Child.inline(program, { QUIESCE_EVENTS: file }).ended()
    expect(eventsIn(file).filter(({ _tag }) => _tag === "TaskFailed")).toHaveLength(1501)
    // And the last failure, for which it stopped, which comes once.
    expect([code, /task flaky failed (\d+) times/.exec(stderr)?.[1]]).toEqual([1, "1001"])
  })
})

describe("an event log that cannot be written", () => {
  const expectOneWarning = ({ code, stderr }: Ended, file: string, why: string): void => {
    const warnings = stderr.split("\n").filter((line) => line.includes(file))
    expect(warnings).toHaveLength(1)
    expect(warnings[0]).toContain(why)
    expect(warnings[0]).toContain("let QUIESCE_EVENTS, or the option eventLog, name a file")
    expect(stderr).toContain('"outcome":{"_tag":"Clean"}')
    expect(code).toBe(0)
  }

  it("costs one warning, and the application lives as ever, when there is no such folder", async () => {
    const file = join(folder, "no/such/folder/events.jsonl")
    const child = await app("job", file).says("ready")
    expectOneWarning(await child.signal("SIGTERM").ended(), file, "ENOENT")
  })

  it.skipIf(!existsSync("/dev/full"))("costs one warning when the disk is full", async () => {
    const child = await app("job", "/dev/full").says("ready")
    expectOneWarning(await child.signal("SIGTERM").ended(), "/dev/full", "ENOSPC")
  })

  it.skipIf(process.platform === "win32")(
    "costs one warning, and holds nothing, when it is a pipe unread",
    async () => {
      const file = newFile()
      expect(spawnSync("sh", ["-c", `mkfifo "$0"`, file]).status).toBe(0)
      expectOneWarning(await app("finish", file).ended(), file, "ENXIO")
    }
  )

  it("is not asked for by an empty variable", async () => {
    const { code, stderr } = await app("finish", "").ended()
    expect([code, stderr.split("\n").length]).toEqual([0, 2]) // the report and its line end
  })
})
