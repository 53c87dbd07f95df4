/**
 * Brings the connections to their end once the socket has stopped listening. Called again and again; each time it does
 * what has become due.
 *
 * | a connection that | ends |
 * | --- | --- |
 * | works on a request | with that response |
 * | is idle | when it and all others have been for `quiet`; a few a turn, see `close` |
 * | never sent a byte | `silentTimeout` after it was opened |
 * | has sent a part of a request's headers | with 408, when `headersTimeout` or half of it without a byte has passed |
 * | has a request whose body stopped arriving | with 408, after `stallTimeout` without a byte |
 * | is upgraded | `webSocketTimeout` after its close frame |
 * | was answered, and our half closed | when the client closes its half, or after `linger` |
 * | is HTTP/2 | with its last stream |
 */
import type { ServerResponse } from "node:http"
import { TLSSocket } from "node:tls"
import { type Connection, connectionOf } from "./Connection.ts"
import { type Limits, linger } from "./limits.ts"
import { giveUp, giveUpSocket } from "./refusal.ts"
import type { Traffic } from "./Traffic.ts"

/** Turns of the event loop that closing all idle connections may take. */
const mostTurns = 200

export interface Closable {
  readonly connection: Connection
  readonly bytesRead: number
}

export class Sweeper {
  readonly #traffic: Traffic
  readonly #limits: Limits
  /** When draining began. */
  readonly #began: number
  readonly #uploads = new WeakMap<ServerResponse, { bytes: number; at: number }>()

  constructor(traffic: Traffic, limits: Limits, began: number) {
    this.#traffic = traffic
    this.#limits = limits
    this.#began = began
  }

  /** Answers the connections that can be closed, in the groups in which `close` should be given them. */
  sweep(): ReadonlyArray<ReadonlyArray<Closable>> {
    const now = performance.now()
    const idle = this.#traffic.idle()
    const { idle: atMost, quiet, silent } = this.#limits
    const isQuiet = now >= Math.min(this.#traffic.lastArrival + quiet, this.#began + atMost)
    const closable: Array<Closable> = []
    const collect = (connection: Connection, due: number): void => {
      if (now < Math.max(due, this.#began + quiet)) return
      closable.push({ connection, bytesRead: connection.socket.bytesRead })
    }
    for (const connection of this.#traffic.connections) {
      if (connection.session !== undefined && !connection.session.destroyed) connection.session.close()
      else if (connection.isEnding) this.#linger(connection, now)
      else if (connection.upgrade !== undefined) this.#upgraded(connection, now)
      else if (connection.response !== undefined) continue
      else if (connection.isSilent) collect(connection, connection.opened + silent)
      else if (idle.has(connection)) collect(connection, isQuiet ? connection.since + quiet : Infinity)
      else this.#headers(connection, now)
    }
    for (const { opened, socket } of this.#traffic.handshakes) if (now >= opened + silent) socket.destroy()
    for (const response of this.#traffic.responses()) this.#upload(response, now)
    const few = Math.ceil(closable.length / mostTurns)
    return Array.from({ length: Math.ceil(closable.length / few) || 0 }, (_, n) =>
      closable.slice(n * few, (n + 1) * few)
    )
  }

  /**
   * Closes those that are still idle. To be called right after the event loop has looked at the network.
   *
   * A request can be on its way while an idle connection is being closed; then it is lost, and nothing in HTTP/1 prevents
   * that. So it happens only after a time without requests, and in the shortest moment there is: just after the event
   * loop has read whatever had arrived, and only a few per turn. Measured with 200 clients that send at random times:
   * closing all in one turn loses six times as many requests as one a turn, and `end` twice as many as `destroy`,
   * because it takes effect a turn later.
   */
  close(closable: ReadonlyArray<Closable>): void {
    for (const { bytesRead, connection } of closable) {
      const { socket } = connection
      if (socket.bytesRead !== bytesRead || connection.response !== undefined || connection.isEnding) continue
      // TLS has a farewell of its own.
      if (socket instanceof TLSSocket) socket.destroySoon()
      else socket.destroy()
    }
  }

  #headers(connection: Connection, now: number): void {
    const { socket } = connection
    if (socket.bytesRead > connection.progress) {
      connection.progress = socket.bytesRead
      connection.since = now
    }
    const { headers } = this.#limits
    if (now < this.#began + headers && now < connection.since + headers / 2) return
    connection.since = now
    giveUpSocket(socket)
  }

  #upload(response: ServerResponse, now: number): void {
    const request = response.req
    const connection = connectionOf(request.socket)
    if (connection === undefined || connection.isEnding || request.complete || response.headersSent) return
    const bytes = connection.socket.bytesRead
    const upload = this.#uploads.get(response)
    // Only the client can be late: not while the application has yet to read, or to ask for the body at all.
    const ours = request.readableLength > 0 || (request.headers.expect !== undefined && !isContinued(response))
    if (upload === undefined || upload.bytes !== bytes || ours) {
      this.#uploads.set(response, { bytes, at: now })
      return
    }
    if (now < upload.at + this.#limits.stall) return
    connection.since = now
    giveUp(response)
  }

  #upgraded(connection: Connection, now: number): void {
    const { socket } = connection
    // Still in its handshake: a request like any other.
    if (socket.bytesWritten === connection.upgrade) {
      connection.since = now
      return
    }
    if (now >= Math.max(connection.since, this.#began) + this.#limits.webSocket) socket.destroy()
  }

  #linger(connection: Connection, now: number): void {
    if (connection.since < this.#began) connection.since = now
    // An answer that the client is slow to take is still being written.
    if (connection.socket.writableLength > 0) connection.since = now
    if (now >= connection.since + linger) connection.socket.destroy()
  }
}

/** Whether the client was told to go on with the body; node tells it nowhere else. */
const isContinued = (response: ServerResponse): boolean => (response as { _sent100?: boolean })._sent100 === true
