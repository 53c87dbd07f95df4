// Faults of critical sections.
import type { Mutant } from "./mutant.ts"

export const sections: ReadonlyArray<Mutant> = [
  {
    what: "a critical section is interrupted with everything else",
    file: "internal/Sections.ts",
    find: "Math.min(section.atMost - spent",
    replace: "Math.min(section.atMost / 2 - spent"
  },
  {
    what: "a critical section has no limit",
    file: "internal/Sections.ts",
    find: "if (left <= 0) return this.giveUp(section)",
    replace: "if (left <= 0) return yield* Effect.never"
  },
  {
    what: "a section that is given up is not named",
    file: "internal/Sections.ts",
    find: "    this.#tell(section, true)\n",
    replace: ""
  },
  {
    what: "the stop does not wait for critical sections",
    file: "internal/StopStates.ts",
    find: "if (awaited !== undefined) return Effect.andThen(Deferred.await(awaited), this.#atRest)",
    replace: "void awaited"
  },
  {
    what: "critical sections may begin while draining",
    file: "internal/makeLifecycle.ts",
    find: "Phase.isRefusing(pipeline.phase.state) && !late",
    replace: "Phase.isRefusing(pipeline.phase.state) && late"
  },
  {
    what: "a section that may begin during a stop is refused",
    file: "internal/makeLifecycle.ts",
    find: "const late = allowDuringStop || (outer",
    replace: "const late = (outer"
  },
  {
    what: "critical sections are refused in lame duck",
    file: "internal/makeLifecycle.ts",
    find: "Phase.isRefusing(pipeline.phase.state) &&",
    replace: "Phase.isStopping(pipeline.phase.state) &&"
  },
  {
    what: "a section that held the stop up is not told",
    file: "internal/Sections.ts",
    find: "if (section.since !== undefined) this.#tell(section, false)",
    replace: "void section"
  },
  {
    what: "a section that ended in time is told to have exceeded its limit",
    file: "internal/Sections.ts",
    find: "if (section.since !== undefined) this.#tell(section, false)",
    replace: "if (section.since !== undefined) this.#tell(section, true)"
  },
  {
    what: "a section that exceeded its limit is told to have ended in time",
    file: "internal/Sections.ts",
    find: "    this.#tell(section, true)\n",
    replace: "    this.#tell(section, false)\n"
  },
  {
    what: "a section is told twice",
    file: "internal/Sections.ts",
    find: "    if (section.told) return\n",
    replace: ""
  },
  {
    what: "a section is told to have held the stop up since it began",
    file: "internal/Sections.ts",
    find: "  since: number | undefined\n",
    replace: "  since: number | undefined = 0\n"
  },
  {
    what: "a section that is given up is not interrupted",
    file: "internal/Sections.ts",
    find: "    section.fiber?.interruptUnsafe()\n",
    replace: ""
  },
  {
    what: "a section that fails never ends",
    file: "CriticalSection.ts",
    find: "Effect.onExit(() => Effect.sync(() => criticalSections.leave(section)))",
    replace: "Effect.tap(() => Effect.sync(() => criticalSections.leave(section)))"
  },
  {
    what: "a section is not waited for by its own component",
    file: "CriticalSection.ts",
    find: ".pipe(Effect.onInterrupt(() => criticalSections.bound(section)))",
    replace: ""
  },
  {
    what: "a section that a forced exit tears is not told",
    file: "internal/lastWords.ts",
    find: "kind: `critical section ${section.name}`, count: 1 })",
    replace: "kind: `critical section ${section.name}`, count: 0 })"
  },
  {
    what: "a critical section that begins while interrupting has no limit",
    file: "internal/Sections.ts",
    find: "    if (this.#bounding) this.#kernel.fork(this.bound(section))\n",
    replace: ""
  },
  {
    what: "a critical section that begins when all has come to rest is torn",
    file: "internal/StopStates.ts",
    find: "if (!expired && (this.sections.awaited !== undefined || this.waits.names.length > 0)) return rest",
    replace: 'if (!expired && state === "Draining" && this.waits.names.length > 0) return rest'
  },
  {
    what: "sections of one key run side by side",
    file: "internal/makeLifecycle.ts",
    find: "if (key === undefined || sections.holds(outer, key))",
    replace: "if (key === undefined || key !== undefined)"
  },
  {
    what: "sections of different keys wait for one another",
    file: "internal/makeLifecycle.ts",
    find: "sections.keys.lineUp(key, late)",
    replace: "sections.keys.lineUp(key.slice(0, 0), late)"
  },
  {
    what: "a section does not let go of its key",
    file: "internal/Sections.ts",
    find: "if (section.turn !== undefined) this.keys.leave(section.turn)",
    replace: ""
  },
  {
    what: "a section that is given up lets go of its key and goes on",
    file: "internal/Sections.ts",
    find: "    section.fiber?.interruptUnsafe()\n",
    replace: "    section.fiber?.interruptUnsafe()\n    if (section.turn !== undefined) this.keys.leave(section.turn)\n"
  },
  {
    what: "the section that asked last has the key first",
    file: "internal/Keys.ts",
    find: "const [first] = line ?? []",
    replace: "const first = Array.from(line ?? []).at(-1)"
  },
  {
    what: "a section that stands in line is not refused when the drain begins",
    file: "internal/Sections.ts",
    find: "    this.keys.sendAway()\n",
    replace: ""
  },
  {
    what: "a section that stands in line and may begin during a stop is refused",
    file: "internal/Keys.ts",
    find: "if (turn.late) continue",
    replace: ""
  },
  {
    what: "the stop does not wait for a section that stands in line and may begin",
    file: "internal/Sections.ts",
    find: "return this.keys.late?.over",
    replace: "return undefined"
  },
  {
    what: "a section that is interrupted in line keeps its place",
    file: "internal/makeLifecycle.ts",
    find: "Effect.onInterrupt(() => Effect.sync(() => sections.keys.leave(turn)))",
    replace: "Effect.onInterrupt(() => Effect.void)"
  }
]
