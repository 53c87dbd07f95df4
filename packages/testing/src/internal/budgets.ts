/**
 * Budgets that are schedules have no length of their own: a schedule may draw lots, or look at the clock. How long each of them
 * lasted is seen in the one life that it was for.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Pull from "effect/Pull"
import * as Schedule from "effect/Schedule"
import type * as App from "quiesce/App"
import type { Limits } from "../Law.ts"
import { only, type Timeline } from "../Timeline.ts"
import { limitsOf } from "./limits.ts"

const states = ["lameDuck", "drain", "interrupt"] as const

export interface Budgets {
  /** The options of the application, with the schedules of its states under observation. */
  readonly options: App.Options
  /** What the budgets came to. One that was not used up has no end. */
  readonly limits: (timeline: Timeline) => Effect.Effect<Limits>
}

export const observe = (options: App.Options, now: () => number): Budgets => {
  const observed: { -readonly [State in (typeof states)[number]]?: Schedule.Schedule<unknown> } = {}
  const lasted: { -readonly [State in (typeof states)[number]]?: number } = {}
  for (const state of states) {
    const budget = options[state]
    if (!Schedule.isSchedule(budget)) continue
    lasted[state] = Number.POSITIVE_INFINITY
    observed[state] = timed(budget, now, (millis) => {
      lasted[state] = millis
    })
  }
  return {
    options: { ...options, ...observed },
    limits: (timeline) => {
      const [starting] = only(timeline, "AppStarting")
      const whole =
        Schedule.isSchedule(options.gracePeriod) && starting !== undefined ? { gracePeriod: starting.gracePeriod } : {}
      return limitsOf({ ...options, ...lasted, ...whole })
    }
  }
}

/** The same schedule, which says how long it lasted when it is over. */
const timed = (
  schedule: Schedule.Schedule<unknown>,
  now: () => number,
  over: (millis: number) => void
): Schedule.Schedule<unknown> =>
  Schedule.fromStep(
    Effect.map(Schedule.toStep(schedule), (step) => {
      const began = now()
      return (at: number, input: unknown) =>
        Pull.catchDone(step(at, input), (output) => {
          over(now() - began)
          return Cause.done(output)
        })
    })
  )
