/**
 * What is done in each state of a stop, always under its limit. The pipeline says when; this says what.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Schedule from "effect/Schedule"
import type { GracePeriod } from "../GracePeriod.ts"
import type { Drainable, InFlight } from "../Lifecycle.ts"
import { type AppState, isRefusing, type StopState } from "../Phase.ts"
import type { HealthBoard } from "./HealthBoard.ts"
import type { Kernel } from "./Kernel.ts"
import type { Ledger } from "./Ledger.ts"
import { Limit } from "./Limit.ts"
import { type Hook, type HookKind, Participants } from "./Participants.ts"
import { Sections } from "./Sections.ts"
import { Supervisor } from "./Supervisor.ts"
import { Waits } from "./Waits.ts"

export class StopStates {
  readonly participants: Participants
  readonly sections: Sections
  readonly tasks: Supervisor
  readonly waits: Waits
  /** Releases in code, which belong to no state. */
  readonly releases: Waits
  readonly running: Deferred.Deferred<void> = Deferred.makeUnsafe()
  readonly lameDuck: Deferred.Deferred<void> = Deferred.makeUnsafe()
  readonly stopping: Deferred.Deferred<void> = Deferred.makeUnsafe()
  /** The fiber that builds the application. */
  build: Fiber.Fiber<unknown, unknown> | undefined
  /** Those that try to bring an optional component up: they end when a stop begins. */
  readonly attempts = new Set<Fiber.Fiber<unknown, unknown>>()
  readonly #kernel: Kernel
  readonly #ledger: Ledger
  readonly #budgets: GracePeriod
  #limit: Limit | undefined
  #stragglersTold = false

  constructor(kernel: Kernel, ledger: Ledger, budgets: GracePeriod, health: HealthBoard) {
    this.#kernel = kernel
    this.#ledger = ledger
    this.#budgets = budgets
    this.participants = new Participants(kernel)
    this.sections = new Sections(kernel)
    this.waits = new Waits(kernel)
    this.releases = new Waits(kernel)
    this.tasks = new Supervisor(kernel, this.waits, health)
  }

  /** The work of a state; it ends by itself when the state's budget does. */
  work(state: StopState): Effect.Effect<void> {
    switch (state) {
      case "LameDuck":
        return this.#lameDucking
      case "Draining":
        return this.#draining
      case "Interrupting":
        return this.#interrupting
      case "Releasing":
        return this.#ledger.releaseAll()
      case "Flushing":
        return this.#flushing
    }
  }

  /** Gives the state at work more time; says whether there is one that has a limit, and whether it was not too late. */
  extend(millis: number): boolean {
    return this.#limit?.extend(millis) ?? false
  }

  /** Tells of the limit that it is over with the state that it was made for. */
  leave(): void {
    this.#limit = undefined
  }

  register(drainable: Drainable, now: AppState): void {
    this.participants.drainables.add(drainable)
    if (now === "LameDuck" || now === "Draining") this.#announce(drainable)
    if (now === "Draining") this.#drain(drainable)
    // Too late to be waited for, and yet it must not accept anything.
    else if (isRefusing(now)) this.#kernel.fork(drainable.drain)
  }

  /**
   * Its scope ends. Where that comes before the stop, as in the rollback of a failed start, nobody else will: it refuses from
   * now on, and what it had accepted is named and interrupted. Waits for that, but never long: it may be that work itself
   * that closes the scope.
   */
  deregister(drainable: Drainable, now: AppState): Effect.Effect<void> {
    const { participants } = this
    const cut = participants.hasWork(drainable) && !this.#stragglersTold
    // It is drained already, and interrupted when that takes too long.
    if (cut && now === "Draining") return Effect.void
    if (cut) this.#tellStragglers(participants.countsOf(drainable))
    participants.drainables.delete(drainable)
    if (isRefusing(now)) return Effect.void
    // Code that runs may open and close gates for ever: the log is not for that.
    if (now === "Starting") this.#kernel.emit({ _tag: "GateClosed", at: this.#kernel.now(), name: drainable.name })
    const drain = this.#kernel.fork(drainable.drain)
    const interrupted =
      cut && drainable.interrupt !== undefined
        ? Fiber.await(
            this.waits.add("interrupt", drainable.name, Effect.timeout(drainable.interrupt, this.#kernel.stopTimeout))
          )
        : Effect.void
    return Effect.andThen(
      interrupted,
      Effect.sync(() => drain.interruptUnsafe())
    )
  }

  registerHook(kind: HookKind, hook: Hook, now: AppState): void {
    this.participants[kind].add(hook)
    if (kind !== "onStopped" && now === "Draining") this.waits.add(kind, hook.name, hook.effect)
  }

  /** Once: a later state that is cut off has nothing to add to what its budget left behind. */
  tellStragglers(): void {
    if (this.#stragglersTold) return
    this.#stragglersTold = true
    this.#tellStragglers(this.participants.inFlight)
  }

  readonly #lameDucking: Effect.Effect<void> = Effect.suspend(() => {
    const limit = this.#limitTo(this.#budgets.lameDuck)
    // Who registers from now on, as whoever waits for this state may, is told by that.
    const drainables = Array.from(this.participants.drainables)
    Deferred.doneUnsafe(this.lameDuck, Effect.void)
    for (const drainable of drainables) this.#announce(drainable)
    // An application that never was ready has nobody to tell.
    return Deferred.isDoneUnsafe(this.running) ? limit.expired : Effect.void
  })

  readonly #draining: Effect.Effect<void> = Effect.suspend(() => {
    const limit = this.#limitTo(this.#budgets.drain)
    const { participants, waits } = this
    // Who registers from now on, as one of these may, is run by that.
    const [onStopping, awaitBeforeStop] = [
      Array.from(participants.onStopping),
      Array.from(participants.awaitBeforeStop)
    ]
    const counts = participants.inFlight
    if (Object.keys(counts).length > 0) this.#kernel.emit({ _tag: "InFlight", at: this.#kernel.now(), counts })
    this.#closeGates()
    for (const hook of onStopping) waits.add("onStopping", hook.name, hook.effect)
    for (const hook of awaitBeforeStop) waits.add("awaitBeforeStop", hook.name, hook.effect)
    return this.#untilRest("Draining", limit)
  })

  readonly #interrupting: Effect.Effect<void> = Effect.suspend(() => {
    const limit = this.#limitTo(this.#budgets.interrupt)
    const { build, participants, sections, tasks, waits } = this
    // An escalation can come here without having drained: then the gates close now, and who wants to know hears of it.
    const skipped = !Deferred.isDoneUnsafe(this.stopping)
    const onStopping = skipped ? Array.from(participants.onStopping) : []
    if (skipped) this.#closeGates()
    waits.giveUp()
    for (const hook of onStopping) waits.add("onStopping", hook.name, hook.effect)
    this.tellStragglers()
    for (const drainable of participants.drainables) {
      if (drainable.interrupt !== undefined && participants.hasWork(drainable)) {
        waits.add("interrupt", drainable.name, drainable.interrupt)
      }
    }
    if (build !== undefined && build.pollUnsafe() === undefined) {
      // Not by the fiber that waits for it: without a budget that one is given up before its turn.
      build.interruptUnsafe()
      waits.add("start", "start", Fiber.await(build))
    }
    tasks.interrupt(
      Math.min(this.#budgets.lengths.interrupt ?? Number.POSITIVE_INFINITY, this.#kernel.releaseRemaining())
    )
    sections.boundAll()
    return this.#untilRest("Interrupting", limit, () => {
      waits.giveUp()
      tasks.tellStragglers()
      for (const section of sections.open) sections.giveUp(section)
    })
  })

  readonly #flushing: Effect.Effect<void> = Effect.suspend(() => {
    const { participants, waits } = this
    // A tenth is left for the end itself, so that a slow hook is abandoned and not mistaken for the deadline.
    const left = Math.max(this.#kernel.remaining(), 0)
    // Not the limit of `#limitTo`: there is nothing to extend, all that is left is given already.
    const limit = new Limit(Schedule.duration(left * 0.9), () => this.#kernel.remaining() - left * 0.1)
    for (const hook of participants.onStopped) waits.add("onStopped", hook.name, hook.effect)
    return Effect.raceFirst(waits.empty, limit.expired).pipe(
      Effect.andThen(Effect.sync(() => waits.giveUp())),
      // A turn of its own: inside a timer's callback that timer would look as if it still held the process.
      Effect.andThen(Effect.yieldNow)
    )
  })

  /** Waits until nothing is awaited and no section is open, also what was added meanwhile. */
  readonly #atRest: Effect.Effect<void> = Effect.suspend(() => {
    const { awaited } = this.sections
    if (awaited !== undefined) return Effect.andThen(Deferred.await(awaited), this.#atRest)
    return this.waits.names.length === 0 ? Effect.void : Effect.andThen(this.waits.empty, this.#atRest)
  })

  /**
   * Waits until all is at rest or the limit is reached. The state ends in one step with the last look: a section may still
   * begin, and a hook be registered, when everything has come to rest.
   */
  #untilRest(state: StopState, limit: Limit, end: () => void = () => {}): Effect.Effect<void> {
    // It goes on while all is looked at again: who comes late does not begin the budget anew.
    return Effect.flatMap(Effect.forkChild(limit.expired, { startImmediately: true }), (timer) => {
      const rest: Effect.Effect<void> = Effect.flatMap(
        Effect.raceFirst(Effect.as(this.#atRest, false), Effect.as(Fiber.await(timer), true)),
        (expired) => {
          if (!expired && (this.sections.awaited !== undefined || this.waits.names.length > 0)) return rest
          end()
          this.#kernel.done(state)
          return Effect.void
        }
      )
      return rest
    })
  }

  /** The limit of the state that begins: its budget, or what is left for releases. Hooks may extend it at once. */
  #limitTo(budget: Schedule.Schedule<unknown>): Limit {
    const limit = new Limit(budget, this.#kernel.releaseRemaining)
    this.#limit = limit
    return limit
  }

  #tellStragglers(counts: InFlight): void {
    for (const [kind, count] of Object.entries(counts)) {
      if (count > 0) this.#kernel.emit({ _tag: "Straggler", at: this.#kernel.now(), kind, count })
    }
  }

  #announce(drainable: Drainable): void {
    if (drainable.lameDuck !== undefined) this.waits.add("lameDuck", drainable.name, drainable.lameDuck)
  }

  #closeGates(): void {
    for (const drainable of Array.from(this.participants.drainables)) this.#drain(drainable)
    this.sections.watch()
    Deferred.doneUnsafe(this.stopping, Effect.void)
    this.tasks.drain()
  }

  #drain(drainable: Drainable): void {
    this.#kernel.emit({ _tag: "GateClosed", at: this.#kernel.now(), name: drainable.name })
    this.waits.add("drainable", drainable.name, drainable.drain)
  }
}
