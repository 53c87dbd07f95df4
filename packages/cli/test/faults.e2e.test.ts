// What no code inside of the process survives. The supervisor ends it in time, as PID 1 of a container too.
import { afterEach, describe, expect, test } from "vitest"
import { idle, Supervised } from "./support/Supervised.ts"

const faults: Readonly<Record<string, string>> = {
  "a hot loop": "for (;;) {}",
  "a regular expression that never ends": `/^(a+)+$/.test("a".repeat(50) + "b")`,
  "Atomics.wait": "Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)",
  "a child process that is waited for synchronously": `require("child_process").spawnSync("sleep", ["1000"])`,
  "a pipe that nobody reads": `require("child_process").execSync("mkfifo pipe"); require("fs").openSync("pipe", "w")`,
  "a flood of microtasks": "const flood = () => Promise.resolve().then(flood); flood()",
  "a flood of timers": "for (let i = 0; i < 20_000; i++) setInterval(() => {}, 0)",
  "a process that is stopped": `process.kill(process.pid, "SIGSTOP")`
}

const grace = 100
/** Half a second to the kill; the rest is for a machine that is busy. Without the kill they would not end at all. */
const atMost = grace + 5000

let app: Supervised | undefined
afterEach(() => app?.close())

/** Milliseconds from the signal to the exit, and the exit code. */
const stopped = async (script: string, below: ReadonlyArray<string>, signals: number) => {
  const ignoring = `process.on("SIGTERM", () => {}); ${idle}; setTimeout(() => { ${script} }, 20)`
  app = new Supervised({ flags: ["--grace", `${grace}ms`], command: [process.execPath, "-e", ignoring], below })
  const status = await app.until(({ child }) => child?.ready === true)
  const from = performance.now()
  // A namespace of its own has pids of its own, so there it is asked.
  if (below.length === 0) for (let count = 0; count < signals; count++) process.kill(status.pid, "SIGTERM")
  else void app.ask("POST", "/stop").catch(() => {})
  const code = await app.exited
  return { code, after: performance.now() - from }
}

describe.each([
  ["under the supervisor", []],
  ["under the supervisor as PID 1", ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"]]
])("%s", (_, below) => {
  test
    .runIf(below.length === 0 || (process.platform === "linux" && process.getuid?.() === 0))
    .each(Object.entries(faults))("%s ends in time", async (_, script) => {
    const { after, code } = await stopped(script, below, 1)
    expect(code).toBe(137)
    expect(after).toBeGreaterThan(grace)
    expect(after).toBeLessThan(atMost)
  })
})

test("a thousand signals are one stop", async () => {
  const { after, code } = await stopped("", [], 1000)
  expect(code).toBe(137)
  expect(after).toBeLessThan(atMost)
})
