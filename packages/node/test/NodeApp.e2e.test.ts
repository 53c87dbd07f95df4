import { existsSync, mkdtempSync, readFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { describe, expect, it } from "@effect/vitest"
import * as Schema from "effect/Schema"
import { Report } from "quiesce/Report"
import { Child } from "./support/child.ts"

const app = (mode: string, env: Record<string, string> = {}): Child => Child.node("main.ts", { MODE: mode, ...env })
const temporaryFile = (name: string): string => join(mkdtempSync(join(tmpdir(), "quiesce-")), name)

describe("a process run by NodeApp", () => {
  for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) {
    it(`stops cleanly on ${signal}: finishes what it accepted, releases in order, exits with 0`, async () => {
      const child = await app("job").says("ready")
      const { code, stderr, stdout } = await child.signal(signal).ended()
      expect(stdout.match(/job finished|database released/g)).toEqual(["job finished", "database released"])
      expect(stderr).toMatch(new RegExp(`^fixture stopped clean in .* of 5 s \\(${signal}, exit code 0\\)`, "m"))
      expect(code).toBe(0)
    })
  }

  it("stops cleanly on a SIGTERM in the middle of a slow import, without waiting for it", async () => {
    const child = await Child.node("slow-import.ts").says("importing")
    const { code, stderr, stdout, stopMillis } = await child.signal("SIGTERM").ended()
    expect([code, stdout.includes("acquired")]).toEqual([0, false])
    expect(stderr).toContain("slow stopped clean")
    expect(stopMillis).toBeLessThan(5000)
  })

  it("keeps a SIGHUP until the start has ended, which might have brought something to reload, and then stops", async () => {
    const program = `
      import * as Effect from "effect/Effect"
      import * as Layer from "effect/Layer"
      import * as NodeApp from "@quiesce/node/NodeApp"
      process.on("SIGHUP", () => console.log("heard"))
      const go = new Promise((resolve) => process.once("SIGCONT", resolve))
      const start = Effect.andThen(Effect.sync(() => console.log("starting")), Effect.promise(() => go))
      const Part = Layer.effectDiscard(Effect.acquireRelease(start, () => Effect.sync(() => console.log("released"))))
      NodeApp.run(Part, { name: "slow" })`
    const child = await Child.inline(program).says("starting")
    await child.signal("SIGHUP").says("heard")
    const { code, stderr, stdout } = await child.signal("SIGCONT").ended()
    expect([code, stdout.includes("Starting -> Running"), stdout.match(/released/g)]).toEqual([0, true, ["released"]])
    expect(stderr).toMatch(/^slow stopped clean in .* \(SIGHUP, exit code 0\)/m)
  })

  it("drops a SIGHUP that it has kept when the start is stopped", async () => {
    const program = `
      import * as Effect from "effect/Effect"
      import * as Layer from "effect/Layer"
      import * as NodeApp from "@quiesce/node/NodeApp"
      process.on("SIGHUP", () => console.log("heard"))
      NodeApp.run(Layer.effectDiscard(Effect.andThen(Effect.sync(() => console.log("starting")), Effect.never)))`
    const child = await Child.inline(program).says("starting")
    await child.signal("SIGHUP").says("heard")
    const { code, stderr } = await child.signal("SIGTERM").ended()
    expect(code).toBe(0)
    expect(stderr).toMatch(/^app stopped clean in .* \(SIGTERM, exit code 0\)/m)
  })

  it("catches a SIGTERM that comes before the engine itself is loaded", async () => {
    const child = await Child.node("slow-import.ts").says("handlers are installed")
    const { code, signal } = await child.signal("SIGTERM").ended()
    expect([code, signal]).toEqual([0, null])
  })

  it("leaves at once on the second SIGINT, with 130, after the emergency hooks", async () => {
    const file = temporaryFile("state")
    const child = await app("endless-job", { EMERGENCY_FILE: file }).says("ready")
    await child.signal("SIGINT").says("waiting for 1 job")
    await new Promise((resolve) => setTimeout(resolve, 300)) // the cooldown: a repeat within 250 ms is the same Ctrl+C
    const { code, stderr } = await child.signal("SIGINT").ended()
    expect(code).toBe(130)
    expect(readFileSync(file, "utf8")).toBe("saved")
    expect(stderr).toContain("unfinished: 1 job")
  })

  it("takes two SIGINTs within the cooldown for one Ctrl+C", async () => {
    const child = await app("job").says("ready")
    child.signal("SIGINT")
    const { code, stdout } = await child.signal("SIGINT").ended()
    expect([code, stdout.includes("job finished")]).toEqual([0, true])
  })

  for (const [mode, kind, message] of [
    ["throw", "uncaughtException", "thrown by nobody's fiber"],
    ["reject", "unhandledRejection", "rejected by nobody"]
  ] as const) {
    it(`logs an ${kind} with its cause, stops gracefully and exits with 1`, async () => {
      const { code, stderr, stdout } = await app(`job,${mode}`).ended()
      expect(stdout).toContain(`${kind}: ${message}`)
      expect(stdout).toContain("app.ts:") // the stack of the cause
      expect(stdout.match(/job finished|database released/g)).toEqual(["job finished", "database released"])
      expect(stderr).toContain(`\n  ${kind}: ${message}, exit code 1\n`)
      expect(code).toBe(1)
    })
  }

  it("prints the live status on SIGUSR2 and goes on", async () => {
    const child = await app("endless-job").says("ready")
    await child.signal("SIGUSR2").says("components:")
    expect(child.output).toMatch(/fixture is Running, up .*\n {2}in flight: 1 job\n {2}components:\n/)
    expect(child.output).toMatch(/ {4}database Running for /)
    const { code } = await child.signal("SIGTERM").ended()
    expect(code).toBe(70)
  })

  it("survives a SIGUSR2 in the very moment in which it is running", async () => {
    const program = `
      import * as Layer from "effect/Layer"
      import * as NodeApp from "@quiesce/node/NodeApp"
      NodeApp.run(Layer.empty, {
        onEvent: (event) => {
          if (event._tag === "StateChanged" && event.to === "Running") process.kill(process.pid, "SIGUSR2")
        }
      })`
    const child = await Child.inline(program).says("app is Running, up")
    expect(await child.signal("SIGTERM").ended()).toMatchObject({ code: 0, signal: null })
  })

  it("says that it is starting on a SIGUSR2 that comes before the engine itself is loaded", async () => {
    const program = `
      import * as Effect from "effect/Effect"
      import * as Layer from "effect/Layer"
      import * as NodeApp from "@quiesce/node/NodeApp"
      NodeApp.run(Layer.effectDiscard(Effect.never), { name: "early" })
      process.kill(process.pid, "SIGUSR2")`
    const child = await Child.inline(program).says("early is Starting")
    expect(await child.signal("SIGTERM").ended()).toMatchObject({ code: 0, signal: null })
  })

  it("leaves the status signal to whoever has it when it is told to", async () => {
    const program = `
      import * as Layer from "effect/Layer"
      import * as NodeApp from "@quiesce/node/NodeApp"
      NodeApp.run(Layer.empty, { statusSignal: false })
      process.kill(process.pid, "SIGUSR2")`
    expect(await Child.inline(program).ended()).toMatchObject({ code: null, signal: "SIGUSR2" })
  })

  it("says what to give when the grace period has no end, and starts nothing", async () => {
    const program = `
      import * as Effect from "effect/Effect"
      import * as Layer from "effect/Layer"
      import * as Schedule from "effect/Schedule"
      import * as NodeApp from "@quiesce/node/NodeApp"
      NodeApp.run(Layer.effectDiscard(Effect.sync(() => console.log("started"))), { gracePeriod: Schedule.forever })`
    const { code, stderr, stdout } = await Child.inline(program).ended()
    expect([code, stdout]).toEqual([1, ""])
    expect(stderr).toContain("the grace period has no end")
  })

  it("exits with 78 and names the variable when the configuration is wrong", async () => {
    const { code, stdout } = await app("config").ended()
    expect(code).toBe(78)
    expect(stdout).toContain("MISSING_PORT")
    expect(stdout.match(/database (acquired|released)/g)).toEqual(["database acquired", "database released"])
  })

  it("exits with 1, releases what it had acquired and names the component when the start fails", async () => {
    const { code, stderr, stdout } = await app("fail-start").ended()
    expect(code).toBe(1)
    expect(stdout).toContain("device could not start: no such device")
    expect(stdout.match(/database (acquired|released)/g)).toEqual(["database acquired", "database released"])
    expect(stderr).toContain("start failed: no such device")
  })

  it("says what to do when the application's module exports no layer", async () => {
    const { code, stdout } = await Child.node("no-layer.ts").ended()
    expect(code).toBe(1)
    expect(stdout).toContain("export default App")
  })

  it("leaves behind a finalizer that hangs, names it and exits with 70", async () => {
    const child = await app("hang").says("ready")
    const { code, stderr, stdout } = await child.signal("SIGTERM").ended()
    expect(code).toBe(70)
    expect(stdout).toMatch(/hanging did not stop within ([3-9]\d\d ms|[\d.]+ s) and was left behind/)
    expect(stdout).toContain("database released")
    expect(stderr).toMatch(/hanging .* abandoned/)
  })

  it("exits with 124 within the grace period when the grace period is what ran out", async () => {
    let soonest = Number.POSITIVE_INFINITY
    // On a busy machine a process can be late; the promise is kept by one of a few.
    for (let n = 0; n < 5 && soonest >= 1100; n++) {
      const child = await app("hang", { GRACE: "1000", STOP_TIMEOUT: "60000" }).says("ready")
      const { code, stderr, stdout, stopMillis } = await child.signal("SIGTERM").ended()
      expect(code).toBe(124)
      expect(stdout).toContain("because the grace period was used up")
      expect(stderr).toContain("fixture ran out of time after")
      soonest = Math.min(soonest, stopMillis)
    }
    expect(soonest).toBeLessThan(1100)
  })

  it("exits although a listener throws at every event, the last one included, and a handle lingers", async () => {
    const { code, stderr, stdout } = await app("timer,finish", { LISTENER: "throws" }).ended()
    expect(code).toBe(0)
    expect(stdout).toContain("the listener is broken")
    expect(stderr).toContain("fixture stopped clean")
  })

  it("exits although a handle lingers, and says which", async () => {
    const { code, stderr } = await app("timer,finish").ended()
    expect(code).toBe(0)
    expect(stderr).toContain("still holding the process: 1 timer")
  })

  it("loses no line of a large output at the end, neither in a pipe nor in a file", async () => {
    const piped = await app("flood,finish").ended()
    expect(piped.stdout.length).toBeGreaterThan(400_000)
    expect(piped.stdout).toContain("x\nthe last line\n")
    const file = temporaryFile("log")
    const toFile = await new Child("bash", ["-c", `exec "${process.execPath}" main.ts >"${file}" 2>&1`], {
      env: { MODE: "flood,finish" }
    }).ended()
    expect(toFile.code).toBe(0)
    expect(readFileSync(file, "utf8")).toMatch(/x\nthe last line\n[^]*fixture stopped clean/)
  })

  it("loses no line to a reader that is slow to begin", async () => {
    const slowly = `node() { "${process.execPath}" main.ts 2>/dev/null; }; node | (sleep 0.5; tail -n 1)`
    const { stdout } = await new Child("bash", ["-c", slowly], { env: { MODE: "flood,finish" } }).ended()
    expect(stdout).toMatch(/Flushing -> Stopped/)
  })

  it("leaves in time when nobody reads its output", async () => {
    const child = new Child(process.execPath, ["main.ts"], {
      env: { MODE: "flood,finish", GRACE: "3000" },
      readStdout: false
    })
    expect((await child.ended()).code).toBe(0)
  })

  it("survives a reader that goes away", async () => {
    const child = await app("job").says("ready")
    const { code, stderr } = await child.closeStdout().signal("SIGTERM").ended()
    expect([code, stderr.includes("stopped clean")]).toEqual([0, true])
  })

  it("writes one JSON object a line with JSON logs, the report last", async () => {
    const child = await app("job", { LOG_FORMAT: "json" }).says("ready")
    const { stderr, stdout } = await child.signal("SIGTERM").ended()
    const lines = stdout
      .trim()
      .split("\n")
      .filter((line) => line.startsWith("{"))
    expect(lines.map((line) => JSON.parse(line) as { message: string }).map(({ message }) => message)).toContain(
      "stopping: SIGTERM"
    )
    const report = Schema.decodeUnknownSync(Report)(JSON.parse(stderr))
    expect([report.outcome._tag, report.exitCode, report.reason]).toEqual([
      "Clean",
      0,
      { _tag: "Signal", signal: "SIGTERM" }
    ])
  })

  it("prints no report after a clean stop when only problems are asked for", async () => {
    const clean = await app("finish", { REPORT: "problems" }).ended()
    expect(clean.stderr).toBe("")
    const failed = await app("fail-start", { REPORT: "problems" }).ended()
    expect(failed.stderr).toContain("exit code 1")
  })
})

/** `script` gives the child a terminal; Debian and its kin always have it. */
const terminal = existsSync("/usr/bin/script")
  ? (mode: string, env: Record<string, string> = {}) =>
      new Child("script", ["-qfec", `exec "${process.execPath}" main.ts`, "/dev/null"], {
        env: { MODE: mode, TERM: "xterm", ...env }
      })
  : undefined

describe.skipIf(terminal === undefined)("on a terminal (needs util-linux's script)", () => {
  it("shows one live line while stopping: what is awaited and how long is left", async () => {
    const child = await (terminal ?? app)("job").says("ready")
    const pid = /NODE_PID=(\d+)/.exec(child.output)?.[1]
    process.kill(Number(pid), "SIGTERM")
    const { stdout } = await child.ended()
    // eslint-disable-next-line no-control-regex -- the live line is made of control characters
    expect(stdout).toMatch(/\r\u001b\[2KDraining, \d\.\d+ s left: waiting for 1 job/)
    expect(stdout).toContain("\u001b[32mstopped clean\u001b[0m")
  })

  it("uses no colour with NO_COLOR", async () => {
    const child = (terminal ?? app)("finish", { NO_COLOR: "1" })
    const { stdout } = await child.ended()
    expect(stdout).toContain("fixture stopped clean")
    // eslint-disable-next-line no-control-regex -- colour codes are control characters
    expect(stdout).not.toMatch(/\u001b\[\d+m/)
  })
})
