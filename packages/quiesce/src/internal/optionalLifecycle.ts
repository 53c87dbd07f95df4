/**
 * The application as the parts of an optional component see it: a task that fails for good is its failure, and never a reason
 * for the application to stop.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { Lifecycle } from "../Lifecycle.ts"

export const withoutStop = (
  lifecycle: Lifecycle["Service"],
  failed: (cause: Cause.Cause<unknown>) => void
): Lifecycle["Service"] =>
  Lifecycle.of({
    ...lifecycle,
    tasks: {
      start: (spec) => {
        const { onExit, onFailure = "stop" } = spec.options
        if (onFailure !== "stop") return lifecycle.tasks.start(spec)
        const tell = (exit: Exit.Exit<unknown, unknown>) =>
          Effect.sync(() => {
            if (Exit.isFailure(exit) && !Cause.hasInterruptsOnly(exit.cause)) failed(exit.cause)
          })
        return lifecycle.tasks.start({
          ...spec,
          options: {
            ...spec.options,
            onFailure: "ignore",
            onExit: (exit) => (onExit === undefined ? tell(exit) : Effect.andThen(onExit(exit), tell(exit)))
          }
        })
      }
    }
  })
