/** The units that are written, and what the application says, under a real systemd. */
import { spawnSync } from "node:child_process"
import { readFileSync } from "node:fs"
import { once } from "node:events"
import { createServer } from "node:net"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, test } from "vitest"
import * as Result from "effect/Result"
import * as ServiceUnit from "../src/ServiceUnit.ts"
import { noSystemd, PrivateSystemd } from "./support/privateSystemd.ts"

const fixtures = join(import.meta.dirname, "fixtures")
const withoutKoffi = `--import ${join(fixtures, "without-koffi.ts")}`

const unit = (environment: Record<string, string> = {}, options: Partial<ServiceUnit.Options> = {}): string =>
  Result.getOrThrow(
    ServiceUnit.render({
      name: "service",
      command: [process.execPath, "service.ts"],
      workingDirectory: fixtures,
      environment,
      gracePeriod: "10 seconds",
      scope: "user",
      ...options
    })
  )

const freePort = async (): Promise<number> => {
  const server = createServer().listen(0, "127.0.0.1")
  await once(server, "listening")
  const address = server.address()
  server.close()
  if (address === null || typeof address === "string") throw new Error("it has no port")
  return address.port
}

/** On a connection of its own; what cannot be had is an error. */
const request = async (port: number): Promise<string> =>
  (await fetch(`http://127.0.0.1:${port}/`, { headers: { connection: "close" } })).text()

const reason = noSystemd()

describe.skipIf(reason !== undefined)(`a service under systemd${reason === undefined ? "" : ` (${reason})`}`, () => {
  let systemd: PrivateSystemd
  beforeAll(async () => {
    systemd = await new PrivateSystemd().ready()
  })
  afterAll(() => systemd.close())

  /** Starts it, which ends when it is ready; `more` are lines of the unit. */
  const start = (name: string, text: string, more?: string): void => {
    systemd.install(name, text, more)
    systemd.systemctl("start", `${name}.service`)
  }
  const pidOf = (name: string): number => Number(systemd.show(name, "MainPID")["MainPID"])

  test("is active when it is ready, says how it is, and stops cleanly", () => {
    start("plain", unit(), "NotifyAccess=main")
    expect(systemd.show("plain", "ActiveState", "StatusText")).toEqual({ ActiveState: "active", StatusText: "Running" })
    systemd.systemctl("stop", "plain.service")
    expect(systemd.show("plain", "ActiveState", "Result")).toEqual({ ActiveState: "inactive", Result: "success" })
    expect(systemd.output("plain")).toContain("Flushing -> Stopped")
  })

  test("is active when it is ready where koffi is not installed", () => {
    start("without", unit({ NODE_OPTIONS: withoutKoffi }))
    expect(systemd.show("without", "ActiveState", "StatusText")).toEqual({
      ActiveState: "active",
      StatusText: "Running"
    })
    systemd.systemctl("stop", "without.service")
  })

  test("gets its arguments and its environment as they were meant", () => {
    const strange = String.raw`a "quoted" \ path $HOME ${"${HOME}"} 100% %h 'x' ; # = \n`
    const command = [process.execPath, "service.ts", strange, "", "$HOME", "%h", ";"]
    start("strange", unit({ MODE: "arguments", STRANGE: strange }, { command, description: strange }))
    const [argv, env] = JSON.parse(systemd.output("strange").split("\n")[0] ?? "")
    expect(argv).toEqual(command.slice(2))
    expect(env).toMatchObject({ STRANGE: strange, QUIESCE_PLATFORM_GRACE: "15 seconds" })
    expect(systemd.show("strange", "Description")).toEqual({ Description: strange })
    systemd.systemctl("stop", "strange.service")
  })

  test("reloads, and says why it could not", async () => {
    start("reload", unit({ MODE: "reload" }, { reload: true }))
    systemd.systemctl("reload", "reload.service")
    await systemd.until("reload", "ActiveState", "active")
    systemd.systemctl("reload", "reload.service")
    await systemd.until("reload", "StatusText", "Running, the last reload failed: port: expected a number")
    expect(systemd.show("reload", "ActiveState", "NRestarts")).toEqual({ ActiveState: "active", NRestarts: "0" })
    systemd.systemctl("stop", "reload.service")
    expect(systemd.output("reload")).toContain("settings reloaded, version 2")
  })

  test("is reloading until it has reloaded, and systemctl waits for that", async ({ skip }) => {
    skip(systemd.version < 253, "systemctl waits from systemd 253 on")
    start("waits", unit({ MODE: "reload,held" }, { reload: true, systemdVersion: systemd.version }))
    for (const [said, status] of [
      ["settings reloaded, version 2", "Running"],
      ["settings could not be reloaded", "Running, the last reload failed: port: expected a number"]
    ]) {
      const reload = systemd.begin("reload", "waits.service")
      await systemd.until("waits", "ActiveState", "reloading")
      expect(systemd.show("waits", "StatusText")).toEqual({ StatusText: "Reloading" })
      expect(reload.exitCode).toBeNull()
      process.kill(pidOf("waits"), "SIGWINCH")
      expect(await once(reload, "exit")).toEqual([0, null])
      expect(systemd.show("waits", "ActiveState", "StatusText")).toEqual({ ActiveState: "active", StatusText: status })
      expect(systemd.output("waits")).toContain(said)
    }
    systemd.systemctl("stop", "waits.service")
  })

  test("whose event loop is blocked is killed and started anew", async () => {
    start("block", unit({ MODE: "block" }, { watchdog: "1 second" }))
    const blocked = pidOf("block")
    process.kill(blocked, "SIGWINCH")
    await systemd.until("block", "NRestarts", "1")
    await systemd.until("block", "StatusText", "Running")
    expect(pidOf("block")).not.toBe(blocked)
    systemd.systemctl("stop", "block.service")
  })

  test("whose stop takes longer than the unit says is given the time that it asks for", () => {
    start("slow", unit({ MODE: "slow", SLOW: "2500" }), "TimeoutStopSec=1")
    systemd.systemctl("stop", "slow.service")
    expect(systemd.show("slow", "Result")).toEqual({ Result: "success" })
    expect(systemd.output("slow")).toContain("Flushing -> Stopped")
  })

  test("whose socket systemd holds is started by a connection, and refuses none while it is restarted", async () => {
    const port = await freePort()
    systemd.install("web", unit({ MODE: "listen", PORT: String(port) }))
    const socket = ServiceUnit.renderSocket({ name: "web", listen: [`127.0.0.1:${port}`], scope: "user" })
    systemd.installSocket("web", Result.getOrThrow(socket))
    systemd.systemctl("start", "web.socket")
    expect(systemd.show("web", "ActiveState")).toEqual({ ActiveState: "inactive" })
    const pids = new Set([await request(port)])
    for (let restart = 0; restart < 3; restart++) {
      systemd.systemctl("restart", "--no-block", "web.service")
      const before = pids.size
      while (pids.size === before) pids.add(await request(port))
    }
    expect(pids.size).toBe(4)
    systemd.systemctl("stop", "web.socket", "web.service")
  })

  test("that is configured wrongly is not started again", async () => {
    systemd.install("wrong", unit(), "Environment=QUIESCE_PLATFORM_GRACE=soon")
    expect(systemd.try("start", "wrong.service").status).not.toBe(0)
    await systemd.until("wrong", "ActiveState", "failed")
    expect(systemd.show("wrong", "NRestarts", "ExecMainStatus")).toEqual({ NRestarts: "0", ExecMainStatus: "78" })
  })

  test("that dies is started again", async () => {
    start("dies", unit())
    process.kill(pidOf("dies"), "SIGKILL")
    await systemd.until("dies", "NRestarts", "1")
    await systemd.until("dies", "ActiveState", "active")
    systemd.systemctl("stop", "dies.service")
  })

  test("under a supervisor is one service, through replacements and crashes of the application", async () => {
    const quiesce = join(import.meta.dirname, "../../cli/src/internal/bin.ts")
    const control = join(systemd.folder, "supervised.sock")
    const command = [process.execPath, quiesce, "run", "--socket", control, "--", process.execPath, "service.ts"]
    const options = { command, reload: true, systemdVersion: systemd.version }
    start("supervised", unit({}, options), "WatchdogSec=3")
    const supervisor = pidOf("supervised")
    const served = (): { readonly pid: number; readonly generation: number; readonly state: string } | null =>
      JSON.parse(
        spawnSync(process.execPath, [quiesce, "status", "--json", "--socket", control], { encoding: "utf8" }).stdout
      ).child
    const running = async (generation: number): Promise<number> => {
      while (true) {
        const life = served()
        if (life?.generation === generation && life.state === "Running") return life.pid
        await new Promise((resolve) => setTimeout(resolve, 50))
      }
    }
    const first = await running(1)
    expect(systemd.show("supervised", "StatusText")).toEqual({ StatusText: "Running" })
    systemd.systemctl("reload", "supervised.service")
    // From systemd 253 on that has waited for the one that takes its place.
    if (systemd.version >= 253) expect(served()).toMatchObject({ generation: 2, state: "Running" })
    const second = await running(2)
    expect(second).not.toBe(first)
    process.kill(second, "SIGKILL")
    await running(3)
    await systemd.until("supervised", "StatusText", "Running")
    expect(pidOf("supervised")).toBe(supervisor)
    systemd.systemctl("stop", "supervised.service")
    expect(systemd.show("supervised", "Result", "NRestarts")).toEqual({ Result: "success", NRestarts: "0" })
    expect(systemd.output("supervised").match(/Flushing -> Stopped/g)).toHaveLength(2)
  })

  test("runs with everything taken away that a system service does not need", () => {
    // The fixtures may be in /tmp themselves, and small virtual machines have not every file of /proc that is to be covered.
    const notHere = ["PrivateTmp=no", "ProtectKernelLogs=no", "ProtectKernelTunables=no"]
    start("hard", unit({}, { scope: "system" }), notHere.join("\n"))
    const status = readFileSync(`/proc/${pidOf("hard")}/status`, "utf8")
    expect(status).toMatch(/NoNewPrivs:\s+1/)
    expect(status).toMatch(/Seccomp:\s+2/)
    expect(readFileSync(`/proc/${pidOf("hard")}/mounts`, "utf8")).toMatch(/ \/usr \S+ ro,/)
    systemd.systemctl("stop", "hard.service")
    expect(systemd.show("hard", "Result")).toEqual({ Result: "success" })
  })
})
