/**
 * Clients that send one request after the other, some on connections that they keep, some on a new one each time. None of them
 * tries again: what fails is counted.
 */
import { Agent, get } from "node:http"

export interface Failure {
  readonly kind: "keep-alive" | "fresh"
  readonly code: string
}

export class Load {
  served = 0
  readonly byPid = new Map<string, number>()
  readonly failures: Array<Failure> = []
  readonly ended: Promise<unknown>
  #stopped = false
  readonly #waiting: Array<() => void> = []
  readonly #port: number

  constructor(port: number, clients: { readonly keepAlive: number; readonly fresh: number }) {
    this.#port = port
    this.ended = Promise.all([
      ...Array.from({ length: clients.keepAlive }, () => this.#client("keep-alive")),
      ...Array.from({ length: clients.fresh }, () => this.#client("fresh"))
    ])
  }

  /** Waits until so many more requests have been served. */
  async more(count: number): Promise<void> {
    const goal = this.served + count
    while (this.served < goal) await new Promise<void>((resolve) => this.#waiting.push(resolve))
  }

  async stop(): Promise<void> {
    this.#stopped = true
    await this.ended
  }

  async #client(kind: Failure["kind"]): Promise<void> {
    let agent = new Agent({ keepAlive: kind === "keep-alive", maxSockets: 1 })
    while (!this.#stopped) {
      const failure = await this.#request(agent)
      if (failure === undefined) continue
      this.failures.push({ kind, code: failure })
      agent.destroy()
      agent = new Agent({ keepAlive: kind === "keep-alive", maxSockets: 1 })
    }
    agent.destroy()
  }

  #request(agent: Agent): Promise<string | undefined> {
    return new Promise((resolve) => {
      const failed = (error: NodeJS.ErrnoException): void => resolve(error.code ?? error.message)
      const asking = get({ port: this.#port, host: "127.0.0.1", path: "/", agent }, (response) => {
        let text = ""
        response.setEncoding("utf8").on("data", (chunk: string) => (text += chunk))
        response.on("error", failed).on("end", () => {
          if (response.statusCode !== 200) return resolve(`status ${response.statusCode}`)
          this.served++
          this.byPid.set(text, (this.byPid.get(text) ?? 0) + 1)
          for (const check of this.#waiting.splice(0)) check()
          resolve(undefined)
        })
      })
      asking.on("error", failed)
    })
  }
}
