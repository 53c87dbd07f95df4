/** Who listens at which address, who is connected there, and what is wrong with the way to it. */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import { Connection, type Side } from "./Connection.ts"
import { type Fault, healthy, refuses, type Ways, waysOf } from "../Fault.ts"
import { WireError } from "./Flow.ts"

type Backlog = Queue.Queue<Side>

/** An address, and the way to it. */
class Place {
  /** With the server that each was made to: another one may listen here while the last one still has some. */
  readonly open = new Map<Connection, Backlog>()
  readonly #address: string
  #ways: Ways = healthy
  #refuses = false
  #backlog: Backlog | undefined
  #left = Deferred.makeUnsafe<void>()

  constructor(address: string) {
    this.#address = address
  }

  set(fault: Fault | undefined, random: () => number): void {
    this.#ways = waysOf(fault, random)
    this.#refuses = refuses(fault)
    for (const connection of this.open.keys()) {
      if (fault?._tag === "Cut") connection.reset()
      else connection.set(this.#ways)
    }
  }

  connect(): Connection | undefined {
    const backlog = this.#backlog
    if (this.#refuses || backlog === undefined) return undefined
    const connection = new Connection(this.#address, this.#ways, {
      accept: ({ target }) => void Queue.offerUnsafe(backlog, target),
      left: (connection) => {
        if (connection.isOver) this.open.delete(connection)
        const left = this.#left
        this.#left = Deferred.makeUnsafe()
        Deferred.doneUnsafe(left, Effect.void)
      }
    })
    this.open.set(connection, backlog)
    connection.set(this.#ways)
    return connection
  }

  /** Says no when somebody listens there already. */
  listen(backlog: Backlog): boolean {
    this.#backlog ??= backlog
    return this.#backlog === backlog
  }

  /** Nobody new gets in. */
  close(backlog: Backlog): void {
    if (this.#backlog === backlog) this.#backlog = undefined
  }

  /** What a server has not left by itself is reset; what it has said before still arrives. */
  reset(backlog: Backlog): void {
    for (const connection of this.#of(backlog)) {
      if (!connection.target.isClosed()) connection.reset()
    }
  }

  /** Waits until a server has left all that it has accepted. */
  awaitServed(backlog: Backlog): Effect.Effect<void> {
    return Effect.suspend(() =>
      this.#of(backlog).some(({ isServed }) => isServed)
        ? Effect.andThen(Deferred.await(this.#left), this.awaitServed(backlog))
        : Effect.void
    )
  }

  #of(backlog: Backlog): ReadonlyArray<Connection> {
    return [...this.open].flatMap(([connection, to]) => (to === backlog ? [connection] : []))
  }
}

/** A server's end of an address. */
export interface Listener {
  /** The next connection; they queue until they are accepted. */
  readonly accept: Effect.Effect<Side>
  /** Nobody new gets in; waits until the server has left every connection. */
  readonly drain: Effect.Effect<void>
}

export class Network {
  readonly #places = new Map<string, Place>()

  place(address: string): Place {
    const place = this.#places.get(address) ?? new Place(address)
    this.#places.set(address, place)
    return place
  }

  connect(address: string): Effect.Effect<Side, WireError> {
    return Effect.suspend(() => {
      const connection = this.place(address).connect()
      return connection === undefined
        ? Effect.fail(new WireError({ code: "ECONNREFUSED", address }))
        : Effect.succeed(connection.client)
    })
  }

  /** Listens until the scope closes. */
  listen(address: string): Effect.Effect<Listener, WireError, Scope.Scope> {
    return Effect.gen({ self: this }, function* () {
      const place = this.place(address)
      const backlog = yield* Queue.unbounded<Side>()
      const close = Effect.sync(() => place.close(backlog))
      yield* Effect.acquireRelease(
        Effect.suspend(() =>
          place.listen(backlog) ? Effect.void : Effect.fail(new WireError({ code: "EADDRINUSE", address }))
        ),
        () =>
          Effect.andThen(
            close,
            Effect.sync(() => place.reset(backlog))
          )
      )
      return { accept: Queue.take(backlog), drain: Effect.andThen(close, place.awaitServed(backlog)) }
    })
  }
}
