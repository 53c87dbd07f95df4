/**
 * What the drain relies on and Node does not promise. When one of these fails after an upgrade, look at
 * `Connection.response`, `Traffic.idle` and `Sweeper` first.
 */
import { once } from "node:events"
import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import type { AddressInfo, Socket } from "node:net"
import { afterEach, describe, expect, test } from "vitest"
import type { Connection } from "../src/internal/Connection.ts"
import { Traffic } from "../src/internal/Traffic.ts"
import { Wire } from "./support/Wire.ts"

const server = createServer()
const traffic = new Traffic(server)
const arrived: Array<{ request: IncomingMessage; response: ServerResponse }> = []
server.on("request", (request, response) => {
  if (request.url === "/wait") arrived.push({ request, response })
  else response.end("ok")
})

const port = async () => {
  if (!server.listening) await once(server.listen(0, "127.0.0.1"), "listening")
  return (server.address() as AddressInfo).port
}

const wires: Array<Wire> = []
const open = async (): Promise<{ wire: Wire; connection: Connection }> => {
  const accepted = once(server, "connection") as Promise<[Socket]>
  const wire = await Wire.open(await port())
  wires.push(wire)
  const [socket] = await accepted
  const connection = [...traffic.connections].find((_) => _.socket === socket)
  if (connection === undefined) throw new Error("the connection is not tracked")
  return { wire, connection }
}

afterEach(async () => {
  for (const wire of wires.splice(0)) {
    wire.destroy()
    await wire.closed
  }
})

describe("node tells", () => {
  test("which connections are idle, without closing any", async () => {
    const [idle, half, working, silent] = [await open(), await open(), await open(), await open()]
    idle.wire.get("/")
    await idle.wire.received("ok")
    half.wire.get("/")
    await half.wire.received("ok")
    const read = half.connection.socket.bytesRead
    half.wire.send("GET / HT")
    working.wire.get("/wait")
    await once(server, "request")
    while (half.connection.socket.bytesRead === read) await new Promise((resolve) => setImmediate(resolve))
    expect([...traffic.idle()]).toEqual([idle.connection])
    for (const { connection } of [idle, half, working, silent]) {
      expect(connection.socket.destroyed).toBe(false)
      expect(Object.hasOwn(connection.socket, "destroy")).toBe(false)
    }
    expect(silent.connection.isSilent).toBe(true)
    expect(half.connection.isSilent).toBe(false)
  })

  test("which response a connection is working on, from its request to its end", async () => {
    const { connection, wire } = await open()
    expect(connection.response).toBe(undefined)
    wire.get("/wait")
    await once(server, "request")
    const response = arrived.at(-1)?.response
    expect(connection.response).toBe(response)
    expect(connection.isPipelined).toBe(false)
    response?.end("done")
    await wire.received("done")
    expect(connection.response).toBe(undefined)
  })

  test("which of two pipelined responses is being written", async () => {
    const { connection, wire } = await open()
    wire.get("/wait")
    await once(server, "request")
    wire.get("/wait")
    await once(server, "request")
    const [first, second] = arrived.slice(-2).map((_) => _.response)
    expect(connection.response).toBe(first)
    expect(connection.isPipelined).toBe(true)
    first?.end("1")
    await wire.received("\r\n\r\n1")
    expect(connection.response).toBe(second)
    expect(connection.isPipelined).toBe(false)
  })

  test("whether a client was told to go on with its body", async () => {
    const { wire } = await open()
    server.once("checkContinue", (_, response: ServerResponse & { _sent100?: boolean }) => {
      expect(response._sent100).toBe(false)
      response.writeContinue()
      expect(response._sent100).toBe(true)
      response.end("ok")
    })
    wire.send("POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\n")
    await wire.received("ok")
  })
})
