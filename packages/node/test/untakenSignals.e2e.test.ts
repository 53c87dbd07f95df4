import { mkdtempSync, readdirSync, readFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { describe, expect, it } from "@effect/vitest"
import type { Report } from "quiesce/Report"
import { Child } from "./support/child.ts"
import { reportIn } from "./support/reportIn.ts"

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
       import * as Component from "quiesce/Component"
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
    return reportIn(join(this.folder, "reports"))
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

  const elsewhere = `Effect.andThen(
    Effect.andThen(lifecycle.running, lifecycle.requestStop({ _tag: "Finished" })),
    Effect.callback((resume) => void process.once("SIGTERM", () => resume(Effect.void))))`
  for (const [what, least, moment, ladder] of [
    ["the second ends the process", 2, undefined, undefined],
    ["the second ends a stop", 2, "lifecycle.stopping", undefined],
    ["the second ends a stop that something else has begun", 2, elsewhere, undefined],
    ["the third ends the process, where the ladder has three rungs,", 3, undefined, '["Graceful", "Interrupt", "Exit"]']
  ] as const) {
    it(`has others behind it: ${what} at once, with emergency hooks and a report`, async () => {
      const before = `yield* lifecycle.onStopping("endless", Effect.never)`
      const options = `gracePeriod: "60 seconds", drain: "50 seconds", escalation: ${ladder}`
      const app = new Blocked({ moment, before, options })
      await app.child.says(moment === undefined ? blocked : moment === elsewhere ? "-> Draining" : "-> Running")
      expect(await app.press("SIGTERM")).toBeGreaterThanOrEqual(least)
      const { signal, stderr } = await app.child.ended()
      expect([signal, app.saves]).toEqual(["SIGKILL", 1])
      expect(app.report.reason._tag).toBe(moment === elsewhere ? "Finished" : "Signal")
      expect(stderr).toContain("cannot take SIGTERM either, and is killed at once")
      expect(app.report.duration).toBeLessThan(app.report.gracePeriod)
    })
  }

  it("is seen in an application that had released something while it started", async () => {
    const before = `
      const short = Layer.effectDiscard(Effect.acquireRelease(Effect.void, () => Effect.void))
      yield* Effect.scoped(Layer.build(short.pipe(Component.make("short"))))`
    const app = new Blocked({ before, options: short })
    const { child } = await ended(app, "SIGTERM")
    expect([child.signal, app.report.components.map(({ name }) => name)]).toEqual(["SIGKILL", ["short", "layer#1"]])
  })

  it("is not lost when thousands of others leave it no room", async () => {
    const { stdout } = await Child.inline(`
      import fs from "node:fs"
      import { findSignalPipe } from "../../src/internal/watchdog/SignalPipe.ts"
      import { untakenSignals } from "../../src/internal/watchdog/untakenSignals.ts"
      const taken = { SIGUSR2: 0, SIGTERM: 0, SIGWINCH: 0 }
      for (const signal in taken) process.on(signal, () => taken[signal]++)
      const pipe = findSignalPipe()
      const signals = untakenSignals()
      for (let i = 0; i < 3900; i++) process.kill(process.pid, "SIGUSR2")
      process.kill(process.pid, "SIGTERM")
      const { readSync } = fs
      fs.readSync = (...args) => {
        const length = readSync(...args)
        process.kill(process.pid, "SIGWINCH")
        return length
      }
      signals.look(pipe)
      fs.readSync = readSync
      setTimeout(() => {
        signals.forget(pipe)
        setTimeout(() => console.log(JSON.stringify(taken)))
      }, 100)`).ended()
    expect(JSON.parse(stdout)).toEqual({ SIGUSR2: 3900, SIGTERM: 1, SIGWINCH: 1 })
  })

  it("has its whole grace period when the process stood still before it came", async () => {
    const block = `const end = performance.now() + 4500; writeSync(1, "until then"); while (performance.now() < end);`
    const app = new Blocked({ block, options: "gracePeriod: 3000" })
    await app.child.says("until then")
    process.kill(app.child.pid, "SIGSTOP")
    await new Promise((resolve) => setTimeout(resolve, 3500))
    process.kill(app.child.pid, "SIGCONT")
    await new Promise((resolve) => setTimeout(resolve, 100))
    const { code } = await app.child.signal("SIGTERM").ended()
    expect([code, app.report.outcome._tag]).toEqual([0, "Clean"])
  })

  it("is seen when others were there as the application began, and when it came before that", async () => {
    // The others come in the very step in which it is found out where signals can be seen.
    const begin = (what: string): Child =>
      Child.inline(`
        import * as Effect from "effect/Effect"
        import * as Layer from "effect/Layer"
        import * as NodeApp from "@quiesce/node/NodeApp"
        process.on("SIGWINCH", () => {})
        const hangs = Layer.effectDiscard(Effect.sync(() => { console.error("hangs"); for (;;); }))
        NodeApp.run(hangs, { name: "it", gracePeriod: 1000, get watchdog() { process.kill(process.pid, "SIGWINCH") } })
        ${what}`)
    const later = await begin("").says("hangs")
    for (const child of [later.signal("SIGTERM"), begin('process.kill(process.pid, "SIGTERM")')]) {
      const { signal, stderr } = await child.ended()
      expect(signal).toBe("SIGKILL")
      expect(stderr).toMatch(/it was forced out after .* of 1 s \(SIGTERM, exit code 137\)/)
    }
  })

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
    const before = `for (let i = 0; i < 20; i++) spawn("sleep", ["0.5"])`
    // As what comes up late can have something to reload.
    const reloads = `lifecycle.onReloadRequested("settings", (trigger) => console.log("asked by " + trigger))`
    const moment = `Effect.andThen(Effect.andThen(lifecycle.running, ${reloads}), Effect.sleep(500))`
    const app = new Blocked({ before, moment, block: untilFree(2500), options: short })
    await app.child.says(blocked)
    app.child.signal("SIGUSR2")
    const { child } = app
    const again = setInterval(() => child.signal("SIGHUP"), 400)
    await child.says("free again").finally(() => clearInterval(again))
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
