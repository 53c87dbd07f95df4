/**
 * Sees the WebSockets that effect's server opens, to close them with 1001 when draining begins.
 *
 * effect hands the options in `websocket` on to `ws`, and `ws` lets its user name the class of the sockets it makes.
 */
import { type ServerOptions, WebSocket } from "@effect/platform-node/NodeWS"

/** RFC 6455, 7.4.1: "going away, such as a server going down". */
const goingAway = 1001

export class WebSockets {
  readonly #open = new Set<WebSocket>()
  #closing = false

  /** The options with which `ws` tells this object of each socket; a class of the user's own is extended. */
  track<O extends { readonly WebSocket?: ServerOptions["WebSocket"] | undefined }>(options: O | undefined): O {
    const opened = (socket: WebSocket) => this.#opened(socket)
    const closed = (socket: WebSocket) => this.#open.delete(socket)
    const Base: typeof WebSocket = options?.WebSocket ?? WebSocket
    class TrackedWebSocket extends Base {
      constructor(...args: ConstructorParameters<typeof WebSocket>) {
        super(...args)
        this.once("open", () => opened(this))
        this.once("close", () => closed(this))
      }
    }
    return { ...options, WebSocket: TrackedWebSocket } as unknown as O
  }

  /** Sends the close frame to all, and to those still in their handshake as soon as it is done. What they sent is still read. */
  close(): void {
    this.#closing = true
    for (const socket of this.#open) socket.close(goingAway, "going away")
  }

  terminate(): void {
    for (const socket of this.#open) socket.terminate()
  }

  #opened(socket: WebSocket): void {
    this.#open.add(socket)
    if (this.#closing) socket.close(goingAway, "going away")
  }
}
