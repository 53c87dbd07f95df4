/** When a part begins: at a time after the component started, or at the very instant of a turn in the stop. */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { Lifecycle } from "quiesce/Lifecycle"

export const When = Schema.Union([Schema.Number, Schema.Literals(["lameDuck", "stopping"])])

export const waitFor = (when: typeof When.Type): Effect.Effect<void, never, Lifecycle> =>
  typeof when === "number"
    ? Effect.sleep(when)
    : Effect.flatMap(Lifecycle, (lifecycle) => (when === "lameDuck" ? lifecycle.lameDuck : lifecycle.stopping))

/** Work of so many milliseconds, below zero for ever, that ignores interruption or not. */
export const work = (takes: number, masked: boolean): Effect.Effect<void> => {
  const whole = takes < 0 ? Effect.never : Effect.sleep(takes)
  return masked ? Effect.uninterruptible(whole) : whole
}
