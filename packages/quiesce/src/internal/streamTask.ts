/** A consumer of a stream. */
import * as Effect from "effect/Effect"
import * as Pull from "effect/Pull"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { Lifecycle } from "../Lifecycle.ts"
import type { Task } from "../Task.ts"
import type { Options } from "../Tasks.ts"
import type { TaskControl } from "./SupervisedTask.ts"

/**
 * Consumes a stream, one element after the other. It has ended when the stream has.
 *
 * **When to use**: for events, changes, a subscription. Where each element is work that must not be lost, `Task.worker` takes it
 * from a queue and can hand it back.
 *
 * **Details**: a restart runs the stream anew, from wherever it begins. For several elements at a time use
 * `Stream.mapEffect` with `concurrency`; its elements in progress are then interrupted with the stream.
 *
 * **Interruption safety**: while it waits for the stream it ends as soon as draining begins, and the stream's finalizers run.
 * Elements that the stream has handed over by then are finished, for at most the drain budget.
 *
 * @example
 * ```ts
 * import * as Effect from "effect/Effect"
 * import * as Stream from "effect/Stream"
 * import * as Task from "quiesce/Task"
 *
 * const audit = Task.stream("audit", Stream.tick("1 second"), () => Effect.log("one more"), { onFailure: "degrade" })
 * ```
 */
export const stream = <A, E, R, E2, R2, R3 = never>(
  name: string,
  source: Stream.Stream<A, E, R>,
  handle: (element: A) => Effect.Effect<unknown, E2, R2>,
  options: Omit<Options<void, E | E2, R3>, "onStop"> = {}
): Effect.Effect<Task<void, E | E2>, never, R | R2 | R3 | Lifecycle | Scope.Scope> =>
  Effect.flatMap(Lifecycle, ({ tasks }) => {
    const run = (control: TaskControl): Effect.Effect<void, E | E2, R | R2> =>
      Effect.scoped(
        Effect.gen(function* () {
          const pull = yield* Stream.toPull(source)
          while (!control.isDraining()) {
            const elements = yield* control.idle(Pull.catchDone(pull, () => Effect.succeed(undefined)))
            if (elements === undefined) return
            for (const element of elements) yield* handle(element)
          }
        })
      )
    return tasks.start({ name, run, options: { ...options, onStop: "finish" } })
  })
