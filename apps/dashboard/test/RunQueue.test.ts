import { describe, expect, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { SqlClient } from "effect/sql/SqlClient"
import { type Claim, type Result, RunQueue } from "../src/store/RunQueue.ts"
import { Runs } from "../src/store/Runs.ts"
import { aSuite, stores } from "./support/stores.ts"

const MINUTE = 60_000
const passed: Result = {
  status: "passed",
  cases: [
    { case: "one", passed: true, duration: 5 },
    { case: "two", passed: true, duration: 7 }
  ]
}

/** Claims until it gets this run; whatever else is in the queue of this database goes back. */
const claimRun = Effect.fnUntraced(function* (id: number, instance = "me", lease = MINUTE) {
  const queue = yield* RunQueue
  const others: Array<Claim> = []
  while (true) {
    const claim = Option.getOrThrow(yield* queue.claim(instance, lease))
    if (claim.id === id) {
      yield* Effect.forEach(others, (other) => queue.putBack(other, instance))
      return claim
    }
    others.push(claim)
  }
})

const aRun = Effect.gen(function* () {
  const queue = yield* RunQueue
  const suite = yield* aSuite()
  return yield* queue.enqueue(suite.id, {}, undefined)
})

const historyOf = Effect.fnUntraced(function* (id: number) {
  const runs = yield* Runs
  return (yield* runs.events(id, { limit: 100 })).items.map(({ attempt, kind }) => `${kind} ${attempt}`)
})

layer(stores, { excludeTestServices: true })((it) => {
  describe("fenced", () => {
    it.effect("an attempt that lost its lease can neither extend, nor complete, nor put back the run", () =>
      Effect.gen(function* () {
        const queue = yield* RunQueue
        const runs = yield* Runs
        const { id } = yield* aRun
        const stale = yield* claimRun(id, "gone")
        yield* queue.reclaim({ instance: "gone" })
        const current = yield* claimRun(id, "here")
        expect(yield* queue.extend(stale, MINUTE)).toBe(false)
        expect(yield* queue.complete(stale, "gone", { status: "failed", cases: [] })).toBe(false)
        expect(yield* queue.putBack(stale, "gone")).toBe(false)
        expect(yield* queue.extend(current, MINUTE)).toBe(true)
        expect(yield* queue.complete(current, "here", passed)).toBe(true)
        expect(yield* runs.get(id)).toMatchObject({ status: "passed", attempt: 2, instance: "here" })
        expect(yield* runs.results(id)).toEqual(passed.cases)
        expect(yield* historyOf(id)).toEqual(["queued 0", "started 1", "reclaimed 1", "started 2", "completed 2"])
      })
    )
  })

  describe("completed-once", () => {
    it.effect("completing again, as after an answer that got lost, changes nothing and says that it is stored", () =>
      Effect.gen(function* () {
        const queue = yield* RunQueue
        const { id } = yield* aRun
        const claim = yield* claimRun(id)
        expect(yield* queue.complete(claim, "me", passed)).toBe(true)
        expect(yield* queue.complete(claim, "me", passed)).toBe(true)
        expect(yield* historyOf(id)).toEqual(["queued 0", "started 1", "completed 1"])
      })
    )

    it.effect("the database itself refuses a second completion, and any change of the history", () =>
      Effect.gen(function* () {
        const sql = yield* SqlClient
        const queue = yield* RunQueue
        const { id } = yield* aRun
        yield* queue.complete(yield* claimRun(id), "me", passed)
        const second = yield* Effect.flip(
          sql`insert into run_events (run_id, attempt, kind) values (${id}, 9, 'completed')`
        )
        expect(second.reason).toMatchObject({ _tag: "UniqueViolation", constraint: "completed_once" })
        for (const change of [
          sql`delete from run_events`,
          sql`update run_events set attempt = 0`,
          sql`truncate run_events`
        ]) {
          expect((yield* Effect.flip(change)).reason.cause).toMatchObject({
            message: expect.stringContaining("run_events only grows")
          })
        }
      })
    )

    it.effect("status, results and event are stored together or not at all", () =>
      Effect.gen(function* () {
        const queue = yield* RunQueue
        const runs = yield* Runs
        const { id } = yield* aRun
        const claim = yield* claimRun(id)
        const impossible = { ...passed, cases: [{ case: "one", passed: true, duration: 2 ** 40 }] }
        yield* Effect.flip(queue.complete(claim, "me", impossible))
        expect(yield* runs.get(id)).toMatchObject({ status: "running" })
        expect(yield* historyOf(id)).toEqual(["queued 0", "started 1"])
        expect(yield* queue.complete(claim, "me", passed)).toBe(true)
      })
    )
  })

  describe("never-lost", () => {
    it.effect("a run whose lease has ended is queued again, one whose lease holds is not", () =>
      Effect.gen(function* () {
        const queue = yield* RunQueue
        const dead = yield* aRun
        const alive = yield* aRun
        yield* claimRun(dead.id, "dead", 0)
        yield* claimRun(alive.id, "alive")
        const reclaimed = yield* queue.reclaim("expired")
        expect([reclaimed.includes(dead.id), reclaimed.includes(alive.id)]).toEqual([true, false])
        expect(yield* historyOf(dead.id)).toEqual(["queued 0", "started 1", "reclaimed 1"])
      })
    )

    it.effect("a run that was put back keeps its place in the queue", () =>
      Effect.gen(function* () {
        const queue = yield* RunQueue
        const first = yield* aRun
        yield* aRun
        yield* queue.putBack(yield* claimRun(first.id), "me")
        const next = yield* claimRun(first.id)
        expect(next).toMatchObject({ id: first.id, attempt: 2 })
        expect(yield* historyOf(first.id)).toEqual(["queued 0", "started 1", "put_back 1", "started 2"])
      })
    )

    it.effect("twelve workers at once take every run, and none of them twice", () =>
      Effect.gen(function* () {
        const queue = yield* RunQueue
        const suite = yield* aSuite()
        const ids = yield* Effect.forEach(Array.from({ length: 60 }), () =>
          Effect.map(queue.enqueue(suite.id, {}, undefined), (run) => run.id)
        )
        const worker = (name: string) =>
          Effect.gen(function* () {
            const taken: Array<number> = []
            for (
              let claim = yield* queue.claim(name, MINUTE);
              Option.isSome(claim);
              claim = yield* queue.claim(name, MINUTE)
            ) {
              taken.push(claim.value.id)
              yield* queue.complete(claim.value, name, passed)
            }
            return taken
          })
        const names = Array.from({ length: 12 }, (_, n) => `worker ${n}`)
        const taken = (yield* Effect.forEach(names, worker, { concurrency: "unbounded" })).flat()
        const ours = taken.filter((id) => ids.includes(id)).toSorted((a, b) => a - b)
        expect(ours).toEqual(ids)
      })
    )
  })

  describe("queued-once", () => {
    it.effect("twenty requests at once with one key queue one run, and all get it", () =>
      Effect.gen(function* () {
        const queue = yield* RunQueue
        const runs = yield* Runs
        const suite = yield* aSuite()
        const all = yield* Effect.forEach(
          Array.from({ length: 20 }),
          () => queue.enqueue(suite.id, { label: "nightly" }, "key"),
          { concurrency: "unbounded" }
        )
        expect(new Set(all.map((run) => run.id)).size).toBe(1)
        expect((yield* runs.list({ limit: 100, suiteId: suite.id })).items).toHaveLength(1)
      })
    )

    it.effect("the same key for another body is a conflict, for another suite another run", () =>
      Effect.gen(function* () {
        const queue = yield* RunQueue
        const suite = yield* aSuite()
        const other = yield* aSuite()
        const first = yield* queue.enqueue(suite.id, { label: "a" }, "key")
        const conflict = yield* Effect.flip(queue.enqueue(suite.id, { label: "b" }, "key"))
        expect(conflict).toMatchObject({ _tag: "Conflict", message: expect.stringContaining(`run ${first.id}`) })
        expect((yield* queue.enqueue(other.id, { label: "b" }, "key")).id).not.toBe(first.id)
      })
    )

    it.effect("without a key every request queues a run", () =>
      Effect.gen(function* () {
        const queue = yield* RunQueue
        const suite = yield* aSuite()
        const [a, b] = [yield* queue.enqueue(suite.id, {}, undefined), yield* queue.enqueue(suite.id, {}, undefined)]
        expect(a.id).not.toBe(b.id)
      })
    )
  })
})
