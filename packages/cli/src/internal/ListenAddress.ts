/**
 * What `--listen` says: where a socket is opened, and the name under which the application finds it.
 */
import { isIP } from "node:net"
import { basename, resolve } from "node:path"

export type ListenAddress =
  | { readonly name: string | undefined; readonly host: string; readonly port: number }
  | { readonly name: string; readonly path: string }

/** Every address, of IPv4 too: what a server without a host listens on. */
const everywhere = "::"

const portPattern = /^(?:(?<name>[^=:\s]+)=)?(?:(?:\[(?<v6>[^\]]*)\]|(?<host>[^:[\]=]*)):)?(?<port>\d{1,5})$/

/** A file is known by its slash. */
const pathPattern = /^(?:(?<name>[^=:/\s]+)=)?(?<path>[^:]*\/[^:]*[^:/])$/

/** Throws an error whose message says what was expected. */
export const parseListenAddress = (text: string): ListenAddress => {
  const file = pathPattern.exec(text)?.groups
  if (file?.["path"] !== undefined) {
    const path = resolve(file["path"])
    return { name: file["name"] ?? basename(path), path }
  }
  const { host, name, port, v6 } = portPattern.exec(text)?.groups ?? {}
  if (port === undefined || Number(port) > 65_535) {
    throw new Error(
      "[name=][host:]port, for example 3000, 127.0.0.1:3000 or web=[::1]:3000 (port 0 takes a free one), or a file with a " +
        "slash in its name, web=/run/app.sock or ./app.sock"
    )
  }
  const address = v6 ?? host ?? everywhere
  if (isIP(address) !== (v6 === undefined && address !== everywhere ? 4 : 6)) {
    throw new Error(
      `a numeric address, as names are not looked up: 127.0.0.1:${port} or [::1]:${port}, or the port alone for every address`
    )
  }
  return { name, host: address, port: Number(port) }
}
