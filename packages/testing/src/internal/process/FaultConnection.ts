/** One connection through the fault proxy: the client's socket, the one to the target, and a flow for each direction. */
import { Socket } from "node:net"
import { isPassing, type Ways } from "../Fault.ts"
import { Flow } from "./FaultFlow.ts"
import { reset } from "./faultReset.ts"

export class FaultConnection {
  readonly #client: Socket
  readonly #target = new Socket({ allowHalfOpen: true })
  readonly #toTarget: Flow
  readonly #toClient: Flow
  readonly #connect: () => void
  #connected = false
  #over = false

  constructor(client: Socket, to: { readonly host: string; readonly port: number }, ways: Ways, closed: () => void) {
    this.#client = client
    let open = 2
    for (const socket of [client, this.#target]) {
      socket.setNoDelay(true)
      socket.on("close", () => --open === 0 && closed())
    }
    this.#connect = () => void this.#target.connect(to)
    this.#toTarget = new Flow(client, this.#target, ways.toTarget)
    this.#toClient = new Flow(this.#target, client, ways.toClient)
    this.set(ways)
  }

  /** A stream with a hole in it never goes on: it is reset as soon as anything could get through again. */
  set({ toClient, toTarget }: Ways): void {
    if (this.#over) return
    if ((this.#toTarget.torn && isPassing(toTarget)) || (this.#toClient.torn && isPassing(toClient))) {
      return this.reset()
    }
    // Nobody hears of a client whose every word is swallowed.
    if (!this.#connected && (isPassing(toTarget) || isPassing(toClient))) {
      this.#connected = true
      this.#connect()
    }
    this.#toTarget.set(toTarget)
    this.#toClient.set(toClient)
  }

  /** Both sides get a RST. */
  reset(): void {
    this.#over = true
    reset(this.#client)
    reset(this.#target)
  }

  /** It is over, whoever has heard of it. */
  destroy(): void {
    this.#over = true
    this.#client.destroy()
    this.#target.destroy()
  }
}
