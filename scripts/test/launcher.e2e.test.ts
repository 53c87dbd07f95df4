/** The launcher as a newcomer meets it: `npm start`, with whatever Node the system has. */
import { spawn } from "node:child_process"
import { once } from "node:events"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, describe, expect, it } from "vitest"

const root = join(import.meta.dirname, "../..")
const dataDir = mkdtempSync(join(tmpdir(), "quiesce-launcher-"))
afterAll(() => rmSync(dataDir, { recursive: true, force: true }))

const env = { ...process.env, PORT: "0", HEALTH_PORT: "0", DATA_DIR: dataDir, DATABASE_URL: undefined, NO_COLOR: "1" }

const npm = (args: ReadonlyArray<string>) => {
  const child = spawn("npm", args, { cwd: root, env, stdio: ["ignore", "pipe", "pipe"] })
  let output = ""
  const heard: Array<() => void> = []
  const hear = (data: Buffer): void => {
    output += data.toString()
    for (const resolve of heard.splice(0)) resolve()
  }
  child.stdout.on("data", hear)
  child.stderr.on("data", hear)
  const closed = once(child, "close")
  return {
    says: async (text: string) => {
      while (!output.includes(text)) {
        if (child.exitCode !== null) throw new Error(`ended without saying "${text}":\n${output}`)
        await Promise.race([new Promise<void>((resolve) => heard.push(resolve)), closed])
      }
    },
    signal: (signal: NodeJS.Signals) => child.kill(signal),
    ended: async () => {
      await closed
      return { code: child.exitCode, signal: child.signalCode, output }
    }
  }
}

describe("the launcher", () => {
  it("runs the main job with npm start, hands a SIGTERM on once, and passes the exit code back", async () => {
    const start = npm(["start"])
    await start.says("QA dashboard is ready")
    start.signal("SIGTERM")
    const { code, output, signal } = await start.ended()
    expect([code, signal]).toEqual([0, null])
    expect(output.match(/stopping: SIGTERM/g)).toHaveLength(1)
    expect(output).toMatch(/dashboard stopped clean in .* \(SIGTERM, exit code 0\)/)
  })

  it("tells with npm start -- --help what can be run, and lets the app tell of itself", async () => {
    const all = await npm(["start", "--", "--help"]).ended()
    expect(all.code).toBe(0)
    expect(all.output).toMatch(/Apps[^]*dashboard[^]*Commands[^]*test/)
    const app = await npm(["start", "--", "dashboard", "--help"]).ended()
    expect(app.code).toBe(0)
    expect(app.output).toMatch(/CONFIG_FILE[^]*databaseUrl/)
  })

  it("answers what it does not know with what there is, and exit code 2", async () => {
    const { code, output } = await npm(["start", "--", "toaster"]).ended()
    expect(code).toBe(2)
    expect(output).toMatch(/no app "toaster"[^]*dashboard/)
  })
})
