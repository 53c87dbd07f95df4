// Faults of the gate for new work.
import type { Mutant } from "./mutant.ts"

export const gate: ReadonlyArray<Mutant> = [
  {
    what: "the gate is never closed",
    file: "internal/Admission.ts",
    find: 'if (this.#closed || this.#refusing()) return "refusing"',
    replace: ""
  },
  {
    what: "the gate looks in one step and lets in in the next",
    file: "DrainGate.ts",
    find: "      admission.enter(unit)\n      return Effect.void",
    replace: "      return Effect.sync(() => admission.enter(unit))"
  },
  {
    what: "the gate looks, loses its turn, and then lets in",
    file: "DrainGate.ts",
    find: "      admission.enter(unit)\n      return Effect.void",
    replace: "      return Effect.andThen(Effect.yieldNow, Effect.sync(() => admission.enter(unit)))"
  },
  {
    what: "accepted work is not counted out when it is interrupted",
    file: "DrainGate.ts",
    find: "Effect.onExit(restore(effect), () =>",
    replace: "Effect.onExit(restore(effect), (exit) => exit._tag === 'Failure' ? Effect.void :"
  },
  {
    what: "the gate says that it is empty when it is closed, whatever is in it",
    file: "internal/Admission.ts",
    find: "if (this.#closed && this.#inside === 0)",
    replace: "if (this.#closed)"
  },
  {
    what: "the gate says that it is empty before it is closed",
    file: "internal/Admission.ts",
    find: "if (this.#closed && this.#inside === 0)",
    replace: "if (this.#inside === 0)"
  },
  {
    what: "what is left in the gate is not interrupted",
    file: "internal/interruptInBatches.ts",
    find: "one.interruptUnsafe()",
    replace: "void one"
  },
  {
    what: "the gate stays open when its component is gone",
    file: "DrainGate.ts",
    find: "yield* Effect.addFinalizer(() => close)",
    replace: ""
  },
  {
    what: "a component that goes early does not name its unfinished work",
    file: "internal/StopStates.ts",
    find: "if (cut) this.#tellStragglers(participants.countsOf(drainable))",
    replace: ""
  },
  {
    what: "stragglers are not told",
    file: "internal/StopStates.ts",
    find: 'if (count > 0) this.#kernel.emit({ _tag: "Straggler"',
    replace: 'if (count > 1e9) this.#kernel.emit({ _tag: "Straggler"'
  },
  {
    what: "a gate takes more than its capacity",
    file: "internal/Admission.ts",
    find: 'return this.#inside >= this.capacity ? "full" : "open"',
    replace: 'return "open"'
  },
  {
    what: "a gate takes one more than its capacity",
    file: "internal/Admission.ts",
    find: 'return this.#inside >= this.capacity ? "full" : "open"',
    replace: 'return this.#inside > this.capacity ? "full" : "open"'
  },
  {
    what: "a gate takes one less than its capacity",
    file: "internal/Admission.ts",
    find: 'return this.#inside >= this.capacity ? "full" : "open"',
    replace: 'return this.#inside >= Math.max(this.capacity - 1, 1) ? "full" : "open"'
  },
  {
    what: "a full gate lets wait whom it should turn away",
    file: "DrainGate.ts",
    find: ": makeWith(kind, capacity, (_, unit) => Effect.fail(new AtCapacity({ kind: unit, capacity })))",
    replace: ": makeWith(kind, capacity, waitForPlace)"
  },
  {
    what: "a full gate turns away whom it should let wait",
    file: "DrainGate.ts",
    find: "? makeWith(kind, capacity, waitForPlace)",
    replace: "? makeWith(kind, capacity, (_, unit) => Effect.fail(new AtCapacity({ kind: unit, capacity })))"
  },
  {
    what: "a closed gate says that it is full",
    file: "DrainGate.ts",
    find: 'if (answer === "refusing") return refused(unit)',
    replace: 'if (answer === "refusing") return full(admission, unit, restore)'
  },
  {
    what: "who finds a gate full stands in line a step later",
    file: "DrainGate.ts",
    find: 'if (answer === "full") return full(admission, unit, restore)',
    replace: 'if (answer === "full") return Effect.suspend(() => full(admission, unit, restore))'
  },
  {
    what: "nobody in line is let in when a place is free",
    file: "internal/Admission.ts",
    find: "    this.#admit()\n",
    replace: ""
  },
  {
    what: "who came last to a full gate comes first",
    file: "internal/Admission.ts",
    find: "const [next] = this.#waiting\n",
    replace: "const next = Array.from(this.#waiting).at(-1)\n"
  },
  {
    what: "who waits for a place is let in while draining",
    file: "internal/Admission.ts",
    find: 'this.look() !== "open"',
    replace: "this.#inside >= this.capacity"
  },
  {
    what: "who waits for a place is not refused when the gate closes",
    file: "internal/Admission.ts",
    find: "for (const { turn } of refused) Deferred.doneUnsafe(turn, Effect.succeed(false))",
    replace: "void refused"
  },
  {
    what: "who waits for a place is let in when the gate closes",
    file: "internal/Admission.ts",
    find: "for (const { turn } of refused) Deferred.doneUnsafe(turn, Effect.succeed(false))",
    replace:
      "for (const { kind, turn } of refused) {\n      this.enter(kind)\n      Deferred.doneUnsafe(turn, Effect.succeed(true))\n    }"
  },
  {
    what: "who goes away in the instant in which it is let in keeps its place",
    file: "internal/Admission.ts",
    find: "if (waiter.inside) this.leave(waiter.kind)",
    replace: "if (waiter.inside) return"
  },
  {
    what: "who goes away while it waits keeps its place in the line",
    file: "internal/Admission.ts",
    find: "else this.#waiting.delete(waiter)",
    replace: ""
  },
  {
    what: "what has waited for a place is counted as another kind",
    file: "internal/Admission.ts",
    find: "this.enter(next.kind)",
    replace: 'this.enter("other")'
  },
  {
    what: "every unit is counted as its gate's kind",
    file: "DrainGate.ts",
    find: "      admission.enter(unit)\n      return Effect.void",
    replace: "      admission.enter(kind)\n      return Effect.void"
  }
]
