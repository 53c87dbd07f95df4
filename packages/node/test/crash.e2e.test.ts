import { existsSync, mkdtempSync, readdirSync, readFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { describe, expect, it, onTestFinished } from "@effect/vitest"
import type { Report } from "quiesce/Report"
import { Child } from "./support/child.ts"
import { reportIn } from "./support/reportIn.ts"

const folder = (): string => mkdtempSync(join(tmpdir(), "quiesce-"))

/** An application with something to release and an emergency hook, in which `step` runs as it is ready. */
const program = (step: string, options = "{}"): string => `
  import { writeFileSync } from "node:fs"
  import * as Effect from "effect/Effect"
  import * as Layer from "effect/Layer"
  import * as NodeApp from "@quiesce/node/NodeApp"
  import { Lifecycle } from "quiesce/Lifecycle"

  const held = Layer.effectDiscard(
    Effect.gen(function* () {
      const lifecycle = yield* Lifecycle
      yield* lifecycle.emergency("save", () => writeFileSync(process.env.SAVED ?? "/dev/null", "saved"))
      yield* Effect.acquireRelease(Effect.void, () => Effect.sync(() => console.error("released")))
      yield* Effect.forkDetach(
        Effect.andThen(lifecycle.running, Effect.sync(() => setTimeout(() => { console.log("ready"); ${step} }, 20)))
      )
    })
  )
  NodeApp.run(held, { name: "crashing", ...(${options}) })
`

/** Who is not killed leaves nothing half-done. */
const onlyReportIn = (reports: string): Report => {
  expect(readdirSync(reports)).toHaveLength(1)
  return reportIn(reports)
}

describe("a process that somebody ends in the middle of things", () => {
  for (const asked of [0, 3]) {
    it(`by process.exit(${asked}) runs its emergency hooks, says who it was, and exits with 1`, async () => {
      const at = folder()
      const step = `(function impatientLibrary() { process.exit(${asked}) })()`
      const child = Child.inline(program(step), { SAVED: join(at, "saved"), QUIESCE_REPORTS: join(at, "reports") })
      const { code, stderr, stdout } = await child.ended()
      expect(code).toBe(1)
      expect(stdout).toMatch(new RegExp(`processExit: .*process.exit\\(${asked}\\)[^]*at impatientLibrary`))
      expect(stderr).toContain("crashing was forced out")
      expect(readFileSync(join(at, "saved"), "utf8")).toBe("saved")
      const report = onlyReportIn(join(at, "reports"))
      expect([report.exitCode, report.outcome, report.reason._tag]).toEqual([1, { _tag: "Forced" }, "Crash"])
    })
  }

  it("by process.exit in the middle of its own stop says so too", async () => {
    const held = `process.on("SIGTERM", () => setImmediate(() => process.exit(0)))`
    const child = await Child.inline(program(held, `{ lameDuck: "1 second" }`)).says("ready")
    const { code, stderr } = await child.signal("SIGTERM").ended()
    expect([code, stderr.includes("processExit: somebody called process.exit(0)")]).toEqual([1, true])
  })

  it("by an exit listener that throws says so, and leaves although something still holds it", async () => {
    const held = `setInterval(() => {}, 1000); process.on("exit", () => { throw new Error("no exit") })`
    const child = await Child.inline(program(held, `{ watchdog: false }`)).says("ready")
    const { code, stderr } = await child.signal("SIGTERM").ended()
    expect([code, stderr.includes("an exit listener threw: Error: no exit")]).toEqual([0, true])
  })

  it("by process.exit in a layer that is built at once is told of, although there is nothing to stop yet", async () => {
    const program = `
      import * as Effect from "effect/Effect"
      import * as Layer from "effect/Layer"
      import * as NodeApp from "@quiesce/node/NodeApp"
      NodeApp.run(Layer.effectDiscard(Effect.sync(function impatientLayer() { process.exit(3) })), { name: "hasty" })`
    const { code, stderr } = await Child.inline(program).ended()
    expect(code).toBe(3)
    expect(stderr).toMatch(/hasty was left in the first step of its start\n.*process.exit\(3\)[^]*at impatientLayer/)
  })

  it("does not take its own end for that of somebody else", async () => {
    const { code, stderr } = await (await Child.inline(program("")).says("ready")).signal("SIGTERM").ended()
    expect([code, stderr.includes("processExit")]).toEqual([0, false])
  })
})

describe("a process whose reports cannot be written", () => {
  it("says so at once, and runs and stops as ever", async () => {
    const child = await Child.inline(program(""), { QUIESCE_REPORTS: "/proc/nowhere/reports" }).says("ready")
    const { code, stderr } = await child.signal("SIGTERM").ended()
    expect([code, stderr.includes("the report cannot be written to /proc/nowhere/reports/")]).toEqual([0, true])
  })
})

describe("a process whose standard output nobody reads any more", () => {
  it("stops gracefully, says why in its report, and exits with 1", async () => {
    const at = folder()
    const step = `setInterval(() => console.log("a line"), 10)`
    const child = await Child.inline(program(step), {
      SAVED: join(at, "saved"),
      QUIESCE_REPORTS: join(at, "reports")
    }).says("ready")
    const { code, stderr } = await child.closeStdout().ended()
    expect([code, existsSync(join(at, "saved"))]).toEqual([1, false])
    expect(stderr).toContain("released")
    expect(stderr).toMatch(/outputClosed: write EPIPE/)
    expect(onlyReportIn(join(at, "reports")).reason).toEqual({
      _tag: "Crash",
      kind: "outputClosed",
      message: "write EPIPE"
    })
  })
})

describe("a process whose memory is nearly used up", () => {
  it("stops gracefully while there still is some, and says so", async () => {
    // It grows between one full collection and the next, until more than three quarters are in use and V8 does not give up yet:
    // however slow the machine is, what it has to see is there for as long as it looks.
    const step = `
      const { getHeapStatistics } = process.getBuiltinModule("node:v8")
      const held = []
      const leakUpTo = (share) => {
        if (getHeapStatistics().used_heap_size >= share * 80 * 2 ** 20) return false
        return held.push(new Array(2 ** 16).fill(0))
      }
      while (leakUpTo(0.7));
      const leak = () => { gc(); leakUpTo(0.77); setImmediate(leak) }
      leak()`
    const flags = ["--max-old-space-size=80", "--expose-gc", "--input-type=module"]
    const child = new Child(process.execPath, [...flags, "-e", program(step)])
    // One that is not told to stop would go on for ever.
    onTestFinished(() => void child.signal("SIGKILL"))
    const { code, stderr } = await child.ended()
    expect(stderr).toMatch(/heapLimit: \d+ MiB of \d+ MiB are in use after every full collection/)
    expect([code, stderr.includes("released")]).toEqual([1, true])
  })
})

describe("a process whose standard input ends", () => {
  const inline = (options: string): Child =>
    new Child(process.execPath, ["--input-type=module", "-e", program("", options)], { stdin: "pipe" })

  it("stops gracefully where that was asked for", async () => {
    const child = await inline("{ stopOnInputEnd: true }").says("ready")
    const { code, stderr } = await child.closeStdin().ended()
    expect([code, stderr.includes("requested by the end of the standard input")]).toEqual([0, true])
  })

  it("goes on where it was not", async () => {
    const child = await inline("{}").says("ready")
    await child.closeStdin().signal("SIGUSR2").says("crashing is Running")
    expect((await child.signal("SIGTERM").ended()).code).toBe(0)
  })
})
