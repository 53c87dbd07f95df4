/**
 * A TCP proxy that does what networks do: slows down, cuts, goes deaf on one side, swallows, refuses, and heals. Between an
 * application and its database, or between its clients and its server, it brings a test the faults that no stub has.
 */
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import { createServer, type Server } from "node:net"
import { FaultConnection } from "./internal/process/FaultConnection.ts"
import { type Fault, healthy, refuses, waysOf } from "./internal/Fault.ts"

export { blackHole, cut, Fault, halfOpen, latency, refuse } from "./internal/Fault.ts"

/** A proxy between clients and one target. */
export interface FaultProxy {
  readonly host: "127.0.0.1"
  readonly port: number
  /** The same URL, but by way of the proxy: `postgres://app:secret@127.0.0.1:<port>/app`. */
  readonly through: (url: string) => string
  /** From now on, for open connections and for new ones. */
  readonly set: (fault: Fault) => Effect.Effect<void>
  /** Everything works again, on the same port; what cannot go on is reset. */
  readonly heal: Effect.Effect<void>
  /** How many connections are open, to the client or to the target. */
  readonly connections: Effect.Effect<number>
}

/** The proxy cannot listen on 127.0.0.1; `code` is the operating system's. */
export class FaultProxyError extends Schema.TaggedError<FaultProxyError>()("FaultProxyError", {
  port: Schema.Number,
  code: Schema.String
}) {
  override get message(): string {
    const port = this.port === 0 ? "any port" : `port ${this.port} again`
    return `the fault proxy cannot listen on ${port} of 127.0.0.1 (${this.code}); see who listens there, or make another proxy`
  }
}

/**
 * A proxy on a free port of 127.0.0.1 in front of a target, for IPv6 too (`host: "::1"`). It begins healthy.
 *
 * **When to use**: wherever a test asks "and if the network ...?". Give the application `through(url)` in place of the URL.
 * For a process that is stopped and goes on see `blackHole({ bytes: "held" })`; for one that is killed, kill it.
 *
 * **Details**: healthy, it passes on bytes, half-closes and resets, and keeps at most 256 KiB of each direction on the way. A
 * target that does not accept is a reset to the client, which is connected by then. The port stays the same through
 * `refuse` and `heal`; `heal` dies with `FaultProxyError` if somebody else took it meanwhile.
 *
 * **Errors**: `FaultProxyError`.
 *
 * **Interruption safety**: every switch is atomic. When the scope closes, every socket is destroyed before it is closed.
 *
 * @example
 * ```ts
 * import * as Effect from "effect/Effect"
 * import * as FaultProxy from "@quiesce/testing/FaultProxy"
 *
 * const test = Effect.gen(function* () {
 *   const proxy = yield* FaultProxy.make({ host: "127.0.0.1", port: 5432 })
 *   const url = proxy.through("postgres://app:secret@127.0.0.1:5432/app") // for the application under test
 *   yield* Effect.log(url)
 *   yield* proxy.set(FaultProxy.blackHole())
 *   yield* proxy.heal
 * }).pipe(Effect.scoped)
 * ```
 */
export const make = Effect.fnUntraced(function* (target: {
  readonly host: string
  readonly port: number
}): Effect.fn.Return<FaultProxy, FaultProxyError, Scope.Scope> {
  const random = yield* Random.Random
  const one = yield* Semaphore.make(1)
  const open = new Set<FaultConnection>()
  let whenEmpty = (): void => {}
  let ways = healthy
  let server: Server | undefined
  let port = 0

  const listen = Effect.callback<void, FaultProxyError>((resume) => {
    const next = createServer({ allowHalfOpen: true }, (client) => {
      const connection = new FaultConnection(client, target, ways, () => {
        open.delete(connection)
        if (open.size === 0) whenEmpty()
      })
      open.add(connection)
    })
    next.once("error", (error: NodeJS.ErrnoException) =>
      resume(Effect.fail(new FaultProxyError({ port, code: error.code ?? error.message })))
    )
    next.listen({ host: HOST, port }, () => {
      const address = next.address()
      port = typeof address === "object" && address !== null ? address.port : port
      server = next
      resume(Effect.void)
    })
  })
  const close = Effect.sync(() => {
    server?.close()
    server = undefined
  })

  const apply = (fault: Fault | undefined) =>
    Effect.gen(function* () {
      if (refuses(fault)) yield* close
      ways = waysOf(fault, () => random.nextDoubleUnsafe())
      for (const connection of open) {
        if (fault?._tag === "Cut") connection.reset()
        else connection.set(ways)
      }
      if (!refuses(fault) && server === undefined) yield* Effect.orDie(listen)
    }).pipe((effect) => one.withPermit(effect), Effect.uninterruptible)

  yield* Effect.acquireRelease(listen, () =>
    Effect.andThen(
      close,
      Effect.callback<void>((resume) => {
        whenEmpty = () => resume(Effect.void)
        if (open.size === 0) return whenEmpty()
        for (const connection of open) connection.destroy()
      })
    )
  )
  return {
    host: HOST,
    port,
    through: (url) => {
      const other = new URL(url)
      other.hostname = HOST
      other.port = String(port)
      return url.endsWith("/") ? other.href : other.href.replace(/\/$/, "")
    },
    set: apply,
    heal: apply(undefined),
    connections: Effect.sync(() => open.size)
  }
})

const HOST = "127.0.0.1"
