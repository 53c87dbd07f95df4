/**
 * Takes runs from the queue and executes them, a few at a time.
 *
 * Each run is a unit of accepted work of the gate "run". At a stop the gate closes: nothing more is taken, and what is
 * being executed has half of the time that is left to finish. What has not finished by then goes back to the queue, where
 * this application's next start or another instance finds it. So a stop loses no run, and its drain ends with none left.
 * A stop because of a failure does not wait for them: they go back at once.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as HttpServer from "effect/http/HttpServer"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as Component from "quiesce/Component"
import * as DrainGate from "quiesce/DrainGate"
import { Lifecycle } from "quiesce/Lifecycle"
import * as StopReason from "quiesce/StopReason"
import { randomUUID } from "node:crypto"
import { hostname } from "node:os"
import { Settings } from "../settings/Settings.ts"
import { type Claim, RunQueue } from "../store/RunQueue.ts"
import { execute } from "./Execution.ts"
import { Executor } from "./Executor.ts"
import { RunsUnsettled } from "./RunsUnsettled.ts"

export const layer = Layer.effectDiscard(
  Effect.gen(function* () {
    const { lease, pollInterval, workers, ...settings } = yield* Settings
    const lifecycle = yield* Lifecycle
    const queue = yield* RunQueue
    const executor = yield* Executor
    // Nothing of it is used, but it is there: the port is ours, so no twin of this instance is at work by mistake.
    yield* HttpServer.HttpServer
    const instance = settings.instance ?? `${hostname()}-${randomUUID().slice(0, 8)}`

    const reclaim = (of: Parameters<typeof queue.reclaim>[0], why: string) =>
      Effect.tap(queue.reclaim(of), (runs) =>
        runs.length === 0 ? Effect.void : Effect.logInfo(`runs ${runs.join(", ")} are queued again: ${why}`)
      )

    const gate = yield* DrainGate.make("run")
    const unsettled = new Set<number>()
    yield* lifecycle.onStopped(
      "every run settled",
      Effect.suspend(() =>
        unsettled.size === 0 ? Effect.void : Effect.fail(new RunsUnsettled({ runs: Array.from(unsettled) }))
      )
    )
    /**
     * A share of the time that is left when draining begins, and a little more for what has to be written then. Counted from
     * there, whenever it is asked for.
     */
    const whenStopping = Effect.fnUntraced(function* (extra: number) {
      const reached = yield* Deferred.make<void>()
      yield* Effect.andThen(lifecycle.stopping, lifecycle.status).pipe(
        Effect.flatMap(({ reason, remaining = 0 }) =>
          Effect.sleep(remaining * ((reason !== undefined && StopReason.isFailure(reason) ? 0 : 0.5) + extra))
        ),
        Effect.andThen(Deferred.succeed(reached, undefined)),
        Effect.forkScoped
      )
      return Deferred.await(reached)
    })
    const options = {
      queue,
      executor,
      instance,
      lease,
      unsettled,
      handOver: yield* whenStopping(0),
      giveUp: yield* whenStopping(0.07)
    }

    /** Of a claim that was not answered nobody knows whether it has taken a run; if so, the run is under its lease. */
    const unanswered = Effect.as(
      Effect.andThen(options.giveUp, Effect.logWarning("the database does not answer; the queue is not waited for")),
      Option.none<Claim>()
    )
    const takeOne = Effect.uninterruptible(
      Effect.flatMap(
        Effect.raceFirst(queue.claim(instance, lease), unanswered),
        Option.match({
          onNone: () => Effect.succeed(false),
          onSome: (claim) => Effect.as(execute(options, claim), true)
        })
      )
    )
    const idle = Effect.raceAllFirst([queue.queued, lifecycle.stopping, Effect.sleep(pollInterval)])
    const work = gate.run(takeOne).pipe(
      Effect.flatMap((took) => (took ? Effect.void : idle)),
      Effect.catchTag("SqlError", (error) =>
        Effect.andThen(
          Effect.logWarning(`the queue cannot be read: ${error.message}; trying again`),
          Effect.sleep("1 second")
        )
      ),
      Effect.forever,
      Effect.catchTag("ShuttingDown", () => Effect.void)
    )

    // Whoever had this name before is gone: what it had begun can be begun again at once.
    if (settings.instance !== undefined)
      yield* reclaim({ instance }, "they were begun by this instance before it ended")
    yield* reclaim("expired", "nobody was heard of who executes them").pipe(
      Effect.catchTag("SqlError", (error) => Effect.logWarning(`leases cannot be looked at: ${error.message}`)),
      Effect.repeat(Schedule.spaced(lease / 2)),
      Effect.forkScoped
    )
    for (let n = 0; n < workers; n++) yield* Effect.forkScoped(work)
  })
).pipe(Component.make("worker"))
