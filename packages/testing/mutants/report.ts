// Faults of the outcome, the report and the log.
import type { Mutant } from "./mutant.ts"

export const report: ReadonlyArray<Mutant> = [
  {
    what: "a degraded stop exits with 0",
    file: "Outcome.ts",
    find: "return isFailure(reason) ? failureCode(reason) : exitCodes.degraded",
    replace: "return isFailure(reason) ? failureCode(reason) : 0"
  },
  {
    what: "the exit code of a signal is that of another",
    file: "Outcome.ts",
    find: "SIGINT: 2,",
    replace: "SIGINT: 15,"
  },
  {
    what: "a failure as the reason exits with 0",
    file: "Outcome.ts",
    find: '    case "Clean":\n      return isFailure(reason) ? failureCode(reason) : 0',
    replace: '    case "Clean":\n      return 0'
  },
  {
    what: "an abandoned component leaves the outcome clean",
    file: "Report.ts",
    find: 'event._tag === "ComponentAbandoned" || (event._tag',
    replace: "(event._tag"
  },
  {
    what: "a failing finalizer leaves the outcome clean",
    file: "Report.ts",
    find: '|| (event._tag === "ComponentStopped" && event.failure !== undefined)',
    replace: ""
  },
  {
    what: "a release cut off by the grace period is not a time-out",
    file: "Report.ts",
    find: 'event._tag === "ComponentAbandoned" && event.limit === "gracePeriod"',
    replace: 'event._tag === "ComponentAbandoned" && event.limit === "start"'
  },
  {
    what: "the report leaves out a component",
    file: "internal/analysis.ts",
    find: "return Array.from(rows.values()).filter((row) => !row.empty || row.stoppingAt !== undefined)",
    replace: "return Array.from(rows.values()).filter((row) => !row.empty && row.working > 0)"
  },
  {
    what: "the report takes an abandoned component for a stopped one",
    file: "internal/analysis.ts",
    find: 'settle(abandoned, event.at, "abandoned")',
    replace: 'settle(abandoned, event.at, "stopped")'
  },
  {
    what: "the critical chain loses its waiting time",
    file: "internal/analysis.ts",
    find: "waiting: between(previous === undefined ? releasing : stopOf(previous), startOf(link)),",
    replace: "waiting: 0,"
  },
  {
    what: "a background failure is silent",
    file: "internal/watchScope.ts",
    find: "if (Fiber.isFiber(key)) this.#onFiber(key)",
    replace: ""
  },
  {
    what: "a failing finalizer is silent",
    file: "internal/Ledger.ts",
    find: "const failureOf = (exit: Exit.Exit<unknown, unknown> | undefined): Cause.Cause<unknown> | undefined =>\n  exit !== undefined &&",
    replace:
      "const failureOf = (exit: Exit.Exit<unknown, unknown> | undefined): Cause.Cause<unknown> | undefined =>\n  exit === undefined && exit !== undefined &&"
  },
  {
    what: "a failing hook is silent",
    file: "internal/Waits.ts",
    find: 'else this.#tell(wait, "failed", exit.cause)',
    replace: ""
  },
  {
    what: "a failing hook is told twice",
    file: "internal/Waits.ts",
    find: 'else this.#tell(wait, "failed", exit.cause)',
    replace: 'else for (let n = 0; n < 2; n++) this.#tell(wait, "failed", exit.cause)'
  },
  {
    what: "what was left behind and then fails is silent",
    file: "internal/Waits.ts",
    find: "if (!this.#pending.delete(fiber)) return this.#tellLate(wait, exit)",
    replace: "if (!this.#pending.delete(fiber)) return"
  },
  {
    what: "a start that fails is silent",
    file: "internal/Ledger.ts",
    find: "      if (!node.announced) return\n",
    replace: "      if (node.id > 0) return\n"
  },
  {
    what: "a crash does not stop the application",
    file: "internal/Pipeline.ts",
    find: 'if (kind !== "processExit") return this.requestStop(reason)',
    replace: 'if (kind !== "processExit") return'
  }
]
