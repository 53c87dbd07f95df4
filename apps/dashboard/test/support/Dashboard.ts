/** The dashboard as a process of its own, and what can be asked of it. Nothing sleeps; what is awaited has a deadline. */
import * as Schema from "effect/Schema"
import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { join } from "node:path"
import { Report } from "quiesce/Report"

const main = join(import.meta.dirname, "../../src/main.ts")
const decodeReport = Schema.decodeUnknownSync(Report)

export interface Ended {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  /** Milliseconds from the first signal to the exit. */
  readonly after: number
}

export interface Run {
  readonly id: number
  readonly status: string
  readonly attempt: number
}

export interface Check {
  readonly name: string
  readonly status: "pass" | "warn" | "fail"
  readonly detail: string
}

export class Dashboard implements AsyncDisposable {
  output = ""
  url = ""
  healthUrl = ""
  readonly exited: Promise<Ended>
  readonly #process: ChildProcess
  #signalled: number | undefined
  #waiting: Array<() => void> = []

  constructor(env: Record<string, string>) {
    this.#process = spawn(process.execPath, [main], {
      env: {
        PATH: process.env["PATH"],
        HOME: process.env["HOME"],
        PORT: "0",
        HEALTH_PORT: "0",
        LOG_FORMAT: "json",
        ...env
      },
      stdio: ["ignore", "pipe", "pipe"]
    })
    const hear = (chunk: Buffer): void => {
      this.output += chunk.toString()
      this.#wake()
    }
    this.#process.stdout?.on("data", hear)
    this.#process.stderr?.on("data", hear)
    this.exited = once(this.#process, "close").then(() => {
      this.#wake()
      const { exitCode, signalCode } = this.#process
      return { code: exitCode, signal: signalCode, after: performance.now() - (this.#signalled ?? performance.now()) }
    })
  }

  /** Starts it and waits until it says that it is ready. */
  static async ready(env: Record<string, string>): Promise<Dashboard> {
    const dashboard = new Dashboard(env)
    const [, url, healthUrl] = await dashboard.says(/ready on (http:\/\/[\d.:]+), probes on (http:\/\/[\d.:]+)/)
    dashboard.url = url ?? ""
    dashboard.healthUrl = healthUrl ?? ""
    return dashboard
  }

  /** Waits until the output says it. */
  async says(pattern: RegExp): Promise<RegExpExecArray> {
    const deadline = AbortSignal.timeout(60_000)
    deadline.addEventListener("abort", () => this.#wake())
    while (true) {
      const found = pattern.exec(this.output)
      if (found !== null) return found
      if (deadline.aborted || !this.isRunning) throw new Error(`never said ${pattern}:\n${this.output}`)
      await new Promise<void>((resolve) => this.#waiting.push(resolve))
    }
  }

  get isRunning(): boolean {
    return this.#process.exitCode === null && this.#process.signalCode === null
  }

  signal(signal: NodeJS.Signals): this {
    this.#signalled ??= performance.now()
    this.#process.kill(signal)
    return this
  }

  /** The last line of the output is the report of the stop. */
  get report(): Report {
    const line = this.output
      .trimEnd()
      .split("\n")
      .findLast((line) => line.startsWith('{"name":'))
    if (line === undefined) throw new Error(`no report:\n${this.output}`)
    return decodeReport(JSON.parse(line))
  }

  async request(method: string, path: string, body?: unknown, headers: Record<string, string> = {}) {
    const response = await fetch(this.url + path, {
      method,
      headers: { "content-type": "application/json", ...headers },
      ...(body === undefined ? {} : { body: JSON.stringify(body) })
    })
    return { status: response.status, body: (await response.json()) as Record<string, unknown> }
  }

  async post(path: string, body: unknown): Promise<number> {
    const answer = await this.request("POST", path, body)
    if (answer.status >= 300) throw new Error(`POST ${path}: ${answer.status} ${JSON.stringify(answer.body)}`)
    return Number(answer.body["id"])
  }

  /** A suite, and so many runs of it in the queue. */
  async queue(runs: number, cases: ReadonlyArray<string> = ["one", "two"]): Promise<ReadonlyArray<number>> {
    const project = await this.post("/projects", { name: crypto.randomUUID() })
    const suite = await this.post(`/projects/${project}/suites`, { name: "suite", cases })
    const ids: Array<number> = []
    for (let n = 0; n < runs; n++) ids.push(await this.post(`/suites/${suite}/runs`, {}))
    return ids
  }

  async run(id: number): Promise<Run> {
    return (await this.request("GET", `/runs/${id}`)).body as unknown as Run
  }

  async probe(path: string): Promise<number> {
    return (await fetch(this.healthUrl + path)).status
  }

  /** What `/readyz` says of one check. */
  async check(name: string): Promise<Check | undefined> {
    const { checks } = (await (await fetch(`${this.healthUrl}/readyz`)).json()) as { readonly checks: Array<Check> }
    return checks.find((check) => check.name === name)
  }

  /** The metrics, by name and labels as Prometheus writes them. */
  async metrics(): Promise<ReadonlyMap<string, number>> {
    const lines = (await (await fetch(`${this.url}/metrics`)).text()).split("\n")
    const samples = lines.filter((line) => line !== "" && !line.startsWith("#"))
    return new Map(
      samples.map((line) => [line.slice(0, line.lastIndexOf(" ")), Number(line.slice(line.lastIndexOf(" ")))])
    )
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.isRunning) this.#process.kill("SIGKILL")
    await this.exited
  }

  #wake(): void {
    const waiting = this.#waiting
    this.#waiting = []
    for (const resolve of waiting) resolve()
  }
}

/** Asks again and again until the answer is one, at most for so long. A refused connection is no answer. */
export const until = async <A>(what: string, ask: () => Promise<A | false>, atMost = 60_000): Promise<A> => {
  const deadline = performance.now() + atMost
  while (true) {
    const answer = await ask().catch(() => false as const)
    if (answer !== false) return answer
    if (performance.now() > deadline) throw new Error(`${what}: not within ${atMost} ms`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}
