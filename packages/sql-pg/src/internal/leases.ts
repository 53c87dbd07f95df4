/**
 * Who uses the pool right now: one lease for each connection that is lent out or waited for.
 *
 * The pool itself only counts. A stop needs more: whom to interrupt, which session to take away, and what to tell.
 */
import type { PgConnection } from "@effect/sql-pg/PgConnection"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as Tracer from "effect/Tracer"
import { Sockets } from "./sockets.ts"

/**
 * - `query`, `transaction`: end with the effect that runs them, so their fiber can be interrupted.
 * - `stream`, `listener`, `reserved`: end with a scope. Whoever opened it may long be busy with something else, so only
 *   the session is taken away.
 */
export type Kind = "query" | "transaction" | "stream" | "listener" | "reserved"

export class Lease {
  readonly kind: Kind
  readonly fiber: Fiber.Fiber<unknown, unknown>
  readonly since: number
  readonly span: string | undefined
  /** Undefined while it waits for a free connection. */
  connection: PgConnection | undefined
  /** The last statement sent, placeholders and all; parameters are never kept. */
  statement: string | undefined
  /** Gives the connection back behind the user's back; what the user does with it then fails. */
  takeAway: Effect.Effect<void> | undefined

  constructor(kind: Kind, fiber: Fiber.Fiber<unknown, unknown>) {
    this.kind = kind
    this.fiber = fiber
    this.since = fiber.getRef(Clock.Clock).currentTimeMillisUnsafe()
    this.span = spanOf(fiber)
  }

  get isFiberBound(): boolean {
    return this.kind === "query" || this.kind === "transaction"
  }

  /** For example `transaction for 3.2 s by fiber #12 (Runs.execute), session 4711, last "select pg_sleep($1)"`. */
  describe(now: number): string {
    const where =
      this.connection === undefined ? ", waiting for a connection" : `, session ${this.connection.processId}`
    const span = this.span === undefined ? "" : ` (${this.span})`
    const last = this.statement === undefined ? "" : `, last "${shorten(this.statement)}"`
    return `${this.kind} for ${((now - this.since) / 1000).toFixed(1)} s by fiber #${this.fiber.id}${span}${where}${last}`
  }
}

export class Leases {
  readonly #open = new Set<Lease>()
  readonly #waiters = new Set<() => void>()
  readonly sockets = new Sockets()
  #refusing = false
  #cutting = false

  /** False when no new work is taken any more; the lease then counts for nothing. */
  add(lease: Lease): boolean {
    if (this.#refusing) return false
    this.#open.add(lease)
    return true
  }

  delete(lease: Lease): void {
    if (!this.#open.delete(lease) || this.#open.size > 0) return
    const waiters = Array.from(this.#waiters)
    this.#waiters.clear()
    for (const resume of waiters) resume()
  }

  /** The connection that the lease waited for has come; false when it is too late to begin anything. */
  grant(lease: Lease, connection: PgConnection): boolean {
    lease.connection = connection
    this.sockets.note(connection)
    return !this.#cutting
  }

  /** From here on every new lease is refused; the open ones go on. */
  refuse(): void {
    this.#refusing = true
  }

  /** From here on nobody who still waits for a connection gets one. */
  cutShort(): void {
    this.#cutting = true
  }

  get open(): ReadonlyArray<Lease> {
    return Array.from(this.#open)
  }

  /** Waits until nothing is lent out. Interruptible. */
  readonly emptied: Effect.Effect<void> = Effect.callback((resume) => {
    if (this.#open.size === 0) return resume(Effect.void)
    const waiter = () => resume(Effect.void)
    this.#waiters.add(waiter)
    return Effect.sync(() => this.#waiters.delete(waiter))
  })
}

/** The user's span: the client's own (`sql.execute`) say nothing about who asks. */
const spanOf = (fiber: Fiber.Fiber<unknown, unknown>): string | undefined => {
  let span: Tracer.AnySpan | undefined = Context.getOrUndefined(fiber.context, Tracer.ParentSpan)
  while (span?._tag === "Span" && span.name.startsWith("sql.")) {
    span = span.parent._tag === "Some" ? span.parent.value : undefined
  }
  return span?._tag === "Span" ? span.name : undefined
}

const shorten = (sql: string): string => {
  const line = sql.replace(/\s+/g, " ").trim()
  return line.length <= 80 ? line : `${line.slice(0, 79)}…`
}
