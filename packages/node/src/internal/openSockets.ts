/**
 * What Linux tells of open sockets, of which Node tells nothing when they were opened by somebody else. Elsewhere, and without
 * /proc, nothing is known.
 */
import { fstatSync, readdirSync, readFileSync, readlinkSync } from "node:fs"

export const isSocket = (fd: number): boolean => {
  try {
    return fstatSync(fd).isSocket()
  } catch {
    return false
  }
}

/** As soon as it listens; sockets of systemd always do. */
export const listeningPort = (fd: number): number | undefined => {
  const socket = link("self", fd)
  for (const line of [...table("tcp"), ...table("tcp6")]) {
    const [, local, , , , , , , , inode] = line.trim().split(/\s+/)
    if (`socket:[${inode}]` === socket && local !== undefined) {
      return Number.parseInt(local.slice(local.indexOf(":") + 1), 16)
    }
  }
  return undefined
}

/** Of a unix socket. */
export const socketPath = (fd: number): string | undefined => {
  const socket = link("self", fd)
  for (const line of table("unix")) {
    const { inode, path } = /^(?:\S+\s+){6}(?<inode>\d+) (?<path>\/.*)$/.exec(line)?.groups ?? {}
    if (`socket:[${inode}]` === socket) return path
  }
  return undefined
}

/** Whether another process has open what we have open as `fd`. */
export const hasSocket = (pid: number, fd: number): boolean => {
  const socket = link("self", fd)
  try {
    return socket !== undefined && readdirSync(`/proc/${pid}/fd`).some((name) => link(pid, name) === socket)
  } catch {
    return false
  }
}

/** The same text for the same socket, whoever has it. */
const link = (pid: number | "self", fd: number | string): string | undefined => {
  try {
    return readlinkSync(`/proc/${pid}/fd/${fd}`)
  } catch {
    return undefined
  }
}

const table = (name: string): ReadonlyArray<string> => {
  try {
    return readFileSync(`/proc/self/net/${name}`, "utf8").split("\n")
  } catch {
    return []
  }
}
