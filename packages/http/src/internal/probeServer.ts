/**
 * A very small HTTP server for the probes. It is node's own and not effect's, so that a probe says something about the
 * event loop and nothing about the application.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"
import type { Address } from "../HealthProbes.ts"
import type { ListenError } from "../ListenError.ts"
import { listenErrorOf } from "./listenErrorOf.ts"
import { type Answer, contentType, isProbePath, paths, type ProbePath } from "./probes.ts"

interface ProbeAddress {
  readonly host: string
  readonly port: number
  /** An inherited socket, which goes before host and port. */
  readonly fd: number | undefined
}

/** Listens until the scope closes. */
export const listen = (
  options: ProbeAddress,
  answer: (path: ProbePath) => Answer
): Effect.Effect<Address, ListenError, Scope.Scope> =>
  Effect.map(Effect.acquireRelease(bind(options, answer), close), (server) => {
    const { address, family, port } = server.address() as AddressInfo
    return { host: address, port, url: `http://${family === "IPv6" ? `[${address}]` : address}:${port}` }
  })

const bind = (options: ProbeAddress, answer: (path: ProbePath) => Answer): Effect.Effect<Server, ListenError> =>
  Effect.callback((resume) => {
    // A probe has seconds and sends a hundred bytes; nobody may hold a connection here.
    const server = createServer({ requestTimeout: 5000, headersTimeout: 5000, connectionsCheckingInterval: 1000 })
    server.on("request", (request, response) => respond(request, response, answer))
    server.once("error", (cause) => resume(Effect.fail(listenErrorOf("the health probes", options, cause))))
    server.listen(options, () => resume(Effect.succeed(server)))
  })

const respond = (request: IncomingMessage, response: ServerResponse, answer: (path: ProbePath) => Answer): void => {
  const path = request.url?.split("?", 1)[0] ?? ""
  const headers = { "content-type": contentType, "cache-control": "no-store", connection: "close" }
  if (!isProbePath(path)) {
    response
      .writeHead(404, headers)
      .end(JSON.stringify({ status: "fail", output: `the probes are ${paths.join(", ")}` }))
    return
  }
  if (request.method !== "GET" && request.method !== "HEAD") {
    response.writeHead(405, { ...headers, allow: "GET, HEAD" }).end()
    return
  }
  const { body, status } = answer(path)
  response.writeHead(status, headers).end(body)
}

const close = (server: Server): Effect.Effect<void> =>
  Effect.callback((resume) => {
    server.close(() => resume(Effect.void))
    server.closeAllConnections()
  })
