// The promise of the supervisor: an application is replaced, or killed, and nobody who connects notices.
import { writeFileSync } from "node:fs"
import { get } from "node:http"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { afterEach, describe, expect, test } from "vitest"
import { Load } from "./support/Load.ts"
import { Supervised } from "./support/Supervised.ts"

const reloads = Number(process.env["RELOADS"] ?? 3)
const kills = Number(process.env["KILLS"] ?? 2)
const app = fileURLToPath(new URL("fixtures/app.ts", import.meta.url))

const open: Array<Supervised | Load> = []
afterEach(async () => {
  for (const one of open.splice(0).toReversed()) await (one instanceof Load ? one.stop() : one.close())
})

const serve = async (flags: ReadonlyArray<string> = []): Promise<{ app: Supervised; port: number }> => {
  const supervised = new Supervised({
    flags: ["--listen", "http=127.0.0.1:0", ...flags],
    command: [process.execPath, app]
  })
  open.push(supervised)
  const { listening } = await supervised.until(({ child }) => child?.ready === true)
  return { app: supervised, port: Number(listening[0]?.address.split(":")[1]) }
}

const load = (port: number): Load => {
  const load = new Load(port, { keepAlive: 20, fresh: 10 })
  open.push(load)
  return load
}

describe("under the load of 20 keep-alive clients and 10 that connect anew for each request", () => {
  test(`${reloads} reloads lose no request`, { timeout: 20_000 + reloads * 4000 }, async () => {
    const { app, port } = await serve()
    const clients = load(port)
    for (let generation = 2; generation <= reloads + 1; generation++) {
      await clients.more(200)
      expect(await app.ask("POST", "/reload")).toMatchObject({ status: 200, body: { generation } })
    }
    await clients.more(200)
    await clients.stop()
    expect(clients.failures).toEqual([])
    expect(clients.byPid.size).toBe(reloads + 1) // every life has served
    expect(await app.until(({ leaving }) => leaving.length === 0)).toMatchObject({ restarts: 0, lastExit: null })
  })

  test(
    `${kills} kill -9 of the application lose only requests in flight, and refuse no connection`,
    { timeout: 20_000 + kills * 4000 },
    async () => {
      const { app, port } = await serve(["--max-restarts", "100"])
      const clients = load(port)
      for (let round = 1; round <= kills; round++) {
        await clients.more(200)
        const { child } = await app.status()
        process.kill(child?.pid ?? 0, "SIGKILL")
        await app.until(({ child, restarts }) => restarts === round && child?.ready === true)
      }
      await clients.more(200)
      await clients.stop()
      // Each client has one request at a time; what was accepted by the process that was killed is reset, nothing else is.
      expect(clients.failures.filter(({ code }) => code !== "ECONNRESET")).toEqual([])
      expect(clients.failures.length).toBeLessThanOrEqual(30 * kills)
      expect(await app.status()).toMatchObject({ restarts: kills, lastExit: { signal: "SIGKILL" } })
    }
  )
})

test.runIf(process.platform === "linux")(
  "a stop for good under the same load resets nobody: who comes too late is answered with 503, and then refused",
  async () => {
    const { app, port } = await serve()
    const clients = load(port)
    await clients.more(200)
    app.signal("SIGTERM")
    expect(await app.exited).toBe(0)
    await clients.stop()
    const codes = new Set(clients.failures.map(({ code }) => code))
    expect(Array.from(codes.difference(new Set(["status 503", "ECONNREFUSED"])))).toEqual([])
  }
)

test.runIf(process.platform === "linux")(
  "a unix socket is found by its path, and serves one life after the other",
  async () => {
    const service = new Supervised({
      flags: ["--listen", "./web.sock"],
      command: [process.execPath, app],
      env: { LISTEN_PATH: "./web.sock" }
    })
    open.push(service)
    await service.until(({ child }) => child?.state === "Running")
    const ask = (): Promise<string> =>
      new Promise((resolve, reject) => {
        const asking = get({ socketPath: join(service.cwd, "web.sock"), agent: false }, (response) => {
          response.setEncoding("utf8").on("data", resolve)
        })
        asking.on("error", reject)
      })
    const before = (await service.status()).child?.pid
    expect(await ask()).toBe(String(before))
    expect(await service.ask("POST", "/reload")).toMatchObject({ status: 200, body: { replaced: before } })
    const { child } = await service.until(({ leaving }) => leaving.length === 0)
    expect(await ask()).toBe(String(child?.pid))
  }
)

test("a socket that the application does not serve is told, with how to have it served", async () => {
  const service = new Supervised({
    flags: ["--listen", "other=127.0.0.1:0"],
    command: [process.execPath, app],
    env: { PORT: "0" }
  })
  open.push(service)
  await service.says("nobody serves the inherited socket with port")
  expect(service.output).toMatch(
    /named "other": a server takes the one with the port or path that it is told to listen on/
  )
})

test("a new life that ends before it is ready is discarded, and the old one goes on without losing a request", async () => {
  const { app, port } = await serve()
  const clients = load(port)
  await clients.more(50)
  writeFileSync(join(app.cwd, "broken"), "")
  const { code, stderr } = await app.quiesce("reload")
  expect(code).toBe(1)
  expect(stderr).toMatch(/generation 2 \(pid \d+\) ended before it was ready: exit code 1; generation 1 .* goes on/)
  await clients.more(50)
  await clients.stop()
  expect(clients.failures).toEqual([])
  expect(await app.status()).toMatchObject({ child: { generation: 1 }, next: null, restarts: 0 })
})

test("the health probes are served on their own inherited socket, before and after", async () => {
  const { app } = await serve(["--listen", "probes=127.0.0.1:0"])
  const { listening } = await app.status()
  const ask = async (): Promise<number> => (await fetch(`http://${listening[1]?.address}/readyz`)).status
  expect(await ask()).toBe(200)
  expect(await app.ask("POST", "/reload")).toMatchObject({ status: 200 })
  await app.until(({ leaving }) => leaving.length === 0)
  expect(await ask()).toBe(200)
})
