/**
 * Stands before the application's own listeners from lame duck on: announces the end of each connection, and from
 * draining on refuses what is new.
 *
 * It replaces `emit` of this one server, and only when a stop begins: a listener cannot keep an event from the listeners
 * after it, and until then a request pays nothing.
 */
import type { IncomingMessage, ServerResponse } from "node:http"
import type { ServerHttp2Session } from "node:http2"
import type { Duplex } from "node:stream"
import { type Connection, connectionOf } from "./Connection.ts"
import type { Limits } from "./limits.ts"
import { refuse, refuseSocket, retryAfterSeconds } from "./refusal.ts"
import type { Traffic } from "./Traffic.ts"

/** The highest number a stream of a client can have: "open no more, all that you have opened will be served". */
const everyStream = 2 ** 31 - 1

export class Gatekeeper {
  readonly #traffic: Traffic
  readonly #limits: Limits
  readonly #retryAfter: string
  readonly #noticed = new WeakSet<ServerHttp2Session>()
  /** Refusals that wait for the socket to stop listening; `undefined` when none need to. */
  #waiting: Array<() => void> | undefined = []
  #standing = false

  constructor(traffic: Traffic, limits: Limits) {
    this.#traffic = traffic
    this.#limits = limits
    this.#retryAfter = retryAfterSeconds(limits.retryAfter)
  }

  /** From now on every response says that its connection ends, also those of requests already in progress. */
  standUp(): void {
    if (this.#standing) return
    this.#standing = true
    for (const response of this.#traffic.responses()) {
      this.#traffic.watch(response)
      const connection = connectionOf(response.req.socket)
      if (connection?.isPipelined === false) this.#announce(response, connection)
    }
    const { server } = this.#traffic
    const emit: (event: string, ...args: ReadonlyArray<unknown>) => boolean = server.emit.bind(server)
    server.emit = (event: string, ...args: ReadonlyArray<unknown>) => !this.#passes(event, args) || emit(event, ...args)
  }

  /** Tells an HTTP/2 client to open no more streams, without turning away those that are on their way. */
  notice(session: ServerHttp2Session): void {
    if (this.#noticed.has(session) || session.destroyed || session.closed) return
    this.#noticed.add(session)
    session.goaway(0, everyStream)
  }

  /**
   * Refusals are answered only when the socket has stopped listening. A client that retries at once would otherwise come
   * back while it still does, again and again, and some attempt would be waiting to be accepted, and lost, at the close.
   */
  release(): void {
    const waiting = this.#waiting
    this.#waiting = undefined
    for (const answer of waiting ?? []) answer()
  }

  /** Answers what came before the application was ready to serve, and now never will be. */
  refuseHeld(): void {
    for (const held of this.#traffic.held.splice(0)) {
      const connection = connectionOf(held[1].socket)
      if (connection !== undefined) connection.refused = true
      if (held[0] === "upgrade") refuseSocket(held[1], held[2], this.#retryAfter)
      else refuse(held[1], held[2], this.#retryAfter)
    }
  }

  /** A response that is about to be interrupted will be a 503: let it say when to come back. */
  prepareInterruption(response: ServerResponse): void {
    if (!response.headersSent && !response.destroyed) response.setHeader("retry-after", this.#retryAfter)
  }

  #passes(event: string, args: ReadonlyArray<unknown>): boolean {
    switch (event) {
      case "request":
      case "checkContinue":
        return this.#passesRequest(args[0] as IncomingMessage, args[1] as ServerResponse)
      case "upgrade":
        return this.#passesUpgrade(args[0] as IncomingMessage, args[1] as Duplex)
      default:
        return true
    }
  }

  #passesRequest(request: IncomingMessage, response: ServerResponse): boolean {
    const traffic = this.#traffic
    const connection = connectionOf(request.socket)
    traffic.lastArrival = performance.now()
    if (this.#isNew(connection?.late === true) && !this.#limits.exempt(request.url ?? "")) {
      if (connection !== undefined) connection.refused = true
      this.#answer(() => refuse(request, response, this.#retryAfter))
      return false
    }
    traffic.watch(response)
    if (connection === undefined) return true
    if (connection.session !== undefined) {
      this.notice(connection.session)
      return true
    }
    const before = connection.announced
    if (before !== undefined && connection.response !== response) {
      // Pipelined. Once a response has said that it is the last, a request behind it is not processed (RFC 9112, 9.6),
      // and the client knows that it may repeat it. As long as none has said so, only the newest is the last.
      if (before.headersSent) return false
      before.shouldKeepAlive = true
    }
    this.#announce(response, connection)
    return true
  }

  #passesUpgrade(request: IncomingMessage, socket: Duplex): boolean {
    const late = connectionOf(socket)?.late === true
    this.#traffic.lastArrival = performance.now()
    if (!this.#isNew(late)) return true
    this.#answer(() => refuseSocket(request, socket, this.#retryAfter))
    return false
  }

  /** Without an application behind the server, whatever comes is too late or too early. */
  #isNew(late: boolean): boolean {
    return this.#traffic.closing && (late || !this.#traffic.serving)
  }

  #answer(answer: () => void): void {
    if (this.#waiting === undefined) answer()
    else this.#waiting.push(answer)
  }

  #announce(response: ServerResponse, connection: Connection): void {
    if (connection.session !== undefined || response.headersSent || !response.shouldKeepAlive) return
    response.shouldKeepAlive = false
    connection.announced = response
  }
}
