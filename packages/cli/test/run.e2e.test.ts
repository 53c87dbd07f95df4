// A real supervisor above small scripts: signals, deadlines, exit codes, restarts, and what is left of a supervisor that was killed.
import { spawn, spawnSync } from "node:child_process"
import { once } from "node:events"
import { closeSync, existsSync, mkdtempSync, openSync, realpathSync, rmSync, statSync, writeFileSync } from "node:fs"
import { request } from "node:http"
import { type AddressInfo, connect, createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { createInterface } from "node:readline"
import { afterEach, describe, expect, onTestFinished, test } from "vitest"
import { bin, gone, idle, isAlive, run, type RunOptions, Supervised } from "./support/Supervised.ts"

const open: Array<Supervised> = []
const folders: Array<string> = []
afterEach(async () => {
  for (const supervised of open.splice(0)) await supervised.close()
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true })
})

const supervise = (script: string, options: Omit<RunOptions, "command"> = {}): Supervised => {
  const supervised = new Supervised({ ...options, command: [process.execPath, "-e", script] })
  open.push(supervised)
  return supervised
}

/** A folder that outlives the supervisors in it. */
const folder = (): string => {
  const folder = mkdtempSync(join(tmpdir(), "quiesce-cli-"))
  folders.push(folder)
  return folder
}

const ready = ({ child }: { readonly child: { readonly ready: boolean } | null }): boolean => child?.ready === true

describe("the exit code is the application's", () => {
  for (const [what, script, code] of [
    ["it has done its work", "0", 0],
    ["it fails", "process.exit(3)", 3],
    ["a signal kills it", `process.kill(process.pid, "SIGKILL")`, 137]
  ] as const) {
    test(`when ${what}: ${code}`, async () => {
      expect(await supervise(script, { flags: ["--restart", "never"] }).exited).toBe(code)
    })
  }

  test("when signals still come while the supervisor leaves: 0", async () => {
    const app = supervise(`process.on("SIGTERM", () => process.exit(0)); ${idle}`)
    await app.until(ready)
    const storm = setInterval(() => app.signal("SIGTERM"))
    onTestFinished(() => clearInterval(storm))
    expect(await app.exited).toBe(0)
  })

  test("a command that does not exist ends with 127, and is not tried again", async () => {
    const app = new Supervised({ command: ["./no-such-command"] })
    open.push(app)
    expect(await app.exited).toBe(127)
    expect(app.output).toMatch(/no-such-command/)
    expect(app.output).toContain("exit code 127 would only come again, so it is not started again")
  })
})

describe("a stop", () => {
  test("hands the signal on to the application alone, not to what it has started", async () => {
    const app = supervise(`
      const child = require("child_process").spawn(process.execPath, ["-e", 'process.on("SIGTERM", () => console.log("too early")); setInterval(() => {}, 1e6)'], { stdio: "inherit" })
      process.on("SIGTERM", () => { console.log("asked"); child.kill("SIGKILL"); child.on("exit", () => process.exit(7)) })
      child.on("spawn", () => { ${idle} })`)
    await app.until(ready)
    app.signal("SIGTERM")
    expect(await app.exited).toBe(7)
    expect(app.output).toContain("asked")
    expect(app.output).not.toContain("too early")
  })

  test("hands on every signal that comes, so that the application can escalate", async () => {
    const app = supervise(`
      let count = 0
      process.on("SIGINT", () => { console.log("SIGINT " + ++count); if (count === 2) process.exit(130) })
      ${idle}`)
    await app.until(ready)
    app.signal("SIGINT")
    await app.says("SIGINT 1")
    app.signal("SIGINT")
    expect(await app.exited).toBe(130)
  })

  test("kills an application that does not end, and its whole process group, when its time is over", async () => {
    const app = supervise(
      `
      const child = require("child_process").spawn(process.execPath, ["-e", 'process.on("SIGTERM", () => {}); setInterval(() => {}, 1e6)'])
      process.on("SIGTERM", () => console.log("asked"))
      console.log("below: " + child.pid)
      ${idle}`,
      { flags: ["--grace", "300ms"] }
    )
    await app.until(ready)
    const below = Number(/below: (\d+)/.exec(app.output)?.[1])
    const from = performance.now()
    app.signal("SIGTERM")
    expect(await app.exited).toBe(137)
    expect(performance.now() - from).toBeGreaterThan(1200)
    expect(performance.now() - from).toBeLessThan(3200)
    expect(app.output).toContain("has not ended within 1s 200ms: it is killed, with its process group")
    await gone(below)
  })

  test("while nothing runs, before a restart, ends at once with the last exit code", async () => {
    const app = supervise("process.exit(9)", { flags: ["--backoff", "1h"] })
    await app.says("started again in")
    app.signal("SIGTERM")
    expect(await app.exited).toBe(9)
  })

  test("has who connects refused as soon as the application has stopped listening, though it is not done yet", async () => {
    const app = supervise(
      `
      const server = require("net").createServer().listen({ fd: 3 }, () => { ${idle} })
      process.on("SIGTERM", () => server.close(() => console.log("closed")))`,
      { flags: ["--listen", "127.0.0.1:0", "--grace", "1m"] }
    )
    const { listening } = await app.until(ready)
    app.signal("SIGTERM")
    await app.says("closed")
    const client = connect({ host: "127.0.0.1", port: Number(listening[0]?.name) })
    const [error] = await once(client, "error")
    expect(error).toMatchObject({ code: "ECONNREFUSED" })
  })

  test("what an application leaves behind in its group ends with it", async () => {
    const app = supervise(`
      const child = require("child_process").spawn(process.execPath, ["-e", "setInterval(() => {}, 1e6)"])
      child.on("spawn", () => { console.log("below: " + child.pid); process.exit(0) })`)
    expect(await app.exited).toBe(0)
    await gone(Number(/below: (\d+)/.exec(app.output)?.[1]))
  })
})

describe("after a crash", () => {
  test("the application is started again, and the supervisor gives up when it goes on so, with its exit code", async () => {
    const app = supervise("process.exit(5)", { flags: ["--max-restarts", "2", "--backoff", "1ms"] })
    expect(await app.exited).toBe(5)
    expect(app.output.match(/started again in/g)).toHaveLength(2)
    expect(app.output).toContain("it was started again 2 times within 1m, and that is enough")
  })

  test("by its configuration (78) it is not", async () => {
    const app = supervise("process.exit(78)")
    expect(await app.exited).toBe(78)
    expect(app.output).not.toContain("started again in")
  })
})

describe("a reload", () => {
  test("whose new life is not ready in time keeps the old one, and ends the new one", async () => {
    // Ready the first time, and never again.
    const app = supervise(
      `const fs = require("fs"); if (fs.existsSync("second")) setInterval(() => {}, 1e6); else { fs.writeFileSync("second", ""); ${idle} }`,
      { flags: ["--ready-timeout", "200ms"] }
    )
    const { child } = await app.until(ready)
    const { body, status } = await app.ask("POST", "/reload")
    expect(status).toBe(409)
    expect(body).toMatchObject({
      message: expect.stringMatching(/generation 2 .* was not ready within 200ms.*goes on/)
    })
    expect(await app.until(({ leaving }) => leaving.length === 0)).toMatchObject({
      child: { pid: child?.pid, generation: 1 }
    })
  })

  test("by SIGHUP replaces the application too", async () => {
    const app = supervise(idle)
    const before = await app.until(ready)
    app.signal("SIGHUP")
    const after = await app.until(({ child, leaving }) => child?.generation === 2 && leaving.length === 0)
    expect(after.child?.pid).not.toBe(before.child?.pid)
    expect(isAlive(before.child?.pid ?? 0)).toBe(false)
  })
})

describe("a supervisor that was killed by -9", () => {
  test.runIf(process.platform === "linux")("takes its application with it, in the graceful way", async () => {
    const app = supervise(
      `process.on("SIGTERM", () => { require("fs").writeFileSync("asked", ""); process.exit(0) }); ${idle}`
    )
    const { child } = await app.until(ready)
    app.signal("SIGKILL")
    await gone(child?.pid ?? 0)
    expect(statSync(join(app.cwd, "asked")).isFile()).toBe(true)
  })

  test("leaves a socket and a lock that stop nobody, and what it had started is ended before the next one starts", async () => {
    const cwd = folder()
    const first = supervise(`process.on("SIGTERM", () => {}); ${idle}`, { cwd })
    const { child } = await first.until(ready)
    first.signal("SIGKILL")
    await first.exited
    expect(statSync(join(cwd, ".quiesce/app.sock")).isSocket()).toBe(true)
    const second = supervise(idle, { cwd, flags: ["--grace", "100ms"] })
    await second.until(ready)
    expect(second.output).toContain(
      `pid ${child?.pid} was left behind by a supervisor that was killed: it is ended first`
    )
    expect(isAlive(child?.pid ?? 0)).toBe(false)
  })
})

describe("what a supervisor that was killed by -9 has left of a process group", () => {
  test.runIf(process.platform === "linux")("is ended too, when the application itself has obeyed", async () => {
    const cwd = folder()
    const first = supervise(
      `const child = require("child_process").spawn(process.execPath, ["-e", 'process.on("SIGTERM", () => {}); console.log("deaf"); setInterval(() => {}, 1e6)'], { stdio: ["ignore", "inherit", "inherit"] })
      console.log("below: " + child.pid); ${idle}`,
      { cwd }
    )
    const { child } = await first.until(ready)
    await first.says("deaf")
    first.signal("SIGKILL")
    await gone(child?.pid ?? 0)
    const below = Number(/below: (\d+)/.exec(first.output)?.[1])
    expect(isAlive(below)).toBe(true)
    const second = supervise("0", { cwd })
    expect(await second.exited).toBe(0)
    expect(second.output).toContain(`what had been started by pid ${child?.pid} was left behind`)
    expect(isAlive(below)).toBe(false)
  })
})

test("a reader of its output that has stopped reading does not keep it from keeping the deadline", async () => {
  // The application fills the pipe, which is the supervisor's as well.
  const flood = `
import os, signal
signal.signal(signal.SIGTERM, signal.SIG_IGN)
open("flooding", "w").close()
while True: os.write(2, b"x" * 65536)`
  if ((await run(["sh", "-c", "command -v python3"], "/")).code !== 0) return
  const cwd = folder()
  // Open at both ends, and nobody reads.
  expect(spawnSync("mkfifo", [join(cwd, "out")]).status).toBe(0)
  const output = openSync(join(cwd, "out"), "r+")
  const app = new Supervised({ cwd, flags: ["--grace", "100ms"], command: ["python3", "-c", flood], output })
  open.push(app)
  await app.until(() => existsSync(join(cwd, "flooding")))
  const from = performance.now()
  app.signal("SIGTERM")
  expect(await app.exited).toBe(137)
  expect(performance.now() - from).toBeLessThan(2100)
  closeSync(output)
})

describe("a terminal", () => {
  const inTerminal = (script: string, below = ""): Supervised => {
    // `exec`: a shell that stays in between hears Ctrl-C as well, and dash ends with 130 of its own.
    const command = `exec ${below} ${process.execPath} ${bin} run -- ${process.execPath} app.js`
    const terminal = ["-qefc", command, "/dev/null"]
    const cwd = folder()
    writeFileSync(join(cwd, "app.js"), script)
    const app = new Supervised({ cwd, whole: ["script", ...terminal], input: true, command: [] })
    open.push(app)
    return app
  }
  const hasScript = spawnSync("script", ["--version"]).status === 0
  const counting = `let count = 0; process.on("SIGINT", () => { count++; setTimeout(() => { console.log("SIGINT " + count); process.exit(0) }, 300) }); ${idle}`

  test.runIf(hasScript)("whose Ctrl-C is pressed tells the application once", async () => {
    const app = inTerminal(counting)
    await app.until(ready)
    app.type("\x03")
    expect(await app.exited).toBe(0)
    expect(app.output).toContain("SIGINT 1")
  })

  test.runIf(hasScript && process.platform === "linux" && process.getuid?.() === 0)(
    "whose Ctrl-C is pressed tells the application once, as PID 1 of a container too",
    async () => {
      const app = inTerminal(counting, "unshare --pid --fork --kill-child --mount-proc")
      await app.until(ready)
      app.type("\x03")
      expect(await app.exited).toBe(0)
      expect(app.output).toContain("SIGINT 1")
    }
  )

  test.runIf(hasScript)("that is closed stops it", async () => {
    const app = inTerminal(
      `process.on("SIGTERM", () => { require("fs").writeFileSync("asked", ""); process.exit(0) }); ${idle}`
    )
    const { child, pid } = await app.until(ready)
    app.signal("SIGKILL")
    await gone(pid)
    expect(isAlive(child?.pid ?? 0)).toBe(false)
    expect(existsSync(join(app.cwd, "asked"))).toBe(true)
  })
})

describe("a unix socket that is held for the application", () => {
  const server = `
    require("http").createServer((request, response) => response.end(String(process.pid))).listen({ fd: 3 }, () => { ${idle} })
    process.on("SIGTERM", () => process.exit(0))`
  const get = (path: string): Promise<string> =>
    new Promise((resolve, reject) => {
      request({ socketPath: path, agent: false }, (response) => {
        response.setEncoding("utf8").on("data", resolve)
      })
        .on("error", reject)
        .end()
    })

  test("serves every life, and its file goes with the supervisor", async () => {
    const app = supervise(server, { flags: ["--listen", "web=./web.sock"] })
    const path = join(app.cwd, "web.sock")
    const { child, listening } = await app.until(ready)
    expect(listening).toEqual([{ name: "web", address: realpathSync(path) }])
    expect(await get(path)).toBe(String(child?.pid))
    expect(await app.ask("POST", "/reload")).toMatchObject({ status: 200 })
    const after = await app.until(({ leaving }) => leaving.length === 0)
    expect(await get(path)).toBe(String(after.child?.pid))
    app.signal("SIGTERM")
    expect(await app.exited).toBe(0)
    expect(existsSync(path)).toBe(false)
  })

  test("is made anew when a supervisor that was killed has left its file, and never taken from who has it", async () => {
    const cwd = folder()
    const first = supervise(server, { cwd, flags: ["--listen", "./web.sock"] })
    await first.until(ready)
    const other = supervise(server, { cwd, flags: ["--name", "other", "--listen", "./web.sock"] })
    expect(await other.exited).toBe(1)
    expect(other.output).toMatch(/cannot listen on .*web.sock: it belongs to another program/)
    first.signal("SIGKILL")
    await first.exited
    const second = supervise(server, { cwd, flags: ["--listen", "./web.sock"] })
    const { child } = await second.until(({ child }) => child?.ready === true)
    expect(await get(join(cwd, "web.sock"))).toBe(String(child?.pid))
  })
})

describe("the control socket", () => {
  test("of somebody else is left alone", async () => {
    const cwd = folder()
    const theirs = createServer().listen(join(cwd, "theirs.sock"))
    await once(theirs, "listening")
    const app = supervise(idle, { cwd, flags: ["--socket", "theirs.sock"] })
    expect(await app.exited).toBe(1)
    expect(app.output).toContain("theirs.sock belongs to another program, which has it open; choose another --socket")
    expect(statSync(join(cwd, "theirs.sock")).isSocket()).toBe(true)
    theirs.close()
  })

  test("has a lock beside it; what is no lock is told apart from one that is held", async () => {
    const cwd = folder()
    writeFileSync(join(cwd, "app.sock.lock"), "somebody else's notes, long enough to be taken for a database")
    const app = supervise(idle, { cwd, flags: ["--socket", "app.sock"] })
    expect(await app.exited).toBe(1)
    expect(app.output).toMatch(/the lock app.sock.lock is damaged, or is another program's file .*: remove it/)
  })

  test("is for its owner alone", async () => {
    const app = supervise(idle)
    await app.until(ready)
    expect(statSync(join(app.cwd, ".quiesce/app.sock")).mode & 0o777).toBe(0o600)
    expect(statSync(join(app.cwd, ".quiesce")).mode & 0o777).toBe(0o700)
  })

  test("has one supervisor: a second one is refused", async () => {
    const app = supervise(idle)
    await app.until(ready)
    const second = supervise(idle, { cwd: app.cwd })
    expect(await second.exited).toBe(1)
    expect(second.output).toMatch(/a supervisor with the control socket .quiesce\/app.sock runs already: .*--name/)
    expect(await app.status()).toMatchObject({ child: { generation: 1 } })
  })

  test("whose path is too long for a socket is refused with the limit", async () => {
    const app = supervise(idle, { flags: ["--socket", `/tmp/${"x".repeat(120)}.sock`] })
    expect(await app.exited).toBe(1)
    expect(app.output).toMatch(/has 1\d\d bytes, and a unix socket may have 1\d\d/)
  })
})

test.runIf(process.platform === "linux" && process.getuid?.() === 0)(
  "as PID 1 it reaps orphans, hands on signals, and passes the exit code on",
  async () => {
    // The grandchild leaves the group of the application, so that nobody but PID 1 is left to reap it.
    const script = `
    const { spawn } = require("child_process")
    const middle = spawn("setsid", ["sh", "-c", "sleep 0.2 & echo orphan $!"], { stdio: ["ignore", "inherit", "inherit"] })
    process.on("SIGTERM", () => process.exit(7))
    middle.on("exit", () => setTimeout(() => {
      const states = require("fs").readdirSync("/proc").filter((name) => /^\\d+$/.test(name)).map((pid) => {
        try { return require("fs").readFileSync("/proc/" + pid + "/stat", "utf8").replace(/^.*\\) (.).*$/s, "$1") } catch { return "gone" }
      })
      console.log("zombies: " + states.filter((state) => state === "Z").length)
    }, 1000))
    ${idle}`
    const app = supervise(script, { below: ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"] })
    await app.says("zombies: ")
    expect(app.output).toContain("zombies: 0")
    expect((await app.until(ready)).pid).toBeGreaterThan(1)
    const { code } = await app.quiesce("stop")
    expect(code).toBe(0)
    expect(await app.exited).toBe(7)
  }
)

test("a socket that systemd holds is handed on to the application", async () => {
  if ((await run(["sh", "-c", "command -v systemd-socket-activate"], "/")).code !== 0) return
  const probe = createServer().listen(0, "127.0.0.1")
  await once(probe, "listening")
  const { port } = probe.address() as AddressInfo
  await new Promise((resolve) => probe.close(resolve))
  const app = supervise(
    `console.log("sockets: " + process.env.LISTEN_FDS + " " + process.env.QUIESCE_LISTEN_PORTS); ${idle}`,
    {
      below: ["systemd-socket-activate", "-l", `127.0.0.1:${port}`]
    }
  )
  await app.says("Listening on")
  // It starts what it is told to when somebody connects.
  const client = connect({ host: "127.0.0.1", port })
  await app.says(`sockets: 1 ${port}`)
  client.destroy()
})

test("a service manager hears from the supervisor what the application tells it", async () => {
  if ((await run(["sh", "-c", "command -v python3"], "/")).code !== 0) return
  const cwd = folder()
  const receiver = `
import socket
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind("notify")
print("bound", flush=True)
while True: print(" ".join(s.recv(4096).decode().split("\\n")), flush=True)`
  const manager = spawn("python3", ["-c", receiver], { cwd, stdio: ["ignore", "pipe", "inherit"] })
  onTestFinished(() => void manager.kill())
  const told: Array<string> = []
  const lines = createInterface({ input: manager.stdout })
  const next = async (): Promise<void> => void told.push(String((await once(lines, "line"))[0]))
  await next()
  const app = supervise(idle, { cwd, env: { NOTIFY_SOCKET: join(cwd, "notify") } })
  await next()
  app.signal("SIGHUP")
  await next()
  await next()
  app.signal("SIGTERM")
  await next()
  expect(told.map((line) => line.replace(/\d{3,}/, "now"))).toEqual([
    "bound",
    "READY=1",
    "RELOADING=1 MONOTONIC_USEC=now",
    "READY=1",
    "STOPPING=1"
  ])
})
