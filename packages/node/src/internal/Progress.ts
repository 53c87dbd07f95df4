/**
 * The live line of a stopping application: state, what is awaited, how long is left. Nothing is shown unless stderr is a
 * terminal, and nothing of it stays when the state is over: the log lines and the report are the record.
 */
import type { Event } from "quiesce/Event"
import type { Lifecycle } from "quiesce/Lifecycle"
import { formatCounts, formatMillis } from "quiesce/Report"
import type { Output } from "./Output.ts"

const refreshMillis = 100
const eraseLine = "\r\u001b[2K"

export class Progress {
  readonly #output: Output
  readonly #enabled: boolean
  #lifecycle: Lifecycle["Service"] | undefined
  #timer: NodeJS.Timeout | undefined
  #shown = false

  constructor(output: Output, wanted: boolean) {
    this.#output = output
    this.#enabled = wanted && output.isTerminal
  }

  watch(lifecycle: Lifecycle["Service"]): void {
    this.#lifecycle = lifecycle
  }

  onEvent(event: Event): void {
    if (!this.#enabled) return
    if (event._tag === "StopRequested") this.#timer ??= setInterval(() => this.#draw(), refreshMillis).unref()
    if (event._tag === "StateChanged") this.clear()
  }

  /** Takes the line away, so that something else can be written; the next refresh brings it back. */
  clear(): void {
    if (!this.#shown) return
    this.#shown = false
    this.#output.live(eraseLine)
  }

  end(): void {
    clearInterval(this.#timer)
    this.clear()
  }

  #draw(): void {
    if (this.#lifecycle === undefined) return
    const { awaiting, inFlight, remaining, state } = this.#lifecycle.statusUnsafe()
    const left = remaining === undefined ? "" : `, ${formatMillis(remaining)} left`
    const counts = Object.keys(inFlight).length === 0 ? [] : [formatCounts(inFlight)]
    // A gate is often called as what it counts.
    const others = new Set(awaiting.filter((name) => !(name in inFlight)))
    const text = `${state}${left}: waiting for ${[...counts, ...others].join(", ") || "nothing"}`
    this.#shown = true
    this.#output.live(
      `${eraseLine}${text.length < this.#output.width ? text : `${text.slice(0, this.#output.width - 2)}…`}`
    )
  }
}
