import type { Socket } from "node:net"

/** Sends a RST and forgets the rest, as soon as there is a connection. */
export const reset = (socket: Socket): void => {
  if (socket.connecting) socket.once("connect", () => reset(socket))
  // What is being shut down cannot be reset, and Node would leave it open for ever.
  else if (socket.writableEnded && !socket.writableFinished) socket.destroy()
  else if (!socket.destroyed) socket.resetAndDestroy()
}
