import { spawnSync } from "node:child_process"
import { existsSync, mkdtempSync, readFileSync } from "node:fs"
import { createRequire } from "node:module"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { describe, expect, it } from "@effect/vitest"
import type { Report } from "quiesce/Report"
import { Child } from "./support/child.ts"
import { reportIn } from "./support/reportIn.ts"

const grace = 1000
/** A machine that does other things as well, and a kernel that takes gigabytes apart. */
const tolerance = 5000

type Fault = { readonly fault: string; readonly moment: string; readonly env?: Record<string, string> }

class Faulty {
  readonly folder = mkdtempSync(join(tmpdir(), "quiesce-"))
  readonly child: Child

  constructor(
    { env = {}, fault, moment }: Fault,
    { flags = [], program = "faulty-main.ts" }: { readonly flags?: Array<string>; readonly program?: string } = {}
  ) {
    this.child = new Child(process.execPath, [...flags, program], {
      env: {
        FAULT: fault,
        MOMENT: moment,
        GRACE: `${grace}`,
        FIFO: join(this.folder, "fifo"),
        SAVED: join(this.folder, "saved"),
        QUIESCE_REPORTS: join(this.folder, "reports"),
        ...env
      }
    })
  }

  /** Sends SIGTERM when it runs, for what blocks in the stop. */
  async stopped() {
    return await (await this.child.says("-> Running")).signal("SIGTERM").ended()
  }

  get report(): Report {
    return reportIn(join(this.folder, "reports"))
  }

  get saves(): number {
    const file = join(this.folder, "saved")
    return existsSync(file) ? readFileSync(file, "utf8").split("\n").length - 1 : 0
  }
}

// What holds it, when, and how it is run: the matrix of that is in packages/cli/test/faults.e2e.test.ts.
describe("a process whose event loop is blocked", () => {
  it("by native code is killed at its deadline with a report that names the component which was being released", async () => {
    const faulty = new Faulty({ fault: "spawnSleep", moment: "releasing" })
    const { signal } = await faulty.stopped()
    expect(signal).toBe("SIGKILL")
    expect(faulty.report.components).toMatchObject([{ name: "held", end: "abandoned" }])
  })

  it.runIf(process.platform === "linux")("is out within its grace period after 1,000 signals at once", async () => {
    const faulty = new Faulty({ fault: "hotLoop", moment: "running" })
    await faulty.child.says("blocking running")
    for (let i = 1; i < 1000; i++) faulty.child.signal("SIGTERM")
    const { signal, stopMillis } = await faulty.child.signal("SIGTERM").ended()
    expect(signal).toBe("SIGKILL")
    expect(stopMillis).toBeLessThan(grace + tolerance)
    expect(faulty.saves).toBe(1)
  })

  it("names the line and saves, whatever the application has done to Error and to the global object", async () => {
    const faulty = new Faulty({ fault: "hotLoop", moment: "releasing", env: { SPOILT: "yes" } })
    const { signal } = await faulty.stopped()
    expect([signal, faulty.saves]).toEqual(["SIGKILL", 1])
    expect(faulty.report.blocked.at(-1)?.stack[0]).toMatch(/^hotLoop \(.*faults.ts:\d+:\d+\)$/)
  })

  for (const [hook, saves, failure] of [
    ["hang", 0, "the event loop was blocked"],
    ["exit", 1, "emergency hook first threw: an emergency hook cannot call process.exit"],
    ["throw", 1, "emergency hook first threw: the hook throws"]
  ] as const) {
    it(`is killed with a report when an emergency hook tries to ${hook}`, async () => {
      const faulty = new Faulty({ fault: "hotLoop", moment: "releasing", env: { HOOK: hook } })
      const { signal, stopMillis } = await faulty.stopped()
      expect([signal, faulty.saves]).toEqual(["SIGKILL", saves])
      expect(faulty.report.failures.join("\n")).toContain(failure)
      expect(stopMillis).toBeLessThan(grace + tolerance)
    })
  }

  it("leaves its report also when all threads that Node has for files hang", async () => {
    const faulty = new Faulty({ fault: "hotLoopAndFiles", moment: "releasing" })
    const { signal, stderr } = await faulty.stopped()
    expect(signal).toBe("SIGKILL")
    expect(stderr).toContain("faulty was forced out after")
    expect(faulty.report.outcome).toEqual({ _tag: "Forced", signal: "SIGKILL" })
  })

  it("is out at its deadline when a worker thread of the application is in native code as it leaves", async () => {
    const faulty = new Faulty({ fault: "stuckWorker", moment: "running" })
    await faulty.child.says("blocking running")
    await new Promise((resolve) => setTimeout(resolve, 500)) // until the worker is in there
    const { signal, stderr } = await faulty.child.signal("SIGTERM").ended()
    expect([signal, faulty.report.outcome._tag]).toEqual(["SIGKILL", "Clean"])
    expect(stderr).toContain("held by native code, perhaps of another worker thread")
  })

  it("that comes back is told of in the log and in the report, with the line of code, and runs on", async () => {
    const faulty = new Faulty({ fault: "slowStep", moment: "running" })
    await faulty.child.says("the event loop was blocked")
    const { code, stdout } = await faulty.child.signal("SIGTERM").ended()
    expect(stdout).toMatch(
      /WARN .*the event loop was blocked for [\d.]+ s by slowStep \(.*faulty.ts:\d+:\d+\)\n {4}at /
    )
    expect(code).toBe(0)
    expect(faulty.report.blocked).toMatchObject([{ killed: false }])
    expect(faulty.report.blocked[0]?.millis).toBeGreaterThan(1000)
  })

  for (const [when, flags] of [
    ["from the start", ["--inspect=127.0.0.1:0"]],
    ["since SIGUSR1 in the middle of the block", ["--inspect-port=127.0.0.1:0"]]
  ] as const) {
    it(`is left alone while an inspector listens ${when}, since a breakpoint looks the same`, async () => {
      const faulty = new Faulty({ fault: "slowStep", moment: "releasing" }, { flags: [...flags] })
      await faulty.child.says("-> Running")
      await faulty.child.signal("SIGTERM").says("blocking releasing")
      if (when !== "from the start") process.kill(faulty.child.pid, "SIGUSR1")
      const { code, signal, stderr, stdout } = await faulty.child.ended()
      expect(stderr).toContain("Debugger listening on")
      expect(stdout).toContain("the step has ended")
      // Its own deadline was over when it came back.
      expect([code, signal]).toEqual([124, null])
    })
  }

  it("is out at its deadline without a stack where no inspector is allowed, and says what it does without", async () => {
    const faulty = new Faulty(
      { fault: "hotLoop", moment: "releasing" },
      { flags: ["--permission", "--allow-fs-read=*", "--allow-fs-write=*", "--allow-worker"] }
    )
    const { signal } = await faulty.stopped()
    expect(signal).toBe("SIGKILL")
    expect(faulty.report.outcome).toEqual({ _tag: "Forced", signal: "SIGKILL" })
  })
})

describe("a process of a bundled and minified application", () => {
  it("is out at its deadline after its emergency hooks, with a report that names the line", async () => {
    const folder = mkdtempSync(join(tmpdir(), "quiesce-"))
    // vitest's own: nobody here needs a bundler otherwise.
    const vitest = createRequire(import.meta.url).resolve("vitest/package.json")
    const bundler = createRequire(createRequire(vitest).resolve("vite/package.json")).resolve("rolldown")
    const names = ["--entry-file-names", "[name].mjs", "--chunk-file-names", "[name]-[hash].mjs"]
    const input = join(import.meta.dirname, "fixtures/faulty-main.ts")
    const args = [input, "--dir", folder, "--platform", "node", "--external", "koffi", "--minify", ...names]
    const { status } = spawnSync(process.execPath, [join(dirname(bundler), "../bin/cli.mjs"), ...args])
    expect(status).toBe(0)
    const program = join(folder, "faulty-main.mjs")
    const faulty = new Faulty({ fault: "hotLoop", moment: "releasing" }, { program })
    const { signal } = await faulty.stopped()
    expect([signal, faulty.saves]).toEqual(["SIGKILL", 1])
    expect(faulty.report.blocked.at(-1)?.stack[0]).toMatch(/^\S+ \(.*\.mjs:\d+:\d+\)$/)
  })
})

describe("a process that is only stopped for a while", () => {
  it("over its deadline ends by itself when it goes on", async () => {
    const faulty = new Faulty({ fault: "none", moment: "waiting" })
    await faulty.child.says("-> Running")
    await faulty.child.signal("SIGTERM").says("-> Draining")
    process.kill(faulty.child.pid, "SIGSTOP")
    await new Promise((resolve) => setTimeout(resolve, 2 * grace))
    process.kill(faulty.child.pid, "SIGCONT")
    const { code, signal } = await faulty.child.ended()
    expect([code, signal, faulty.saves]).toEqual([124, null, 1])
  })
})

describe("a process without a watchdog", () => {
  it("says so, and what to do, where no worker threads are allowed, and runs and stops as ever", async () => {
    const faulty = new Faulty(
      { fault: "none", moment: "none" },
      { flags: ["--permission", "--allow-fs-read=*", "--allow-fs-write=*"] }
    )
    const { code, stderr } = await faulty.stopped()
    expect(stderr).toMatch(
      /faulty runs without its watchdog \(.*\): an event loop that is blocked is not noticed.*--allow-worker/
    )
    expect(code).toBe(0)
  })
})
