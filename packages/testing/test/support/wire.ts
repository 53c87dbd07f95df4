/** Both ends of a wire in the hand of a test. */
import * as Deferred from "effect/Deferred"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Socket from "effect/socket/Socket"
import * as TestClock from "effect/testing/TestClock"
import * as Wire from "../../src/Wire.ts"

export const db = "db:5432"

/** Everything happens that needs no time, and then time passes. */
export const pass = (duration: Duration.Input) =>
  Effect.andThen(Effect.repeat(Effect.yieldNow, { times: 500 }), TestClock.adjust(duration)).pipe(
    Effect.andThen(Effect.repeat(Effect.yieldNow, { times: 500 }))
  )

/** What a connection says, and how it ends: `1000` for a proper end, else the code of the error. */
export const why = ({ reason }: Socket.SocketError): string => {
  if (reason._tag === "SocketCloseError") return String(reason.code)
  const cause = "cause" in reason ? reason.cause : undefined
  return cause instanceof Wire.WireError ? cause.code : String(cause)
}

export const listen = Effect.fnUntraced(function* <E, R>(
  wire: Wire.Wire["Service"],
  handler: (socket: Socket.Socket) => Effect.Effect<unknown, E, R>
) {
  const server = yield* wire.socketServer(db)
  return yield* Effect.forkScoped(server.run(handler))
})

/** One side of a connection that is used by hand. */
export const open = Effect.fnUntraced(function* (socket: Socket.Socket) {
  const pull = yield* Socket.readerString(socket)
  const { write } = yield* socket.writer
  return {
    write,
    hears: Effect.map(pull, (texts) => texts.join("")),
    /** Everything up to the end, and how it ended. */
    all: Effect.gen(function* () {
      let heard = ""
      while (true) {
        const next = yield* Effect.result(pull)
        if (next._tag === "Failure") return [heard, why(next.failure)]
        heard += next.success.join("")
      }
    })
  }
})

type End = Effect.Success<ReturnType<typeof open>>

/** A connection with both ends in the hand of the test. */
export const connection = Effect.gen(function* () {
  const wire = yield* Wire.make
  const accepted = yield* Deferred.make<End>()
  yield* listen(wire, (socket) =>
    Effect.scoped(
      Effect.gen(function* () {
        yield* Deferred.succeed(accepted, yield* open(socket))
        return yield* Effect.never
      })
    )
  )
  const client = yield* open(wire.socket(db))
  return { wire, client, server: yield* Deferred.await(accepted) }
})

export const echo = (socket: Socket.Socket) =>
  Effect.scoped(
    Effect.gen(function* () {
      const { pull } = yield* socket.reader
      const { writeAll } = yield* socket.writer
      return yield* Effect.forever(Effect.flatMap(pull, writeAll))
    })
  ).pipe(Effect.ignore)

/** The code of what went wrong on the wire. */
export const broke = (error: unknown): unknown => {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if (cause instanceof Wire.WireError) return cause.code
  }
  return error
}
