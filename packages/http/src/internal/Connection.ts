/**
 * One connection of the server: the few facts that decide, during a stop, whether it may be closed and when.
 */
import type { IncomingMessage, ServerResponse } from "node:http"
import type { ServerHttp2Session } from "node:http2"
import type { Socket } from "node:net"

const key = Symbol("@quiesce/http/Connection")

interface Tracked {
  [key]?: Connection
}

/** Node's own notes on a socket: the response that is being written, the newest request. A contract test pins them. */
interface Noted {
  readonly _httpMessage?: ServerResponse | null
  readonly parser?: { readonly incoming?: IncomingMessage | null } | null
}

export class Connection {
  /** The response that tells the client that this connection ends. */
  announced: ServerResponse | undefined
  /** Set for HTTP/2. */
  session: ServerHttp2Session | undefined
  /** `socket.bytesWritten` when the client asked for an upgrade: more than that now means it was granted. */
  upgrade: number | undefined
  /** `socket.bytesRead` when it was opened. */
  readonly unread: number
  /** Its request was refused: what is being written to it is not the application's. */
  refused = false
  /** When it became idle, or when our half of it was closed. Kept during a stop only. */
  since: number
  /** `socket.bytesRead` when a part of a request was seen last. Kept during a stop only. */
  progress = 0
  readonly socket: Socket
  readonly opened: number
  /** Opened when draining had begun: its requests are new work, and new work is refused. */
  readonly late: boolean

  constructor(socket: Socket, opened: number, late: boolean) {
    this.socket = socket
    this.opened = opened
    this.since = opened
    this.late = late
    this.unread = socket.bytesRead
    ;(socket as Tracked)[key] = this
  }

  /** The response of HTTP/1 in progress; of several, pipelined, the first. */
  get response(): ServerResponse | undefined {
    if (this.refused || this.session !== undefined) return undefined
    return (this.socket as Noted)._httpMessage ?? undefined
  }

  /** Whether requests wait behind the one in progress. */
  get isPipelined(): boolean {
    const newest = (this.socket as Noted).parser?.incoming ?? undefined
    return newest !== undefined && newest !== this.response?.req
  }

  /** Whether the client has sent nothing yet. */
  get isSilent(): boolean {
    return this.socket.bytesRead === this.unread
  }

  /** Whether nobody writes to it any more: a `Connection: close` response has ended, or it was refused. */
  get isEnding(): boolean {
    return this.socket.writableEnded || this.socket.destroyed
  }
}

/** Also works on the proxies by which HTTP/2 shows a socket. */
export const connectionOf = (socket: object | null | undefined): Connection | undefined =>
  (socket as Tracked | undefined)?.[key]

export type Kind = "request" | "stream" | "upload"

/** What a request in progress is doing. Decided when somebody asks, so that it costs a request nothing. */
export const kindOf = (response: ServerResponse): Kind => {
  if (response.headersSent && !response.writableEnded) return "stream"
  return response.req.complete ? "request" : "upload"
}
