import * as Http2 from "node:http2"
import { once } from "node:events"
import { request } from "node:http"
import { afterEach, describe, expect, test } from "vitest"
import type { FixtureOptions } from "./fixtures/app.ts"
import { Child } from "./support/Child.ts"
import { Wire } from "./support/Wire.ts"

const children: Array<Child> = []
afterEach(() => {
  for (const child of children.splice(0)) child.kill()
})

const start = async (options: FixtureOptions = {}) => {
  const child = await Child.start(options)
  children.push(child)
  return child
}

/**
 * Well below the budgets that would end a stop that waits for nothing (10 s for the drain, 5 s for the interruption and for a
 * component), and well above what a process needs on a busy machine. The exit code says as well whether a budget was used up.
 */
const soon = 4000

/** Time for a client that comes by in the middle of the drain. */
const unhurried = { quiet: 2000, refuseAtMost: 8000, idleAtMost: 8000 }

const chunkedEnd = "\r\n0\r\n\r\n"

describe("a real process on SIGTERM", () => {
  test("leaves at once when nobody is connected", async () => {
    const child = await start({ drain: { quiet: 60_000, refuseAtMost: 60_000, idleAtMost: 60_000 } })
    child.stop()
    const end = await child.ended()
    expect(end.code).toBe(0)
    expect(end.after).toBeLessThan(soon)
  })

  test("answers 20 requests that had 0.7 s to go, and is out after them", async () => {
    const child = await start()
    const wires = await Promise.all(Array.from({ length: 20 }, () => Wire.open(child.port)))
    for (const wire of wires) wire.get("/slow?ms=700")
    await child.line(/slow/, 20)
    child.stop()
    const texts = await Promise.all(wires.map((wire) => wire.closed))
    const end = await child.ended()
    for (const text of texts) expect(text).toMatch(/^HTTP\/1.1 200 [\s\S]*Connection: close[\s\S]*slow$/)
    expect(end.code).toBe(0)
    expect(end.after).toBeLessThan(soon)
  })

  test("ends an event stream with its last chunk", async () => {
    const child = await start()
    const wire = await Wire.open(child.port)
    wire.get("/events")
    await wire.received("data: hello")
    child.stop()
    expect((await wire.closed).endsWith(chunkedEnd)).toBe(true)
    expect((await child.ended()).code).toBe(0)
  })

  test("ends a stream that asked for it with its last chunk", async () => {
    const child = await start()
    const wire = await Wire.open(child.port)
    wire.get("/raw-events")
    await wire.received("0\n")
    child.stop()
    expect((await wire.closed).endsWith(chunkedEnd)).toBe(true)
    expect((await child.ended()).code).toBe(0)
  })

  test("sends 1001 to an open WebSocket at once", async () => {
    const child = await start()
    const socket = new WebSocket(`ws://127.0.0.1:${child.port}/ws`)
    await once(socket, "open")
    child.stop()
    const [event] = (await once(socket, "close")) as [CloseEvent]
    expect(event.code).toBe(1001)
    const end = await child.ended()
    expect(end.code).toBe(0)
    expect(end.after).toBeLessThan(soon)
    expect(child.lines).toContain("goodbye")
  })

  test("does not wait longer than 1 s for a WebSocket that does not answer its close frame", async () => {
    const child = await start()
    const wire = await Wire.open(child.port)
    wire.get(
      "/ws",
      "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AQIDBAUGBwgJCgsMDQ4PEA==\r\n"
    )
    await wire.received("101 Switching Protocols")
    await wire.received("\r\n\r\n")
    wire.take()
    child.stop()
    await wire.received("\x03\xe9")
    const end = await child.ended()
    expect(end.code).toBe(0)
    expect(end.after).toBeLessThan(soon)
  })

  test("says GOAWAY over HTTP/2 and finishes its streams", async () => {
    const child = await start({ protocol: "h2c" })
    const session = Http2.connect(`http://127.0.0.1:${child.port}`)
    const stream = session.request({ ":path": "/slow?ms=1000" })
    const [goaway, closed] = [once(session, "goaway"), once(stream, "close")]
    await child.line(/slow/)
    child.stop()
    const [code] = await goaway
    let body = ""
    stream.setEncoding("utf8").on("data", (text: string) => (body += text))
    await closed
    expect({ code, body, rst: stream.rstCode }).toEqual({ code: 0, body: "slow", rst: 0 })
    const end = await child.ended()
    expect(end.code).toBe(0)
    expect(end.after).toBeLessThan(soon)
  })

  test("serves every HTTP/2 stream that a client under load has opened", async () => {
    const child = await start({ protocol: "h2" })
    const failed: Array<string> = []
    let served = 0
    let enough = () => {}
    const reached = new Promise<void>((resolve) => (enough = resolve))
    const lane = (session: Http2.ClientHttp2Session): Promise<void> =>
      new Promise((resolve) => {
        if (session.closed) return resolve()
        const stream = session.request({ ":path": "/slow?ms=3" })
        let [status, body] = [0, ""]
        stream.on("response", (headers) => (status = headers[":status"] ?? 0))
        stream.setEncoding("utf8").on("data", (text: string) => (body += text))
        stream.on("error", () => {})
        stream.on("close", () => {
          // The client's own answer to a stream that GOAWAY forestalled: it was never sent.
          if (stream.rstCode === Http2.constants.NGHTTP2_REFUSED_STREAM) return resolve()
          if (stream.rstCode !== 0 || status !== 200 || body !== "slow")
            failed.push(`${status} ${stream.rstCode} ${body}`)
          if (++served === 300) enough()
          resolve(lane(session))
        })
      })
    const clients = Array.from({ length: 10 }, () => {
      const session = Http2.connect(`https://127.0.0.1:${child.port}`, { rejectUnauthorized: false })
      session.on("error", (error) => failed.push(String(error)))
      return Promise.all(Array.from({ length: 4 }, () => lane(session)))
    })
    await reached
    child.stop()
    await Promise.all(clients)
    expect(failed).toEqual([])
    expect((await child.ended()).code).toBe(0)
  })

  test("is not held by a TLS handshake that does not go on", async () => {
    const child = await start({ protocol: "https" })
    const wire = await Wire.open(child.port)
    wire.send("\x16\x03\x01")
    child.stop()
    await wire.closed
    const end = await child.ended()
    expect(end.code).toBe(0)
    expect(end.after).toBeLessThan(soon)
  })

  test("is not held by a silent connection", async () => {
    const child = await start()
    const wire = await Wire.open(child.port)
    child.stop()
    expect(await wire.closed).toBe("")
    const end = await child.ended()
    expect(end.code).toBe(0)
    expect(end.after).toBeLessThan(soon)
  })

  test("is not held by half a request, and tells its client", async () => {
    const child = await start()
    const wire = await Wire.open(child.port)
    wire.send("GET / HTTP/1.1\r\nHost: te")
    child.stop()
    expect(await wire.closed).toMatch(/^HTTP\/1.1 408 /)
    const end = await child.ended()
    expect(end.code).toBe(0)
    expect(end.after).toBeLessThan(soon)
  })

  test("is not held by an upload that has stopped arriving, and tells its client", async () => {
    const child = await start()
    const wire = await Wire.open(child.port)
    wire.send("POST /upload HTTP/1.1\r\nHost: test\r\nContent-Length: 100\r\n\r\nhalf")
    await child.line(/upload/)
    child.stop()
    expect(await wire.closed).toMatch(/^HTTP\/1.1 408 /)
    const end = await child.ended()
    expect(end.code).toBe(0)
    expect(end.after).toBeLessThan(soon)
  })

  test("finishes an upload that is slow but goes on", async () => {
    const child = await start({ drain: { stallTimeout: 1500 } })
    const upload = request({ port: child.port, method: "POST", path: "/upload", headers: { "content-length": 600 } })
    upload.write("x".repeat(100))
    await child.line(/upload/)
    child.stop()
    for (let part = 0; part < 5; part++) {
      await new Promise((resolve) => setTimeout(resolve, 350)) // the slowness itself: in all more than the timeout
      upload.write("x".repeat(100))
    }
    upload.end()
    const [response] = await once(upload, "response")
    let body = ""
    for await (const chunk of response) body += chunk
    expect({ status: response.statusCode, body }).toEqual({ status: 200, body: "600" })
    expect((await child.ended()).code).toBe(0)
  })

  test("answers 503 to a handler that hangs, and is out at the bound", async () => {
    const child = await start({ app: { drain: 400 } })
    const wire = await Wire.open(child.port)
    wire.get("/hang")
    await child.line(/hang/)
    child.stop()
    const text = await wire.closed
    expect(text).toMatch(/^HTTP\/1.1 503 /)
    expect(text).toMatch(/retry-after: 1/i)
    const end = await child.ended()
    expect(end.code).toBe(70)
    expect(end.after).toBeLessThan(soon)
    expect(child.lines).toContain("released")
  })

  test("is out at the bounds even when the handler ignores its interruption", async () => {
    const child = await start({ app: { drain: 200, interrupt: 200 } })
    const wire = await Wire.open(child.port)
    wire.get("/stubborn")
    await child.line(/hang/)
    child.stop()
    expect(await wire.closed).toBe("")
    const end = await child.ended()
    expect(end.code).toBe(70)
    expect(end.after).toBeLessThan(soon)
    expect(child.lines).toContain("released")
  })

  test("serves-old-connections: one that was idle at the signal is served once more", async () => {
    const child = await start({ drain: unhurried })
    const wire = await Wire.open(child.port)
    wire.get("/")
    await wire.received("\r\n\r\nok")
    expect(wire.take()).toMatch(/Connection: keep-alive/)
    const other = await Wire.open(child.port)
    other.get("/slow?ms=200")
    await child.line(/slow/)
    child.stop()
    await other.received("Connection: close")
    wire.get("/")
    expect(await wire.closed).toMatch(/^HTTP\/1.1 200 [\s\S]*Connection: close[\s\S]*ok$/)
    expect((await child.ended()).code).toBe(0)
  })

  test("refuses-new-work-cleanly: gated routes and new connections get 503 with Retry-After", async () => {
    const child = await start({ drain: unhurried })
    const events = await Wire.open(child.port)
    const gated = await Wire.open(child.port)
    gated.get("/")
    await gated.received("\r\n\r\nok")
    gated.take()
    events.get("/events")
    await events.received("hello")
    child.stop()
    await events.received(chunkedEnd) // draining has begun
    gated.send("POST /gated HTTP/1.1\r\nHost: test\r\nContent-Length: 0\r\n\r\n")
    const late = await Wire.open(child.port)
    late.get("/")
    for (const text of await Promise.all([gated.closed, late.closed])) {
      expect(text).toMatch(/^HTTP\/1.1 503 /)
      expect(text).toMatch(/retry-after: 1\r\n/i)
      expect(text).toMatch(/connection: close\r\n/i)
      expect(text).toMatch(/\r\n\r\n\{"type":"about:blank"/)
    }
    expect((await child.ended()).code).toBe(0)
  })

  test("still answers what is in flight after an uncaught exception, and exits with 1", async () => {
    const child = await start()
    const slow = await Wire.open(child.port)
    slow.get("/slow?ms=300")
    await child.line(/slow/)
    const crash = await Wire.open(child.port)
    child.stop = () => {}
    crash.get("/crash")
    expect(await slow.closed).toMatch(/^HTTP\/1.1 200 [\s\S]*slow$/)
    expect(await child.exited).toBe(1)
    expect(child.lines).toContain("released")
  })

  test("is out at once on a second signal, whatever is still going on", async () => {
    const child = await start({ app: { signalCooldown: 0 } })
    const wire = await Wire.open(child.port)
    wire.get("/hang")
    await child.line(/hang/)
    wire.destroy()
    const held = await Wire.open(child.port)
    held.get("/events")
    await held.received("hello")
    const other = await Wire.open(child.port)
    other.get("/hang")
    await child.line(/hang/, 2)
    child.stop()
    await held.received(chunkedEnd)
    child.stop()
    const end = await child.ended()
    expect(end.code).toBe(143)
    expect(end.after).toBeLessThan(soon)
  })
})
