// Faults of the escalation.
import type { Mutant } from "./mutant.ts"

export const escalation: ReadonlyArray<Mutant> = [
  {
    what: "the ladder is off by one: a signal too late",
    file: "Phase.ts",
    find: 'const rung = ladder[Math.min(signals, ladder.length) - 1] ?? "Exit"',
    replace: 'const rung = ladder[Math.min(signals - 1, ladder.length) - 1] ?? "Exit"'
  },
  {
    what: "the ladder is off by one: a signal too early",
    file: "Phase.ts",
    find: 'const rung = ladder[Math.min(signals, ladder.length) - 1] ?? "Exit"',
    replace: 'const rung = ladder[Math.min(signals, ladder.length - 1)] ?? "Exit"'
  },
  {
    what: "the second signal does nothing",
    file: "Phase.ts",
    find: "if (signals === 1) return [next, none]",
    replace: "if (signals <= 2) return [next, none]"
  },
  {
    what: "repeats of a signal are not taken for one",
    file: "internal/Pipeline.ts",
    find: "if (last !== undefined && last.signal === signal && at - last.at < this.#options.cooldown) return",
    replace: "void last"
  },
  {
    what: "other signals within the cooldown are swallowed",
    file: "internal/Pipeline.ts",
    find: "last.signal === signal && at - last.at",
    replace: "at - last.at"
  },
  {
    what: "to interrupt is to go on as before",
    file: "Phase.ts",
    find: 'if (rung === "Interrupt" && (phase.state === "LameDuck" || phase.state === "Draining")) {',
    replace: 'if (rung === "Interrupt" && phase.state === "LameDuck") {'
  },
  {
    what: "to interrupt goes back from where it was",
    file: "Phase.ts",
    find: 'if (rung === "Interrupt" && (phase.state === "LameDuck" || phase.state === "Draining")) {',
    replace: 'if (rung === "Interrupt") {'
  },
  {
    what: "a later reason replaces the first",
    file: "Phase.ts",
    find: "return isStopping(phase.state) ? [phase, none] : beginStop(phase, input.reason)",
    replace:
      "return isStopState(phase.state) ? [{ ...phase, reason: input.reason }, none] : isStopping(phase.state) ? [phase, none] : beginStop(phase, input.reason)"
  },
  {
    what: "a forced exit waits for the finalizers",
    file: "Phase.ts",
    find: '  { ...phase, state: "Exit" },\n  [{ _tag: "ForceExit", outcome }]',
    replace:
      '  { ...phase, state: "Releasing" },\n  outcome._tag === "Forced" ? [{ _tag: "Enter", state: "Releasing" }] : [{ _tag: "ForceExit", outcome }]'
  }
]
