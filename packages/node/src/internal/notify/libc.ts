/**
 * Datagrams to unix sockets, which Node does not have, through the C library of this process: a call of some microseconds that
 * comes from this very process, as systemd wants it to. `koffi` makes the call, where it is installed.
 */
import { createRequire } from "node:module"

const AF_UNIX = 1
const SOCK_DGRAM = 2
const SOCK_CLOEXEC = 0o2000000
const MSG_DONTWAIT = 0x40
const MSG_NOSIGNAL = 0x4000

/** `full`: the receiver has not read what it has, and the same can be sent again a little later. */
type Sent = "sent" | "full" | "failed"

export type SendDatagram = (message: string) => Sent

/** `undefined` when there is no `koffi`, or none for this platform. */
export const libcDatagrams = (address: string): SendDatagram | undefined => {
  try {
    const koffi: typeof import("koffi") = createRequire(import.meta.url)("koffi")
    const libc = koffi.load(null)
    const socket: (domain: number, type: number, protocol: number) => number = libc.func("int socket(int, int, int)")
    const sendto: (fd: number, data: Buffer, length: number, flags: number, to: Buffer, toLength: number) => number =
      libc.func("intptr_t sendto(int, const void *, size_t, int, const void *, uint32_t)")
    const { EAGAIN, ENOBUFS } = koffi.os.errno
    const to = sockaddr(address)
    const fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)
    if (fd < 0) return undefined
    return (message) => {
      const data = Buffer.from(message)
      if (sendto(fd, data, data.length, MSG_DONTWAIT | MSG_NOSIGNAL, to, to.length) === data.length) return "sent"
      const error = koffi.errno()
      return error === EAGAIN || error === ENOBUFS ? "full" : "failed"
    }
  } catch {
    return undefined
  }
}

/** A path ends with a zero byte; a name in the abstract namespace begins with one, which is written `@`. */
const sockaddr = (address: string): Buffer => {
  const name = Buffer.from(address.startsWith("@") ? `\0${address.slice(1)}` : `${address}\0`)
  const family = Buffer.alloc(2)
  family.writeUInt16LE(AF_UNIX)
  return Buffer.concat([family, name])
}
