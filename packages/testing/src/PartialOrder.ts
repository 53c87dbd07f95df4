/**
 * What must come before what in a log, and nothing more than that: the rest may happen in any order, as it does when parts of
 * an application stop side by side.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { AppState } from "quiesce/Phase"
import { type Entry, type Of, render, type Timeline } from "./Timeline.ts"

/** What was found: a sentence, and the positions of the entries in the log that show it. */
export interface Violation {
  readonly claim: string
  readonly message: string
  readonly entries: ReadonlyArray<number>
}

/** Something that is said of a log; `says` is it in words. */
export interface Claim {
  readonly says: string
  readonly check: (log: Timeline) => ReadonlyArray<Violation>
}

/** Entries of one kind. As a claim it says that there is at least one. */
export interface Pattern extends Claim {
  readonly tag: Entry["_tag"]
  /** The fields that it asks for. */
  readonly fields: ReadonlyArray<string>
  readonly matches: (entry: Entry) => boolean
}

/** A step of a chain: a pattern, or several in any order. */
export interface Step extends Claim {
  readonly patterns: ReadonlyArray<Pattern>
}

/** Some of the fields, at any depth. */
export type Fields<A> = A extends object ? { readonly [K in keyof A]?: Fields<A[K]> } : A

// --- patterns ---------------------------------------------------------------------------------------------------------

/**
 * Entries of a kind, of which these fields have these values, or for which a predicate holds.
 *
 * @example
 * ```ts
 * import * as PartialOrder from "@quiesce/testing/PartialOrder"
 *
 * PartialOrder.event("ComponentStopped", { name: "api" })
 * PartialOrder.event("StopRequested", { reason: { _tag: "Signal", signal: "SIGTERM" } })
 * PartialOrder.event("Straggler", ({ count }) => count > 10)
 * ```
 */
export const event = <Tag extends Entry["_tag"]>(
  tag: Tag,
  where?: Fields<Omit<Of<Tag>, "_tag">> | ((entry: Of<Tag>) => boolean)
): Pattern => {
  const isOf = (entry: Entry): entry is Of<Tag> => entry._tag === tag
  const fields: object = typeof where === "object" ? where : {}
  const pattern: Pattern = {
    tag,
    fields: Object.keys(fields),
    says: typeof where === "function" ? `${tag} as the predicate says` : `${tag}${words(fields)}`,
    matches: (entry) => isOf(entry) && (typeof where === "function" ? where(entry) : covers(fields, entry)),
    check: (log) => missing(log, pattern, pattern.says)
  }
  return pattern
}

/** A component of that name has started. */
export const started = (name: string): Pattern => event("ComponentStarted", { name })

/** A component of that name begins to stop. */
export const stopping = (name: string): Pattern => event("ComponentStopping", { name })

/** A component of that name has stopped. One that was left behind has not: that is `ComponentAbandoned`. */
export const stopped = (name: string): Pattern => event("ComponentStopped", { name })

/** The application enters a state. */
export const entered = (to: AppState): Pattern => event("StateChanged", { to })

const words = (fields: object): string =>
  Object.entries(fields)
    .map(([key, value]) => ` ${key}=${typeof value === "string" ? value : JSON.stringify(value)}`)
    .join("")

const covers = (expected: unknown, actual: unknown): boolean =>
  typeof expected !== "object" || expected === null
    ? Object.is(expected, actual)
    : typeof actual === "object" &&
      actual !== null &&
      Object.entries(expected).every(([key, value]) => covers(value, Reflect.get(actual, key)))

// --- claims -----------------------------------------------------------------------------------------------------------

/**
 * Each of these happens, in any order, also at the same time. As a step of a chain: all of them after the step before, and
 * all of them before the step after.
 */
export const unordered = (...patterns: ReadonlyArray<Pattern>): Step => ({
  says: patterns.map((pattern) => pattern.says).join(" and "),
  patterns,
  check: (log) => patterns.flatMap((pattern) => pattern.check(log))
})

/**
 * Every entry of a step comes before every entry of the next one, and each pattern occurs. Where a pattern matches several
 * entries, that is the last of one before the first of the other.
 */
export const chain = (...steps: ReadonlyArray<Pattern | Step>): Claim => {
  const patterns = steps.map((step) => ("patterns" in step ? step.patterns : [step]))
  const says = steps.map((step) => step.says).join(", then ")
  return {
    says,
    check: (log) => [
      ...patterns.flat().flatMap((pattern) => missing(log, pattern, says)),
      ...patterns
        .slice(1)
        .flatMap((later, index) =>
          (patterns[index] ?? []).flatMap((a) => later.flatMap((b) => disorder(log, a, b, says)))
        )
    ]
  }
}

/** Every `a` comes before every `b`, and both occur: a chain of two. */
export const before = (a: Pattern | Step, b: Pattern | Step): Claim => chain(a, b)

/** There are `n` entries of this kind, no more and no less. */
export const exactly = (n: number, pattern: Pattern): Claim => {
  const says = n === 0 ? `never ${pattern.says}` : `exactly ${n} of ${pattern.says}`
  return {
    says,
    check: (log) => {
      const found = positions(log, pattern)
      if (found.length === n) return []
      if (found.length === 0) return missing(log, pattern, says)
      const message = `${pattern.says} happened ${times(found.length)}, ${at(log, found)}, and should ${n === 0 ? "never happen" : `happen ${times(n)}`}`
      return [{ claim: says, message, entries: found }]
    }
  }
}

/** There is one entry of this kind. */
export const once = (pattern: Pattern): Claim => exactly(1, pattern)

/** There is no entry of this kind. */
export const never = (pattern: Pattern): Claim => exactly(0, pattern)

const positions = (log: Timeline, { matches }: Pattern): ReadonlyArray<number> =>
  log.flatMap((entry, index) => (matches(entry) ? [index] : []))

const times = (n: number): string => (n === 1 ? "once" : n === 2 ? "twice" : `${n} times`)

const at = (log: Timeline, found: ReadonlyArray<number>): string =>
  `at ${found.map((index) => (log[index]?.at ?? 0).toFixed(1)).join(", ")} ms`

const missing = (log: Timeline, pattern: Pattern, claim: string): ReadonlyArray<Violation> => {
  if (log.some(pattern.matches)) return []
  const entries = log.flatMap((entry, index) => (entry._tag === pattern.tag ? [index] : []))
  const others = entries.map((index) => {
    const asked = Object.entries(log[index] ?? {}).filter(([key]) => pattern.fields.includes(key))
    return `${words(Object.fromEntries(asked)).trim()} ${at(log, [index])}`.trim()
  })
  const message =
    others.length === 0
      ? `${pattern.says} did not happen, and no other ${pattern.tag} either`
      : `${pattern.says} did not happen; of ${pattern.tag} there is only: ${others.join("; ")}`
  return [{ claim, message, entries }]
}

const disorder = (log: Timeline, a: Pattern, b: Pattern, claim: string): ReadonlyArray<Violation> => {
  const last = positions(log, a).at(-1)
  const first = positions(log, b)[0]
  if (last === undefined || first === undefined || last < first) return []
  const message =
    last === first
      ? `${a.says} and ${b.says} are the same entry, ${at(log, [first])}: nothing comes before itself`
      : `${a.says}, ${at(log, [last])}, came after ${b.says}, ${at(log, [first])}, and should have come before it`
  return [{ claim, message, entries: [first, last] }]
}

// --- the question ------------------------------------------------------------------------------------------------------

/** A log that breaks a claim. The message shows the log, with the offending lines marked. */
export class OrderBroken extends Schema.TaggedError<OrderBroken>()("OrderBroken", {
  violations: Schema.Array(
    Schema.Struct({ claim: Schema.String, message: Schema.String, entries: Schema.Array(Schema.Number) })
  ),
  log: Schema.String
}) {
  override get message(): string {
    return `${this.violations.map(({ message }) => `- ${message}`).join("\n")}\n\n${this.log}\n`
  }
}

/** Every way in which the log breaks the claims; pure. Each is told once, also where several claims say the same. */
export const check = (log: Timeline, claims: ReadonlyArray<Claim>): ReadonlyArray<Violation> => {
  const told = new Set<string>()
  return claims.flatMap((claim) => claim.check(log)).filter(({ message }) => !told.has(message) && told.add(message))
}

/**
 * Fails when the log breaks one of the claims, and shows where.
 *
 * **When to use**: in the test of a stop, on `app.timeline` of a `TestApp`, on `App.events`, or on a life of the simulation.
 *
 * **Details**: only what is claimed is asked for. To claim that two releases overlap say that each begins before the other
 * ends: `before(stopping("a"), stopped("b"))` and `before(stopping("b"), stopped("a"))`. Entries of the same instant have an
 * order, that of the log.
 *
 * **Errors**: `OrderBroken`.
 *
 * @example
 * ```ts
 * import * as PartialOrder from "@quiesce/testing/PartialOrder"
 * import type { Timeline } from "@quiesce/testing/Timeline"
 *
 * const { before, chain, entered, event, never, stopped, stopping, unordered } = PartialOrder
 *
 * const inOrder = (log: Timeline) =>
 *   PartialOrder.assert(log, [
 *     chain(entered("Draining"), unordered(stopped("api"), stopped("jobs")), stopped("db")),
 *     before(stopping("api"), stopped("jobs")),
 *     before(stopping("jobs"), stopped("api")),
 *     never(event("Straggler"))
 *   ])
 * ```
 */
export const assert = (log: Timeline, claims: ReadonlyArray<Claim>): Effect.Effect<void, OrderBroken> =>
  Effect.suspend(() => {
    const violations = check(log, claims)
    if (violations.length === 0) return Effect.void
    const marked = violations.flatMap(({ entries }) => entries)
    return Effect.fail(new OrderBroken({ violations, log: render(log, marked) }))
  })
