/**
 * What a client is told when it is not served: 503 for new work past lame duck, or for which there is no room; 408 for a
 * request that stopped arriving.
 */
import type { IncomingMessage, ServerResponse } from "node:http"
import type { Duplex } from "node:stream"
import type { AtCapacity } from "quiesce/AtCapacity"
import type { ShuttingDown } from "quiesce/ShuttingDown"
import type { Unavailable } from "quiesce/Unavailable"

/** A gate that is full, one that is closed, an optional component that is not up. */
export type Refusal = AtCapacity | ShuttingDown | Unavailable

export const contentType = "application/problem+json"

const problem = (status: number, title: string, detail: string) => ({ type: "about:blank", title, status, detail })

const unavailable = (detail: string) => problem(503, "Service Unavailable", detail)

/** The members of the error are there too, so that a client of effect's own gets it back. */
export const problemOf = (refusal: Refusal) => {
  switch (refusal._tag) {
    case "AtCapacity": {
      const { _tag, capacity, kind, message } = refusal
      return { ...unavailable(message), _tag, kind, capacity }
    }
    case "ShuttingDown": {
      const { _tag, kind, message } = refusal
      return { ...unavailable(message), _tag, kind }
    }
    case "Unavailable": {
      // What it failed with is in the log; it may name what is nobody's business out there.
      const { _tag, attempts, component, next, retryIn, state } = refusal
      const detail = `${component} is not available now${next === "giveUp" ? "" : "; retry later"}`
      return {
        ...unavailable(detail),
        _tag,
        component,
        state,
        attempts,
        next,
        ...(retryIn !== undefined && { retryIn })
      }
    }
  }
}

const stopping = JSON.stringify(
  unavailable("This instance is stopping and takes no new work. Retry, on another connection.")
)
const tooSlow = JSON.stringify(
  problem(408, "Request Timeout", "The request stopped arriving while this instance was stopping.")
)

/** Seconds, as `Retry-After` wants them; never zero, which would ask for a retry against the same closing door. */
export const retryAfterSeconds = (millis: number): string => String(Math.max(1, Math.ceil(millis / 1000)))

/** `retryAfter`: milliseconds. Before the next attempt at what is not up nobody need ask again; when there is none, not at all. */
export const headersOf = (refusal: Refusal, retryAfter: number): { readonly "retry-after"?: string } => {
  if (refusal._tag !== "Unavailable") return { "retry-after": retryAfterSeconds(retryAfter) }
  if (refusal.next === "giveUp") return {}
  return { "retry-after": retryAfterSeconds(Math.max(retryAfter, refusal.retryIn ?? 0)) }
}

const message = (status: string, headers: string, body: string, withBody: boolean): string =>
  `HTTP/1.1 ${status}\r\n${headers}Connection: close\r\nContent-Type: ${contentType}\r\n` +
  `Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${withBody ? body : ""}`

/**
 * Written past node's response object, because that one destroys the connection at its end: with a part of a request
 * still unread that resets it, and the client may never see the answer. Here only our half is closed, and what still
 * arrives is read and thrown away.
 */
const end = (socket: Duplex, text: string): void => {
  if (socket.destroyed || socket.writableEnded) return
  socket.on("error", () => {})
  socket.end(text)
  socket.resume()
}

export const refuseSocket = (request: IncomingMessage, socket: Duplex, retryAfter: string): void =>
  end(socket, message("503 Service Unavailable", `Retry-After: ${retryAfter}\r\n`, stopping, request.method !== "HEAD"))

export const refuse = (request: IncomingMessage, response: ServerResponse, retryAfter: string): void => {
  if (request.httpVersionMajor === 1) {
    refuseSocket(request, request.socket, retryAfter)
    request.resume()
    return
  }
  if (response.destroyed || response.headersSent) return
  response.writeHead(503, { "retry-after": retryAfter, "content-type": contentType })
  response.end(stopping)
}

/** The headers of a request have not arrived in full, so there is nothing but the socket to answer on. */
export const giveUpSocket = (socket: Duplex): void => end(socket, message("408 Request Timeout", "", tooSlow, true))

/** The body of a request has stopped arriving. The application, which waits for it, sees it aborted as the connection ends. */
export const giveUp = (response: ServerResponse): void => {
  if (response.destroyed || response.headersSent) return
  if (response.req.httpVersionMajor === 1) return giveUpSocket(response.req.socket)
  // The application may still try to write its own answer.
  response.on("error", () => {})
  response.writeHead(408, { "content-type": contentType })
  response.end(tooSlow)
}
