/**
 * What is done to an application in the rounds of a chaos run: the same for the same seed. Every fault meets every phase once
 * before any pair comes again; which comes when, and at what instant, is left to chance.
 */
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"

export const phases = ["starting", "running", "stopping"] as const

export type Phase = (typeof phases)[number]

/**
 * An instant, relative to what the application is at, so that a slow machine meets the same ones: so far into its start, its
 * run or its stop, as long as those usually take. A fraction above 1 is later than usual.
 */
export interface Instant {
  readonly phase: Phase
  readonly fraction: number
}

/** Steps are taken one after the other. */
interface Step {
  readonly at: Instant
  readonly what: string
  readonly heals: boolean
}

export interface Round {
  /** From 1. */
  readonly number: number
  readonly fault: string
  readonly phase: Phase
  readonly steps: ReadonlyArray<Step>
}

/** `ends`: the application has to end by it. Otherwise it is told to stop afterwards, sometimes without healing before. */
export interface Kind {
  readonly name: string
  readonly ends: boolean
}

export const plan = (seed: number, rounds: number, faults: ReadonlyArray<Kind>): ReadonlyArray<Round> =>
  Effect.runSync(
    Effect.gen(function* () {
      const made: Array<Round> = []
      while (made.length < rounds) {
        const deck = yield* Random.shuffle(faults.flatMap((fault) => phases.map((phase) => ({ fault, phase }))))
        for (const { fault, phase } of deck.slice(0, rounds - made.length)) {
          made.push({ number: made.length + 1, fault: fault.name, phase, steps: yield* steps(fault, phase) })
        }
      }
      return made
    }).pipe(Random.withSeed(`chaos ${seed}`))
  )

const steps = Effect.fnUntraced(function* (fault: Kind, phase: Phase) {
  const first = yield* Random.next
  const second = first + (yield* Random.next)
  const third = second + (yield* Random.next) / 2
  const stop = (yield* Random.nextBoolean) ? "SIGTERM" : "SIGINT"
  const heals = yield* Random.nextBoolean
  const step = (phase: Phase, fraction: number, what: string, heals = false): Step => ({
    at: { phase, fraction },
    what,
    heals
  })
  if (phase === "stopping") {
    const begun = [step("running", first, stop), step("stopping", second - first, fault.name)]
    return fault.ends || !heals ? begun : [...begun, step("stopping", third - first, fault.name, true)]
  }
  const struck = step(phase, first, fault.name)
  if (fault.ends) return [struck]
  if (heals) {
    const stopped = phase === "running" ? third : third - second
    return [struck, step(phase, second, fault.name, true), step("running", stopped, stop)]
  }
  // A start under a fault may never end, so the stop does not wait for that.
  return [struck, step(phase, phase === "starting" ? Math.max(1, second) : second, stop)]
})
