/**
 * The sockets under the driver's connections: closed for real before the pool counts as closed, destroyed if they hang.
 *
 * The driver says goodbye and does not wait, so that a process which ends right after would still hold connections. What
 * is used of it here it keeps to itself; a test pins that. Should it move, only this wait, the last resort against a
 * hanging server and the cancelling of pipelined queries are lost.
 */
import type { PgConnection } from "@effect/sql-pg/PgConnection"
import * as Effect from "effect/Effect"

interface Socket {
  readonly once: (event: "close", listener: () => void) => unknown
  readonly destroy: () => unknown
}

interface Driver {
  /** What a pinned view of a connection stands for. */
  readonly base?: Driver
  readonly session?: { readonly socket?: Socket }
  /** Like `interrupt`, which spares a connection that several fibers share. */
  readonly cancel?: Effect.Effect<void>
}

export const socketOf = (connection: PgConnection): Socket | undefined => {
  const driver = connection as Driver
  return (driver.base ?? driver).session?.socket
}

/** Asks the server to cancel what runs on this connection, whoever shares it. */
export const cancelOf = (connection: PgConnection): Effect.Effect<void> =>
  (connection as Driver).cancel ?? connection.interrupt

export class Sockets {
  readonly #open = new Set<Socket>()
  readonly #waiters = new Set<() => void>()

  /** Called whenever a connection is lent out; cheap when it is known. */
  note(connection: PgConnection): void {
    const socket = socketOf(connection)
    if (socket === undefined || this.#open.has(socket)) return
    this.#open.add(socket)
    socket.once("close", () => {
      this.#open.delete(socket)
      if (this.#open.size > 0) return
      const waiters = Array.from(this.#waiters)
      this.#waiters.clear()
      for (const resume of waiters) resume()
    })
  }

  /** Waits until none is open. Interruptible. */
  readonly closed: Effect.Effect<void> = Effect.callback((resume) => {
    if (this.#open.size === 0) return resume(Effect.void)
    const waiter = () => resume(Effect.void)
    this.#waiters.add(waiter)
    return Effect.sync(() => this.#waiters.delete(waiter))
  })

  /** Whoever uses one of them gets an error at once. */
  readonly destroy: Effect.Effect<void> = Effect.sync(() => {
    for (const socket of this.#open) socket.destroy()
  })
}
