// Faults of the end that nothing asynchronous survives: last words, a process that leaves, a blocked event loop.
import type { Mutant } from "./mutant.ts"

export const leaving: ReadonlyArray<Mutant> = [
  {
    what: "last words are told to everybody, on top of what does not return",
    file: "internal/EventLog.ts",
    find: "if (this.#confidant !== undefined) return void this.#confidant.push(event)",
    replace: ""
  },
  {
    what: "last words are told to nobody",
    file: "internal/EventLog.ts",
    find: "if (this.#confidant !== undefined) return void this.#confidant.push(event)",
    replace: "if (this.#confidant !== undefined) return"
  },
  {
    what: "an emergency hook that blocks is run again by who finds that out",
    file: "internal/lastWords.ts",
    find: "    emergency.delete(hook)\n",
    replace: ""
  },
  {
    what: "an emergency hook that blocks is run again, all the others are left out",
    file: "internal/lastWords.ts",
    find: "    emergency.delete(hook)\n",
    replace: "    emergency.clear()\n"
  },
  {
    what: "a process that leaves in the middle of its stop goes on stopping",
    file: "Phase.ts",
    find: 'if (isStopping(phase.state)) return forceExit(phase, { _tag: "Forced" })',
    replace: "if (isStopping(phase.state)) return [phase, none]"
  },
  {
    what: "a process that leaves while it runs is asked to stop",
    file: "Phase.ts",
    find: '  return [exited, [{ _tag: "BeginStop", reason }, ...commands]]',
    replace: "  return exited === commands ? [exited, commands] : beginStop(phase, reason)"
  },
  {
    what: "a process that leaves has timed out",
    file: "Phase.ts",
    find: 'forceExit({ ...phase, reason }, { _tag: "Forced" })',
    replace: 'forceExit({ ...phase, reason }, { _tag: "TimedOut" })'
  },
  {
    what: "a signal that waited for the event loop has the whole grace period",
    file: "internal/Pipeline.ts",
    find: "    this.#late = late\n",
    replace: "    this.#late = 0 * late\n"
  },
  {
    what: "how long a signal has waited is told, and nothing comes of it",
    file: "internal/Pipeline.ts",
    find: "const left = Math.max(total - spent, 0)",
    replace: "const left = failed ? Math.max(total - spent, 0) : total"
  },
  {
    what: "how long a signal has waited is counted, and not told",
    file: "internal/Pipeline.ts",
    find: "...(failed || spent > 0 ? { spent } : {})",
    replace: "...(failed ? { spent } : {})"
  },
  {
    what: "the report leaves out how long a signal has waited",
    file: "internal/analysis.ts",
    find: "  if (request.spent !== undefined) return",
    replace: '  if (request.spent !== undefined && request.reason._tag === "StartFailed") return'
  },
  {
    what: "a stop that ends behind its deadline, which no timer has told, is as good as any",
    file: "internal/Pipeline.ts",
    find: 'this.remaining() < 0 ? { _tag: "DeadlineReached" } : { _tag: "Done", state }',
    replace: '{ _tag: "Done", state }'
  },
  {
    what: "the log does not say that the event loop was blocked",
    file: "internal/logEvent.ts",
    find: '[e.killed ? "Fatal" : "Warn", [describeBlock(e), ...e.stack]',
    replace: '[e.killed ? "Fatal" : "Debug", [describeBlock(e), ...e.stack]'
  },
  {
    what: "the report does not say that the event loop was blocked",
    file: "Report.ts",
    find: 'blocked: only(events, "EventLoopBlocked").map(',
    replace: 'blocked: only(events, "EventLoopBlocked").slice(1).map('
  }
]
