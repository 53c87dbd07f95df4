/**
 * Listening sockets that whoever has started this process holds for it: `quiesce run --listen`, or systemd's socket
 * activation. The process serves them and never opens or loses them, so that no connection is refused while it is replaced.
 */
import * as Effect from "effect/Effect"
import { resolve } from "node:path"
import { hasSocket, isSocket, listeningPort, socketPath } from "./internal/openSockets.ts"

/** A socket that was handed down. Whoever takes it listens on it: `server.listen({ fd })`. */
export interface ListenFd {
  readonly fd: number
  /** From `LISTEN_FDNAMES`: the name before the `=` of `--listen`, or the `FileDescriptorName=` of a systemd socket. */
  readonly name: string
  /** Its TCP port, where that is known: it always is under `quiesce run`, and on Linux under systemd. */
  readonly port: number | undefined
  /** The path of a unix socket, where that is known: on Linux. */
  readonly path: string | undefined
}

/** What a server looks for. */
export interface Wanted {
  readonly name: string
  /** The port that it would listen on otherwise; 0 and undefined match none. */
  readonly port?: number | undefined
  /** The unix socket that it would listen on otherwise. */
  readonly path?: string | undefined
}

/** The first one; stdin, stdout and stderr come before it. */
const firstFd = 3

let inherited: Array<ListenFd> | undefined

/** The parent that has handed them down, where it can be seen that it has them too. */
const holders = new Map<number, number>()

/**
 * Takes the inherited socket that is meant for a server: the one with its port or path, else the one with its name. `undefined`
 * when there is none, and the server opens its own.
 *
 * **When to use**: in servers of your own. `HttpDrain.layer` and `HealthProbes.layer` of `@quiesce/http` do it by themselves.
 *
 * **Details**
 * - The variables `LISTEN_FDS`, `LISTEN_FDNAMES`, `LISTEN_PID` and `QUIESCE_LISTEN_PORTS` are read once and taken out of
 *   `process.env`: what they say is for this process, and not for its children.
 * - Sockets are there when `LISTEN_PID` is this process or absent.
 * - Each is taken once, for the life of the process: who listens on it closes it in the end.
 *
 * **Interruption safety**: it is one synchronous step.
 *
 * @example
 * ```ts
 * import * as Effect from "effect/Effect"
 * import * as ListenFds from "@quiesce/node/ListenFds"
 * import { createServer } from "node:net"
 *
 * const listen = Effect.gen(function* () {
 *   const inherited = yield* ListenFds.take({ name: "smtp", port: 2525 })
 *   return createServer().listen(inherited === undefined ? { port: 2525 } : { fd: inherited.fd })
 * })
 * ```
 */
export const take = ({ name, path, port }: Wanted): Effect.Effect<ListenFd | undefined> =>
  Effect.sync(() => {
    const sockets = (inherited ??= read())
    const file = path === undefined ? undefined : resolve(path)
    const found =
      sockets.find((socket) => (socket.port === port && !!port) || (socket.path === file && file !== undefined)) ??
      sockets.find((socket) => socket.name === name)
    if (found !== undefined) sockets.splice(sockets.indexOf(found), 1)
    return found
  })

/**
 * Takes all that nobody has taken yet.
 *
 * **When to use**: to hand them on to a process below this one, as a supervisor does.
 */
export const takeAll: Effect.Effect<ReadonlyArray<ListenFd>> = Effect.sync(() => (inherited ??= read()).splice(0))

/**
 * Those that nobody has taken, although somebody has asked for one: a server listens elsewhere than its starter thinks.
 *
 * **When to use**: when everything is started. `NodeApp.run` does it, and warns.
 */
export const untaken: Effect.Effect<ReadonlyArray<ListenFd>> = Effect.sync(() => inherited ?? [])

/**
 * Whether others serve the same socket, now or later: those who stop do not refuse who connects, but leave it to them.
 *
 * **Details**: it is so as long as the parent that has handed it down has it open. `quiesce run` closes it before it tells the
 * application to stop for good. Where that cannot be seen, on other systems than Linux or below a program in between, the
 * answer is true.
 *
 * **When to use**: in servers of your own, at the beginning of their stop.
 */
export const isShared = ({ fd }: ListenFd): Effect.Effect<boolean> =>
  Effect.sync(() => {
    const holder = holders.get(fd)
    return holder === undefined || (process.ppid === holder && hasSocket(holder, fd))
  })

const read = (): Array<ListenFd> => {
  const { LISTEN_FDNAMES = "", LISTEN_FDS = "", LISTEN_PID, QUIESCE_LISTEN_PORTS = "" } = process.env
  for (const name of ["LISTEN_FDNAMES", "LISTEN_FDS", "LISTEN_PID", "QUIESCE_LISTEN_PORTS"]) delete process.env[name]
  if (!/^\d{1,4}$/.test(LISTEN_FDS) || (LISTEN_PID !== undefined && LISTEN_PID !== String(process.pid))) return []
  const names = LISTEN_FDNAMES.split(":")
  const ports = QUIESCE_LISTEN_PORTS.split(":")
  const parent = process.ppid
  return Array.from({ length: Number(LISTEN_FDS) }, (_, index) => {
    const fd = firstFd + index
    if (hasSocket(parent, fd)) holders.set(fd, parent)
    return { fd, name: names[index] ?? "", port: Number(ports[index]) || listeningPort(fd), path: socketPath(fd) }
  }).filter(({ fd }) => isSocket(fd))
}
