/** A network in memory with a fault: slow, cut, half open, a black hole, refusing. */
import { describe, expect, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Socket from "effect/socket/Socket"
import * as Wire from "../src/Wire.ts"
import { db, pass, why, listen, open, connection, echo } from "./support/wire.ts"

describe("a wire with a fault", () => {
  it.effect("that is slow brings each piece later, in order, and the rest at once when it is healed", () =>
    Effect.gen(function* () {
      const { client, server, wire } = yield* connection
      yield* wire.set(db, Wire.latency(30))
      const heard: Array<readonly [number, string]> = []
      yield* Effect.forkChild(
        Effect.forever(
          Effect.gen(function* () {
            const text = yield* server.hears
            heard.push([yield* Clock.currentTimeMillis, text])
          })
        )
      )
      yield* client.write("a")
      yield* pass(20)
      yield* client.write("b")
      yield* pass(25)
      yield* client.write("c")
      yield* wire.heal(db)
      yield* pass(100)
      expect(heard).toEqual([
        [30, "a"],
        [45, "bc"]
      ])
    })
  )

  it.effect("that is cut resets both sides, and nothing arrives after it", () =>
    Effect.gen(function* () {
      const { client, server, wire } = yield* connection
      yield* wire.set(db, Wire.latency(30))
      yield* client.write("on its way")
      yield* wire.set(db, Wire.cut())
      expect(yield* server.all).toEqual(["", "ECONNRESET"])
      expect(yield* client.all).toEqual(["", "ECONNRESET"])
      expect(why(yield* Effect.flip(client.write("more")))).toBe("ECONNRESET")
      expect(yield* wire.connections(db)).toBe(0)
      yield* Effect.scoped(open(wire.socket(db)))
      yield* wire.set(db, Wire.cut({ newcomers: "refused" }))
      expect(why(yield* Effect.flip(Effect.scoped(open(wire.socket(db)))))).toBe("ECONNREFUSED")
    })
  )

  it.effect("that is half open: what the silent side sends never arrives, and the reader's own timeout ends it", () =>
    Effect.gen(function* () {
      const { client, server, wire } = yield* connection
      yield* wire.set(db, Wire.halfOpen("target"))
      yield* client.write("are you there?")
      expect(yield* server.hears).toBe("are you there?")
      yield* server.write("yes")
      const asked = yield* Effect.forkChild(
        Effect.timeoutOrElse(client.hears, { duration: "30 seconds", orElse: () => Effect.succeed("timed out") })
      )
      yield* pass("29 seconds")
      expect(asked.pollUnsafe()).toBe(undefined)
      yield* pass("1 second")
      expect(yield* Fiber.join(asked)).toBe("timed out")
      // Never continued with a hole in it.
      yield* wire.heal(db)
      expect(yield* client.all).toEqual(["", "ECONNRESET"])
    })
  )

  it.effect("that swallows the end of a side: the other one does not hear of it, and goes on to write", () =>
    Effect.gen(function* () {
      const { client, server, wire } = yield* connection
      yield* wire.set(db, Wire.halfOpen("target"))
      yield* server.write(new Socket.CloseEvent(1000))
      yield* client.write("anybody?")
      const waiting = yield* Effect.forkChild(client.all)
      yield* pass("1 hour")
      expect([waiting.pollUnsafe(), yield* wire.connections(db)]).toEqual([undefined, 1])
      yield* wire.heal(db)
      expect(yield* Fiber.join(waiting)).toEqual(["", "ECONNRESET"])
    })
  )

  it.effect("that is a black hole holds what is sent until it is healed, and the writer with it", () =>
    Effect.gen(function* () {
      const { client, server, wire } = yield* connection
      yield* wire.set(db, Wire.blackHole({ bytes: "held" }))
      const writing = yield* Effect.forkChild(client.write("x".repeat(100_000)))
      yield* server.write("y")
      const hearing = yield* Effect.forkChild(client.hears)
      yield* pass("1 hour")
      expect([writing.pollUnsafe(), hearing.pollUnsafe()]).toEqual([undefined, undefined])
      yield* wire.heal(db)
      expect([(yield* server.hears).length, yield* Fiber.join(hearing)]).toEqual([100_000, "y"])
      yield* Fiber.join(writing)
    })
  )

  it.effect("that is a black hole from the beginning: it connects, and the server never hears of it", () =>
    Effect.gen(function* () {
      const wire = yield* Wire.make
      let accepted = 0
      yield* listen(wire, (socket) =>
        Effect.andThen(
          Effect.sync(() => void accepted++),
          echo(socket)
        )
      )
      yield* wire.set(db, Wire.blackHole())
      const silent = yield* open(wire.socket(db))
      const talking = yield* open(wire.socket(db))
      yield* talking.write("hello")
      yield* pass("1 minute")
      expect(accepted).toBe(0)
      yield* wire.heal(db)
      // Only who has lost something cannot go on.
      expect(yield* talking.all).toEqual(["", "ECONNRESET"])
      yield* silent.write("hello")
      expect([yield* silent.hears, accepted]).toEqual(["hello", 1])
    })
  )

  it.effect("that refuses lets open connections go on", () =>
    Effect.gen(function* () {
      const { client, server, wire } = yield* connection
      yield* wire.set(db, Wire.refuse)
      expect(why(yield* Effect.flip(Effect.scoped(open(wire.socket(db)))))).toBe("ECONNREFUSED")
      yield* client.write("still here")
      expect(yield* server.hears).toBe("still here")
    })
  )
})
