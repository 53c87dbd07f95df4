/**
 * The watchdog, as the main thread sees it: a thread of its own, which notices when the event loop stands still, says where, and
 * ends the process at its deadline when the main thread does not.
 *
 * Invariants, each a test of that name:
 * 1. `it-costs-nothing`: in a healthy process it is one timer here and one there, and neither holds the process.
 * 2. `only-the-blocked-are-killed`: a main thread that leaves by itself is left alone.
 * 3. `it-kills-whatever-hangs`: nothing that it asks of the main thread, of a pipe or of a disk is waited for without a limit.
 * 4. `hooks-run-once`: an emergency hook that the main thread has begun to run is not run again.
 */
import { extname } from "node:path"
import { getCallSites } from "node:util"
import { Worker } from "node:worker_threads"
import type { App } from "quiesce/App"
import { type Event, isRecurring } from "quiesce/Event"
import { doesHangUpStop } from "../hangUp.ts"
import { asking } from "./asking.ts"
import { killProcess } from "./killProcess.ts"
import { killedReport } from "./killedReport.ts"
import { type Answer, type FromThread, type Question, type ReportStyle, Slots } from "./messages.ts"
import type { ThreadData, ToThread } from "./messages.ts"
import { findSignalPipe } from "./SignalPipe.ts"
import { speech } from "./speech.ts"
import { untakenSignals } from "./untakenSignals.ts"
import { watch } from "./watch.ts"
import { writeDown } from "./writeDown.ts"

const symbol = "@quiesce/node/watchdog"
const beatMillis = 250
/** At the deadline of a stop it matters. */
const stoppingBeatMillis = 50
const hooksMillis = 500
/** Who called is of interest up to a point. */
const mostFrames = 30

/** Some bundlers and loaders wrap each function in a call of theirs, which keeps its name. */
const parts = `(${asking.toString()})(), (${untakenSignals.toString()})(), (${speech.toString()})(${writeDown.toString()}), ${killProcess.toString()}`
const program = `const __name = (named) => named; (${watch.toString()})(${parts})`

export interface WatchdogOptions {
  readonly name: string
  /** The log of the application so far. */
  readonly events: () => ReadonlyArray<Event>
  readonly stallMillis: number
  readonly cooldownMillis: number
  /** The how manieth stop signal ends the process at once. */
  readonly lastSignal: number
  readonly reportPath: string | undefined
  readonly style: ReportStyle
  /** Told once, in a sentence, when there is no watchdog. */
  readonly warn: (text: string) => void
}

export class Watchdog {
  readonly #options: WatchdogOptions
  readonly #shared = new BigInt64Array(new SharedArrayBuffer(8 * Object.keys(Slots).length))
  #inspector: typeof import("node:inspector") | undefined
  #thread: Worker | undefined
  #app: App | undefined
  #began = 0

  constructor(options: WatchdogOptions) {
    this.#options = options
    try {
      // Not every Node has one.
      if (process.features.inspector) this.#inspector = process.getBuiltinModule("node:inspector")
      // Not to be deleted, nor replaced.
      Object.defineProperty(globalThis, Symbol.for(symbol), { value: this.#answer })
      this.#beat()
      this.#thread = this.#start()
    } catch (error) {
      this.#fail(error)
      return
    }
    setInterval(() => this.#beat(), beatMillis).unref()
  }

  onEvent(event: Event): void {
    if (event._tag === "AppStarting") this.#began = now()
    this.#post({ _tag: "Event", event, recurring: isRecurring(event), began: this.#began })
    if (event._tag === "StateChanged" || event._tag === "StopRequested") this.#beat()
    if (event._tag !== "StopRequested") return
    setInterval(() => this.#beat(), stoppingBeatMillis).unref()
    this.#tellDeadline()
  }

  /** From now on stalls are told, and last words can be spoken. */
  watch(app: App): void {
    this.#app = app
    this.#beat()
    this.#tellDeadline()
    this.#thread?.on("message", ({ millis, stack }: FromThread) => app.reportBlockedUnsafe(millis, stack))
    // Who listens holds the process, unless it says again that it does not.
    this.#thread?.unref()
  }

  /** It came before there was an application. */
  hold(signal: string): void {
    this.#post({ _tag: "Held", signal })
  }

  /** It has been taken, as one of so many stop signals. */
  took(signal: string, count: number): void {
    this.#post({ _tag: "Taken", signal, count })
  }

  /** Milliseconds that a signal which is taken now has waited for the event loop, as far as that was seen. */
  signalWaited(): number {
    const seen = Atomics.exchange(this.#shared, Slots.signalled, 0n)
    return seen === 0n ? 0 : now() - Number(seen) / 1e6
  }

  #start(): Worker {
    const data: ThreadData = {
      shared: this.#shared.buffer,
      slots: Slots,
      name: this.#options.name,
      // To connect without the permission ends the process.
      mayInspect: this.#inspector !== undefined && (process.permission?.has("inspector") ?? true),
      beatMillis,
      stallMillis: this.#options.stallMillis,
      hooksMillis,
      signalPipe: findSignalPipe(),
      cooldownMillis: this.#options.cooldownMillis,
      lastSignal: this.#options.lastSignal,
      ask: `globalThis[Symbol.for(${JSON.stringify(symbol)})]`,
      reportModule: new URL(`./killedReport${extname(import.meta.url)}`, import.meta.url).href,
      reportPath: this.#options.reportPath,
      style: this.#options.style
    }
    // As text, so that a bundled application has it too. Nothing of what this process was started with runs again in the
    // thread: no preloaded instrumentation, no loaders.
    const thread = new Worker(program, { eval: true, workerData: data, env: {}, execArgv: [] })
    thread.on("error", (error) => this.#fail(error))
    thread.unref()
    return thread
  }

  #fail(error: unknown): void {
    this.#thread = undefined
    const why = error instanceof Error ? error.message : String(error)
    this.#options.warn(
      `${this.#options.name} runs without its watchdog (${why}): an event loop that is blocked is not noticed, and holds the ` +
        `process beyond the deadline; allow it a worker thread (--allow-worker), or set the option watchdog to false`
    )
  }

  #beat(): void {
    this.#isInspected()
    // What can be reloaded may come at any time.
    const hangUpStops = this.#app !== undefined && doesHangUpStop(this.#app)
    Atomics.store(this.#shared, Slots.hangUpStops, hangUpStops ? 1n : 0n)
    Atomics.store(this.#shared, Slots.beat, process.hrtime.bigint())
  }

  #isInspected(): boolean {
    const isInspected = this.#inspector?.url() !== undefined
    Atomics.store(this.#shared, Slots.inspected, isInspected ? 1n : 0n)
    return isInspected
  }

  #tellDeadline(): void {
    const remaining = this.#app?.lifecycle.statusUnsafe().remaining
    if (remaining !== undefined) this.#post({ _tag: "Deadline", at: now() + remaining })
  }

  #post(message: ToThread): void {
    this.#thread?.postMessage(message)
  }

  /** Runs on top of whatever blocks: it waits for nothing, and wakes nobody. */
  readonly #answer = ({ lastWords }: Question): string => {
    const stack = whereAmI()
    // SIGUSR1 opens it at any time.
    if (this.#isInspected() || lastWords === undefined) return JSON.stringify({ stack } satisfies Answer)
    Atomics.store(this.#shared, Slots.speaking, 1n)
    // Node does not leave from here, it would be left half dead.
    process.exit = () => {
      throw new Error("an emergency hook cannot call process.exit: the process is about to be ended")
    }
    const words = this.#app?.lastWordsUnsafe() ?? []
    // Between two of its turns a flood of them is nowhere; it was somewhere before.
    const isNowhere = lastWords.stack.length > 0 && !stack.some(isOwnFrame)
    const block = { ...lastWords, stack: isNowhere ? lastWords.stack : stack }
    const report = killedReport([...this.#options.events(), ...words], block, now() - this.#began, this.#options.style)
    return JSON.stringify({ stack, report } satisfies Answer)
  }
}

const isOwnFrame = (frame: string): boolean => !frame.includes("node:")

/** Milliseconds of the clock that all threads share. */
const now = (): number => Number(process.hrtime.bigint()) / 1e6

/**
 * The frames below the question, the innermost first: not those of this function, of the answer, and of what the thread has
 * evaluated. Nothing that an application may have done to `Error` changes it.
 */
const whereAmI = (): ReadonlyArray<string> =>
  getCallSites(mostFrames)
    .slice(3)
    .map(({ columnNumber, functionName, lineNumber, scriptName }) => {
      const where = `${scriptName}:${lineNumber}:${columnNumber}`
      return functionName === "" ? where : `${functionName} (${where})`
    })
