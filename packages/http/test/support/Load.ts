/**
 * Clients that keep their connection and send one request after the other until they are told to go elsewhere.
 */
import * as Http from "node:http"
import * as Https from "node:https"

export interface Result {
  /** Complete responses with status 200. */
  served: number
  /** 503 with `Retry-After` on a connection that was new. */
  refused: number
  /** New connections that nobody accepted. */
  unreachable: number
  /** Everything else: what a user would have noticed. */
  readonly failed: Array<string>
}

export interface LoadOptions {
  readonly clients: number
  readonly path?: string
  /** Longest pause between two requests of a client, in milliseconds. The pauses are random. */
  readonly pause?: number
  readonly protocol?: "http" | "https"
  /** Go on after a 503, as an impatient client does, until nobody listens. */
  readonly stubborn?: boolean
}

export class Load {
  readonly result: Result = { served: 0, refused: 0, unreachable: 0, failed: [] }
  readonly #port: number
  readonly #options: LoadOptions
  readonly ended: Promise<unknown>
  #stopped = false
  #notify: (() => void) | undefined

  constructor(port: number, options: LoadOptions) {
    this.#port = port
    this.#options = options
    this.ended = Promise.all(Array.from({ length: options.clients }, () => this.#client()))
  }

  /** Resolves when so many requests have been served. */
  async served(count: number): Promise<void> {
    while (this.result.served < count) await new Promise<void>((resolve) => (this.#notify = resolve))
  }

  get #protocol(): typeof Http | typeof Https {
    return this.#options.protocol === "https" ? Https : Http
  }

  stop(): void {
    this.#stopped = true
  }

  async #client(): Promise<void> {
    const { Agent } = this.#protocol
    const agent = new Agent({ keepAlive: true, maxSockets: 1, rejectUnauthorized: false })
    while (!this.#stopped && (await this.#request(agent))) {
      const { pause = 0 } = this.#options
      if (pause > 0) await new Promise((resolve) => setTimeout(resolve, Math.random() * pause))
    }
    agent.destroy()
  }

  /** Answers whether to go on. */
  #request(agent: Http.Agent): Promise<boolean> {
    const { result } = this
    return new Promise((resolve) => {
      const request = this.#protocol.get(
        { port: this.#port, host: "127.0.0.1", path: this.#options.path ?? "/", agent },
        (response) => {
          let size = 0
          response.on("data", (chunk: Buffer) => (size += chunk.length))
          response.on("error", (error) => fail(`body: ${error.message}`))
          response.on("end", () => {
            if (response.statusCode === 200 && size > 0) {
              result.served++
              this.#notify?.()
              return resolve(true)
            }
            if (response.statusCode === 503 && !request.reusedSocket && response.headers["retry-after"] !== undefined) {
              result.refused++
              return resolve(this.#options.stubborn === true)
            }
            fail(`status ${response.statusCode}${request.reusedSocket ? " on an old connection" : ""}`)
          })
        }
      )
      const fail = (what: string) => {
        result.failed.push(what)
        resolve(false)
      }
      request.on("error", (error: NodeJS.ErrnoException) => {
        if (error.code === "ECONNREFUSED") {
          result.unreachable++
          return resolve(false)
        }
        fail(`${error.code} ${error.message}${request.reusedSocket ? " on an old connection" : " on a new connection"}`)
      })
    })
  }
}
