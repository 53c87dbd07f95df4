/**
 * One claimed run, from the claim to its result or back to the queue. Whatever happens in between, it ends in one of three
 * ways, and the queue knows which:
 *
 * - completed: the executor finished, and the result is stored in one transaction;
 * - put back: the stop could not wait any longer (`handOver`), or the worker hands it back: it was interrupted, or not begun;
 * - lost: the lease ended while the database could not be reached, and somebody else has the run now.
 *
 * A fourth is left for a stop whose database does not answer: the run stays under its lease until that ends, and is named.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type { SqlError } from "effect/sql/SqlError"
import * as CriticalSection from "quiesce/CriticalSection"
import type { Claim, Result, RunQueue } from "../store/RunQueue.ts"
import type { Executor } from "./Executor.ts"
import type { InHand } from "./InHand.ts"

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
  readonly inHand: InHand
}

type End =
  | { readonly _tag: "Finished"; readonly result: Result }
  | { readonly _tag: "HandOver" }
  | { readonly _tag: "Lost" }

export const make = (options: Options) => {
  const { executor, giveUp, handOver, inHand, instance, lease, queue } = options

  /**
   * The database may be away for a while; what is to be written is kept until it is back. As a critical section: an
   * interruption between the work and its record would throw the work away. The section itself is bounded, and the
   * fence makes it harmless to come too late.
   */
  const record = (claim: Claim, what: string, write: Effect.Effect<boolean, SqlError>) =>
    write.pipe(
      Effect.tapError((error) =>
        Effect.logWarning(`run ${claim.id}: could not ${what} yet, ${error.message}; trying again`)
      ),
      Effect.retry(Schedule.spaced("500 millis")),
      Effect.tap((ours) =>
        ours ? Effect.void : Effect.logWarning(`run ${claim.id}: ${what} refused, another attempt has begun`)
      ),
      Effect.tap(() => Effect.sync(() => inHand.delete(claim))),
      Effect.raceFirst(giveUp),
      (write) =>
        CriticalSection.run(`${what} of run ${claim.id}`, write, { atMost: "3 seconds", allowDuringStop: true }),
      Effect.orDie // no error is left: it is tried again and again, and may begin during the stop
    )

  const putBack = (claim: Claim, why: string) =>
    Effect.andThen(
      Effect.logInfo(`run ${claim.id} goes back to the queue: ${why}`),
      record(claim, "put back", queue.putBack(claim, instance))
    )

  const renew = (claim: Claim) =>
    queue.extend(claim, lease).pipe(
      // Not heard of is not lost: the lease decides, and the fence when the result is stored.
      Effect.catch((error) =>
        Effect.as(Effect.logWarning(`run ${claim.id}: lease not renewed, ${error.message}`), true)
      ),
      Effect.delay(lease / 3),
      Effect.repeat({ while: (ours) => ours }),
      Effect.as({ _tag: "Lost" } satisfies End)
    )

  const work = (claim: Claim) =>
    executor.execute(claim).pipe(
      Effect.map((cases): Result => ({ status: cases.every((_) => _.passed) ? "passed" : "failed", cases })),
      Effect.catchCause((cause) =>
        Cause.hasInterrupts(cause)
          ? Effect.failCause(cause)
          : Effect.as(Effect.logError(`run ${claim.id}: the executor failed`, cause), {
              status: "errored",
              cases: []
            } satisfies Result)
      ),
      Effect.map((result) => ({ _tag: "Finished", result }) satisfies End)
    )

  const settle = (claim: Claim, end: End) => {
    switch (end._tag) {
      case "Finished":
        return Effect.andThen(
          Effect.logInfo(`run ${claim.id} ${end.result.status} (attempt ${claim.attempt})`),
          record(claim, "store the result", queue.complete(claim, instance, end.result))
        )
      case "HandOver":
        return putBack(claim, "the stop cannot wait for it any longer")
      case "Lost":
        inHand.delete(claim)
        return Effect.logWarning(`run ${claim.id}: its lease was lost, so this attempt is given up`)
    }
  }

  return {
    /** Only the work can be interrupted: there is no instant between its end and the record at which the result could be lost. */
    execute: (claim: Claim) =>
      Effect.logInfo(`run ${claim.id} begins (attempt ${claim.attempt}, ${claim.cases.length} cases)`).pipe(
        Effect.andThen(
          Effect.interruptible(
            Effect.raceAllFirst([work(claim), renew(claim), Effect.as(handOver, { _tag: "HandOver" } satisfies End)])
          )
        ),
        Effect.flatMap((end) => settle(claim, end)),
        Effect.uninterruptible
      ),
    /** Of one that was interrupted while it was recorded nothing is left to hand back. */
    handBack: (claim: Claim, cause: Cause.Cause<never>) =>
      inHand.has(claim)
        ? putBack(claim, cause.reasons.length === 0 ? "it had not begun" : "it was interrupted")
        : Effect.void
  }
}
