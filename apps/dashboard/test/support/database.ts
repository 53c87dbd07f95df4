/** The database behind a dashboard, looked at directly: what is true whatever the API says. */
import * as PgClient from "@effect/sql-pg/PgClient"
import * as TestPostgres from "@quiesce/sql-pg/TestPostgres"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Redacted from "effect/Redacted"
import * as Scope from "effect/Scope"
import { SqlClient } from "effect/sql/SqlClient"
import { expect, inject } from "vitest"

/** A database of one's own on the run's server. */
export const ownDatabase = async (): Promise<AsyncDisposable & { readonly url: string }> => {
  const scope = Scope.makeUnsafe()
  const { url } = await Effect.runPromise(Scope.provide(TestPostgres.database(inject("postgres")), scope))
  return { url: Redacted.value(url), [Symbol.asyncDispose]: () => Effect.runPromise(Scope.close(scope, Exit.void)) }
}

interface History {
  readonly id: number
  readonly status: string
  readonly attempt: number
  readonly cases: number
  readonly results: number
  readonly events: ReadonlyArray<string>
}

const histories = (url: string): Promise<ReadonlyArray<History>> =>
  Effect.gen(function* () {
    const sql = yield* SqlClient
    return yield* sql<History>`
      select runs.id, runs.status, runs.attempt, cardinality(suites.cases) as cases,
        (select count(*)::int from case_results where run_id = runs.id) as results,
        (select array_agg(kind || ' ' || attempt order by id) from run_events where run_id = runs.id) as events
      from runs join suites on suites.id = runs.suite_id order by runs.id`
  }).pipe(Effect.provide(PgClient.layer({ url: Redacted.make(url) })), Effect.scoped, Effect.runPromise)

/**
 * None of these runs is lost, none was completed twice, each beginning has exactly one end, and nothing is left under
 * execution by a process that is gone. Returns how many are completed.
 */
export const checkRuns = async (
  url: string,
  ids: ReadonlyArray<number>,
  options: { readonly killed?: boolean } = {}
): Promise<number> => {
  const all = await histories(url)
  const known = new Set(all.map((run) => run.id))
  expect(
    ids.filter((id) => !known.has(id)),
    "runs that are lost"
  ).toEqual([])
  let completed = 0
  for (const { attempt, cases, events, id, results, status } of all) {
    const of = (kind: string) => events.filter((event) => event.startsWith(kind)).map((event) => event.split(" ")[1])
    const done = of("completed").length
    const context = `run ${id} is ${status}: ${events.join(", ")}`
    completed += done
    expect(done, context).toBe(["passed", "failed"].includes(status) ? 1 : 0)
    expect(results, context).toBe(done === 1 ? cases : 0)
    expect(of("queued"), context).toEqual(["0"])
    expect(of("started"), context).toEqual(Array.from({ length: attempt }, (_, n) => String(n + 1)))
    const ended = [...of("put_back"), ...of("reclaimed"), ...of("completed")].toSorted((a, b) => Number(a) - Number(b))
    const open = status === "running" ? 1 : 0
    expect(ended, context).toEqual(of("started").slice(0, attempt - open))
    if (options.killed !== true) expect(status, context).not.toBe("running")
  }
  return completed
}

/** Each key has queued the run that its client was told of. */
export const checkKeys = (url: string, acknowledged: ReadonlyMap<string, number>): Promise<void> =>
  Effect.gen(function* () {
    const sql = yield* SqlClient
    const rows = yield* sql<{ readonly id: number; readonly key: string }>`
      select id, idempotency_key as key from runs where idempotency_key is not null`
    const stored = new Map(rows.map(({ id, key }) => [key, id]))
    for (const [key, id] of acknowledged) expect(stored.get(key), `the run of key ${key}`).toBe(id)
  }).pipe(Effect.provide(PgClient.layer({ url: Redacted.make(url) })), Effect.scoped, Effect.runPromise)
