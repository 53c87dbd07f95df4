/**
 * Turns what `server.listen` reported into the error that people read.
 */
import { ListenError } from "../ListenError.ts"

/** What a server was told to listen on, as in `net.Server.listen`. */
export interface ListenAddress {
  readonly host?: string | undefined
  readonly port?: number | undefined
  readonly path?: string | undefined
}

const reasons: Readonly<Record<string, ListenError["reason"]>> = {
  EADDRINUSE: "AddressInUse",
  EACCES: "NotPermitted",
  EPERM: "NotPermitted",
  EADDRNOTAVAIL: "AddressNotAvailable"
}

export const listenErrorOf = (name: string, listen: ListenAddress, cause: unknown): ListenError => {
  const code = cause instanceof Error && "code" in cause && typeof cause.code === "string" ? cause.code : "unknown"
  return new ListenError({ name, reason: reasons[code] ?? "Unknown", address: addressOf(listen), code, cause })
}

const addressOf = ({ host, path, port }: ListenAddress): string =>
  path ?? `${host === undefined ? "every address" : host}, port ${port ?? 0}`
