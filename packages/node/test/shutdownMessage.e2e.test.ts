/** A stop where there are no signals: by a message, and as far as it can be seen here, on Windows. */
import { fork } from "node:child_process"
import { once } from "node:events"
import { join } from "node:path"
import { describe, expect, onTestFinished, test } from "vitest"
import { Child } from "./support/child.ts"

const fixtures = join(import.meta.dirname, "fixtures")

/** Starts a process with a channel and sends it messages: some at once, the others when it runs. */
const exchange = async (
  atOnce: ReadonlyArray<unknown>,
  running: ReadonlyArray<unknown>,
  mode = ""
): Promise<{ readonly code: number; readonly output: string }> => {
  const child = fork(join(fixtures, "messages.ts"), [], {
    env: { ...process.env, FORCE_COLOR: undefined, MODE: mode },
    stdio: ["ignore", "pipe", "pipe", "ipc"]
  })
  onTestFinished(() => void child.kill("SIGKILL"))
  let output = ""
  let told = false
  child.stderr?.on("data", (data: Buffer) => (output += data.toString()))
  child.stdout?.on("data", (data: Buffer) => {
    output += data.toString()
    if (told || !output.includes("Starting -> Running")) return
    told = true
    for (const message of running) child.send(message as string)
  })
  for (const message of atOnce) child.send(message as string)
  const [code] = (await once(child, "close")) as [number]
  return { code, output }
}

describe("a process that was started with a channel for messages", () => {
  test('stops cleanly on the message "shutdown"', async () => {
    const { code, output } = await exchange([], ["shutdown"])
    expect(code).toBe(0)
    expect(output).toContain("stopping: shutdown message")
    expect(output).toContain("Flushing -> Stopped")
    expect(output).not.toMatch(/lingers|still holds/)
  })

  test("leaves at once on the second one", async () => {
    const { code, output } = await exchange([], ["shutdown", "shutdown"])
    expect(code).toBe(1)
    expect(output).toContain("shutdown message")
    expect(output).not.toContain("Flushing -> Stopped")
  })

  test("stops on one that comes before it runs", async () => {
    const { code, output } = await exchange(["shutdown"], [])
    expect(code).toBe(0)
    expect(output).toContain("stopping: shutdown message")
  })

  test("gets the messages that are its own, those from before it listened as well, once and in order", async () => {
    const { output } = await exchange([{ first: 1 }, "second"], ["third", "shutdown"])
    expect(output.match(/MESSAGE=.*/g)).toEqual([
      'MESSAGE={"first":1}',
      'MESSAGE="second"',
      'MESSAGE="third"',
      'MESSAGE="shutdown"'
    ])
  })

  test("is not held by a channel that it does not use", async () => {
    const { code, output } = await exchange([], ["shutdown"], "no-channel")
    expect(code).toBe(0)
    expect(output).not.toMatch(/lingers|still holds/)
  })
})

describe("a process that believes to run on Windows", () => {
  const onWindows = (env: Record<string, string>): Child =>
    Child.node("service.ts", { NODE_OPTIONS: `--import ${join(fixtures, "like-windows.ts")}`, ...env })

  test("stops when its console is closed, even where there is something to be reloaded", async () => {
    const child = await onWindows({ MODE: "reload" }).says("Starting -> Running")
    const { code, stdout } = await child.signal("SIGHUP").ended()
    expect(code).toBe(0)
    expect(stdout).toContain("stopping: SIGHUP")
  })

  test("stops on Ctrl+Break", async () => {
    const child = await onWindows({ MODE: "ctrl-break" }).says("Starting -> Running")
    const { code, stdout } = await child.ended()
    expect(code).toBe(0)
    expect(stdout).toContain("stopping: SIGBREAK")
  })
})
