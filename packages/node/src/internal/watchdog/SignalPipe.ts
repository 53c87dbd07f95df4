/**
 * Where libuv's signal handler leaves word for the event loop: a pipe, with 16 bytes for each signal, which hold its number.
 * While the loop is blocked, that is the only place that knows what has come.
 *
 * Nobody tells which of the process's pipes it is, so it is tried: a signal that means nothing here is sent, and what has come
 * out of a pipe is put back. Linux only, since elsewhere nobody lists the pipes.
 */
import { readdirSync, readFileSync, readlinkSync, readSync, writeSync } from "node:fs"
import { constants } from "node:os"

/** The two ends, as file descriptors; threads share them. */
export interface SignalPipe {
  readonly read: number
  readonly write: number
}

/** Undefined where there is none to be found, as under a permission model that does not let `/proc` be read. */
export const findSignalPipe = (): SignalPipe | undefined => {
  if (process.platform !== "linux") return undefined
  // Nearly nobody uses it, and by default it is ignored: data that is urgent is a thing of the past.
  const nobody = (): void => {}
  try {
    const candidates = ownPipes()
    process.on("SIGURG", nobody)
    // The handler of a process's own signal has run when this returns.
    process.kill(process.pid, "SIGURG")
    return candidates.find(holdsTheSignal)
  } catch {
    return undefined
  } finally {
    process.off("SIGURG", nobody)
  }
}

/** Those whose ends are both here, and never wait: to read from any other could hang, or be somebody's loss. */
const ownPipes = (): ReadonlyArray<SignalPipe> => {
  const ends = readdirSync("/proc/self/fd").flatMap((name) => {
    const fd = Number(name)
    const pipe = pipeOf(fd)
    return pipe === undefined ? [] : [{ fd, ...pipe }]
  })
  return ends
    .filter(({ access }) => access === "read")
    .flatMap(({ fd, id }) => {
      const other = ends.find((end) => end.id === id && end.access === "write")
      return other === undefined ? [] : [{ read: fd, write: other.fd }]
    })
}

/** The flags of open(2), as Linux numbers them. */
const nonBlocking = 0o4000
const accessMode = 3

const pipeOf = (fd: number): { readonly id: string; readonly access: "read" | "write" } | undefined => {
  try {
    const id = readlinkSync(`/proc/self/fd/${fd}`)
    if (!id.startsWith("pipe:")) return undefined
    const flags = Number.parseInt(
      /flags:\s*(\d+)/.exec(readFileSync(`/proc/self/fdinfo/${fd}`, "latin1"))?.[1] ?? "",
      8
    )
    if ((flags & nonBlocking) === 0) return undefined
    return { id, access: (flags & accessMode) === 0 ? "read" : "write" }
  } catch {
    // It has been closed meanwhile, as the one that this folder was read by.
    return undefined
  }
}

const holdsTheSignal = ({ read, write }: SignalPipe): boolean => {
  const notes = new Int32Array(1024)
  const bytes = new Uint8Array(notes.buffer)
  try {
    const length = readSync(read, bytes)
    writeSync(write, bytes, 0, length)
    // Others may have come before it.
    return notes.subarray(0, length / 4).some((word, index) => index % 4 === 2 && word === constants.signals.SIGURG)
  } catch {
    // It is empty.
    return false
  }
}
