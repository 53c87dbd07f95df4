/** What the main thread and the watchdog's thread say to each other. */
import type { Event } from "quiesce/Event"
import type { SignalPipe } from "./SignalPipe.ts"

/** What the thread is given when it starts. All times are milliseconds. */
export interface ThreadData {
  /** 64 bits each: see `Slots`. */
  readonly shared: SharedArrayBuffer
  readonly slots: typeof Slots
  readonly name: string
  /** Whether there is an inspector to ask the main thread by; without one there are no stacks, and no emergency hooks. */
  readonly mayInspect: boolean
  /** How often the main thread says that it lives. */
  readonly beatMillis: number
  readonly stallMillis: number
  /** What the emergency hooks have, all together. */
  readonly hooksMillis: number
  /** Where the signals are that the main thread has not taken, if that is known. */
  readonly signalPipe: SignalPipe | undefined
  /** Repeats of one signal within this time count as one. */
  readonly cooldownMillis: number
  /** The how manieth stop signal ends the process at once. */
  readonly lastSignal: number
  /** The expression at which the main thread answers questions. */
  readonly ask: string
  /** The module that makes the report of a killed process, for when the main thread cannot. */
  readonly reportModule: string
  readonly reportPath: string | undefined
  readonly style: ReportStyle
}

export interface ReportStyle {
  readonly json: boolean
  readonly width: number
  readonly color: boolean
  readonly wanted: boolean
}

/**
 * The places in the shared memory.
 * - `beat`: when the main thread last ran, in nanoseconds of the monotonic clock.
 * - `inspected`: 1 while an inspector listens, which could hold the program at a breakpoint.
 * - `speaking`: 1 while the application's last words are spoken.
 * - `signalled`: when a stop signal came that the main thread could not take, as `beat`; 0 when it has taken it.
 * - `hangUpStops`: 1 when SIGHUP is a stop signal, and not the wish for a reload.
 */
export const Slots = { beat: 0, inspected: 1, speaking: 2, signalled: 3, hangUpStops: 4 } as const

/**
 * - `Event`: `began` is when the application did, on the clock that both threads share.
 * - `Held`: a signal came before there was an application to take it. `Taken`: it has been; `count` are the stop signals so far.
 */
export type ToThread =
  | { readonly _tag: "Event"; readonly event: Event; readonly recurring: boolean; readonly began: number }
  | { readonly _tag: "Deadline"; readonly at: number }
  | { readonly _tag: "Held"; readonly signal: string }
  | { readonly _tag: "Taken"; readonly signal: string; readonly count: number }

/** The event loop was blocked for so long, and runs again. */
export interface FromThread {
  readonly millis: number
  readonly stack: ReadonlyArray<string>
}

/**
 * What is known of a block when the process is killed for it: how long it lasts, where it was seen to be, and the first stop
 * signal that nobody could take, with how many milliseconds ago it came.
 */
export interface Block {
  readonly millis: number
  readonly stack: ReadonlyArray<string>
  readonly untaken: { readonly signal: string; readonly ago: number } | undefined
}

/** What the main thread is asked for: where it is, and when the end has come also the application's last words. */
export interface Question {
  readonly lastWords: Block | undefined
}

export interface Answer {
  readonly stack: ReadonlyArray<string>
  readonly report?: KilledReport | undefined
}

/** The report of a process that is killed, as it is written to stderr, and as JSON. */
export interface KilledReport {
  readonly text: string
  readonly json: string
}

/** What is left to be said, and to be kept if there is a place for it. */
export interface Words {
  readonly text: string
  readonly path: string | undefined
  readonly json: string
}
