/**
 * A deterministic world for fibers: a scheduler that lets a seed choose which ready fiber goes on next, and a clock that
 * stands still while any is ready and jumps to the next timer when none is.
 *
 * Invariants, each a test of that name:
 * 1. `same-seed-same-order`: the order of everything is a function of the seed and of what is run.
 * 2. `any-ready-may-run`: whatever is ready can be next, and a fiber can lose its turn before any of its steps.
 * 3. `time-jumps`: time passes only when nothing is ready, by `block`, or for who spins without end.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as Random from "effect/Random"
import * as Scheduler from "effect/Scheduler"

interface Timer {
  readonly at: number
  /** Timers of one instant are of one age; which of them comes first is the seed's choice, not theirs. */
  readonly fire: () => void
  cancelled: boolean
}

interface Task {
  readonly run: () => void
  readonly of: Scheduler.SchedulerDispatcher
}

/**
 * How often a fiber loses its turn before a step, or before which of its steps in a row it always does; and how often it then
 * sleeps until the application has got on. Each seed gets one of these, since each finds other races: some need many small
 * steps, some that one sleeps through what the others do, some that this happens to it between two certain steps.
 */
interface Mode {
  readonly preemption: number
  readonly nth?: number
  readonly sleep: number
}

const byChance: ReadonlyArray<Mode> = [
  { preemption: 0, sleep: 0 },
  { preemption: 1 / 8, sleep: 0 },
  { preemption: 1 / 2, sleep: 0 },
  { preemption: 1 / 32, sleep: 1 },
  { preemption: 1 / 12, sleep: 1 },
  { preemption: 1 / 10, sleep: 1 / 4 },
  { preemption: 1 / 6, sleep: 1 / 4 },
  { preemption: 1 / 4, sleep: 1 / 4 },
  { preemption: 1 / 4, sleep: 1 / 2 }
]

/** From the fourth step on: with fewer in a row nobody gets on. */
const byCount: ReadonlyArray<Mode> = Array.from({ length: 10 }, (_, index) => ({
  preemption: 0,
  nth: index + 4,
  sleep: 1
}))

const modes = [...byChance, ...byCount]

/** So many steps of progress at most. */
const longestSleep = 8

/** So many turns in a row without a jump are spinning, and then time passes. */
const spinning = 20_000

/** In a millisecond. */
const nanos = 1_000_000

export class World implements Scheduler.Scheduler, Clock.Clock {
  readonly executionMode = "async"
  /** Milliseconds since the world began, in whole nanoseconds. */
  now = 0
  /** The instants at which a fiber had slept long enough, in order. */
  readonly wakes: Array<number> = []
  /** What becomes of the time that somebody burns who spins without end. */
  onSpinning: (millis: number) => void = (millis) => this.block(millis)
  readonly #random: Context.Service.Shape<typeof Random.Random>
  readonly #mode: Mode
  readonly #ready: Array<Task> = []
  #asleep: ReadonlyArray<Task & { readonly until: number }> = []
  #progress = 0
  #preempted = false
  /** Sorted by time. */
  readonly #timers: Array<Timer> = []
  #turns = 0

  constructor(seed: number) {
    this.#random = Effect.runSync(Random.withSeed(Effect.service(Random.Random), seed))
    // Neighbouring seeds get different ones, so that a few dozen seeds have tried them all.
    this.#mode = modes[Math.abs(Math.trunc(seed)) % modes.length] ?? { preemption: 0, sleep: 0 }
  }

  /** What a fiber needs to live in this world. */
  get context(): Context.Context<never> {
    return Context.empty().pipe(
      Context.add(Scheduler.Scheduler, this),
      Context.add(Clock.Clock, this),
      Context.add(Random.Random, this.#random)
    )
  }

  /** Whether anything can go on without time passing. */
  get isBusy(): boolean {
    return this.#ready.length + this.#asleep.length > 0 || (this.#timers[0]?.at ?? Number.POSITIVE_INFINITY) <= this.now
  }

  /** Milliseconds since the world began, in whole microseconds, as an application tells its times. */
  get elapsed(): number {
    return Math.floor(Math.round(this.now * nanos) / 1000) / 1000
  }

  /** Runs one turn of something that is ready. */
  turn(): void {
    this.#fireDue()
    if (this.#ready.length === 0) this.#wake(this.#draw(this.#asleep.length))
    const task = this.#takeFrom(this.#ready)
    if (task === undefined) return
    if (++this.#turns > spinning) this.onSpinning(1)
    task.run()
  }

  /** The application has got on: who sleeps through so much of it goes on. */
  progress(): void {
    this.#progress++
    for (let index = this.#asleep.length - 1; index >= 0; index--) {
      if ((this.#asleep[index]?.until ?? 0) <= this.#progress) this.#wake(index)
    }
  }

  /** Lets time pass until the next timer; says whether there is one. */
  jump(): boolean {
    const next = this.#timers[0]
    if (next === undefined) return false
    this.now = Math.max(this.now, next.at)
    this.#turns = 0
    return true
  }

  /** Runs something after so many milliseconds, among whatever else is ready then. */
  after(millis: number, fire: () => void): () => void {
    // What adds up to the same instant in another way is that instant.
    const at = Math.round((this.now + Math.max(millis, 0)) * nanos) / nanos
    const timer: Timer = { at, fire, cancelled: false }
    let index = this.#timers.length
    while (index > 0 && (this.#timers[index - 1]?.at ?? 0) > timer.at) index--
    this.#timers.splice(index, 0, timer)
    return () => {
      timer.cancelled = true
      const at = this.#timers.indexOf(timer)
      if (at >= 0) this.#timers.splice(at, 1)
    }
  }

  /** The event loop does nothing else for so many milliseconds. */
  block(millis: number): void {
    this.now += millis
  }

  #fireDue(): void {
    for (let timer = this.#timers[0]; timer !== undefined && timer.at <= this.now; timer = this.#timers[0]) {
      this.#timers.shift()
      const due = timer
      this.#add({ run: () => (due.cancelled ? undefined : due.fire()), of: this.#clockwork })
    }
  }

  #add(task: Task): void {
    const preempted = this.#preempted
    this.#preempted = false
    if (!preempted || !this.#chance(this.#mode.sleep)) return void this.#ready.push(task)
    this.#asleep = [...this.#asleep, { ...task, until: this.#progress + 1 + this.#draw(longestSleep) }]
  }

  #wake(index: number): void {
    const task = this.#asleep[index]
    if (task === undefined) return
    this.#asleep = this.#asleep.toSpliced(index, 1)
    this.#ready.push(task)
  }

  /** Any of them. */
  #takeFrom(tasks: Array<Task>): Task | undefined {
    const index = this.#draw(tasks.length)
    const task = tasks[index]
    const last = tasks.pop()
    if (task !== undefined && last !== undefined && last !== task) tasks[index] = last
    return task
  }

  #chance(probability: number): boolean {
    return probability > 0 && this.#random.nextDoubleUnsafe() < probability
  }

  #draw(below: number): number {
    return Math.min(Math.floor(this.#random.nextDoubleUnsafe() * below), below - 1)
  }

  // --- Scheduler ------------------------------------------------------------------------------------------------------

  shouldYield({ currentOpCount }: Fiber.Fiber<unknown, unknown>): boolean {
    const { nth, preemption } = this.#mode
    // Not at the step that ends a yield: half of those would yield again, without end.
    this.#preempted = currentOpCount > 1 && (currentOpCount === nth || this.#chance(preemption))
    return this.#preempted
  }

  makeDispatcher(): Scheduler.SchedulerDispatcher {
    const dispatcher: Scheduler.SchedulerDispatcher = {
      scheduleTask: (run) => this.#add({ run, of: dispatcher }),
      flush: () => {
        for (let own = this.#own(dispatcher); own !== undefined; own = this.#own(dispatcher)) own.run()
      }
    }
    return dispatcher
  }

  readonly #clockwork = this.makeDispatcher()

  #own(dispatcher: Scheduler.SchedulerDispatcher): Task | undefined {
    this.#wake(this.#asleep.findIndex((task) => task.of === dispatcher))
    const index = this.#ready.findIndex((task) => task.of === dispatcher)
    return index < 0 ? undefined : this.#ready.splice(index, 1)[0]
  }

  // --- Clock ----------------------------------------------------------------------------------------------------------

  currentTimeMillisUnsafe(): number {
    return Math.floor(this.now)
  }

  currentTimeNanosUnsafe(): bigint {
    return BigInt(Math.round(this.now * nanos))
  }

  monotonicTimeNanosUnsafe(): bigint {
    return this.currentTimeNanosUnsafe()
  }

  readonly currentTimeMillis = Effect.sync(() => this.currentTimeMillisUnsafe())
  readonly currentTimeNanos = Effect.sync(() => this.currentTimeNanosUnsafe())
  readonly monotonicTimeNanos = this.currentTimeNanos

  sleep(duration: Duration.Duration): Effect.Effect<void> {
    const millis = Duration.toMillis(duration)
    if (!Number.isFinite(millis)) return Effect.never
    return Effect.callback<void>((resume) => {
      const cancel = this.after(millis, () => {
        if (millis > 0 && this.wakes.at(-1) !== this.now) this.wakes.push(this.now)
        resume(Effect.void)
      })
      return Effect.sync(cancel)
    })
  }
}
