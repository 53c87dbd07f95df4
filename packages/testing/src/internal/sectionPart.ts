/** A scripted critical section: asks, may stand in line for its key, and tells what came of it. */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as CriticalSection from "quiesce/CriticalSection"
import type { Lifecycle } from "quiesce/Lifecycle"
import { ShuttingDown } from "quiesce/ShuttingDown"
import { CurrentJournal, record } from "./Journal.ts"
import { type Stage, withPatience } from "./patience.ts"
import { When, work } from "./when.ts"

/**
 * The fields of the part of that name; sections with one `key` exclude one another, whoever they belong to. `patience`:
 * milliseconds after which one that still waits for its key goes away.
 */
export const sectionFields = {
  when: When,
  takes: Schema.Number,
  atMost: Schema.Number,
  masked: Schema.Boolean,
  allowDuringStop: Schema.Boolean,
  fails: Schema.optionalKey(Schema.Boolean),
  key: Schema.optionalKey(Schema.String),
  patience: Schema.optionalKey(Schema.Number)
}

const Fields = Schema.Struct(sectionFields)

/** A section that fails has come to its own end, too. */
export const enterSection = (
  section: string,
  { allowDuringStop: late, atMost, fails, key, masked, patience, takes }: typeof Fields.Type
): Effect.Effect<void, never, Lifecycle> =>
  Effect.flatMap(CurrentJournal, (journal) => {
    const stage: Stage = { isIn: false, isGone: false }
    const inside = Effect.suspend(() => {
      if (stage.isGone) return Effect.void
      stage.isIn = true
      journal.record({ _tag: "SectionEntered", section, atMost, late, masked })
      return Effect.andThen(work(takes, masked), fails === true ? Effect.fail("on purpose") : Effect.void)
    }).pipe(
      Effect.onExit((exit) =>
        stage.isIn ? record({ _tag: "SectionLeft", section, whole: !Exit.hasInterrupts(exit) }) : Effect.void
      )
    )
    const told = (exit: Exit.Exit<unknown, unknown>) =>
      Effect.sync(() => {
        const error = Option.getOrUndefined(Exit.findErrorOption(exit))
        if (error instanceof ShuttingDown) journal.record({ _tag: "SectionRefused", section, late })
        else if (!stage.isIn) journal.record({ _tag: "SectionWithdrawn", section })
      })
    // Who has asked tells what came of it, whatever interrupts it meanwhile.
    const asked = Effect.uninterruptibleMask((restore) => {
      journal.record({ _tag: "SectionAsked", section, late, ...(key !== undefined && { key }) })
      return Effect.onExit(restore(CriticalSection.run(section, inside, { atMost, allowDuringStop: late, key })), told)
    })
    return Effect.ignore(withPatience(asked, patience, stage))
  })
