/**
 * What nobody wanted, and happened all the same: in the process, as its platform tells, and in the stop itself.
 */
import * as Cause from "effect/Cause"
import type * as Context from "effect/Context"
import * as Metric from "effect/Metric"
import type { StopState } from "../Phase.ts"
import type { CrashKind, StopReason } from "../StopReason.ts"
import { describe } from "./describe.ts"
import type { Kernel } from "./Kernel.ts"

/** Answers the reason that it is for a stop. */
export const tellCrash = (kernel: Kernel, kind: CrashKind, error: unknown): StopReason => {
  const cause = Cause.die(error)
  const message = describe(cause)
  kernel.emit({ _tag: "Crashed", at: kernel.now(), kind, message }, cause)
  return { _tag: "Crash", kind, message }
}

const blockedMillis = Metric.histogram("quiesce_event_loop_blocked_millis", {
  description: "milliseconds for which one piece of code kept all others from running",
  boundaries: [1000, 2000, 5000, 10_000, 30_000, 60_000]
})

/** A loop that is blocked again and again is one story. */
const quietMillis = 10_000

/** Measures every block, and tells of one in ten seconds. */
export class Blocks {
  readonly #kernel: Kernel
  readonly #context: Context.Context<never>
  #told = Number.NEGATIVE_INFINITY

  constructor(kernel: Kernel, context: Context.Context<never>) {
    this.#kernel = kernel
    this.#context = context
  }

  readonly tell = (millis: number, stack: ReadonlyArray<string>): void => {
    blockedMillis.updateUnsafe(millis, this.#context)
    const at = this.#kernel.now()
    if (at - this.#told < quietMillis) return
    this.#told = at
    this.#kernel.emit({ _tag: "EventLoopBlocked", at, millis, stack, killed: false })
  }
}

/** A participant's synchronous part that throws, such as `inFlight`. */
export const tellDefect = (kernel: Kernel, state: StopState, cause: Cause.Cause<never>): void => {
  const at = kernel.now()
  const failure = describe(cause)
  kernel.emit({ _tag: "Awaited", at, kind: "state", name: state, waited: 0, result: "failed", failure }, cause)
}
