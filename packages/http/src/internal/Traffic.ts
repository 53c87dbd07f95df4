/**
 * What is going on on a server: its connections, the requests in progress, and who waits for a change. Bookkeeping only;
 * what to do about it is decided elsewhere.
 *
 * A request of HTTP/1 costs nothing: what is in progress is read from the connections when somebody asks.
 */
import * as Effect from "effect/Effect"
import type { IncomingMessage, Server, ServerResponse } from "node:http"
import type { ServerHttp2Session } from "node:http2"
import type { Socket } from "node:net"
import type { Duplex } from "node:stream"
import { Server as TlsServer, type TLSSocket } from "node:tls"
import { Connection, connectionOf, kindOf } from "./Connection.ts"

/** A request that the application could not be given yet, as the event that brings it. */
export type Held =
  | readonly [event: "request" | "checkContinue", request: IncomingMessage, response: ServerResponse]
  | readonly [event: "upgrade", request: IncomingMessage, socket: Duplex, head: Buffer]

export class Traffic {
  readonly server: Server
  readonly connections = new Set<Connection>()
  /** TLS connections that have not finished their handshake. */
  readonly handshakes = new Set<Connection>()
  /** Requests that came before the application was ready to serve. */
  readonly held: Array<Held> = []
  /** The responses of those that are held, also when they are refused in the end: nobody has taken them on. */
  readonly untaken = new WeakSet<ServerResponse>()
  /** Whether the application listens for requests. */
  serving = false
  /** Whether the stop has begun. */
  closing = false
  /** Whether connections from now on are late. On a shared socket none is: what it accepts is its to serve. */
  refusing = false
  /** Connections accepted so far. */
  accepted = 0
  /** When a connection or, during a stop, a request arrived last. */
  lastArrival = Number.NEGATIVE_INFINITY
  /** Responses of HTTP/2: there a connection has many at a time. */
  readonly #streams = new Set<ServerResponse>()
  /** Handlers of upgraded connections that have not ended; they may have something left to do when the connection has. */
  #upgraded = 0
  #tracksStreams = false
  /** Listeners for requests that are not the application's. */
  readonly #own = new Set<unknown>()
  readonly #watched = new WeakSet<ServerResponse>()
  readonly #watchers = new Set<() => void>()

  constructor(server: Server) {
    this.server = server
    if (server instanceof TlsServer) {
      server.prependListener("connection", (socket: Socket) => this.#track(this.handshakes, socket, this.#arrived()))
      server.prependListener("secureConnection", (socket: TLSSocket) => this.#secured(socket))
    } else {
      server.prependListener("connection", (socket) => this.#track(this.connections, socket, this.#arrived()))
    }
    server.on("session", (session: ServerHttp2Session) => this.#session(session))
    server.prependListener("upgrade", (_, socket) => {
      const connection = connectionOf(socket)
      if (connection !== undefined) connection.upgrade = connection.socket.bytesWritten
    })
    this.#holdUntilServing()
  }

  /** The responses in progress. */
  *responses(): Iterable<ServerResponse> {
    for (const { response } of this.connections) if (response !== undefined) yield response
    yield* this.#streams
  }

  /** Counts of what the application has taken on, by kind, read from what is there now. */
  readonly inFlight = (): Record<string, number> => {
    const counts: Record<string, number> = {}
    for (const response of this.responses()) {
      if (this.untaken.has(response)) continue
      const kind = kindOf(response)
      counts[kind] = (counts[kind] ?? 0) + 1
    }
    if (this.#upgraded > 0) counts["websocket"] = this.#upgraded
    return counts
  }

  /** Whether anybody is connected. */
  get isOpen(): boolean {
    return this.connections.size > 0 || this.handshakes.size > 0
  }

  get isWorking(): boolean {
    if (this.#upgraded > 0) return true
    for (const _ of this.responses()) return true
    return false
  }

  /**
   * The connections on which nothing is going on, not even a part of a request. Node knows, and has only one way to say
   * so: it destroys them. Here they are asked and not destroyed.
   */
  idle(): ReadonlySet<Connection> {
    const { server } = this
    // Older servers of HTTP/2 that also speak HTTP/1 do not know.
    if (typeof server.closeIdleConnections !== "function") return this.connections
    const idle = new Set<Connection>()
    for (const connection of this.connections) {
      connection.socket.destroy = () => {
        idle.add(connection)
        return connection.socket
      }
    }
    try {
      server.closeIdleConnections()
    } finally {
      for (const { socket } of this.connections) Reflect.deleteProperty(socket, "destroy")
    }
    return idle
  }

  /** Counts the handler of an upgraded connection. */
  readonly countUpgraded = <A, E, R>(handler: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.acquireUseRelease(
      Effect.sync(() => void this.#upgraded++),
      () => handler,
      () =>
        Effect.sync(() => {
          this.#upgraded--
          this.#changed()
        })
    )

  /** Waits until the condition holds; it is looked at when a connection ends, and when a response does that is watched. */
  readonly until = (condition: () => boolean): Effect.Effect<void> =>
    Effect.callback<void>((resume) => {
      const watch = () => {
        if (!condition()) return
        this.#watchers.delete(watch)
        resume(Effect.void)
      }
      this.#watchers.add(watch)
      watch()
      return Effect.sync(() => void this.#watchers.delete(watch))
    })

  /** Lets those who wait know when this response ends, and those that are queued behind it. */
  watch(response: ServerResponse): void {
    if (this.#watched.has(response)) return
    this.#watched.add(response)
    response.on("close", () => {
      const connection = connectionOf(response.req.socket)
      if (connection !== undefined) connection.since = performance.now()
      if (connection?.response !== undefined) this.watch(connection.response)
      this.#changed()
    })
  }

  #session(session: ServerHttp2Session): void {
    const connection = connectionOf(session.socket)
    if (connection !== undefined) connection.session = session
    const track = (request: IncomingMessage, response: ServerResponse): void => {
      if (request.httpVersionMajor !== 2) return
      this.#streams.add(response)
      response.on("close", () => {
        this.#streams.delete(response)
        this.#changed()
      })
    }
    if (this.#tracksStreams) return
    this.#tracksStreams = true
    this.#own.add(track)
    this.server.prependListener("request", track)
  }

  /**
   * The socket listens before the application does, because its layers are still being built. What comes in between is
   * kept until then; without this it would never be answered.
   */
  #holdUntilServing(): void {
    const { held, server } = this
    const holdRequest =
      (event: "request" | "checkContinue") =>
      (request: IncomingMessage, response: ServerResponse): void => {
        this.untaken.add(response)
        held.push([event, request, response])
      }
    const hold = {
      request: holdRequest("request"),
      checkContinue: holdRequest("checkContinue"),
      upgrade: (request: IncomingMessage, socket: Duplex, head: Buffer) =>
        void held.push(["upgrade", request, socket, head])
    }
    const toggle = (by: "on" | "off"): void => {
      server[by]("request", hold.request)
      server[by]("checkContinue", hold.checkContinue)
      server[by]("upgrade", hold.upgrade)
    }
    let applications = 0
    const isApplication = (event: string, listener: unknown): boolean => event === "request" && !this.#own.has(listener)
    this.#own.add(hold.request)
    toggle("on")
    server.on("newListener", (event: string, listener: unknown) => {
      if (!isApplication(event, listener) || ++applications > 1) return
      this.serving = true
      // The listener is added after this event, and its companions after it.
      queueMicrotask(() => {
        toggle("off")
        for (const waiting of held.splice(0)) {
          if (waiting[0] !== "upgrade") this.untaken.delete(waiting[2])
          const [event, ...args] = waiting
          if (!args[0].destroyed) server.emit(event, ...args)
        }
      })
    })
    server.on("removeListener", (event: string, listener: unknown) => {
      if (!isApplication(event, listener) || --applications > 0) return
      this.serving = false
      toggle("on")
    })
  }

  #arrived(): number {
    this.accepted++
    return (this.lastArrival = performance.now())
  }

  #track(set: Set<Connection>, socket: Socket, opened: number, late = this.refusing): void {
    const connection = new Connection(socket, opened, late)
    set.add(connection)
    socket.once("close", () => {
      set.delete(connection)
      this.#changed()
    })
  }

  #secured(socket: TLSSocket): void {
    // Node does not say which connection a TLS socket was made of; the peer's port does.
    for (const handshake of this.handshakes) {
      if (handshake.socket.remotePort !== socket.remotePort || handshake.socket.remoteAddress !== socket.remoteAddress)
        continue
      this.handshakes.delete(handshake)
      return this.#track(this.connections, socket, handshake.opened, handshake.late)
    }
    this.#track(this.connections, socket, performance.now())
  }

  #changed(): void {
    for (const watch of this.#watchers) watch()
  }
}
