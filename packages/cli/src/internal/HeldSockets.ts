/**
 * The listening sockets. They belong to the supervisor, so they outlive every life of the application: what connects while
 * none serves waits for the next one.
 */
import * as ListenFds from "@quiesce/node/ListenFds"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as net from "node:net"
import { SupervisorError } from "../SupervisorError.ts"
import type { ListenAddress } from "./ListenAddress.ts"
import { longestPath, removeStale } from "./unixSockets.ts"

export interface HeldSocket {
  readonly fd: number
  readonly name: string
  readonly port: number | undefined
  /** For people. */
  readonly address: string
  /** Gives it up; who has got it from here still has it. Those of systemd stay systemd's. */
  readonly close: () => void
}

/** Those that were handed down to the supervisor itself, by systemd for example, and those that it opens. */
export const holdSockets = (
  listen: ReadonlyArray<ListenAddress>
): Effect.Effect<ReadonlyArray<HeldSocket>, SupervisorError, Scope.Scope> =>
  Effect.gen(function* () {
    const inherited = yield* ListenFds.takeAll
    if (listen.length > 0 && typeof net.BoundSocket !== "function") {
      return yield* new SupervisorError({
        reason: "Unsupported",
        detail: `--listen needs Node 24.19, or 26.4, or later, for net.BoundSocket, and this is ${process.version}`
      })
    }
    const opened = yield* Effect.forEach(listen, (address) =>
      Effect.map(
        Effect.acquireRelease("path" in address ? openFile(address.path) : open(address), (socket) =>
          Effect.sync(() => socket[Symbol.dispose]())
        ),
        (socket): HeldSocket => {
          const fd = socket.fd()
          // The file of a unix socket goes with it.
          const close = (): void => socket[Symbol.dispose]()
          if ("path" in address) return { fd, name: address.name, port: undefined, address: address.path, close }
          const { address: host, port } = socket.address()
          const text = `${host.includes(":") ? `[${host}]` : host}:${port}`
          return { fd, name: address.name ?? String(port), port, address: text, close }
        }
      )
    )
    return [...inherited.map((socket) => ({ ...socket, address: addressOf(socket), close: () => {} })), ...opened]
  })

const addressOf = ({ fd, path, port }: ListenFds.ListenFd): string => {
  if (path !== undefined) return `inherited, ${path}`
  return port === undefined ? `inherited, file descriptor ${fd}` : `inherited, port ${port}`
}

const openFile = (path: string): Effect.Effect<net.BoundSocket, SupervisorError> => {
  const failed = (why: string): SupervisorError =>
    new SupervisorError({ reason: "Listen", detail: `cannot listen on ${path}: ${why}` })
  if (!("isPipe" in net.BoundSocket.prototype)) {
    return Effect.fail(
      new SupervisorError({
        reason: "Unsupported",
        detail: `a path in --listen needs a Node whose net.BoundSocket knows unix sockets (24.21 does), and this is ${process.version}`
      })
    )
  }
  const bytes = Buffer.byteLength(path)
  if (bytes > longestPath) {
    return Effect.fail(failed(`it has ${bytes} bytes, and a unix socket may have ${longestPath}; choose a shorter one`))
  }
  return Effect.mapError(removeStale(path), (why) => failed(`it ${why}; choose another`)).pipe(
    Effect.andThen(
      Effect.try({
        try: () => {
          // Its types do not know the option yet.
          const options: net.BoundSocketOptions & { readonly path: string } = { path }
          return new net.BoundSocket(options)
        },
        catch: (error) =>
          failed(`${error instanceof Error ? error.message : String(error)}; is this user allowed to write there?`)
      })
    )
  )
}

const open = ({
  host,
  port
}: Extract<ListenAddress, { readonly port: number }>): Effect.Effect<net.BoundSocket, SupervisorError> =>
  Effect.try({
    try: () => {
      try {
        return new net.BoundSocket({ host, port })
      } catch (error) {
        // A machine without IPv6.
        if (host === "::" && codeOf(error) === "EAFNOSUPPORT") return new net.BoundSocket({ host: "0.0.0.0", port })
        throw error
      }
    },
    catch: (error) => {
      const code = codeOf(error)
      const what = sentences[code] ?? (error instanceof Error ? error.message : String(error))
      return new SupervisorError({
        reason: "Listen",
        detail: `cannot listen on ${host}, port ${port}: ${what} (${code})`
      })
    }
  })

const codeOf = (error: unknown): string =>
  error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : "unknown"

const sentences: Readonly<Record<string, string>> = {
  EADDRINUSE: "another process has it; stop that process or choose another port (0 takes a free one)",
  EACCES: "this user may not; choose a port above 1023 or grant the right to bind",
  EADDRNOTAVAIL: "this machine has no such address; use one of its own, or 127.0.0.1"
}
