/**
 * Takes runs from the queue and executes them, a few at a time; how many may change while it runs.
 *
 * At a stop nothing more is taken, and what is being executed has half of the time that is left to finish. What has not
 * finished by then goes back to the queue, where this application's next start or another instance finds it. So a stop loses
 * no run, and its drain ends with none left. A stop because of a failure does not wait for them: they go back at once.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as HttpServer from "effect/http/HttpServer"
import * as Layer from "effect/Layer"
import * as Component from "quiesce/Component"
import { Lifecycle } from "quiesce/Lifecycle"
import * as StopReason from "quiesce/StopReason"
import * as Task from "quiesce/Task"
import { randomUUID } from "node:crypto"
import { hostname } from "node:os"
import { mostWorkers } from "../settings/Configuration.ts"
import { instanceOf, Settings } from "../settings/Settings.ts"
import { RunQueue } from "../store/RunQueue.ts"
import * as Claiming from "./Claiming.ts"
import * as Execution from "./Execution.ts"
import { Executor } from "./Executor.ts"
import { InHand } from "./InHand.ts"
import { RunsUnsettled } from "./RunsUnsettled.ts"

export const layer = Layer.effectDiscard(
  Effect.gen(function* () {
    const settings = yield* Settings
    const configuration = yield* settings.current
    const { lease } = configuration
    const name = instanceOf(configuration)
    const lifecycle = yield* Lifecycle
    const queue = yield* RunQueue
    const executor = yield* Executor
    // Nothing of it is used, but it is there: the port is ours, so no twin of this instance is at work by mistake.
    yield* HttpServer.HttpServer
    const instance = name ?? `${hostname()}-${randomUUID().slice(0, 8)}`

    const reclaim = (of: Parameters<typeof queue.reclaim>[0], why: string) =>
      Effect.tap(queue.reclaim(of), (runs) =>
        runs.length === 0 ? Effect.void : Effect.logInfo(`runs ${runs.join(", ")} are queued again: ${why}`)
      )

    const inHand = new InHand()
    yield* lifecycle.onStopped(
      "every run settled",
      Effect.suspend(() => (inHand.runs.length === 0 ? Effect.void : Effect.fail(new RunsUnsettled(inHand))))
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
    const giveUp = yield* whenStopping(0.07)
    const { execute, handBack } = Execution.make({
      queue,
      executor,
      instance,
      lease,
      inHand,
      handOver: yield* whenStopping(0),
      giveUp
    })

    // Whoever had this name before is gone: what it had begun can be begun again at once.
    if (name !== undefined) yield* reclaim({ instance }, "they were begun by this instance before it ended")
    yield* Task.periodic(
      "lease sweep",
      reclaim("expired", "nobody was heard of who executes them").pipe(
        Effect.catchTag("SqlError", (error) => Effect.logWarning(`leases cannot be looked at: ${error.message}`))
      ),
      { delay: lease / 2 }
    )
    yield* Task.worker("run", {
      take: Claiming.make({ queue, settings, instance, lease, inHand, giveUp }),
      handle: execute,
      handBack,
      concurrency: mostWorkers // how many of them are at work is Claiming's business
    })
  })
).pipe(Component.make("worker"))
