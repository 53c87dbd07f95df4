/**
 * Whether and when an application that has ended is started again.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Pull from "effect/Pull"
import * as Schedule from "effect/Schedule"
import { exitCodes } from "quiesce/Outcome"
import { commandNotExecutable, commandNotFound } from "./exitCode.ts"

export interface RestartOptions {
  readonly when: "on-failure" | "always" | "never"
  /** Starts again at most so often within the window. */
  readonly most: number
  readonly window: Duration.Duration
  /** Delays between the end of one life and the next. It begins anew after a life that was ready, or as long as the window. */
  readonly schedule: Schedule.Schedule<unknown>
}

/** One that has ended; `lasted` in milliseconds. */
export interface Life {
  readonly exitCode: number
  readonly wasReady: boolean
  readonly lasted: number
}

/** Nothing about these is better the next time. */
const final = new Set([exitCodes.usage, exitCodes.configuration, commandNotExecutable, commandNotFound])

export type Decision =
  | { readonly _tag: "Restart"; readonly after: number }
  | { readonly _tag: "Leave"; readonly because: string | undefined }

const leave = (because?: string): Decision => ({ _tag: "Leave", because })

export class Restarts {
  readonly #options: RestartOptions
  #step: Effect.Success<ReturnType<typeof Schedule.toStep<unknown, unknown, never, never>>> | undefined
  #recent: ReadonlyArray<number> = []
  #count = 0

  constructor(options: RestartOptions) {
    this.#options = options
  }

  get count(): number {
    return this.#count
  }

  decide({ exitCode, lasted, wasReady }: Life, now: number): Effect.Effect<Decision> {
    return Effect.gen({ self: this }, function* () {
      const { most, schedule, when, window } = this.#options
      if (when === "never" || (when === "on-failure" && exitCode === 0)) return leave()
      if (final.has(exitCode)) return leave(`exit code ${exitCode} would only come again, so it is not started again`)
      const from = now - Duration.toMillis(window)
      this.#recent = this.#recent.filter((at) => at > from)
      if (this.#recent.length >= most) {
        return leave(
          `it was started again ${most} times within ${Duration.format(window)}, and that is enough: see why it ends, or ` +
            `raise --max-restarts`
        )
      }
      // Not every application tells that it is ready.
      if (wasReady || lasted >= Duration.toMillis(window)) this.#step = undefined
      this.#step ??= yield* Schedule.toStep(schedule)
      const after = yield* this.#step(now, undefined).pipe(
        Effect.map(([, delay]): number | undefined => Duration.toMillis(delay)),
        Pull.catchDone(() => Effect.succeed(undefined))
      )
      if (after === undefined) return leave("its restart schedule has ended")
      this.#recent = [...this.#recent, now]
      this.#count++
      return { _tag: "Restart", after }
    })
  }
}
