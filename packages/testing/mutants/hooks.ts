// Faults of hooks.
import type { Mutant } from "./mutant.ts"

export const hooks: ReadonlyArray<Mutant> = [
  {
    what: "hooks are not told that the drain begins",
    file: "internal/StopStates.ts",
    find: '    for (const hook of onStopping) waits.add("onStopping", hook.name, hook.effect)\n    for (const hook of awaitBeforeStop)',
    replace: "    for (const hook of awaitBeforeStop)"
  },
  {
    what: "hooks are not told when an escalation skips the drain",
    file: "internal/StopStates.ts",
    find: "const onStopping = skipped ? Array.from(participants.onStopping) : []",
    replace: "const onStopping: Array<Hook> = []"
  },
  {
    what: "hooks that the drain has to wait for do not run",
    file: "internal/StopStates.ts",
    find: '    for (const hook of awaitBeforeStop) waits.add("awaitBeforeStop", hook.name, hook.effect)\n',
    replace: ""
  },
  {
    what: "hooks after the stop do not run",
    file: "internal/StopStates.ts",
    find: '    for (const hook of participants.onStopped) waits.add("onStopped", hook.name, hook.effect)\n',
    replace: ""
  },
  {
    what: "hooks after the stop run one after the other",
    file: "internal/StopStates.ts",
    find: '    for (const hook of participants.onStopped) waits.add("onStopped", hook.name, hook.effect)\n',
    replace:
      '    let before: Effect.Effect<unknown> = Effect.void\n    for (const { effect, name } of participants.onStopped)\n      before = Fiber.await(waits.add("onStopped", name, Effect.andThen(before, effect)))\n'
  },
  {
    what: "hooks after the stop are not waited for",
    file: "internal/StopStates.ts",
    find: "Effect.raceFirst(waits.empty, limit.expired)",
    replace: "Effect.raceFirst(Effect.yieldNow, limit.expired)"
  },
  {
    what: "hooks after the stop have half of what is left",
    file: "internal/StopStates.ts",
    find: "Schedule.duration(left * 0.9)",
    replace: "Schedule.duration(left * 0.45)"
  },
  {
    what: "hooks after the stop have all that is left",
    file: "internal/StopStates.ts",
    find: "new Limit(Schedule.duration(left * 0.9), () => this.#kernel.remaining() - left * 0.1)",
    replace: "new Limit(Schedule.duration(left), () => this.#kernel.remaining())"
  },
  {
    what: "a hook that is registered while draining does not run",
    file: "internal/StopStates.ts",
    find: 'if (kind !== "onStopped" && now === "Draining")',
    replace: 'if (kind !== "onStopped" && now === "LameDuck")'
  },
  {
    what: "a hook that is registered after the drain runs all the same",
    file: "internal/StopStates.ts",
    find: 'if (kind !== "onStopped" && now === "Draining")',
    replace: 'if (kind !== "onStopped" && isRefusing(now))'
  },
  {
    what: "a hook stays registered when its scope has closed",
    file: "internal/makeLifecycle.ts",
    find: "() => Effect.sync(() => set.delete(item))",
    replace: "() => Effect.void"
  },
  {
    what: "a hook that is given up goes on",
    file: "internal/Waits.ts",
    find: 'if (wait.kind !== "interrupt") fiber.interruptUnsafe()',
    replace: "void fiber"
  },
  {
    what: "a hook that fails is told as done",
    file: "internal/Waits.ts",
    find: 'else this.#tell(wait, "failed", exit.cause)',
    replace: 'else this.#tell(wait, "done", exit.cause)'
  },
  {
    what: "a hook that fails leaves the outcome clean",
    file: "Report.ts",
    find: '(event._tag === "Awaited" && event.result !== "done") ||',
    replace: '(event._tag === "Awaited" && event.result === "abandoned") ||'
  },
  {
    what: "what is given up is not told",
    file: "internal/Waits.ts",
    find: '    this.#tell(wait, "abandoned")\n',
    replace: ""
  },
  {
    what: "the drain takes all of its budget",
    file: "internal/StopStates.ts",
    find: "Effect.raceFirst(Effect.as(this.#atRest, false), Effect.as(Fiber.await(timer), true))",
    replace: "Effect.as(Fiber.await(timer), true)"
  },
  {
    what: "emergency hooks do not run",
    file: "internal/lastWords.ts",
    find: "    run()\n",
    replace: "    void run\n"
  },
  {
    what: "emergency hooks run in a graceful stop as well",
    file: "internal/Pipeline.ts",
    find: "if (this.#forced !== undefined && !this.#hasEnded) sayLastWords(this, this.states)",
    replace: "sayLastWords(this, this.states)"
  },
  {
    what: "an emergency hook that throws keeps the others from running",
    file: "internal/lastWords.ts",
    find: "      ...(failure === undefined ? {} : { failure })\n    })\n",
    replace: "      ...(failure === undefined ? {} : { failure })\n    })\n    if (failure !== undefined) break\n"
  },
  {
    what: "an emergency hook that throws is told as done",
    file: "internal/lastWords.ts",
    find: "      ...(failure === undefined ? {} : { failure })\n",
    replace: ""
  },
  {
    what: "a hook that is registered when the drain has come to rest is given up",
    file: "internal/StopStates.ts",
    find: 'return this.#untilRest("Draining", limit)',
    replace: "return Effect.raceFirst(this.#atRest, limit.expired)"
  },
  {
    what: "who registers a hook as the drain begins has it run twice",
    file: "internal/StopStates.ts",
    find: "const [onStopping, awaitBeforeStop] = [\n      Array.from(participants.onStopping),\n      Array.from(participants.awaitBeforeStop)\n    ]",
    replace: "const { awaitBeforeStop, onStopping } = participants"
  }
]
