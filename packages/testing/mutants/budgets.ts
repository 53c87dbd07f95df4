// Faults of the budgets.
import type { Mutant } from "./mutant.ts"

export const budgets: ReadonlyArray<Mutant> = [
  {
    what: "the limit of a state is forgotten",
    file: "internal/Limit.ts",
    find: "Effect.raceFirst(Effect.andThen(Effect.repeat(Effect.void, this.#schedule), this.#spendLeases), this.#capReached)",
    replace: "this.#capReached"
  },
  {
    what: "a state may use up the reserve",
    file: "internal/Pipeline.ts",
    find: "return between(reserve, since === undefined ? this.remaining() : since + total - this.now())",
    replace: "return between(0 * reserve, since === undefined ? this.remaining() : since + total - this.now())"
  },
  {
    what: "the cap of a state is forgotten",
    file: "internal/Limit.ts",
    find: "return left <= 0 ? Effect.void : Effect.andThen(Effect.sleep(left), this.#capReached)",
    replace: "return Effect.never"
  },
  {
    what: "a component's stop timeout is forgotten",
    file: "internal/Ledger.ts",
    find: "const left = between(0, Math.min(stopTimeout + node.lease - spent, this.#kernel.releaseRemaining()))",
    replace: "const left = this.#kernel.releaseRemaining() + 0 * (stopTimeout + spent)"
  },
  {
    what: "a release is not bounded by the grace period",
    file: "internal/Ledger.ts",
    find: "const left = between(0, Math.min(stopTimeout + node.lease - spent, this.#kernel.releaseRemaining()))",
    replace: "const left = stopTimeout + node.lease - spent"
  },
  {
    what: "a release that hangs is waited for",
    file: "internal/Ledger.ts",
    find: "if (left <= 0) return this.#kernel",
    replace: "if (left <= 0) yield* Fiber.await(closer)\n        if (left <= -1e9) return this.#kernel"
  },
  {
    what: "a release that hangs is looked at again and again, which leaves no time for anything else",
    file: "internal/Ledger.ts",
    find: "if (left <= 0) return this.#kernel",
    replace: "if (left <= -1e9) return this.#kernel"
  },
  {
    what: "the grace period of a crash is that of any stop",
    file: "internal/Pipeline.ts",
    find: 'const total = reason._tag === "Crash" ? Math.min(crashGracePeriod, budgets.total) : budgets.total',
    replace: "const total = budgets.total + 0 * crashGracePeriod"
  },
  {
    what: "the rollback of a failed start has no deadline",
    file: "internal/Pipeline.ts",
    find: 'else if (this.#phase.state === "Starting" && this.#rollbackSince === undefined) {',
    replace: "else if (this.#phase.signals < 0) {"
  },
  {
    what: "a lease is granted without limit",
    file: "internal/Pipeline.ts",
    find: "const granted = Math.min(millis, Math.max(this.releaseRemaining(), 0))",
    replace: "const granted = millis"
  },
  {
    what: "hooks after the stop are not bounded",
    file: "internal/StopStates.ts",
    find: "return Effect.raceFirst(waits.empty, limit.expired).pipe(",
    replace: "return Effect.andThen(Effect.sync(() => limit), waits.empty).pipe("
  },
  {
    what: "the reserve is a fifth",
    file: "GracePeriod.ts",
    find: "Math.min(total / 10, 3000)",
    replace: "Math.min(total / 5, 3000)"
  },
  {
    what: "the reserve is a twentieth",
    file: "GracePeriod.ts",
    find: "Math.min(total / 10, 3000)",
    replace: "Math.min(total / 20, 3000)"
  },
  {
    what: "twice the rollback is counted",
    file: "internal/Pipeline.ts",
    find: "between(this.#rollbackSince, this.now()) : this.#late",
    replace: "2 * between(this.#rollbackSince, this.now()) : this.#late"
  },
  {
    what: "the whole start is counted as a rollback",
    file: "internal/Pipeline.ts",
    find: "between(this.#rollbackSince, this.now()) : this.#late",
    replace: "this.now() : this.#late"
  },
  {
    what: "the rollback of a failed start is not counted",
    file: "internal/Pipeline.ts",
    find: "between(this.#rollbackSince, this.now()) : this.#late",
    replace: "0 : this.#late"
  },
  {
    what: "a release that has begun does not hear of a shorter deadline",
    file: "internal/Ledger.ts",
    find: "Effect.sleep(left), moved]",
    replace: "Effect.sleep(left), Effect.andThen(moved, Effect.never)]"
  },
  {
    what: "the reserve of a crash is that of any stop",
    file: "internal/Pipeline.ts",
    find: "const reserve = reserveOf(this.#total)",
    replace: "const reserve = reserveOf(total)"
  }
]
