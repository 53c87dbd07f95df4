/**
 * Says which inherited sockets nobody serves: whoever connects there waits in vain, and nobody would know why.
 */
import * as Effect from "effect/Effect"
import * as ListenFds from "../ListenFds.ts"

export const warnOfUntaken = (warn: (text: string) => void): void => {
  for (const { name, path, port } of Effect.runSync(ListenFds.untaken)) {
    const where = path ?? (port === undefined ? "of an unknown address" : `with port ${port}`)
    warn(
      `nobody serves the inherited socket ${where}${name === "" ? "" : `, named "${name}"`}: a server takes the one with the port ` +
        'or path that it is told to listen on, or with its name ("http" for HttpDrain, "probes" for HealthProbes); name it so ' +
        "where it is handed down (--listen <name>=..., FileDescriptorName=)"
    )
  }
}
