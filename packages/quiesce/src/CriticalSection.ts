/**
 * Work that a stop must not tear apart: a soft shield with a limit and a name.
 */
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { CurrentSection } from "./internal/Sections.ts"
import { Lifecycle } from "./Lifecycle.ts"
import type { ShuttingDown } from "./ShuttingDown.ts"

export interface Options {
  /**
   * How long the section may hold up whoever waits for it, counted from the moment that the stop interrupts (or that its
   * own fiber is interrupted). Then it is interrupted after all and named in the report.
   *
   * @default 5 seconds, the interrupt budget
   */
  readonly atMost?: Duration.Input | undefined
  /**
   * Let it begin even when the application is draining already, for example a final save.
   *
   * @default false
   */
  readonly allowDuringStop?: boolean | undefined
  /**
   * Sections with the same key run one after the other, first come, first served; one inside of another with the same key
   * runs at once. Who stands in line when draining begins is refused, and its limit begins with the section itself.
   *
   * @default none: sections run side by side
   */
  readonly key?: string | undefined
}

/**
 * Runs `effect` so that a graceful stop waits for it instead of interrupting it. Once draining has begun new sections are
 * refused with `ShuttingDown`; a section inside of one that is open may still begin.
 *
 * **When to use**: around the few steps that belong together but have no transaction: write a file and its index, send a
 * command to a device and read it back. Not as a substitute for a transaction where there is one, and not around anything
 * that waits for long: everybody waits with it.
 *
 * **Interruption safety**: the effect runs in a fiber of its own. Interrupting the caller (`Effect.timeout`, `Effect.race`,
 * a client that hangs up) waits for the section, at most `atMost`. A forced exit waits for nothing. Inside, the effect is
 * interruptible: `Effect.timeout` within the section works as always, and where the caller is uninterruptible the limit holds
 * all the same. Standing in line for a key can be interrupted. Two
 * sections that wait for each other's keys from the inside hold each other up until their limits are over.
 *
 * @example
 * ```ts
 * import * as Effect from "effect/Effect"
 * import * as CriticalSection from "quiesce/CriticalSection"
 *
 * const save = CriticalSection.run("save-layout", Effect.log("write, sync, rename"), { atMost: "2 seconds" })
 * ```
 */
export const run = <A, E, R>(
  name: string,
  effect: Effect.Effect<A, E, R>,
  options: Options = {}
): Effect.Effect<A, E | ShuttingDown, R | Lifecycle> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.gen(function* () {
      const { criticalSections } = yield* Lifecycle
      const section = yield* criticalSections.enter(
        name,
        {
          atMost: Duration.toMillis(options.atMost ?? "5 seconds"),
          allowDuringStop: options.allowDuringStop ?? false,
          key: options.key
        },
        restore
      )
      const fiber = yield* effect.pipe(
        Effect.provideService(CurrentSection, section),
        Effect.onExit(() => Effect.sync(() => criticalSections.leave(section))),
        Effect.forkDetach({ startImmediately: true, uninterruptible: false })
      )
      section.fiber = fiber
      // Given up before it had begun: its limit is nothing.
      if (Deferred.isDoneUnsafe(section.ended)) fiber.interruptUnsafe()
      return yield* restore(Fiber.join(fiber)).pipe(Effect.onInterrupt(() => criticalSections.bound(section)))
    })
  )
