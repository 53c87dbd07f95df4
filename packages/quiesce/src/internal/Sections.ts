/**
 * The critical sections that are open: they may finish in a graceful stop, each within its own limit.
 */
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import { between } from "./analysis.ts"
import type { Kernel } from "./Kernel.ts"
import { Keys, type Turn } from "./Keys.ts"

/** How a section is entered; `atMost` is in milliseconds. */
export interface SectionOptions {
  readonly atMost: number
  readonly allowDuringStop: boolean
  readonly key: string | undefined
}

export class Section {
  readonly name: string
  /** Milliseconds that it may hold up whoever waits for it. */
  readonly atMost: number
  /** The section that it is inside of. */
  readonly outer: Section | undefined
  /** Its hold on its key. */
  readonly turn: Turn | undefined
  readonly ended: Deferred.Deferred<void> = Deferred.makeUnsafe()
  fiber: Fiber.Fiber<unknown, unknown> | undefined
  bounded = false
  told = false
  /** Whether the end of the process has been told to cut it off. */
  torn = false
  /** Since when somebody waits for it; its limit begins anew when it is bounded. */
  since: number | undefined

  constructor(name: string, atMost: number, outer?: Section, turn?: Turn) {
    this.name = name
    this.atMost = atMost
    this.outer = outer
    this.turn = turn
  }
}

/** The section that the running fiber is inside of. */
export const CurrentSection = Context.Reference<Section | undefined>("quiesce/internal/CurrentSection", {
  defaultValue: () => undefined
})

export class Sections {
  readonly open = new Set<Section>()
  readonly keys = new Keys()
  readonly #kernel: Kernel
  #watching = false
  #bounding = false

  constructor(kernel: Kernel) {
    this.#kernel = kernel
  }

  /** The end of one that is open and was not given up, or that stands in line and may still begin. */
  get awaited(): Deferred.Deferred<void> | undefined {
    for (const { ended } of this.open) if (!Deferred.isDoneUnsafe(ended)) return ended
    return this.keys.late?.over
  }

  /** From now on the stop waits for every section that is open. */
  watch(): void {
    this.#watching = true
    for (const section of this.open) section.since ??= this.#kernel.now()
    this.keys.sendAway()
  }

  /** From now on every section has its limit to end, also one that may still begin. */
  boundAll(): void {
    this.#bounding = true
    for (const section of this.open) this.#kernel.fork(this.bound(section))
  }

  /** Whether it has this key, or is inside of one that has. */
  holds(section: Section | undefined, key: string): boolean {
    for (let at = section; at !== undefined; at = at.outer) if (this.open.has(at) && at.turn?.key === key) return true
    return false
  }

  enter(name: string, atMost: number, outer?: Section, turn?: Turn): Section {
    const section = new Section(name, atMost, outer, turn)
    if (this.#watching) section.since = this.#kernel.now()
    this.open.add(section)
    // Who waits for its turn waits for the section itself from now on.
    if (turn !== undefined) this.keys.begin(turn)
    if (this.#bounding) this.#kernel.fork(this.bound(section))
    return section
  }

  leave(section: Section): void {
    this.open.delete(section)
    if (section.since !== undefined) this.#tell(section, false)
    Deferred.doneUnsafe(section.ended, Effect.void)
    if (section.turn !== undefined) this.keys.leave(section.turn)
  }

  /** From now on the section has its limit to end; then it is interrupted. Waits until it has ended or was given up. */
  bound(section: Section): Effect.Effect<void> {
    return Effect.suspend(() => {
      if (!section.bounded) {
        section.bounded = true
        this.#kernel.fork(this.#limit(section))
      }
      return Deferred.await(section.ended)
    })
  }

  /** The wait is over whatever its limit says: the section is interrupted and named. */
  giveUp(section: Section): void {
    this.#tell(section, true)
    section.fiber?.interruptUnsafe()
    // One that ignores the interruption is not waited for any longer.
    Deferred.doneUnsafe(section.ended, Effect.void)
  }

  #limit(section: Section): Effect.Effect<void> {
    return Effect.gen({ self: this }, function* () {
      const began = this.#kernel.now()
      section.since = began
      while (!Deferred.isDoneUnsafe(section.ended)) {
        const spent = between(began, this.#kernel.now())
        const left = between(0, Math.min(section.atMost - spent, this.#kernel.releaseRemaining()))
        if (left <= 0) return this.giveUp(section)
        // A stop that begins in the middle of a rollback has a deadline of its own.
        const moved = Deferred.await(this.#kernel.limitMoved())
        yield* Effect.raceAllFirst([Deferred.await(section.ended), Effect.sleep(left), moved])
      }
    })
  }

  /** Once: a section that was given up may still end. */
  #tell(section: Section, exceeded: boolean): void {
    if (section.told) return
    section.told = true
    const at = this.#kernel.now()
    this.#kernel.emit({
      _tag: "CriticalSectionWaited",
      at,
      name: section.name,
      waited: between(section.since ?? at, at),
      exceeded
    })
  }
}
