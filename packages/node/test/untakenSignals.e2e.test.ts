import { mkdtempSync, readdirSync, readFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { describe, expect, it } from "@effect/vitest"
import * as Schema from "effect/Schema"
import { Report } from "quiesce/Report"
import { Child } from "./support/child.ts"

const blocked = "blocked now"

/** Runs, and then does nothing else any more than what `block` says, unless that comes to an end. */
class Blocked {
  readonly folder = mkdtempSync(join(tmpdir(), "quiesce-"))
  readonly child: Child

  constructor(
    options: {
      readonly block?: string
      readonly options?: string
      readonly before?: string
      readonly moment?: string | undefined
    } = {}
  ) {
    const moment = options.moment ?? "Effect.andThen(lifecycle.running, Effect.sleep(50))"
    this.child = Child.inline(
      `import { appendFileSync, openSync, writeSync } from "node:fs"
       import { spawn, spawnSync } from "node:child_process"
       import * as Effect from "effect/Effect"
       import * as Layer from "effect/Layer"
       import { Lifecycle } from "quiesce/Lifecycle"
       import * as NodeApp from "@quiesce/node/NodeApp"
       const app = Layer.effectDiscard(Effect.gen(function*() {
         const lifecycle = yield* Lifecycle
         yield* lifecycle.emergency("save", () => appendFileSync(process.env.SAVED, "saved"))
         ${options.before ?? ""}
         yield* Effect.forkDetach(Effect.andThen(${moment}, Effect.sync(() => {
           console.log("${blocked}")
           ${options.block ?? "for (;;);"}
           console.log("free again")
         })))
       }))
       NodeApp.run(app, { name: "blocked", reports: process.env.REPORTS, ${options.options ?? 'gracePeriod: "30 seconds"'} })`,
      { SAVED: join(this.folder, "saved"), REPORTS: join(this.folder, "reports") }
    )
  }

  get saves(): number {
    return readdirSync(this.folder).includes("saved") ? readFileSync(join(this.folder, "saved"), "utf8").length / 5 : 0
  }

  get report(): Report {
    const [file = ""] = readdirSync(join(this.folder, "reports"))
    const json = readFileSync(join(this.folder, "reports", file), "utf8")
    return Schema.decodeUnknownSync(Schema.fromJsonString(Report))(json)
  }

  /** As a person who presses it again and again until it ends; a busy machine takes two for one. Answers how often it took. */
  async press(signal: NodeJS.Signals): Promise<number> {
    const ended = this.child.ended().then(() => true)
    for (let count = 1; ; count++) {
      this.child.signal(signal)
      if (await Promise.race([ended, new Promise((resolve) => setTimeout(resolve, 600, false))])) return count
    }
  }
}

const untilFree = (millis: number): string =>
  `for (const end = performance.now() + ${millis}; performance.now() < end;);`
const short = "gracePeriod: 1600"

describe.runIf(process.platform === "linux")("a signal that a blocked event loop cannot take", () => {
  for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) {
    it(`is named, and begins the grace period, when it is ${signal}`, async () => {
      const { child, report } = await ended(new Blocked({ options: short }), signal)
      expect([child.signal, report.reason]).toEqual(["SIGKILL", { _tag: "Signal", signal }])
      expect(child.stderr).toContain(`cannot take ${signal}: unless it comes back`)
      expect(report.duration).toBeGreaterThan(1500)
    })
  }

  for (const [what, block] of [
    ["writes", `const out = openSync("/dev/null", "w"); for (;;) writeSync(out, ".");`],
    ["starts one child process after the other", `for (;;) spawnSync("true");`]
  ] as const) {
    it(`is seen while the code that blocks ${what}`, async () => {
      const { child, report } = await ended(new Blocked({ block, options: short }), "SIGTERM")
      expect([child.signal, report.reason]).toEqual(["SIGKILL", { _tag: "Signal", signal: "SIGTERM" }])
    })
  }

  it("is seen beside the ends of child processes that the same signal has reached", async () => {
    const before = `for (let i = 0; i < 20; i++) spawn("sleep", ["0.5"])`
    const { child, report } = await ended(new Blocked({ before, options: short }), "SIGTERM")
    expect([child.signal, report.reason]).toEqual(["SIGKILL", { _tag: "Signal", signal: "SIGTERM" }])
  })

  for (const [what, least, moment, ladder] of [
    ["the second ends the process", 2, undefined, undefined],
    ["the second ends a stop", 2, "lifecycle.stopping", undefined],
    ["the third ends the process, where the ladder has three rungs,", 3, undefined, '["Graceful", "Interrupt", "Exit"]']
  ] as const) {
    it(`has others behind it: ${what} at once, with emergency hooks and a report`, async () => {
      const app = new Blocked({ moment, options: `gracePeriod: "60 seconds", escalation: ${ladder}` })
      await app.child.says(moment === undefined ? blocked : "-> Running")
      expect(await app.press("SIGTERM")).toBeGreaterThanOrEqual(least)
      const { signal, stderr } = await app.child.ended()
      expect([signal, app.saves, app.report.reason]).toEqual(["SIGKILL", 1, { _tag: "Signal", signal: "SIGTERM" }])
      expect(stderr).toContain("cannot take SIGTERM either, and is killed at once")
      expect(app.report.duration).toBeLessThan(app.report.gracePeriod)
    })
  }

  it("counts once when a wrapper repeats it, and the loop has taken the first", async () => {
    const app = new Blocked({ moment: "lifecycle.stopping", options: "gracePeriod: 2000" })
    await app.child.says("-> Running")
    const { signal } = await app.child.signal("SIGTERM").signal("SIGTERM").ended()
    expect(signal).toBe("SIGKILL")
    expect(app.report.duration).toBeGreaterThan(1900)
  })

  it("counts once when a wrapper repeats it, and is taken by the loop when that comes back", async () => {
    const app = new Blocked({ block: untilFree(2000) })
    await app.child.says(blocked)
    app.child.signal("SIGTERM").signal("SIGTERM")
    const { code, stderr } = await app.child.ended()
    expect([code, app.report.outcome._tag, app.saves]).toEqual([0, "Clean", 0])
    expect(stderr).toContain("cannot take SIGTERM: unless")
    // What it has waited is a part of the stop.
    expect(app.report.duration).toBeGreaterThan(1000)
  })

  it("is none of a stop when it asks for the status or a reload, or tells of the end of a child process", async () => {
    const before = `
      for (let i = 0; i < 20; i++) spawn("sleep", ["0.5"])
      yield* lifecycle.onReloadRequested("settings", (trigger) => console.log("asked by " + trigger))`
    const app = new Blocked({ before, block: untilFree(2500), options: short })
    await app.child.says(blocked)
    app.child.signal("SIGUSR2").signal("SIGHUP").signal("SIGHUP")
    await app.child.says("free again")
    await app.child.says("asked by SIGHUP")
    await app.child.says("blocked is Running")
    const { code, stderr } = await app.child.signal("SIGTERM").ended()
    expect([code, stderr.includes("cannot take")]).toEqual([0, false])
  })
})

const ended = async (app: Blocked, signal: NodeJS.Signals) => {
  await app.child.says(blocked)
  const child = await app.child.signal(signal).ended()
  return { child, report: app.report }
}
