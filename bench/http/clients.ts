/**
 * Keep-alive clients as applications have them, one agent and one connection each, and what they would have noticed of a
 * stop.
 */
import { Agent, get } from "node:http"

interface Noticed {
  served: number
  /** A socket error, or a 5xx that is not a clean 503 with `Retry-After` on a new connection. */
  lost: number
}

export const load = (port: number, clients: number, path = "/") => {
  const noticed: Noticed = { served: 0, lost: 0 }
  const request = (agent: Agent): Promise<boolean> =>
    new Promise((resolve) => {
      const lost = () => {
        noticed.lost++
        resolve(false)
      }
      const sent = get({ port, host: "127.0.0.1", path, agent }, (response) => {
        response.resume()
        response.on("error", lost)
        response.on("end", () => {
          if (response.statusCode === 200) {
            noticed.served++
            return resolve(true)
          }
          const clean =
            response.statusCode === 503 && !sent.reusedSocket && response.headers["retry-after"] !== undefined
          if (clean) resolve(false)
          else lost()
        })
      })
      sent.on("error", (error: NodeJS.ErrnoException) => (error.code === "ECONNREFUSED" ? resolve(false) : lost()))
    })
  const client = async () => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    while (await request(agent));
    agent.destroy()
  }
  const ended = Promise.all(Array.from({ length: clients }, client))
  return { noticed, ended }
}
