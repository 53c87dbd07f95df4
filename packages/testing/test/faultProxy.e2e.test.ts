import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Random from "effect/Random"
import * as Scope from "effect/Scope"
import { createHash } from "node:crypto"
import { once } from "node:events"
import { connect, createServer, type Server, type Socket } from "node:net"
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import * as FaultProxy from "../src/FaultProxy.ts"

/** One end of a connection: what it has heard, and how it ended. */
class Wire {
  heard = ""
  /** `"end"`: a proper end; a code such as ECONNRESET: an error. */
  ended: string | undefined
  readonly socket: Socket
  #waiting: Array<() => void> = []

  constructor(socket: Socket) {
    this.socket = socket
    const tell = (what: () => void) => () => {
      what()
      for (const resolve of this.#waiting.splice(0)) resolve()
    }
    socket.on("data", (chunk: Buffer) => tell(() => (this.heard += chunk.toString()))())
    socket.on("error", (error: NodeJS.ErrnoException) => tell(() => (this.ended ??= error.code ?? error.message))())
    socket.on(
      "connect",
      tell(() => {})
    )
    socket.on(
      "end",
      tell(() => (this.ended ??= "end"))
    )
    socket.on(
      "close",
      tell(() => (this.ended ??= "closed"))
    )
  }

  static async to(port: number): Promise<Wire> {
    const wire = new Wire(connect({ port, host: "127.0.0.1", allowHalfOpen: true, noDelay: true }))
    await wire.until(() => !wire.socket.connecting)
    return wire
  }

  async until(holds: () => boolean): Promise<void> {
    while (!holds()) await new Promise<void>((resolve) => this.#waiting.push(resolve))
  }

  send(text: string): this {
    this.socket.write(text)
    return this
  }

  async hears(text: string): Promise<void> {
    await this.until(() => this.heard.includes(text) || this.ended !== undefined)
    if (!this.heard.includes(text)) throw new Error(`heard "${this.heard}", then ${this.ended}; never "${text}"`)
  }

  async end(): Promise<string | undefined> {
    await this.until(() => this.ended !== undefined)
    return this.ended
  }
}

/** A server that keeps what it hears, or sends it back, and a proxy in front of it. */
const setUp = Effect.fnUntraced(function* (options: { readonly host?: string; readonly echoes?: boolean } = {}) {
  const { echoes = false, host = "127.0.0.1" } = options
  const accepted: Array<Wire> = []
  let came = () => {}
  const server = yield* Effect.acquireRelease(
    Effect.promise(async () => {
      const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
        accepted.push(new Wire(echoes ? socket.pipe(socket) : socket))
        came()
      })
      server.listen(0, host)
      await once(server, "listening")
      return server
    }),
    (server) =>
      Effect.sync(() => {
        server.close()
        for (const { socket } of accepted) socket.destroy()
      })
  )
  const port = portOf(server)
  const proxy = yield* FaultProxy.make({ host, port })
  /** The server's end of the connection that came as the nth. */
  const nth = async (n: number): Promise<Wire> => {
    for (let wire = accepted[n]; ; wire = accepted[n]) {
      if (wire !== undefined) return wire
      await new Promise<void>((resolve) => (came = resolve))
    }
  }
  /** A connection by way of the proxy, and the server's end of it. */
  const pair = Effect.promise(async () => {
    const known = accepted.length
    return { client: await Wire.to(proxy.port), target: await nth(known) }
  })
  /** The time in which nothing happens elsewhere: many turns of a connection that has no proxy in front of it. */
  const aWhile = Effect.promise(async () => {
    const side = createServer((socket) => socket.pipe(socket)).listen(0, "127.0.0.1")
    await once(side, "listening")
    const wire = await Wire.to(portOf(side))
    for (let n = 0; n < 200; n++) {
      wire.send(`${n};`)
      await wire.hears(`${n};`)
    }
    wire.socket.destroy()
    side.close()
  })
  return { proxy, pair, nth, accepted, aWhile, server }
})

const portOf = (server: Server): number => {
  const address = server.address()
  return typeof address === "object" && address !== null ? address.port : 0
}

setFlagsFromString("--expose-gc")
const collect: () => void = runInNewContext("gc")

/** Bytes of the buffers that somebody still holds. */
const keptBuffers = (): number => {
  collect()
  return process.memoryUsage().arrayBuffers
}

const wait = <A>(promise: () => Promise<A>) => Effect.promise(promise)

/** How a connection attempt ends. */
const attempt = (port: number) =>
  wait(async () => {
    const socket = connect({ port, host: "127.0.0.1" })
    const result = await Promise.race([
      once(socket, "connect").then(() => "accepted"),
      new Promise<string>((resolve) =>
        socket.once("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? ""))
      )
    ])
    socket.destroy()
    return result
  })

describe("a healthy proxy", () => {
  it.live("passes bytes on in both directions, and gives the target's URL its own host and port", () =>
    Effect.gen(function* () {
      const { pair, proxy } = yield* setUp()
      const { client, target } = yield* pair
      client.send("question")
      yield* wait(() => target.hears("question"))
      target.send("answer")
      yield* wait(() => client.hears("answer"))
      expect(yield* proxy.connections).toBe(1)
      const { port } = proxy
      expect(proxy.through("postgres://me:s%40cret@db.internal:5432/app?sslmode=off")).toBe(
        `postgres://me:s%40cret@127.0.0.1:${port}/app?sslmode=off`
      )
      expect(proxy.through("http://[::1]:80")).toBe(`http://127.0.0.1:${port}`)
    })
  )

  it.live("reaches a target on IPv6", () =>
    Effect.gen(function* () {
      const { client, target } = yield* (yield* setUp({ host: "::1" })).pair
      client.send("over six")
      yield* wait(() => target.hears("over six"))
    })
  )

  it.live("passes a half-close on: who has said his last word still hears the answer", () =>
    Effect.gen(function* () {
      const { pair, proxy } = yield* setUp()
      const { client, target } = yield* pair
      client.socket.end("my last word")
      expect(yield* wait(() => target.end())).toBe("end")
      expect(target.heard).toBe("my last word")
      target.send("still, an answer").socket.end()
      expect(yield* wait(() => client.end())).toBe("end")
      expect(client.heard).toBe("still, an answer")
      yield* wait(() => client.until(() => client.socket.destroyed))
      yield* Effect.yieldNow.pipe(Effect.repeat({ until: () => Effect.map(proxy.connections, (n) => n === 0) }))
    })
  )

  it.live("passes a reset on, in both directions", () =>
    Effect.gen(function* () {
      const { pair } = yield* setUp()
      const one = yield* pair
      one.client.socket.resetAndDestroy()
      expect(yield* wait(() => one.target.end())).toBe("ECONNRESET")
      const two = yield* pair
      two.target.socket.resetAndDestroy()
      expect(yield* wait(() => two.client.end())).toBe("ECONNRESET")
    })
  )

  it.live("brings 50 MB to a slow reader, every byte in order, and keeps next to nothing of it in memory", () =>
    Effect.gen(function* () {
      const size = 50 * 1024 * 1024
      const { pair } = yield* setUp()
      const { client, target } = yield* pair
      target.socket.removeAllListeners("data")
      const [sent, received] = [createHash("sha256"), createHash("sha256")]
      let arrived = 0
      let peak = 0
      const before = keptBuffers()
      target.socket.on("data", (chunk: Buffer) => {
        received.update(chunk)
        if (arrived % (2 * 1024 * 1024) < chunk.length) peak = Math.max(peak, keptBuffers() - before)
        arrived += chunk.length
        target.socket.pause()
        setImmediate(() => target.socket.resume())
      })
      yield* wait(async () => {
        const chunk = Buffer.alloc(64 * 1024)
        for (let n = 0; n * chunk.length < size; n++) {
          chunk.writeUInt32BE(n)
          sent.update(chunk)
          // A copy: what is sent must not change any more.
          if (!client.socket.write(Buffer.from(chunk))) await once(client.socket, "drain")
        }
        client.socket.end()
        await target.end()
      })
      expect(arrived).toBe(size)
      expect(received.digest("hex")).toBe(sent.digest("hex"))
      expect(peak).toBeLessThan(16 * 1024 * 1024)
    })
  )

  it.live("resets a client whose target does not accept", () =>
    Effect.gen(function* () {
      const { proxy, server } = yield* setUp()
      server.close()
      const client = yield* wait(() => Wire.to(proxy.port))
      expect(yield* wait(() => client.end())).toBe("ECONNRESET")
    })
  )

  it.live("leaves nothing open when its scope closes, whatever the fault", () =>
    Effect.gen(function* () {
      for (const fault of [undefined, FaultProxy.blackHole(), FaultProxy.halfOpen("client"), FaultProxy.refuse]) {
        const scope = yield* Scope.make()
        const { pair, proxy } = yield* Scope.provide(setUp(), scope)
        const { client, target } = yield* pair
        if (fault !== undefined) yield* proxy.set(fault)
        client.send("never mind")
        yield* Scope.close(scope, Exit.void)
        expect(yield* proxy.connections).toBe(0)
        yield* wait(() => client.end())
        yield* wait(() => target.end())
        expect(yield* attempt(proxy.port)).toBe("ECONNREFUSED")
      }
    })
  )
})

describe("latency", () => {
  it.live("delays every piece by at least that much, and each way for itself", () =>
    Effect.gen(function* () {
      const { pair, proxy } = yield* setUp()
      const { client, target } = yield* pair
      yield* proxy.set(FaultProxy.latency(60))
      const began = performance.now()
      client.send("there")
      yield* wait(() => target.hears("there"))
      const there = performance.now() - began
      target.send("and back")
      yield* wait(() => client.hears("and back"))
      expect(there).toBeGreaterThanOrEqual(59)
      expect(performance.now() - began).toBeGreaterThanOrEqual(118)
    })
  )

  it.live("keeps the order of the bytes whatever the jitter, and the end comes last", () =>
    Effect.gen(function* () {
      const { pair, proxy } = yield* setUp()
      const { client, target } = yield* pair
      yield* proxy.set(FaultProxy.latency(1, { jitter: 30 }))
      let text = ""
      for (let n = 0; n < 100; n++) {
        text += `${n} `
        client.send(`${n} `)
        yield* Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
      }
      client.socket.end()
      expect(yield* wait(() => target.end())).toBe("end")
      expect(target.heard).toBe(text)
    }).pipe(Random.withSeed("jitter"))
  )

  it.live("is over at once on the same connection when it heals, and what was under way arrives", () =>
    Effect.gen(function* () {
      const { aWhile, pair, proxy } = yield* setUp()
      const { client, target } = yield* pair
      yield* proxy.set(FaultProxy.latency(3_600_000))
      client.send("an hour late, ")
      yield* aWhile
      expect(target.heard).toBe("")
      yield* proxy.heal
      client.send("or not")
      yield* wait(() => target.hears("an hour late, or not"))
    })
  )

  it.live("holds the sender back: no more than a window is under way", () =>
    Effect.gen(function* () {
      const { aWhile, pair, proxy } = yield* setUp()
      const { client, target } = yield* pair
      yield* proxy.set(FaultProxy.latency(3_600_000))
      const before = keptBuffers()
      const chunk = Buffer.alloc(1024 * 1024, "x")
      for (let n = 0; n < 40; n++) client.socket.write(chunk)
      yield* aWhile
      // The sender's own one, and what is under way.
      expect(keptBuffers() - before).toBeLessThan(3 * 1024 * 1024)
      expect(target.heard).toBe("")
      client.socket.end()
      yield* proxy.heal
      expect(yield* wait(() => target.end())).toBe("end")
      expect(target.heard.length).toBe(40 * chunk.length)
    })
  )
})

describe("a cut", () => {
  it.live("resets all connections on both sides, and accepts new ones", () =>
    Effect.gen(function* () {
      const { pair, proxy } = yield* setUp()
      const pairs = [yield* pair, yield* pair]
      yield* proxy.set(FaultProxy.cut())
      for (const { client, target } of pairs) {
        expect([yield* wait(() => client.end()), yield* wait(() => target.end())]).toEqual(["ECONNRESET", "ECONNRESET"])
      }
      const { client, target } = yield* pair
      client.send("here again")
      yield* wait(() => target.hears("here again"))
    })
  )

  it.live("also ends a connection that is being closed while its last bytes cannot get through", () =>
    Effect.gen(function* () {
      const { aWhile, pair, proxy } = yield* setUp()
      const { client, target } = yield* pair
      target.socket.pause()
      client.socket.end(Buffer.alloc(16 * 1024 * 1024))
      yield* aWhile
      yield* proxy.set(FaultProxy.cut())
      yield* wait(() => client.end())
      target.socket.resume()
      yield* wait(() => target.end())
      yield* Effect.yieldNow.pipe(Effect.repeat({ until: () => Effect.map(proxy.connections, (n) => n === 0) }))
    })
  )

  it.live("that refuses lets nobody in until it heals", () =>
    Effect.gen(function* () {
      const { pair, proxy } = yield* setUp()
      const { client } = yield* pair
      yield* proxy.set(FaultProxy.cut({ newcomers: "refused" }))
      expect(yield* wait(() => client.end())).toBe("ECONNRESET")
      expect(yield* attempt(proxy.port)).toBe("ECONNREFUSED")
      yield* proxy.heal
      const again = yield* pair
      again.client.send("again")
      yield* wait(() => again.target.hears("again"))
    })
  )
})

describe("half open", () => {
  it.live("nothing that the client says arrives, its end neither, and the target goes on talking to it", () =>
    Effect.gen(function* () {
      const { aWhile, pair, proxy } = yield* setUp()
      const { client, target } = yield* pair
      yield* proxy.set(FaultProxy.halfOpen("client"))
      client.send("help").socket.end()
      target.send("are you there?")
      yield* wait(() => client.hears("are you there?"))
      yield* aWhile
      expect([target.heard, target.ended]).toEqual(["", undefined])
    })
  )

  it.live("the target never learns that the client has gone, and is reset when it heals", () =>
    Effect.gen(function* () {
      const { aWhile, pair, proxy } = yield* setUp()
      const { client, target } = yield* pair
      yield* proxy.set(FaultProxy.halfOpen("client"))
      client.socket.resetAndDestroy()
      target.send("are you there?")
      yield* aWhile
      target.send("hello?")
      yield* aWhile
      expect(target.ended).toBe(undefined)
      yield* proxy.heal
      expect(yield* wait(() => target.end())).toBe("ECONNRESET")
    })
  )

  it.live("nothing that the target says arrives, and it still hears the client", () =>
    Effect.gen(function* () {
      const { aWhile, pair, proxy } = yield* setUp()
      const { client, target } = yield* pair
      yield* proxy.set(FaultProxy.halfOpen("target"))
      client.send("do it")
      yield* wait(() => target.hears("do it"))
      target.send("done").socket.end()
      yield* aWhile
      expect([client.heard, client.ended]).toEqual(["", undefined])
    })
  )

  it.live(
    "a connection that has lost nothing goes on when it heals; one that has is reset, never continued with a hole",
    () =>
      Effect.gen(function* () {
        const { aWhile, pair, proxy } = yield* setUp()
        const silent = yield* pair
        const talking = yield* pair
        yield* proxy.set(FaultProxy.halfOpen("client"))
        talking.client.send("one ")
        yield* aWhile
        yield* proxy.heal
        talking.client.send("two")
        expect(yield* wait(() => talking.client.end())).toBe("ECONNRESET")
        expect(yield* wait(() => talking.target.end())).toBe("ECONNRESET")
        expect(talking.target.heard).toBe("")
        silent.client.send("three")
        yield* wait(() => silent.target.hears("three"))
      })
  )
})

describe("a black hole", () => {
  it.live("accepts, swallows whatever is sent, and never answers; open connections hang too", () =>
    Effect.gen(function* () {
      const { accepted, aWhile, pair, proxy } = yield* setUp()
      const before = yield* pair
      yield* proxy.set(FaultProxy.blackHole())
      const client = yield* wait(() => Wire.to(proxy.port))
      client.send("anybody?")
      before.client.send("anybody?")
      before.target.send("me").socket.end()
      // More than all buffers on the way could hold.
      yield* wait(() => new Promise<void>((resolve) => client.socket.write(Buffer.alloc(40_000_000), () => resolve())))
      yield* aWhile
      expect([client.heard, client.ended]).toEqual(["", undefined])
      expect([before.client.heard, before.client.ended]).toEqual(["", undefined])
      expect([before.target.heard, before.target.ended]).toEqual(["", undefined])
      expect(accepted).toHaveLength(1)
    })
  )

  it.live("resets when it heals what has lost something, and connects who has only waited", () =>
    Effect.gen(function* () {
      const { aWhile, nth, pair, proxy } = yield* setUp()
      const before = yield* pair
      yield* proxy.set(FaultProxy.blackHole())
      before.client.send("lost")
      const waiting = yield* wait(() => Wire.to(proxy.port))
      yield* aWhile
      yield* proxy.heal
      expect(yield* wait(() => before.client.end())).toBe("ECONNRESET")
      expect(yield* wait(() => before.target.end())).toBe("ECONNRESET")
      waiting.send("patient")
      const target = yield* wait(() => nth(1))
      yield* wait(() => target.hears("patient"))
    })
  )

  it.live("that holds its bytes gives every one of them back, in order, on the same connection", () =>
    Effect.gen(function* () {
      const { accepted, aWhile, nth, pair, proxy } = yield* setUp()
      const { client, target } = yield* pair
      yield* proxy.set(FaultProxy.blackHole({ bytes: "held" }))
      client.send("one ")
      target.send("uno ")
      const late = yield* wait(() => Wire.to(proxy.port))
      late.send("late").socket.end()
      yield* aWhile
      expect([client.heard, target.heard, accepted.length]).toEqual(["", "", 1])
      yield* proxy.heal
      client.send("two")
      target.send("due")
      yield* wait(() => target.hears("one two"))
      yield* wait(() => client.hears("uno due"))
      const latecomer = yield* wait(() => nth(1))
      expect(yield* wait(() => latecomer.end())).toBe("end")
      expect(latecomer.heard).toBe("late")
    })
  )

  it.live("that follows another fault loses what was under way, and so the connection", () =>
    Effect.gen(function* () {
      const { aWhile, pair, proxy } = yield* setUp()
      const { client, target } = yield* pair
      yield* proxy.set(FaultProxy.latency(3_600_000))
      client.send("under way")
      yield* aWhile
      yield* proxy.set(FaultProxy.blackHole())
      yield* proxy.set(FaultProxy.halfOpen("client", { bytes: "held" }))
      target.send("fine")
      yield* wait(() => client.hears("fine"))
      // What was under way is lost, so nothing that comes after it may arrive.
      client.send("and now?")
      yield* proxy.heal
      expect(yield* wait(() => client.end())).toBe("ECONNRESET")
      expect(target.heard).toBe("")
    })
  )
})

describe("refusing", () => {
  it.live("answers newcomers with ECONNREFUSED, leaves open connections alone, and heals on the same port", () =>
    Effect.gen(function* () {
      const { pair, proxy } = yield* setUp()
      const { client, target } = yield* pair
      yield* proxy.set(FaultProxy.refuse)
      expect(yield* attempt(proxy.port)).toBe("ECONNREFUSED")
      client.send("still here")
      yield* wait(() => target.hears("still here"))
      yield* proxy.heal
      expect(yield* attempt(proxy.port)).toBe("accepted")
    })
  )

  it.live("can be switched back and forth under load, and every answer that came was the right one", () =>
    Effect.gen(function* () {
      const { proxy } = yield* setUp({ echoes: true })
      const faults = [
        FaultProxy.refuse,
        FaultProxy.cut(),
        FaultProxy.latency(1, { jitter: 5 }),
        FaultProxy.blackHole(),
        FaultProxy.halfOpen("target")
      ]
      let right = 0
      let more = () => {}
      const client = wait(async () => {
        const wire = await Wire.to(proxy.port)
        const text = crypto.randomUUID()
        wire.send(text)
        await wire.until(() => wire.heard.length >= text.length || wire.ended !== undefined)
        if (wire.heard !== "") expect(wire.heard).toBe(text)
        if (wire.heard === text) {
          right++
          more()
        }
        wire.socket.destroy()
      })
      for (let n = 0; n < 10; n++) yield* Effect.forkScoped(Effect.forever(client))
      for (let n = 0; n < 60; n++) {
        yield* proxy.heal
        yield* wait(() => new Promise<void>((resolve) => (more = resolve)))
        yield* proxy.set(faults[n % faults.length] ?? FaultProxy.refuse)
      }
      yield* proxy.heal
      expect(right).toBeGreaterThanOrEqual(60)
    })
  )
})
