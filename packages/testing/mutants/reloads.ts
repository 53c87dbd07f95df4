// Faults of reloads.
import type { Mutant } from "./mutant.ts"

export const reloads: ReadonlyArray<Mutant> = [
  {
    what: "a reload that fails is told as one that was abandoned",
    file: "internal/Reloads.ts",
    find: "else if (Cause.hasInterruptsOnly(exit.cause))",
    replace: "else if (exit.cause !== undefined)"
  },
  {
    what: "the application stays Reloading when a reload is over",
    file: "internal/Reloads.ts",
    find: '          this.#dispatch({ _tag: "ReloadEnded" })\n',
    replace: ""
  },
  {
    what: "two reloads may run at once",
    file: "internal/Reloads.ts",
    find: "Semaphore.makeUnsafe(1)",
    replace: "Semaphore.makeUnsafe(2)"
  },
  {
    what: "a stop waits for a reload",
    file: "internal/Reloads.ts",
    find: "Effect.raceFirst(Fiber.await(fiber), stop)",
    replace: "Fiber.await(fiber)"
  },
  {
    what: "a reload begins although the application stops",
    file: "internal/Reloads.ts",
    find: 'if (this.#state() !== "Reloading") return yield* new ShuttingDown({ kind: name })',
    replace: ""
  },
  {
    what: "an abandoned reload that fails all the same is silent",
    file: "internal/Reloads.ts",
    find: "if (Exit.isSuccess(late) || !Cause.hasInterruptsOnly(late.cause)) this.#tell(name, late)",
    replace: "void late"
  }
]
