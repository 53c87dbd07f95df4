/** What a real process tells those who have started it: over systemd's datagram socket, and over the pipe of a supervisor. */
import { spawn } from "node:child_process"
import { once } from "node:events"
import { existsSync, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { Readable } from "node:stream"
import { afterAll, describe, expect, it, onTestFinished } from "@effect/vitest"
import * as Schema from "effect/Schema"
import { Event } from "quiesce/Event"
import { Plan } from "quiesce/Plan"
import { Child } from "./support/child.ts"
import { NotifySocket } from "./support/notifySocket.ts"

const folder = mkdtempSync(join(tmpdir(), "quiesce-notify-"))
afterAll(() => rmSync(folder, { recursive: true }))

const isLinux = process.platform === "linux"
const hasTool = existsSync("/usr/bin/systemd-notify")

let sockets = 0
const newSocket = (name = join(folder, `${++sockets}.sock`)): NotifySocket => {
  const socket = new NotifySocket(name)
  onTestFinished(() => socket.close())
  return socket
}

const withoutKoffi = { NODE_OPTIONS: `--import ${join(import.meta.dirname, "fixtures/without-koffi.ts")}` }

const service = (socket: NotifySocket, mode = "", env: Record<string, string> = {}): Child =>
  Child.node("service.ts", { NOTIFY_SOCKET: socket.name, MODE: mode, ...env })

const keysOf = (lines: ReadonlyArray<string>): ReadonlyArray<string> => lines.map((line) => line.split("=")[0] ?? "")

/** In a status the health or a state may come twice; what the manager acts upon may not. */
const acted = (socket: NotifySocket): ReadonlyArray<string> =>
  keysOf(socket.lines).filter((key) => key !== "STATUS" && key !== "WATCHDOG")

/** Waits until nothing more of a heartbeat comes for so many milliseconds; several may be on their way. */
const silence = async (socket: NotifySocket, millis: number): Promise<void> => {
  const beats = (): number => socket.lines.filter((line) => line === "WATCHDOG=1").length
  for (let windows = 0, before = -1; before !== beats(); windows++) {
    if (windows === 10) throw new Error("the heart does not stop beating")
    before = beats()
    await new Promise((resolve) => setTimeout(resolve, millis))
  }
}

interface Supervised {
  readonly code: number
  readonly stderr: string
  readonly output: string
  readonly messages: ReadonlyArray<ReadonlyArray<string>>
}

/** Starts a service with a pipe, stops it as soon as it runs, and has what came through the pipe until its end. */
const supervised = async (
  env: Record<string, string>,
  treat: (pipe: Readable) => void = () => {}
): Promise<Supervised> => {
  const child = spawn(process.execPath, ["service.ts"], {
    cwd: join(import.meta.dirname, "fixtures"),
    env: { ...process.env, FORCE_COLOR: undefined, QUIESCE_NOTIFY_FD: "3", ...env },
    stdio: ["ignore", "pipe", "pipe", "pipe"]
  })
  onTestFinished(() => void child.kill("SIGKILL"))
  const pipe = child.stdio[3] as Readable
  let [told, stdout, stderr] = ["", "", ""]
  pipe.on("data", (data: Buffer) => (told += data.toString()))
  treat(pipe)
  child.stderr?.on("data", (data: Buffer) => (stderr += data.toString()))
  child.stdout?.on("data", (data: Buffer) => {
    const wasRunning = stdout.includes("Starting -> Running")
    stdout += data.toString()
    if (!wasRunning && stdout.includes("Starting -> Running")) child.kill("SIGTERM")
  })
  const [code] = (await once(child, treat.length === 0 ? "close" : "exit")) as [number]
  pipe.destroy()
  const messages = told.split("\n\n").filter((message) => message !== "")
  return { code, stderr, output: stdout + stderr, messages: messages.map((message) => message.split("\n")) }
}

const valuesOf = (lines: ReadonlyArray<string>, key: string): ReadonlyArray<string> =>
  lines.filter((line) => line.startsWith(`${key}=`)).map((line) => line.slice(key.length + 1))

const decodeEvent = (json: string): Event => Schema.decodeUnknownSync(Event)(JSON.parse(json))

describe.skipIf(!isLinux)("a service manager with a notify socket", () => {
  it("hears of the start and of the stop, and has the last word in the status", async () => {
    const socket = newSocket()
    const child = service(socket)
    await socket.hears("READY=1")
    const { code, stderr } = await child.signal("SIGTERM").ended()
    await socket.hears("STATUS=Clean, exit code 0 (SIGTERM)")
    expect([code, stderr]).toEqual([0, ""])
    expect(acted(socket)).toEqual(["READY", "STOPPING", "EXTEND_TIMEOUT_USEC"])
  })

  it("may listen in the abstract namespace", async () => {
    const socket = newSocket(`@quiesce-test-${process.pid}`)
    const child = service(socket)
    await socket.hears("READY=1")
    await child.signal("SIGTERM").ended()
    await socket.hears("STATUS=Clean")
  })

  it("hears of a reload by the clock that it knows, and why one has failed", async () => {
    const socket = newSocket()
    const child = service(socket, "reload")
    await socket.hears("READY=1")
    const asked = process.hrtime.bigint() / 1000n
    child.signal("SIGHUP")
    await socket.hears("READY=1", 2)
    const monotonic = BigInt((await socket.hears("MONOTONIC_USEC=")).slice("MONOTONIC_USEC=".length))
    expect(monotonic >= asked).toBe(true)
    child.signal("SIGHUP")
    await socket.hears("STATUS=Running, the last reload failed: port: expected a number")
    await child.signal("SIGTERM").ended()
    await socket.hears("STATUS=Clean")
    const reload = ["RELOADING", "MONOTONIC_USEC", "READY"]
    expect(acted(socket)).toEqual(["READY", ...reload, ...reload, "STOPPING", "EXTEND_TIMEOUT_USEC"])
  })

  it("gives more time when a lease is granted", async () => {
    const socket = newSocket()
    const child = service(socket, "lease")
    await socket.hears("READY=1")
    child.signal("SIGTERM")
    const first = Number((await socket.hears("EXTEND_TIMEOUT_USEC=")).split("=")[1])
    const second = Number((await socket.hears("EXTEND_TIMEOUT_USEC=", 2)).split("=")[1])
    await child.ended()
    expect(first).toBe(12_000_000)
    expect(second).toBeLessThan(first)
    expect(second).toBeGreaterThan(10_000_000)
  })

  it("gets a heartbeat in half the time that it allows, until the event loop is blocked", async () => {
    const socket = newSocket()
    const child = service(socket, "block", { WATCHDOG_USEC: "400000" })
    await child.says("Starting -> Running")
    const from = performance.now()
    await socket.hears("WATCHDOG=1", 5)
    expect((performance.now() - from) / 5).toBeLessThan(400)
    child.signal("SIGWINCH")
    await silence(socket, 600)
    child.signal("SIGKILL")
    await child.ended()
  })

  it("gets no heartbeat when a liveness check fails", async () => {
    const socket = newSocket()
    const child = service(socket, "dead", { WATCHDOG_USEC: "200000" })
    await child.says("liveness check pulse fails")
    await silence(socket, 600)
    await child.signal("SIGTERM").ended()
  })

  it("gets no heartbeat from a process that it does not watch", async () => {
    const socket = newSocket()
    const child = service(socket, "", { WATCHDOG_USEC: "20000", WATCHDOG_PID: "1" })
    await socket.hears("READY=1")
    await silence(socket, 200)
    await child.signal("SIGTERM").ended()
    expect(socket.lines).not.toContain("WATCHDOG=1")
  })

  it("hears nothing from the processes that the application starts", async () => {
    const socket = newSocket()
    const env = { WATCHDOG_USEC: "20000000", WATCHDOG_PID: "1" }
    const child = await service(socket, "environment", env).says("ENVIRONMENT=[] SOCKETS=[]")
    await child.signal("SIGTERM").ended()
  })

  it("that has gone away costs one warning", async () => {
    const socket = new NotifySocket(join(folder, "gone.sock"))
    const child = service(socket, "reload")
    await socket.hears("READY=1")
    socket.close()
    await child.signal("SIGHUP").says("settings is reloading (SIGHUP)")
    const { code, stderr } = await child.signal("SIGTERM").ended()
    expect(code).toBe(0)
    expect(stderr.match(/is not told how the application is/g)).toHaveLength(1)
  })

  it.skipIf(!hasTool)("hears the same in the same order where koffi is not installed", async () => {
    const socket = newSocket()
    const child = service(socket, "reload,slow", withoutKoffi)
    await socket.hears("READY=1")
    child.signal("SIGHUP")
    await socket.hears("READY=1", 2)
    const { code, stderr } = await child.signal("SIGTERM").ended()
    await socket.hears("STOPPING=1")
    expect([code, stderr]).toEqual([0, ""])
    expect(acted(socket).slice(0, 5)).toEqual(["READY", "RELOADING", "MONOTONIC_USEC", "READY", "STOPPING"])
  })

  it("that cannot be spoken to costs one warning, which says what to do", async () => {
    const child = service(newSocket(), "", { ...withoutKoffi, PATH: "" })
    const { code, stderr } = await (await child.says("Starting -> Running")).signal("SIGTERM").ended()
    expect(code).toBe(0)
    expect(stderr.trim().split("\n")).toHaveLength(1)
    expect(stderr).toContain('it takes the package koffi ("npm install koffi") or the program systemd-notify')
    expect(stderr).toContain("the application runs on")
  })
})

describe("a supervisor with a pipe", () => {
  it("hears each event of the life, in one message with what it means", async () => {
    const { code, messages } = await supervised({})
    const events = messages.flatMap((lines) => valuesOf(lines, "X_QUIESCE_EVENT").map(decodeEvent))
    expect(code).toBe(0)
    expect(events[0]?._tag).toBe("AppStarting")
    expect(events.at(-1)?._tag).toBe("Ended")
    const ready = messages.find((lines) => lines.includes("READY=1")) ?? []
    expect(keysOf(ready)).toEqual(["READY", "STATUS", "X_QUIESCE_EVENT"])
    expect(valuesOf(ready, "X_QUIESCE_EVENT").map(decodeEvent)).toMatchObject([{ _tag: "StateChanged", to: "Running" }])
  })

  it("gets the plan once the application runs", async () => {
    const { messages } = await supervised({})
    const plans = messages.flatMap((lines) => valuesOf(lines, "X_QUIESCE_PLAN"))
    expect(plans.map((json) => Schema.decodeUnknownSync(Plan)(JSON.parse(json)))).toMatchObject([
      { name: "service", gracePeriod: 10_000, components: [{ name: "service" }] }
    ])
    const indexOf = (key: string): number => messages.findIndex((lines) => keysOf(lines).includes(key))
    expect(indexOf("X_QUIESCE_PLAN")).toBe(indexOf("READY") + 1)
  })

  it("has the service manager for itself, and the processes of the application do not hold its pipe", async () => {
    const { output } = await supervised({ NOTIFY_SOCKET: "/nowhere", MODE: "environment" })
    expect(output).toContain("ENVIRONMENT=[] SOCKETS=[]")
    expect(output).not.toContain("is not told")
  })

  it("that has gone away, or does not read, keeps nothing", async () => {
    const gone = await supervised({}, (pipe) => pipe.destroy())
    expect([gone.code, gone.stderr]).toEqual([0, ""])
    // More than the pipe holds: it would block whoever waits for room.
    const deaf = await supervised({ MODE: "flood" }, (pipe) => pipe.pause())
    expect([deaf.code, deaf.stderr]).toEqual([0, ""])
  })

  it("that is none costs one warning, which says what to do", async () => {
    const child = await Child.node("service.ts", { QUIESCE_NOTIFY_FD: "99" }).says("Starting -> Running")
    const { code, stderr } = await child.signal("SIGTERM").ended()
    expect(code).toBe(0)
    expect(stderr.trim()).toBe(
      'QUIESCE_NOTIFY_FD is "99", which is no open pipe of this process: its supervisor hears nothing of it, and the ' +
        "application runs on; start it directly by the supervisor, since most programs in between close what they do not know"
    )
  })
})
