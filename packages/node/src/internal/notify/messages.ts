/**
 * What a service manager is told of a lifecycle event, in the words of sd_notify: lines `KEY=VALUE`.
 */
import type { Event } from "quiesce/Event"
import * as Phase from "quiesce/Phase"
import * as StopReason from "quiesce/StopReason"

/** After the deadline a process still has to be taken down, by its watchdog if need be. */
const marginMillis = 2000

/** A longer one is no status line any more. */
const longestStatus = 200

/** What is said depends on what was said before, so there is one for each application. */
export class Messages {
  #isRunning = false
  #gracePeriod = 0
  #deadline = 0
  #reason = ""
  #health = ""
  #failedReload = ""

  /** Empty for most events. */
  of(event: Event): ReadonlyArray<string> {
    switch (event._tag) {
      case "AppStarting":
        this.#gracePeriod = event.gracePeriod
        return [status("Starting")]
      case "StateChanged":
        return this.#entered(event)
      case "HealthChanged":
        this.#health = event.to === "Healthy" ? "" : `, ${event.to}: ${event.because.join(", ")}`
        return this.#isRunning ? [this.#running] : []
      case "ReloadFailed":
        this.#failedReload = `, the last reload failed: ${event.message}`
        return []
      case "Reloaded":
        this.#failedReload = ""
        return []
      case "StopRequested":
        this.#deadline = event.at + this.#gracePeriod - (event.spent ?? 0)
        this.#reason = ` (${StopReason.describe(event.reason)})`
        // STOPPING=1 is final: nobody can take it back, and neither can we.
        return ["STOPPING=1", this.#extend(event.at), status(`Stopping${this.#reason}`)]
      case "LeaseGranted":
        return [this.#extend(event.at)]
      case "Ended":
        return [status(`${event.outcome._tag}, exit code ${event.exitCode}${this.#reason}`)]
      default:
        return []
    }
  }

  #entered({ to }: Extract<Event, { readonly _tag: "StateChanged" }>): ReadonlyArray<string> {
    this.#isRunning = to === "Running"
    if (to === "Running") return ["READY=1", this.#running]
    // The clock is CLOCK_MONOTONIC, by which systemd tells this reload from the one before.
    if (to === "Reloading")
      return ["RELOADING=1", `MONOTONIC_USEC=${process.hrtime.bigint() / 1000n}`, status("Reloading")]
    return Phase.isTerminal(to) ? [] : [status(`${to}${this.#reason}`)]
  }

  get #running(): string {
    return status(`Running${this.#health}${this.#failedReload}`)
  }

  /**
   * The whole of what a stop can still take, not the lease alone: after what it was granted for there is more to do. It is no
   * more than a lower limit for the manager, which waits longer where its own settings say so.
   */
  #extend(at: number): string {
    return `EXTEND_TIMEOUT_USEC=${Math.ceil(Math.max(this.#deadline - at, 0) + marginMillis) * 1000}`
  }
}

/** One line, whatever is in an error's message. */
const status = (text: string): string => {
  const line = text.replaceAll(/[\s\p{Cc}]+/gu, " ")
  return `STATUS=${line.length > longestStatus ? `${line.slice(0, longestStatus - 1)}…` : line}`
}
