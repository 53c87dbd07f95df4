// Faults of tasks and workers.
import type { Mutant } from "./mutant.ts"

export const tasks: ReadonlyArray<Mutant> = [
  {
    what: "a task is restarted although its schedule has ended",
    file: "internal/SupervisedTask.ts",
    find: "if (delay === undefined) return this.#fail(exit.cause, this.#policy)",
    replace: "if (delay === undefined) delay = 0"
  },
  {
    what: "a task is restarted at once, whatever its schedule says",
    file: "internal/SupervisedTask.ts",
    find: "Effect.flatMap(Effect.sleep(delay), () => {",
    replace: "Effect.flatMap(Effect.sleep(0), () => {"
  },
  {
    what: "a task that fails and is ignored is silent",
    file: "internal/SupervisedTask.ts",
    find: "    this.#supervisor.tellFailure(",
    replace: "    if (next === 'ignore') return message\n    this.#supervisor.tellFailure("
  },
  {
    what: "a task that has failed for good does not stop the application",
    file: "internal/SupervisedTask.ts",
    find: 'if (next === "stop") this.#supervisor.failed(this.name, message)',
    replace: ""
  },
  {
    what: "the restart of a task begins while draining",
    file: "internal/Supervisor.ts",
    find: "readonly isDraining = (): boolean => this.#kernel.isRefusing()",
    replace: "readonly isDraining = (): boolean => false"
  },
  {
    what: "tasks are interrupted by ascending priority",
    file: "internal/Supervisor.ts",
    find: ".toSorted(([a], [b]) => b - a)",
    replace: ".toSorted(([a], [b]) => a - b)"
  },
  {
    what: "tasks of a lower priority are interrupted without waiting for the higher",
    file: "internal/Supervisor.ts",
    find: "if (index < levels.length - 1) yield* Effect.raceFirst(ended(alive), Effect.sleep(share))",
    replace: ""
  },
  {
    what: "the stop does not interrupt tasks",
    file: "internal/Supervisor.ts",
    find: "yield* interruptInBatches(alive)",
    replace: ""
  },
  {
    what: "a unit that a worker takes in the instant of the stop is dropped",
    file: "internal/worker.ts",
    find: ": Effect.as(giveBack(exit.value), undefined)",
    replace: ": Effect.as(Effect.void, undefined)"
  },
  {
    what: "a unit that a worker is interrupted in is not handed back",
    file: "internal/worker.ts",
    find: ": Effect.andThen(handBack(unit, exit.cause), Effect.failCause(exit.cause))",
    replace: ": Effect.failCause(exit.cause)"
  },
  {
    what: "what is left in the queue of a worker is not handed back",
    file: "internal/worker.ts",
    find: "return Effect.andThen(giveBack(next.value), giveBackRest)",
    replace: "return giveBackRest"
  },
  {
    what: "a worker goes on taking units while draining",
    file: "internal/worker.ts",
    find: "const accepts = (): boolean => !closed && !control.isDraining()",
    replace: "const accepts = (): boolean => true"
  },
  {
    what: "a worker does not wait for the unit that it has asked for",
    file: "internal/worker.ts",
    find: "{ uninterruptible: isClaimed }",
    replace: "{ uninterruptible: concurrency < 0 && isClaimed }"
  },
  {
    what: "a worker asks for units while draining",
    file: "internal/claims.ts",
    find: "    isOpen()\n",
    replace: "    isOpen !== undefined\n"
  },
  {
    what: "a worker asks for several units at a time",
    file: "internal/claims.ts",
    find: "Effect.andThen(Effect.interruptible(turn.take(1)), Effect.ensuring(next, turn.release(1)))",
    replace: "Effect.ensuring(next, Effect.as(Effect.void, turn))"
  },
  {
    what: "a task that may finish is interrupted when the drain begins",
    file: "internal/Supervisor.ts",
    find: "const idle = alive.filter(isIdle)",
    replace: "const idle = alive.filter((task) => task.finishes || isIdle(task))"
  },
  {
    what: "the drain does not wait for a task that may finish",
    file: "internal/Supervisor.ts",
    find: 'for (const [name, tasks] of finishing) this.#waits.add("task", name, ended(tasks))',
    replace: "void finishing"
  },
  {
    what: "a task that may finish and does not is not named",
    file: "internal/StopStates.ts",
    find: "      tasks.tellStragglers()\n",
    replace: ""
  },
  {
    what: "a task that fails while it may finish is silent",
    file: "internal/SupervisedTask.ts",
    find: 'if (over) return this.#fail(exit.cause, "stopping")',
    replace: 'if (over) return this.#settle(exit, "failed")'
  },
  {
    what: "a task that fails while it may finish is told to be restarted",
    file: "internal/SupervisedTask.ts",
    find: 'if (over) return this.#fail(exit.cause, "stopping")',
    replace: ""
  },
  {
    what: "a task that fails for good during a stop leaves the outcome clean",
    file: "Report.ts",
    find: '(event._tag === "TaskFailed" && event.next === "stop") ||',
    replace: ""
  }
]
