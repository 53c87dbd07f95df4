/**
 * What is known of the application's health: the last word of every check, and of every part that it can live without.
 */
import * as Cause from "effect/Cause"
import type * as Context from "effect/Context"
import * as Metric from "effect/Metric"
import type { Check, HealthState, Kind, Summary } from "../HealthState.ts"
import { describe } from "./describe.ts"
import type { Kernel } from "./Kernel.ts"

/** What one check, or one part, has to say. */
export class Contribution {
  readonly name: string
  readonly kind: Kind
  /** What the application is while it fails. */
  readonly impact: "Degraded" | "Unhealthy"
  /** Whether its turns are told here; those of an optional component have events of their own. */
  readonly told: "aloud" | "quietly"
  readonly #board: HealthBoard
  status: Check["status"]
  since: number
  checkedAt: number | undefined
  took: number | undefined
  failure: string | undefined

  constructor(
    board: HealthBoard,
    options: Pick<Contribution, "name" | "kind" | "impact" | "status" | "since" | "told">
  ) {
    this.#board = board
    this.name = options.name
    this.kind = options.kind
    this.impact = options.impact
    this.told = options.told
    this.status = options.status
    this.since = options.since
  }

  /** How long its last run took, in milliseconds. */
  ran(took: number): void {
    this.took = took
    this.checkedAt = this.#board.now()
  }

  /** It has failed, but not often enough to count. */
  suspect(cause: Cause.Cause<unknown>): void {
    this.failure = describe(cause)
  }

  pass(): void {
    this.#board.turn(this, "pass", undefined)
  }

  fail(cause: Cause.Cause<unknown>): void {
    this.#board.turn(this, "fail", cause)
  }
}

const health = Metric.gauge("quiesce_health", {
  description: "How the application is: 2 Healthy, 1 Degraded, 0 Unhealthy"
})
const grades: Readonly<Record<HealthState, number>> = { Healthy: 2, Degraded: 1, Unhealthy: 0 }

export class HealthBoard {
  readonly #kernel: Kernel
  readonly #context: Context.Context<never>
  readonly #contributions = new Set<Contribution>()
  #told: HealthState = "Healthy"

  constructor(kernel: Kernel, context: Context.Context<never>) {
    this.#kernel = kernel
    this.#context = context
    this.#measure()
  }

  readonly now = (): number => this.#kernel.now()

  /** `pending` until it has said something, unless it is sound from the start. */
  enter(
    name: string,
    kind: Kind,
    impact: "Degraded" | "Unhealthy",
    status: "pending" | "pass",
    told: Contribution["told"] = "aloud"
  ): Contribution {
    const made = new Contribution(this, { name, kind, impact, status, told, since: this.now() })
    this.#contributions.add(made)
    this.#measure()
    return made
  }

  leave(contribution: Contribution): void {
    this.#contributions.delete(contribution)
    this.#tell()
  }

  turn(one: Contribution, status: "pass" | "fail", cause: Cause.Cause<unknown> | undefined): void {
    // What fails because the application stops says nothing of its health.
    if (this.#isStopping || !this.#contributions.has(one)) return
    const before = one.status
    one.failure = cause === undefined ? undefined : describe(cause)
    if (before === status) return
    one.status = status
    one.since = this.now()
    const { failure, kind, name, since: at } = one
    if (one.told === "aloud") {
      // An expected error says in its message what it is; only a defect needs its stack.
      const shown = cause !== undefined && Cause.hasDies(cause) ? cause : undefined
      if (failure !== undefined) this.#kernel.emit({ _tag: "CheckFailed", at, name, kind, failure }, shown)
      // The first word of what is sound is no news.
      else if (before === "fail") this.#kernel.emit({ _tag: "CheckPassed", at, name, kind })
    }
    this.#tell()
  }

  /** Who has not spoken yet is not ready. */
  get summary(): Summary {
    const checks = Array.from(this.#contributions, checkOf)
    return { state: this.#now, checks }
  }

  get #now(): HealthState {
    return this.#worst(({ status }) => status !== "pass").state
  }

  #measure(): void {
    health.updateUnsafe(grades[this.#now], this.#context)
  }

  get #isStopping(): boolean {
    return Number.isFinite(this.#kernel.remaining())
  }

  /** Liveness is for who decides about the process, and for nobody else. */
  #worst(isBad: (one: Contribution) => boolean): {
    readonly state: HealthState
    readonly because: ReadonlyArray<string>
  } {
    const bad = Array.from(this.#contributions).filter((one) => one.kind !== "liveness" && isBad(one))
    const state = bad.some(({ impact }) => impact === "Unhealthy")
      ? "Unhealthy"
      : bad.length > 0
        ? "Degraded"
        : "Healthy"
    return { state, because: bad.filter(({ impact }) => impact === state).map(({ name }) => name) }
  }

  #tell(): void {
    if (this.#isStopping) return
    this.#measure()
    const { because, state: to } = this.#worst(({ status }) => status === "fail")
    const from = this.#told
    if (from === to) return
    this.#told = to
    this.#kernel.emit({ _tag: "HealthChanged", at: this.now(), from, to, because })
  }
}

const checkOf = ({ checkedAt, failure, impact, kind, name, since, status, took }: Contribution): Check => ({
  name,
  kind,
  impact,
  status,
  since,
  ...(checkedAt === undefined ? {} : { checkedAt }),
  ...(took === undefined ? {} : { took }),
  ...(failure === undefined ? {} : { failure })
})
