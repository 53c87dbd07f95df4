/** A network in memory: that it does what networks do, in virtual time and in the order of the seed. */
import { describe, expect, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Scope from "effect/Scope"
import * as Socket from "effect/socket/Socket"
import * as TestClock from "effect/testing/TestClock"
import * as Wire from "../src/Wire.ts"
import { db, pass, why, listen, open, connection, echo } from "./support/wire.ts"

describe("a wire", () => {
  it.effect("carries every byte in order, both ways, however it was written", () =>
    Effect.gen(function* () {
      const wire = yield* Wire.make
      yield* listen(wire, echo)
      yield* wire.set(db, Wire.latency(5, { jitter: 20 }))
      const socket = wire.socket(db)
      const { pull } = yield* socket.reader
      const sent = Uint8Array.from({ length: 300_000 }, (_, index) => index % 251)
      const writing = Effect.gen(function* () {
        const { write } = yield* socket.writer
        for (let from = 0; from < sent.length;) {
          const size = 1 + ((from * 7919) % 9973)
          yield* write(sent.slice(from, from + size))
          from += size
        }
      }).pipe(Effect.scoped)
      const reading = Effect.gen(function* () {
        const heard: Array<number> = []
        while (heard.length < sent.length) {
          for (const piece of yield* pull) heard.push(...(typeof piece === "string" ? [] : piece))
        }
        return Uint8Array.from(heard)
      })
      const both = yield* Effect.forkChild(Effect.all([writing, reading], { concurrency: 2 }))
      while (both.pollUnsafe() === undefined) yield* TestClock.adjust(5)
      const [, heard] = yield* Fiber.join(both)
      expect(heard).toEqual(sent)
    })
  )

  it.effect("refuses where nobody listens, and where nobody listens any more", () =>
    Effect.gen(function* () {
      const wire = yield* Wire.make
      const dial = Effect.scoped(open(wire.socket(db))).pipe(Effect.flip, Effect.map(why))
      expect(yield* dial).toBe("ECONNREFUSED")
      yield* Effect.scoped(
        Effect.gen(function* () {
          yield* listen(wire, echo)
          yield* Effect.scoped(open(wire.socket(db)))
          const second = yield* Effect.flip(wire.socketServer(db))
          expect(String(second.cause)).toContain("EADDRINUSE db:5432: somebody listens there already")
        })
      )
      expect(yield* dial).toBe("ECONNREFUSED")
    })
  )

  it.effect("lets a side end, and the other one go on", () =>
    Effect.gen(function* () {
      const wire = yield* Wire.make
      yield* listen(wire, (socket) =>
        Effect.scoped(
          Effect.gen(function* () {
            const { all, write } = yield* open(socket)
            yield* write(`heard ${(yield* all).join(", then ")}`)
          })
        )
      )
      const socket = wire.socket(db)
      const pull = yield* Socket.readerString(socket)
      yield* Effect.scoped(Effect.flatMap(socket.writer, ({ write }) => write("hello")))
      expect(yield* pull).toEqual(["heard hello, then 1000"])
      expect(why(yield* Effect.flip(pull))).toBe("1000")
    })
  )

  it.effect("fails a pull that waits when its own side is closed, and a write when the other side is", () =>
    Effect.gen(function* () {
      const wire = yield* Wire.make
      yield* listen(wire, echo)
      const scope = yield* Scope.make()
      const socket = wire.socket(db)
      const client = yield* Scope.provide(open(socket), scope)
      const waiting = yield* Effect.forkChild(Effect.flip(client.hears), { startImmediately: true })
      yield* Scope.close(scope, Exit.void)
      expect(why(yield* Fiber.join(waiting))).toBe("1006")

      const { client: other, server } = yield* connection
      yield* server.write(new Socket.CloseEvent(1000))
      expect(yield* other.all).toEqual(["", "1000"])
      expect(why(yield* Effect.flip(other.write("too late")))).toBe("EPIPE")
    })
  )

  it.effect("makes a writer wait that is faster than its reader", () =>
    Effect.gen(function* () {
      const { client, server } = yield* connection
      let written = 0
      const chunk = "x".repeat(1024)
      const writing = yield* Effect.forkChild(
        Effect.repeat(
          Effect.tap(client.write(chunk), () => Effect.sync(() => void written++)),
          { times: 199 }
        )
      )
      yield* pass("1 hour")
      expect(written).toBe(63)
      let heard = 0
      while (heard < 200 * 1024) heard += (yield* server.hears).length
      yield* Fiber.join(writing)
      expect([written, heard]).toEqual([200, 200 * 1024])
    })
  )

  it.effect("connects the same socket again, after its connection has ended", () =>
    Effect.gen(function* () {
      const wire = yield* Wire.make
      yield* listen(wire, echo)
      const socket = wire.socket(db)
      for (const word of ["once", "again"]) {
        yield* Effect.scoped(
          Effect.gen(function* () {
            const client = yield* open(socket)
            yield* client.write(word)
            expect(yield* client.hears).toBe(word)
          })
        )
      }
    })
  )

  it.effect(
    "ends with its server: who is connected is reset, who still waits to be accepted too, and handlers are gone",
    () =>
      Effect.gen(function* () {
        const wire = yield* Wire.make
        const ended: Array<string> = []
        const scope = yield* Scope.make()
        const accepted = yield* Deferred.make<void>()
        const running = yield* Scope.provide(
          listen(wire, (socket) =>
            Effect.andThen(open(socket), Deferred.succeed(accepted, undefined)).pipe(
              Effect.andThen(Effect.never),
              Effect.scoped,
              Effect.ensuring(Effect.sync(() => void ended.push("handler")))
            )
          ),
          scope
        )
        const first = yield* open(wire.socket(db))
        yield* Deferred.await(accepted)
        yield* Fiber.interrupt(running)
        expect(ended).toEqual(["handler"])
        expect(yield* first.all).toEqual(["", "1000"])

        const late = yield* open(wire.socket(db))
        yield* Scope.close(scope, Exit.void)
        expect(yield* late.all).toEqual(["", "ECONNRESET"])
      })
  )

  it.effect("keeps what is written while nobody is connected for the next connection", () =>
    Effect.gen(function* () {
      const wire = yield* Wire.make
      yield* listen(wire, echo)
      const socket = wire.socket(db)
      const { write } = yield* socket.writer
      yield* Effect.scoped(socket.reader)
      const writing = yield* Effect.forkChild(write("hello"))
      yield* pass("1 minute")
      expect(writing.pollUnsafe()).toBe(undefined)
      const pull = yield* Socket.readerString(socket)
      expect(yield* pull).toEqual(["hello"])
    })
  )

  it.effect("still brings what a server has said before it was released", () =>
    Effect.gen(function* () {
      const wire = yield* Wire.make
      const scope = yield* Scope.make()
      yield* Scope.provide(
        listen(wire, (socket) => Effect.scoped(Effect.flatMap(open(socket), ({ write }) => write("goodbye")))),
        scope
      )
      const client = yield* open(wire.socket(db))
      yield* pass(0)
      yield* Scope.close(scope, Exit.void)
      expect(yield* client.all).toEqual(["goodbye", "1000"])
    })
  )

  it.effect("lets another server listen where the last one still has connections, and each has its own", () =>
    Effect.gen(function* () {
      const wire = yield* Wire.make
      const scope = yield* Scope.make()
      const first = yield* Scope.provide(wire.httpServer(db), scope)
      const serving = yield* Scope.fork(scope)
      const slow = Effect.delay(Effect.succeed(HttpServerResponse.text("first")), "5 seconds")
      yield* Scope.provide(first.serve(slow), serving)
      const asking = yield* Effect.forkChild(Effect.flatMap(wire.httpClient.get(`http://${db}`), ({ text }) => text))
      yield* pass("1 second")
      const closing = yield* Effect.forkChild(Scope.close(scope, Exit.void))
      yield* pass("1 second")
      yield* listen(wire, echo)
      const client = yield* open(wire.socket(db))
      yield* pass("3 seconds")
      expect(yield* Fiber.join(asking)).toBe("first")
      yield* Fiber.join(closing)
      yield* client.write("second")
      expect(yield* client.hears).toBe("second")
      yield* Effect.scoped(open(wire.socket(db)))
    })
  )

  it.effect("keeps nothing of a connection that both sides have left", () =>
    Effect.gen(function* () {
      const wire = yield* Wire.make
      yield* listen(wire, echo)
      for (let index = 0; index < 20; index++) {
        yield* Effect.scoped(Effect.flatMap(open(wire.socket(db)), ({ write }) => write("hello")))
      }
      yield* pass(0)
      expect(yield* wire.connections(db)).toBe(0)
    })
  )
})
