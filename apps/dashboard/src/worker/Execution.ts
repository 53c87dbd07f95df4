/**
 * One claimed run, from the claim to its result or back to the queue. Whatever happens in between, it ends in one of three
 * ways, and the queue knows which:
 *
 * - completed: the executor finished, and the result is stored in one transaction;
 * - put back: the stop could not wait any longer (`handOver`), or this fiber was interrupted;
 * - lost: the lease ended while the database could not be reached, and somebody else has the run now.
 *
 * A fourth is left for a stop whose database does not answer: the run stays under its lease until that ends, and is named.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type { SqlError } from "effect/sql/SqlError"
import * as CriticalSection from "quiesce/CriticalSection"
import type { Executor } from "./Executor.ts"
import type { Claim, Result, RunQueue } from "../store/RunQueue.ts"

export interface Options {
  readonly queue: RunQueue["Service"]
  readonly executor: Executor["Service"]
  readonly instance: string
  /** Milliseconds. */
  readonly lease: number
  /** Completes when a stopping application wants its runs back in the queue. */
  readonly handOver: Effect.Effect<void>
  /** Completes when a stopping application can no longer wait for a database that does not answer. */
  readonly giveUp: Effect.Effect<void>
  /** The runs that were claimed and of which the queue does not know yet how they ended. */
  readonly unsettled: Set<number>
}

type End =
  | { readonly _tag: "Finished"; readonly result: Result }
  | { readonly _tag: "HandOver" }
  | { readonly _tag: "Lost" }

/** Expects to be run uninterruptibly, in one piece with the claim. */
export const execute = (options: Options, claim: Claim) => {
  const { executor, giveUp, handOver, instance, lease, queue, unsettled } = options
  const name = `run ${claim.id}`

  /**
   * The database may be away for a while; what is to be written is kept until it is back. As a critical section: an
   * interruption between the work and its record would throw the work away. The section itself is bounded, and the
   * fence makes it harmless to come too late.
   */
  const record = (what: string, write: Effect.Effect<boolean, SqlError>) =>
    write.pipe(
      Effect.tapError((error) => Effect.logWarning(`${name}: could not ${what} yet, ${error.message}; trying again`)),
      Effect.retry(Schedule.spaced("500 millis")),
      Effect.tap((ours) =>
        ours ? Effect.void : Effect.logWarning(`${name}: ${what} refused, another attempt has begun`)
      ),
      Effect.tap(() => Effect.sync(() => unsettled.delete(claim.id))),
      Effect.raceFirst(giveUp),
      (write) => CriticalSection.run(`${what} of ${name}`, write, { atMost: "3 seconds", allowDuringStop: true })
    )

  const putBack = (why: string) =>
    Effect.andThen(
      Effect.logInfo(`${name} goes back to the queue: ${why}`),
      record("put back", queue.putBack(claim, instance))
    )

  const renew = queue.extend(claim, lease).pipe(
    // Not heard of is not lost: the lease decides, and the fence when the result is stored.
    Effect.catch((error) => Effect.as(Effect.logWarning(`${name}: lease not renewed, ${error.message}`), true)),
    Effect.delay(lease / 3),
    Effect.repeat({ while: (ours) => ours }),
    Effect.as({ _tag: "Lost" } satisfies End)
  )

  const work = executor.execute(claim).pipe(
    Effect.map((cases): Result => ({ status: cases.every((_) => _.passed) ? "passed" : "failed", cases })),
    Effect.catchCause((cause) =>
      Cause.hasInterrupts(cause)
        ? Effect.failCause(cause)
        : Effect.as(Effect.logError(`${name}: the executor failed`, cause), {
            status: "errored",
            cases: []
          } satisfies Result)
    ),
    Effect.map((result) => ({ _tag: "Finished", result }) satisfies End)
  )

  const settle = (end: End) => {
    switch (end._tag) {
      case "Finished":
        return Effect.andThen(
          Effect.logInfo(`${name} ${end.result.status} (attempt ${claim.attempt})`),
          record("store the result", queue.complete(claim, instance, end.result))
        )
      case "HandOver":
        return putBack("the stop cannot wait for it any longer")
      case "Lost":
        unsettled.delete(claim.id)
        return Effect.logWarning(`${name}: its lease was lost, so this attempt is given up`)
    }
  }

  // Only the work can be interrupted: there is no instant between the claim and here, or between here and the record, at
  // which an interruption would leave the run to its lease.
  return Effect.sync(() => unsettled.add(claim.id)).pipe(
    Effect.andThen(Effect.logInfo(`${name} begins (attempt ${claim.attempt}, ${claim.cases.length} cases)`)),
    Effect.andThen(
      Effect.interruptible(Effect.raceAllFirst([work, renew, Effect.as(handOver, { _tag: "HandOver" } satisfies End)]))
    ),
    Effect.onInterrupt(() => putBack("it was interrupted")),
    Effect.flatMap(settle)
  )
}
