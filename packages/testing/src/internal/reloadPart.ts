/**
 * Scripted reloads: each attempt does its behaviour, and tells what came of it, so that the engine's word can be held against it.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { Lifecycle } from "quiesce/Lifecycle"
import * as Behaviour from "../Behaviour.ts"
import { record } from "./Journal.ts"

/** The fields of the part: `count` attempts, the first `when`, then one every `every`. */
export const reloadFields = {
  when: Schema.Number,
  every: Schema.Number,
  count: Schema.Number,
  behaviour: Behaviour.Behaviour
}

const Fields = Schema.Struct(reloadFields)

export const startReloads = (
  reload: string,
  { behaviour, count, every, when }: typeof Fields.Type
): Effect.Effect<unknown, never, Lifecycle | Scope.Scope> =>
  Effect.gen(function* () {
    const lifecycle = yield* Lifecycle
    const attempt = (number: number) =>
      record({ _tag: "ReloadBegan", reload, attempt: number }).pipe(
        Effect.andThen(Behaviour.run(behaviour, reload, `reload ${number} failed`)),
        Effect.onExit((exit) => record({ _tag: "ReloadEnded", reload, attempt: number, how: howOf(exit) })),
        Effect.as({ version: number, changed: ["key"], restart: [] }),
        (work) => lifecycle.reload({ name: reload, trigger: "script" }, work),
        Effect.exit
      )
    const attempts = Effect.gen(function* () {
      yield* Effect.sleep(when)
      for (let number = 1; number <= count; number++) {
        yield* attempt(number)
        yield* Effect.sleep(every)
      }
    })
    yield* Effect.forkScoped(attempts)
  })

const howOf = (exit: Exit.Exit<unknown, unknown>): "done" | "failed" | "interrupted" =>
  Exit.isSuccess(exit) ? "done" : Cause.hasInterruptsOnly(exit.cause) ? "interrupted" : "failed"
