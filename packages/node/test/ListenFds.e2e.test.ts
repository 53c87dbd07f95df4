// Sockets that a parent hands down, as `quiesce run` and systemd do.
import { spawn } from "node:child_process"
import { once } from "node:events"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { fileURLToPath } from "node:url"
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest"

const module = fileURLToPath(new URL("../src/ListenFds.ts", import.meta.url))
const server = createServer()
let fd = 0
let port = 0
beforeAll(async () => {
  server.listen(0, "127.0.0.1")
  await once(server, "listening")
  port = (server.address() as AddressInfo).port
  // The number of the descriptor, which node keeps to itself.
  fd = (server as unknown as { readonly _handle: { readonly fd: number } })._handle.fd
})
afterAll(() => server.close())

/** What the expressions are in a child process that has two descriptors: the socket and, behind it, a pipe. */
const inChild = async (
  env: Readonly<Record<string, string>>,
  ...expressions: ReadonlyArray<string>
): Promise<ReadonlyArray<unknown>> => {
  const effects = import.meta.resolve("effect/Effect")
  const script = `
    import * as Effect from ${JSON.stringify(effects)}
    import * as ListenFds from ${JSON.stringify(module)}
    const take = (wanted) => Effect.runSync(ListenFds.take(wanted)) ?? null
    const all = () => Effect.runSync(ListenFds.takeAll)
    console.log(JSON.stringify([${expressions.join(", ")}]))`
  const child = spawn(process.execPath, ["--input-type=module", "-e", script], {
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "inherit", fd, "pipe"]
  })
  onTestFinished(() => void child.kill("SIGKILL"))
  let output = ""
  child.stdout?.setEncoding("utf8").on("data", (text: string) => (output += text))
  await once(child, "close")
  return JSON.parse(output)
}

describe("an inherited socket", () => {
  test("is found by its port, under any name, and once", async () => {
    const env = { LISTEN_FDS: "1", LISTEN_FDNAMES: "web", QUIESCE_LISTEN_PORTS: String(port) }
    const taken = { fd: 3, name: "web", port }
    expect(
      await inChild(
        env,
        `take({ name: "x", port: ${port + 1} })`,
        `take({ name: "http", port: ${port} })`,
        `take({ name: "web" })`
      )
    ).toEqual([null, taken, null])
  })

  test("is found by its name when the port is another one, or none", async () => {
    const env = { LISTEN_FDS: "1", LISTEN_FDNAMES: "http" }
    expect(await inChild(env, `take({ name: "http", port: 0 })`)).toEqual([expect.objectContaining({ fd: 3 })])
    expect(await inChild(env, `take({ name: "http", port: 1 })`)).toEqual([expect.objectContaining({ fd: 3 })])
  })

  test.runIf(process.platform === "linux")(
    "of systemd, which does not tell its port, is found by it all the same",
    async () => {
      expect(await inChild({ LISTEN_FDS: "1" }, `take({ name: "http", port: ${port} })`)).toMatchObject([
        { fd: 3, name: "", port }
      ])
    }
  )

  test("is nobody's when it was meant for another process", async () => {
    expect(await inChild({ LISTEN_FDS: "1", LISTEN_PID: "1" }, "all()")).toEqual([[]])
  })

  test("is one only if it is open, and a socket", async () => {
    // Node makes its pipes of sockets, so that only what is not open is left.
    expect(await inChild({ LISTEN_FDS: "9" }, "all().map(({ fd }) => fd)")).toEqual([expect.not.arrayContaining([11])])
    expect(await inChild({ LISTEN_FDS: "many" }, "all()")).toEqual([[]])
    expect(await inChild({}, "all()")).toEqual([[]])
  })
})

test("the variables are gone when they have been read, so that no child process takes them for its own", async () => {
  const env = { LISTEN_FDS: "1", LISTEN_FDNAMES: "http", QUIESCE_LISTEN_PORTS: "1" }
  const names = `Object.keys(process.env).filter((name) => name.includes("LISTEN")).length`
  expect(await inChild(env, names, "all().length", names)).toEqual([3, 1, 0])
})

test("that nobody has taken is told when somebody has looked for one", async () => {
  const env = { LISTEN_FDS: "1", LISTEN_FDNAMES: "web", QUIESCE_LISTEN_PORTS: "1" }
  const untaken = "Effect.runSync(ListenFds.untaken).length"
  expect(
    await inChild(env, untaken, `take({ name: "http", port: 2 })`, untaken, `take({ name: "web" }).fd`, untaken)
  ).toEqual([0, null, 1, 3, 0])
})

describe.runIf(process.platform === "linux")(
  "who else serves an inherited socket can be seen by whether its parent has it",
  () => {
    test("which it has at first", async () => {
      expect(await inChild({ LISTEN_FDS: "1" }, "Effect.runSync(ListenFds.isShared(all()[0]))")).toEqual([true])
    })

    test("until it gives it up", async () => {
      // The child asks when it is told to, on its input.
      const script = `
      import * as Effect from ${JSON.stringify(import.meta.resolve("effect/Effect"))}
      import * as ListenFds from ${JSON.stringify(module)}
      const [socket] = Effect.runSync(ListenFds.takeAll)
      const answer = () => console.log(Effect.runSync(ListenFds.isShared(socket)))
      process.stdin.on("data", () => { answer(); process.exit() })
      answer()`
      const own = createServer().listen(0, "127.0.0.1")
      await once(own, "listening")
      const ownFd = (own as unknown as { readonly _handle: { readonly fd: number } })._handle.fd
      const child = spawn(process.execPath, ["--input-type=module", "-e", script], {
        env: { ...process.env, LISTEN_FDS: "1" },
        stdio: ["pipe", "pipe", "inherit", ownFd]
      })
      onTestFinished(() => void child.kill("SIGKILL"))
      const [before] = await once(child.stdout?.setEncoding("utf8") ?? child, "data")
      own.close()
      await once(own, "close")
      child.stdin?.write("now")
      const [after] = await once(child.stdout ?? child, "data")
      expect([before, after]).toEqual(["true\n", "false\n"])
    })
  }
)
