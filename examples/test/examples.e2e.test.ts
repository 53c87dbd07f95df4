/** Each example says what its head comment promises. */
import { spawn } from "node:child_process"
import { once } from "node:events"
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { describe, expect, it } from "@effect/vitest"

const folder = join(import.meta.dirname, "..")

interface Expected {
  /** `null`: it is killed. */
  readonly code: number | null
  /** In this order. */
  readonly says: ReadonlyArray<RegExp>
  /** It runs until it is asked to stop, once this was said. */
  readonly stopAfter?: string
}

const examples: Readonly<Record<string, Expected>> = {
  "01-first-app.ts": { code: 0, stopAfter: "open for business", says: [/closed/, /first-app stopped clean/] },
  "02-any-layer.ts": {
    code: 0,
    says: [/any-layer stopped clean in/, /(Cache|Mailer) +\d+ ms +\d{3} ms/, /Db +\d{3} ms/]
  },
  "03-components.ts": { code: 70, says: [/telemetry did not stop/, /socket closed/, /telemetry .* abandoned/] },
  "04-drain-gate.ts": { code: 0, says: [/message 2 stays in the queue/, /message 1 handled/, /stopped clean/] },
  "05-critical-section.ts": { code: 0, says: [/writing the layout/, /stopping: finished/, /writing its index/] },
  "06-hooks.ts": { code: 0, says: [/1\. deregistered/, /2\. last batch/, /3\. released/, /4\. nothing is left/] },
  "07-budgets.ts": {
    code: 70,
    says: [/budgets stopped, degraded,/, /Draining ([3-9]\d\d ms|[\d.]+ s)/, /unfinished: 1 download/]
  },
  "08-lazy-import.ts": { code: 0, says: [/imported and started/, /lazy-import stopped clean/] },
  "09-http.ts": { code: 0, stopAfter: "Starting -> Running", says: [/shop stopped clean/] },
  "10-virtual-time.ts": { code: 0, says: [/virtual-time stopped clean in 1\.5 s of 25 s/] },
  "11-test-kit.ts": { code: 0, stopAfter: "Starting -> Running", says: [/test-kit stopped clean/] },
  "12-tasks.ts": {
    code: 0,
    says: [
      /task tunnel of network failed: no route at attempt 1; restart 1 in 50 ms/,
      /resetting the sensor/,
      /the sensor answers again/,
      /first letter sent/,
      /stopping: finished/,
      /second letter sent/,
      /third letter goes back to the outbox/,
      /\d\d frames, \d+ missed/,
      /tasks stopped clean in/
    ]
  },
  "13-reload.ts": {
    code: 0,
    says: [
      /smtp-1 sends: hello/,
      /reloaded, version 2: greeting, smtp; .* only after a restart: port/,
      /smtp-2 sends: good day/,
      /reload stopped clean/
    ]
  },
  "14-optional.ts": {
    code: 0,
    says: [
      /cache is down: connection refused; .* tries again in 100 ms/,
      /tea: 3\.20, computed/,
      /cache is up after 2 failures/,
      /tea: 3\.20, says connection 1/,
      /cache is down: connection reset/,
      /connection 1 closed/,
      /tea: 3\.20, computed/,
      /cache is up after 1 failure/,
      /tea: 3\.20, says connection 2/,
      /connection 2 closed/,
      /optional stopped clean/
    ]
  },
  "15-health-and-plan.ts": {
    code: 0,
    says: [
      /health: .* at worst of 25 s, the platform gives 30 s: fits/,
      /lamps .* \(its own limit\)/,
      /readiness check database fails: connection refused/,
      /Healthy -> Unhealthy because of database/,
      /health: Unhealthy/,
      /readiness check database passes again/,
      /window: dark/,
      /ceiling: dark/,
      /health stopped clean/
    ]
  },
  "16-supervised.ts": { code: 0, stopAfter: "Starting -> Running", says: [/supervised stopped clean/] },
  "17-watchdog.ts": {
    code: null,
    says: [
      /^the table is saved$/m,
      /watchdog was forced out after/,
      /the event loop was blocked for .* by findLastDigit/
    ]
  }
}

const run = async (example: string, stopAfter: string | undefined, eventLog = "") => {
  const child = spawn(process.execPath, [join(folder, example)], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, NO_COLOR: "1", QUIESCE_EVENTS: eventLog }
  })
  let output = ""
  let stopped = false
  const hear = (data: Buffer): void => {
    output += data.toString()
    if (stopAfter === undefined || stopped || !output.includes(stopAfter)) return
    stopped = true
    child.kill("SIGTERM")
  }
  child.stdout.on("data", hear)
  child.stderr.on("data", hear)
  await once(child, "close")
  return { output, code: child.exitCode }
}

describe("the examples", () => {
  it("are all tested", () => {
    expect(readdirSync(folder).filter((file) => /^\d\d-.*\.ts$/.test(file))).toEqual(Object.keys(examples))
  })

  it("hold the program of the README, to the letter", () => {
    const readme = readFileSync(join(folder, "../README.md"), "utf8")
    const program = readFileSync(join(folder, "09-http.ts"), "utf8").replace(/^\/\/.*\n/gm, "")
    expect(readme).toContain(`\`\`\`ts\n${program}\`\`\``)
  })

  it("02-any-layer.ts releases Cache and Mailer side by side, and Db after both", async () => {
    const folder = mkdtempSync(join(tmpdir(), "quiesce-examples-"))
    const eventLog = join(folder, "events")
    await run("02-any-layer.ts", undefined, eventLog)
    const lines = readFileSync(eventLog, "utf8").trimEnd().split("\n")
    const releases = lines
      .map((line) => JSON.parse(line) as { readonly _tag: string; readonly name?: string })
      .filter(({ _tag, name }) => _tag.startsWith("ComponentStopp") && /^(Cache|Mailer|Db)$/.test(name ?? ""))
      .map(({ _tag, name }) => `${_tag === "ComponentStopping" ? "-" : "="} ${name}`)
    const [first, second, third, fourth, ...db] = releases
    expect(new Set([first, second])).toEqual(new Set(["- Cache", "- Mailer"]))
    expect(new Set([third, fourth])).toEqual(new Set(["= Cache", "= Mailer"]))
    expect(db).toEqual(["- Db", "= Db"])
    rmSync(folder, { recursive: true })
  })

  for (const [example, { code, says, stopAfter }] of Object.entries(examples)) {
    it(`${example} does what it says`, async () => {
      const ended = await run(example, stopAfter)
      let position = 0
      for (const line of says) {
        const found = ended.output.slice(position).search(line)
        expect(found, `${line} not found in order in:\n${ended.output}`).toBeGreaterThan(-1)
        position += found
      }
      expect(ended.code).toBe(code)
    })
  }
})
