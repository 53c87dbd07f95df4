/**
 * What a scripted step does: ends well, fails, dies or hangs, at once or after a while, and whether it can be interrupted
 * meanwhile. Plain data, so that it can be generated, shrunk and kept in a file.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { CurrentJournal } from "./internal/Journal.ts"

/**
 * - `end`: how it ends.
 * - `after`: milliseconds before that.
 * - `masked`: it ignores interruption all the while.
 * - `blocks`: the milliseconds are spent without letting anything else run.
 */
export const Behaviour = Schema.Struct({
  end: Schema.Literals(["return", "fail", "die", "hang"]),
  after: Schema.Number,
  masked: Schema.Boolean,
  blocks: Schema.Boolean
})

export type Behaviour = typeof Behaviour.Type

/** How a script says it: a word, or the parts that differ from an immediate good end. */
export type Input = "return" | "fail" | "die" | "hang" | "deaf" | Partial<Behaviour>

/**
 * Fills in what a script left out. `"deaf"` hangs and ignores interruption.
 *
 * @example
 * ```ts
 * import * as Behaviour from "@quiesce/testing/Behaviour"
 *
 * Behaviour.make({ after: 300 }) // slow
 * Behaviour.make({ after: 300, end: "fail" }) // slow, and then fails
 * Behaviour.make("deaf")
 * ```
 */
export const make = (input: Input = "return"): Behaviour => {
  const none: Behaviour = { end: "return", after: 0, masked: false, blocks: false }
  if (input === "deaf") return { ...none, end: "hang", masked: true }
  return typeof input === "string" ? { ...none, end: input } : { ...none, ...input }
}

/** What a scripted failure fails with; as a defect it is thrown. */
export class OnPurpose extends Schema.TaggedError<OnPurpose>()("OnPurpose", { message: Schema.String }) {}

/**
 * Carries a behaviour out. `what` becomes the failure's message, which is recorded so that the laws can look for its log line.
 *
 * **When to use**: to let a layer of your own misbehave as a scripted component does.
 *
 * **Errors**: `OnPurpose` when it ends with `"fail"`; with `"die"` that is a defect.
 *
 * **Interruption safety**: as `masked` says. What `blocks` cannot be interrupted.
 *
 * @example
 * ```ts
 * import * as Effect from "effect/Effect"
 * import * as Layer from "effect/Layer"
 * import * as Behaviour from "@quiesce/testing/Behaviour"
 *
 * const SlowToStop = Layer.effectDiscard(
 *   Effect.addFinalizer(() => Effect.orDie(Behaviour.run(Behaviour.make({ after: 300 }), "cache", "flush failed")))
 * )
 * ```
 */
export const run = (behaviour: Behaviour, component: string, what: string): Effect.Effect<void, OnPurpose> =>
  Effect.flatMap(CurrentJournal, (journal) => {
    const { after, blocks, end, masked } = behaviour
    const pass = blocks ? Effect.sync(() => journal.block(after)) : after > 0 ? Effect.sleep(after) : Effect.void
    const fail = Effect.sync(() => {
      const message = `${component}: ${what} on purpose`
      journal.record({ _tag: "Failed", component, message })
      return new OnPurpose({ message })
    })
    const finish =
      end === "return"
        ? Effect.void
        : end === "hang"
          ? Effect.never
          : Effect.flatMap(fail, (error) => (end === "fail" ? Effect.fail(error) : Effect.die(error)))
    const whole = Effect.andThen(pass, finish)
    return masked ? Effect.uninterruptible(whole) : whole
  })
