// What an operator types, against a real application.
import { once } from "node:events"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { fileURLToPath } from "node:url"
import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { bin, idle, run, Supervised } from "./support/Supervised.ts"

const app = fileURLToPath(new URL("fixtures/app.ts", import.meta.url))

describe("with an application that runs", () => {
  let service: Supervised
  beforeAll(async () => {
    service = new Supervised({ flags: ["--listen", "http=127.0.0.1:0"], command: [process.execPath, app] })
    await service.until(({ child }) => child?.state === "Running")
  })
  afterAll(() => service.close())

  test("status tells its processes, its state and its sockets", async () => {
    const { code, stdout } = await service.quiesce("status")
    expect(code).toBe(0)
    expect(stdout).toMatch(
      /^app is up\n {2}supervisor {2}pid \d+, for .*\n {2}serving {5}pid \d+, generation 1, Running, for .*\n {2}listening {3}127\.0\.0\.1:\d+ as http\n {2}restarts {4}0\n$/
    )
  })

  test("status --json tells the same to programs", async () => {
    const { stdout } = await service.quiesce("status", "--json")
    expect(JSON.parse(stdout)).toMatchObject({
      name: "app",
      pid: service.pid,
      stopping: false,
      child: { generation: 1, state: "Running", ready: true },
      next: null,
      leaving: [],
      restarts: 0,
      lastExit: null,
      listening: [{ name: "http", address: expect.stringMatching(/^127\.0\.0\.1:\d+$/) }]
    })
  })

  test("plan has the plan that the application has told, as text and as JSON", async () => {
    expect((await service.quiesce("plan")).stdout).toMatch(/^service: .* of 10 s/)
    expect(JSON.parse((await service.quiesce("plan", "--json")).stdout)).toMatchObject({
      name: "service",
      gracePeriod: 10_000
    })
  })

  test("plan --kubernetes prints manifests with the times of the plan", async () => {
    const words = ["plan", "--kubernetes", "--image", "service:1", "--probes-port", "9000", "--port", "3000"]
    const { code, stdout } = await service.quiesce(...words)
    expect(code).toBe(0)
    expect(stdout.match(/^kind: .*$/gm)).toEqual(["kind: Service", "kind: Deployment", "kind: PodDisruptionBudget"])
    expect(Number(/terminationGracePeriodSeconds: (\d+)/.exec(stdout)?.[1])).toBeGreaterThan(10)
    expect(await service.quiesce("plan", "--kubernetes")).toMatchObject({
      code: 2,
      stderr: "quiesce: --kubernetes takes --image and --probes-port as well\n"
    })
  })

  test("reload and stop answer when it is done, and a supervisor that has gone is told with exit code 3", async () => {
    const reload = await service.quiesce("reload", "--json")
    expect(reload.code).toBe(0)
    expect(JSON.parse(reload.stdout)).toMatchObject({ generation: 2, replaced: expect.any(Number) })
    expect(await service.quiesce("stop")).toMatchObject({ code: 0, stdout: "stopped, with exit code 0\n" })
    expect(await service.exited).toBe(0)
    expect(await service.quiesce("status")).toMatchObject({
      code: 3,
      stdout: "",
      stderr: expect.stringContaining("no supervisor answers on .quiesce/app.sock: ask in the folder in which")
    })
    const json = await service.quiesce("reload", "--json")
    expect(json.code).toBe(3)
    expect(JSON.parse(json.stdout)).toMatchObject({ error: "NotRunning" })
  })
})

test("applications of different names live in one folder", async () => {
  const one = new Supervised({ flags: ["--name", "one"], command: [process.execPath, "-e", idle] })
  const two = new Supervised({ flags: ["--name", "two"], command: [process.execPath, "-e", idle], cwd: one.cwd })
  try {
    for (const name of ["one", "two"]) {
      await expect
        .poll(async () => (await one.quiesce("status", "--name", name)).stdout, { timeout: 20_000 })
        .toContain(`${name} is up`)
      expect((await one.quiesce("stop", "--name", name)).code).toBe(0)
    }
    expect(await Promise.all([one.exited, two.exited])).toEqual([143, 143]) // they have no handler
  } finally {
    await two.close()
    await one.close()
  }
})

test("an address that somebody has is told before anything is started", async () => {
  const server = createServer().listen(0, "127.0.0.1")
  await once(server, "listening")
  const { port } = server.address() as { port: number }
  const app = new Supervised({ flags: ["--listen", `127.0.0.1:${port}`], command: ["echo", "started"] })
  try {
    expect(await app.exited).toBe(1)
    expect(app.output).toBe(
      `quiesce: cannot listen on 127.0.0.1, port ${port}: another process has it; stop that process or choose another ` +
        `port (0 takes a free one) (EADDRINUSE)\n`
    )
  } finally {
    server.close()
    await app.close()
  }
})

test("what cannot be understood ends with exit code 2, and nothing is started", async () => {
  const { code, stderr, stdout } = await run(
    [process.execPath, bin, "run", "--listen", "x", "--", "echo", "hi"],
    tmpdir()
  )
  expect({ code, stdout }).toEqual({ code: 2, stdout: "" })
  expect(stderr).toContain("--listen")
  const elsewhere = await run([process.execPath, bin, "status"], tmpdir(), { QUIESCE_NAME: "../elsewhere" })
  expect(elsewhere).toMatchObject({ code: 2, stderr: expect.stringContaining("../elsewhere") })
})
