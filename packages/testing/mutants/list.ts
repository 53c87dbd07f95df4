// The deliberate faults. Each takes away one thing that the core promises; a law has to notice.
import type { Mutant } from "./mutant.ts"

export const mutants: ReadonlyArray<Mutant> = [
  // --- the gate ---------------------------------------------------------------------------------------------------------
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
  // --- the states -------------------------------------------------------------------------------------------------------
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
  },
  // --- budgets ----------------------------------------------------------------------------------------------------------
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
    find: "if (left <= 0) return false",
    replace: "if (left <= -1e9) return false"
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
    find: "between(this.#rollbackSince, this.now()) : 0",
    replace: "2 * between(this.#rollbackSince, this.now()) : 0"
  },
  {
    what: "the whole start is counted as a rollback",
    file: "internal/Pipeline.ts",
    find: "between(this.#rollbackSince, this.now()) : 0",
    replace: "this.now() : 0"
  },
  {
    what: "the rollback of a failed start is not counted",
    file: "internal/Pipeline.ts",
    find: "between(this.#rollbackSince, this.now()) : 0",
    replace: "0 : 0"
  },
  // --- order and completeness of the release ------------------------------------------------------------------------------
  {
    what: "what a component was built with is not held",
    file: "internal/Ledger.ts",
    find: "node.holds.push(...node.builtWith.map((dependency) => this.hold(dependency)))",
    replace: ""
  },
  {
    what: "a hold is let go twice",
    file: "internal/Ledger.ts",
    find: "    hold.held = false\n",
    replace: ""
  },
  {
    what: "a finalizer is skipped: the scope of a component is not closed",
    file: "internal/Ledger.ts",
    find: "const closer = this.#kernel.fork(Scope.close(node.scope, exit))",
    replace: "const closer = this.#kernel.fork(node.id % 7 === 3 ? Effect.void : Scope.close(node.scope, exit))"
  },
  {
    what: "a node is released twice",
    file: "internal/Ledger.ts",
    find: 'if (node.state === "Stopping" || node.isSettled) return',
    replace: 'if (node.state === "Stopping") return'
  },
  {
    what: "a component is settled before its finalizers have run",
    file: "internal/Ledger.ts",
    find: "      const done = yield* this.#within(node, closer)\n",
    replace: "      const done = true\n"
  },
  {
    what: "dependencies are let go before their user has stopped",
    file: "internal/Ledger.ts",
    find: '    this.#move(node, "Stopping")\n',
    replace: '    this.#move(node, "Stopping")\n    for (const hold of node.holds) this.#letGo(hold, exit)\n'
  },
  {
    what: "an abandoned component is not told of",
    file: "internal/Ledger.ts",
    find: '    this.#kernel.emit({\n      _tag: "ComponentAbandoned",',
    replace: '    if (node.id < 0) this.#kernel.emit({\n      _tag: "ComponentAbandoned",'
  },
  // --- escalation ---------------------------------------------------------------------------------------------------------
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
  },
  // --- critical sections --------------------------------------------------------------------------------------------------
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
    file: "internal/Pipeline.ts",
    find: "kind: `critical section ${section.name}`, count: 1 })",
    replace: "kind: `critical section ${section.name}`, count: 0 })"
  },
  // --- hooks ---------------------------------------------------------------------------------------------------------
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
    file: "internal/Pipeline.ts",
    find: "        run()\n",
    replace: "        void run\n"
  },
  {
    what: "emergency hooks run in a graceful stop as well",
    file: "internal/Pipeline.ts",
    find: '    else if (state === "Stopped") this.#end(',
    replace:
      '    else if (state === "Stopped") for (const { run } of this.states.participants.emergency) run()\n    if (state === "Stopped") this.#end('
  },
  {
    what: "an emergency hook that throws keeps the others from running",
    file: "internal/Pipeline.ts",
    find: "        failure = describe(Cause.die(error))\n",
    replace:
      '        failure = describe(Cause.die(error))\n        this.emit({ _tag: "EmergencyRan", at: this.now(), name, failure })\n        break\n'
  },
  {
    what: "an emergency hook that throws is told as done",
    file: "internal/Pipeline.ts",
    find: "name, ...(failure === undefined ? {} : { failure }) })",
    replace: "name })"
  },
  // --- outcome, report, log -----------------------------------------------------------------------------------------------
  {
    what: "a degraded stop exits with 0",
    file: "Outcome.ts",
    find: "return isFailure(reason) ? failureCode(reason) : 70",
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
    find: '    this.requestStop({ _tag: "Crash", kind, message })\n',
    replace: ""
  },
  // --- reloads ----------------------------------------------------------------------------------------------------------
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
  },
  // --- what the simulation itself has found -----------------------------------------------------------------------------
  {
    what: "a critical section that begins while interrupting has no limit",
    file: "internal/Sections.ts",
    find: "    if (this.#bounding) this.#kernel.fork(this.bound(section))\n",
    replace: ""
  },
  {
    what: "a release that has begun does not hear of a shorter deadline",
    file: "internal/Ledger.ts",
    find: "Effect.sleep(left), moved]",
    replace: "Effect.sleep(left), Effect.andThen(moved, Effect.never)]"
  },
  {
    what: "a critical section that begins when all has come to rest is torn",
    file: "internal/StopStates.ts",
    find: "if (!expired && (this.sections.awaited !== undefined || this.waits.names.length > 0)) return rest",
    replace: 'if (!expired && state === "Draining" && this.waits.names.length > 0) return rest'
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
  },
  // --- tasks ------------------------------------------------------------------------------------------------------------
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
  // --- optional components ----------------------------------------------------------------------------------------------
  {
    what: "a generation of an optional component is not released",
    file: "internal/OptionalComponent.ts",
    find: "Effect.suspend(() => Scope.close(generation.scope, Exit.void))",
    replace: "Effect.void"
  },
  {
    what: "what an optional component shares with others is not held for it",
    file: "internal/TrackedMemoMap.ts",
    find: "    this.#hold(node, scope, this.#owner)\n",
    replace: ""
  },
  {
    what: "the stop does not interrupt the attempt of an optional component",
    file: "internal/Pipeline.ts",
    find: "for (const attempt of this.states.attempts) attempt.interruptUnsafe()",
    replace: ""
  },
  {
    what: "an optional component goes down in silence",
    file: "internal/OptionalHandle.ts",
    find: '{ _tag: "OptionalDown", ...told,',
    replace: '{ _tag: "OptionalUp", generation: 0, ...told,'
  },
  {
    what: "a fiber of an optional component dies in silence",
    file: "internal/OptionalMemoMap.ts",
    find: 'if (own.state._tag === "Empty") watchScope(own, this.#onFiberExit)',
    replace: ""
  }
]
