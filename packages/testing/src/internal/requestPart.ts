/**
 * Scripted requests: units of work that arrive at a gate from outside, wait for a place or are turned away, and may lose
 * patience.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type { AtCapacity } from "quiesce/AtCapacity"
import * as DrainGate from "quiesce/DrainGate"
import type { Lifecycle } from "quiesce/Lifecycle"
import type { ShuttingDown } from "quiesce/ShuttingDown"
import { CurrentJournal, record } from "./Journal.ts"
import { type Stage, withPatience } from "./patience.ts"
import { waitFor, When, work } from "./when.ts"

/**
 * The fields of the part of that name; what is optional is left out of a gate without limits. `kinds`: so many kinds of units,
 * in turn. `patience`: milliseconds after which a unit that is not accepted yet goes away.
 */
export const requestFields = {
  when: When,
  every: Schema.Number,
  count: Schema.Number,
  takes: Schema.Number,
  masked: Schema.Boolean,
  capacity: Schema.optionalKey(Schema.Number),
  whenFull: Schema.optionalKey(Schema.Literals(["wait", "reject"])),
  kinds: Schema.optionalKey(Schema.Number),
  patience: Schema.optionalKey(Schema.Number)
}

const Fields = Schema.Struct(requestFields)

/** The requests come from outside, so that nobody's scope holds them. */
export const acceptRequests = (
  gate: string,
  { capacity, count, every, kinds = 1, masked, patience, takes, when, whenFull = "wait" }: typeof Fields.Type
): Effect.Effect<void, never, Lifecycle | Scope.Scope> =>
  Effect.gen(function* () {
    const journal = yield* CurrentJournal
    const waits = whenFull === "wait"
    const { run } = yield* DrainGate.make(gate, { capacity, whenFull })
    const request = (unit: number) => {
      const kind = unit % kinds === 0 ? gate : `${gate}/${unit % kinds}`
      const stage: Stage = { isIn: false, isGone: false }
      const inside = Effect.suspend(() => {
        if (stage.isGone) return Effect.void
        stage.isIn = true
        journal.record({ _tag: "Accepted", gate, unit, masked, kind })
        return work(takes, masked)
      }).pipe(
        Effect.onExit((exit) =>
          stage.isIn ? record({ _tag: "Left", gate, unit, whole: Exit.isSuccess(exit) }) : Effect.void
        )
      )
      const told = (exit: Exit.Exit<unknown, ShuttingDown | AtCapacity>) =>
        Effect.sync(() => {
          const error = Option.getOrUndefined(Exit.findErrorOption(exit))
          if (error?._tag === "ShuttingDown") journal.record({ _tag: "Refused", gate, unit })
          else if (error?._tag === "AtCapacity") journal.record({ _tag: "TurnedAway", gate, unit })
          else if (!stage.isIn) journal.record({ _tag: "Withdrawn", gate, unit })
        })
      // Who has asked tells what came of it, whatever interrupts it meanwhile.
      const asked = Effect.uninterruptibleMask((restore) => {
        journal.record({ _tag: "Asked", gate, unit, kind, waits, ...(capacity !== undefined && { capacity }) })
        return Effect.onExit(restore(run(inside, { kind })), told)
      })
      return Effect.ignore(withPatience(asked, patience, stage))
    }
    // Each waits for itself, so that those of one instant are all there when it comes.
    for (let unit = 0; unit < count; unit++) {
      const late = unit * every
      const arrival =
        typeof when === "number"
          ? Effect.sleep(when + late)
          : Effect.andThen(waitFor(when), late > 0 ? Effect.sleep(late) : Effect.void)
      yield* Effect.forkDetach(Effect.andThen(arrival, request(unit)))
    }
  })
