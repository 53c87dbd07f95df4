/**
 * Clients of a dashboard that comes and goes: they queue runs, ask again with the same key until they are answered, and
 * remember what they were told.
 */
import { setTimeout } from "node:timers/promises"

export interface Told {
  /** The suite whose runs are queued, once there is one. */
  suite: number | undefined
  /** What the dashboard has acknowledged: the id of the run for each key. */
  readonly acknowledged: Map<string, number>
  /** The key that each client has had no answer to. */
  readonly open: Map<number, string>
}

/** Longer than an answer takes, shorter than a test's patience with a wire that swallows everything. */
const patience = 1000
const pause = 40

/** Queues runs until it is aborted. Only an answer that must never be given is a failure. */
export const queueRuns = async (url: string, name: number, told: Told, signal: AbortSignal): Promise<void> => {
  const post = async (path: string, body: unknown, headers: Record<string, string> = {}) => {
    const response = await fetch(url + path, {
      method: "POST",
      headers: { "content-type": "application/json", ...headers },
      body: JSON.stringify(body),
      signal: AbortSignal.any([signal, AbortSignal.timeout(patience)])
    })
    return { status: response.status, body: (await response.json()) as Record<string, unknown> }
  }
  const answer = async (...request: Parameters<typeof post>): Promise<number | undefined> => {
    const response = await post(...request).catch(() => undefined)
    if (response === undefined || response.status === 503) return undefined
    if (response.status >= 300) {
      throw new Error(`POST ${request[0]} was answered with ${response.status} ${JSON.stringify(response.body)}`)
    }
    return Number(response.body["id"])
  }

  for (let n = 1; !signal.aborted; n++) {
    await setTimeout(pause, undefined, { signal }).catch(() => {})
    const { suite } = told
    if (suite === undefined) {
      const project = await answer("/projects", { name: crypto.randomUUID() })
      if (project === undefined) continue
      told.suite ??= await answer(`/projects/${project}/suites`, { name: "suite", cases: ["one", "two", "three"] })
      continue
    }
    // Now and then one asks again what is known already.
    const known = n % 10 === 0 ? Array.from(told.acknowledged).at(-n) : undefined
    const key = known?.[0] ?? told.open.get(name) ?? crypto.randomUUID()
    if (known === undefined) told.open.set(name, key)
    const id = await answer(`/suites/${suite}/runs`, {}, { "idempotency-key": key })
    if (id === undefined) continue
    const before = told.acknowledged.get(key)
    if (before !== undefined && before !== id) throw new Error(`key ${key} was run ${before}, and is now run ${id}`)
    told.acknowledged.set(key, id)
    if (known === undefined) told.open.delete(name)
  }
}
