/**
 * One run of a child process: its output, its events, what was done to it, its end, and who waits for any of these.
 *
 * Real time only: whoever waits is told by the process itself, under a test clock as well. It is node:child_process and not
 * effect/process, because a test of a stop wants the naked process: signals to it alone and at once, its end told by exit
 * code or by signal, and a close that kills the group instead of asking it.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type { Event } from "quiesce/Event"
import * as Report from "quiesce/Report"
import type { ChildProcess } from "node:child_process"
import { once } from "node:events"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { constants, tmpdir } from "node:os"
import { join } from "node:path"
import type { Timeline } from "../../Timeline.ts"
import { ChildEvents } from "./ChildEvents.ts"
import { ChildGroup, type Spawn } from "./ChildGroup.ts"
import { type Deed, timelineOf } from "./ChildTimeline.ts"

/** What an application takes for a request to stop; any other signal is something that strikes it. */
const stopSignals: ReadonlySet<string> = new Set(["SIGTERM", "SIGINT", "SIGHUP"])

/** How often a file is looked at of whose changes nobody tells. */
const lookMillis = 20

export class ChildRun {
  readonly #group: ChildGroup
  readonly #process: ChildProcess
  readonly #folder: string
  readonly #events: ChildEvents
  readonly #waiting = new Set<() => void>()
  readonly #deeds: Array<Deed> = []
  /** The wall clock may be set while the process runs; the one that never jumps is tied to it once. */
  readonly #begun = Date.now()
  readonly #origin = performance.now()
  #output = ""
  #heard = 0
  #failure: Error | undefined
  #firstSignal: number | undefined
  #exited: number | undefined
  #isOver = false

  /** Throws what the operating system says to some things, as a cwd that is no folder; others come as `failure`. */
  constructor({ env, ...spawn }: Spawn) {
    this.#folder = mkdtempSync(join(tmpdir(), "quiesce-child-"))
    const path = join(this.#folder, "events.jsonl")
    writeFileSync(path, "")
    this.#events = new ChildEvents(path, () => this.#tell())
    try {
      this.#group = new ChildGroup({ ...spawn, env: { ...env, QUIESCE_EVENTS: path } }, this.#folder)
    } catch (error) {
      this.#forget()
      throw error
    }
    this.#process = this.#group.process
    for (const stream of [this.#process.stdout, this.#process.stderr]) {
      stream?.setEncoding("utf8").on("data", (text: string) => {
        this.#output += text
        this.#heard++
        this.#tell()
      })
    }
    this.#process.on("error", (error) => {
      this.#failure = error
      this.#tell()
    })
    this.#process.once("exit", () => {
      this.#exited = performance.now()
      void this.#hearTheRest()
    })
  }

  get pid(): number | undefined {
    return this.#process.pid
  }

  /** Why there is no process. */
  get failure(): Error | undefined {
    return this.#failure
  }

  get output(): string {
    return this.#output
  }

  get events(): ReadonlyArray<Event> {
    return this.#events.read()
  }

  get code(): number | null {
    return this.#process.exitCode
  }

  get signalCode(): NodeJS.Signals | null {
    return this.#process.signalCode
  }

  /** Has ended, and everything that it said has been heard. */
  get isOver(): boolean {
    return this.#isOver
  }

  /** Waits until there is something to be seen; undefined when there was nothing up to the end. */
  until<A>(look: () => A | undefined): Effect.Effect<A | undefined> {
    return Effect.callback((resume) => {
      const timer = setInterval(() => check(), lookMillis)
      const stop = (): void => {
        this.#waiting.delete(check)
        clearInterval(timer)
      }
      const check = (): void => {
        // In this order: what came last must not be missed.
        const isOver = this.#isOver
        const exit = Effect.runSyncExit(Effect.sync(look))
        if (Exit.isSuccess(exit) && exit.value === undefined && !isOver) return
        stop()
        resume(exit)
      }
      this.#waiting.add(check)
      check()
      return Effect.sync(stop)
    })
  }

  signal(signal: NodeJS.Signals): void {
    const told = this.events.length
    const now = performance.now()
    if (this.#exited !== undefined || !this.#process.kill(signal)) return
    this.#firstSignal ??= now
    this.#deeds.push({
      wall: this.#wallOf(now),
      told,
      entry: (at) =>
        stopSignals.has(signal) ? { _tag: "Signalled", at, signal } : { _tag: "Struck", at, what: signal }
    })
  }

  /** From the first signal to the end of the process. */
  get stopMillis(): number {
    const end = this.#exited ?? performance.now()
    return end - (this.#firstSignal ?? end)
  }

  get timeline(): Timeline {
    const events = this.events
    const exitCode = this.code ?? 128 + constants.signals[this.signalCode ?? "SIGKILL"]
    const exit: Deed = {
      wall: this.#wallOf(this.#exited ?? performance.now()),
      told: events.length,
      entry: (at) => ({ _tag: "Exited", at, exitCode })
    }
    return timelineOf(events, [...this.#deeds, exit], this.#begun)
  }

  get report(): Report.Report | undefined {
    const events = this.events
    return events.some((event) => event._tag === "Ended") ? Report.fromEvents(events) : undefined
  }

  readonly close: Effect.Effect<void> = Effect.promise(async () => {
    const isRunning = this.pid !== undefined && this.#exited === undefined
    const exited = isRunning ? once(this.#process, "exit") : undefined
    await this.#group.end()
    await exited
    this.#process.stdout?.destroy()
    this.#process.stderr?.destroy()
    this.#forget()
  })

  #forget(): void {
    this.#events.close()
    rmSync(this.#folder, { recursive: true, force: true })
  }

  /**
   * All that it wrote is in the pipes when it ends. They end with it, unless something that it has left behind holds them;
   * then they are read until there is nothing more.
   */
  async #hearTheRest(): Promise<void> {
    const closed = new Promise<true>((resolve) => this.#process.once("close", () => resolve(true)))
    for (let before = -1, isClosed = false; before !== this.#heard && !isClosed;) {
      before = this.#heard
      // A timer can be late; what was there to be read then has been read by the end of its turn.
      const quiet = new Promise<false>((resolve) => setTimeout(() => setImmediate(resolve, false), quietMillis))
      isClosed = await Promise.race([closed, quiet])
    }
    this.#isOver = true
    this.#tell()
  }

  #wallOf(instant: number): number {
    return this.#begun + (instant - this.#origin)
  }

  #tell(): void {
    for (const check of this.#waiting) check()
  }
}

const quietMillis = 100
