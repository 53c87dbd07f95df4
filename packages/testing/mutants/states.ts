// Faults of the states of a stop.
import type { Mutant } from "./mutant.ts"

export const states: ReadonlyArray<Mutant> = [
  {
    what: "Draining and Interrupting are swapped",
    file: "Phase.ts",
    find: 'export const stopStates = ["LameDuck", "Draining", "Interrupting", "Releasing", "Flushing"] as const',
    replace: 'export const stopStates = ["LameDuck", "Interrupting", "Draining", "Releasing", "Flushing"] as const'
  },
  {
    what: "Interrupting is left out",
    file: "Phase.ts",
    find: 'const after = (state: StopState): StopState | "Stopped" => stopStates[stopStates.indexOf(state) + 1] ?? "Stopped"',
    replace:
      "const after = (state: StopState): StopState | \"Stopped\" => state === 'Draining' ? 'Releasing' : (stopStates[stopStates.indexOf(state) + 1] ?? \"Stopped\")"
  },
  {
    what: "the release is left out",
    file: "internal/StopStates.ts",
    find: "return this.#ledger.releaseAll()",
    replace: "return Effect.void"
  },
  {
    what: "lame duck refuses already",
    file: "Phase.ts",
    find: 'isStopping(state) && state !== "LameDuck"',
    replace: "isStopping(state)"
  },
  {
    what: "lame duck takes no time",
    file: "internal/StopStates.ts",
    find: "return Deferred.isDoneUnsafe(this.running) ? limit.expired : Effect.void",
    replace: "return Effect.void"
  },
  {
    what: "the drain does not wait for what was accepted",
    file: "internal/StopStates.ts",
    find: 'return this.#untilRest("Draining", limit)',
    replace: "return Effect.sync(() => void limit)"
  },
  {
    what: "work that is left is not interrupted before the release",
    file: "internal/StopStates.ts",
    find: "if (drainable.interrupt !== undefined && participants.hasWork(drainable)) {",
    replace: "if (drainable.interrupt !== undefined && participants.hasWork(drainable) && drainable.name === '') {"
  },
  {
    what: "a start that is going on is not interrupted",
    file: "internal/StopStates.ts",
    find: "      build.interruptUnsafe()\n",
    replace: ""
  }
]
