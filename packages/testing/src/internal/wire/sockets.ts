/** A side of a connection as effect's `Socket`, with the errors and the order of `NodeSocket`. */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Latch from "effect/Latch"
import * as Scope from "effect/Scope"
import * as Socket from "effect/socket/Socket"
import type { SocketServer } from "effect/socket/SocketServer"
import type { Side } from "./Connection.ts"
import type { WireError } from "./Flow.ts"
import type { Listener } from "./Network.ts"

const encoder = new TextEncoder()

/** Each acquisition of its reader opens a side of its own. */
const socket = (open: Effect.Effect<Side, Socket.SocketError>): Socket.Socket => {
  const connected = Latch.makeUnsafe(false)
  let current: Side | undefined
  // What the code of a close event said, for the pull that it ends.
  let code = 1006

  const whenConnected = <A, E>(use: (side: Side) => Effect.Effect<A, E>): Effect.Effect<A, E> =>
    Effect.suspend(() => (current === undefined ? Effect.andThen(connected.await, whenConnected(use)) : use(current)))
  const writeAll = (chunks: ReadonlyArray<Uint8Array | string>) =>
    whenConnected((side) =>
      side
        .write(chunks.map((chunk) => (typeof chunk === "string" ? encoder.encode(chunk) : chunk)))
        .pipe(Effect.mapError((cause) => failure(new Socket.SocketWriteError({ cause }))))
    )
  const closeWith = (event: Socket.CloseEvent) =>
    whenConnected((side) => {
      code = event.code
      return side.close
    })
  const readFailed = (error: Cause.Done | WireError) => {
    if (Cause.isDone(error)) return failure(new Socket.SocketCloseError({ code: 1000 }))
    return error.code === "ECONNABORTED"
      ? failure(new Socket.SocketCloseError({ code }))
      : failure(new Socket.SocketReadError({ cause: error }))
  }

  return Socket.make({
    reader: Effect.acquireRelease(
      Effect.tap(open, (side) => {
        current = side
        code = 1006
        return connected.open
      }),
      (side) => {
        current = undefined
        return Effect.andThen(connected.close, side.close)
      }
    ).pipe(
      Effect.map((side) => ({
        pull: Effect.mapError(side.pull, readFailed),
        upgrade: Socket.SocketUpgradeError.unsupported
      }))
    ),
    writer: Effect.acquireRelease(
      Effect.succeed({
        write: (chunk) => (Socket.isCloseEvent(chunk) ? closeWith(chunk) : writeAll([chunk])),
        writeAll
      }),
      () => Effect.suspend(() => current?.end ?? Effect.void)
    )
  })
}

const failure = (reason: Socket.SocketError["reason"]) => new Socket.SocketError({ reason })

/** A socket whose reader dials. */
export const client = (connect: Effect.Effect<Side, WireError>): Socket.Socket =>
  socket(Effect.mapError(connect, (cause) => failure(new Socket.SocketOpenError({ kind: "Unknown", cause }))))

/** Runs a handler for each connection, until it is interrupted, and them with it. */
export const run =
  ({ accept }: Listener): SocketServer["Service"]["run"] =>
  (handler) =>
    Effect.acquireUseRelease(
      Scope.make(),
      (scope) =>
        Effect.flatMap(accept, (side) =>
          handler(
            socket(
              Effect.suspend(() =>
                side.isClosed()
                  ? Effect.fail(failure(new Socket.SocketCloseError({ code: 1000 })))
                  : Effect.succeed(side)
              )
            )
          ).pipe(
            Effect.ignoreCause({ log: "Unhandled", message: "Unhandled error in SocketServer" }),
            Effect.forkIn(scope)
          )
        ).pipe(Effect.forever),
      (scope) => Scope.close(scope, Exit.void)
    )
