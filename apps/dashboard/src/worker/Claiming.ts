/**
 * Claims queued runs, as long as fewer are in hand than `workers` says. The settings are asked each time, so that a reload
 * changes how many; when there are to be fewer, those in hand are finished.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { Claims } from "quiesce/Task"
import type { Settings } from "../settings/Settings.ts"
import type { Claim, RunQueue } from "../store/RunQueue.ts"
import type { InHand } from "./InHand.ts"

export interface Options {
  readonly queue: RunQueue["Service"]
  readonly settings: Settings["Service"]
  readonly instance: string
  /** Milliseconds. */
  readonly lease: number
  readonly inHand: InHand
  /** Completes when a stopping application can no longer wait for a database that does not answer. */
  readonly giveUp: Effect.Effect<void>
}

export const make = ({ giveUp, inHand, instance, lease, queue, settings }: Options): Claims<Claim> => {
  const none = Option.none<Claim>()
  let isAway = false

  /** Of a claim that was not answered nobody knows whether it has taken a run; if so, the run is under its lease. */
  const unanswered = Effect.as(
    Effect.andThen(giveUp, Effect.logWarning("the database does not answer; the queue is not waited for")),
    none
  )

  const claim = Effect.gen(function* () {
    isAway = false
    const { workers } = yield* settings.current
    if (!inHand.hasRoom(workers)) return none
    const found = yield* Effect.raceFirst(queue.claim(instance, lease), unanswered)
    if (Option.isSome(found)) inHand.add(found.value)
    return found
  }).pipe(
    Effect.catchTag("SqlError", (error) => {
      isAway = true
      return Effect.as(Effect.logWarning(`the queue cannot be read: ${error.message}; trying again`), none)
    })
  )

  const wait = Effect.flatMap(settings.current, ({ pollInterval }) =>
    isAway ? Effect.sleep("1 second") : Effect.raceAllFirst([queue.queued, inHand.left, Effect.sleep(pollInterval)])
  )

  return { claim, wait }
}
