/**
 * What is known of all tasks of one name: how many there are in which state, what has been told of them, and their metrics.
 *
 * The log, the status and the metrics know tasks by name, so that a hundred thousand of one name are one line.
 */
import * as Context from "effect/Context"
import * as Metric from "effect/Metric"
import { type ComponentNode, CurrentComponent } from "./ComponentNode.ts"
import type { TaskState } from "./SupervisedTask.ts"

const counters = {
  started: "tasks that were started",
  restarted: "runs that were begun again",
  failed: "runs that failed",
  interrupted: "tasks that were interrupted by a stop or by the end of their scope"
}

const states: ReadonlyArray<Exclude<TaskState, "Ended">> = ["Running", "Idle", "Restarting", "Stopping"]

export class TaskName {
  readonly name: string
  readonly priority: number
  readonly tags: ReadonlyArray<string>
  /** Whether the log has heard of the first that ended by itself. */
  endTold = false
  failures = 0
  readonly #component: ComponentNode | undefined
  readonly #attributes: Readonly<Record<string, string>>
  readonly #context: Context.Context<never>
  readonly #counters = new Map<string, Metric.Counter<number>>()
  readonly #running: Metric.Gauge<number>
  readonly #inState: Record<TaskState, number> = { Running: 0, Idle: 0, Restarting: 0, Stopping: 0, Ended: 0 }
  #stopTime: Metric.Histogram<number> | undefined

  constructor(name: string, priority: number, tags: ReadonlyArray<string>, context: Context.Context<never>) {
    this.name = name
    this.#component = Context.get(context, CurrentComponent)
    this.priority = priority
    this.tags = tags
    this.#context = context
    this.#attributes = { task: name, ...(tags.length === 0 ? {} : { tags: tags.join(",") }) }
    this.#running = Metric.gauge("quiesce_tasks_running", {
      description: "tasks that have not ended",
      attributes: this.#attributes
    })
  }

  /** How events call it: by its name and, where it belongs to one, its component's, which may change until that has started. */
  get who(): { readonly name: string; readonly component?: string } {
    const node = this.#component
    const component = node?.christened === true && node.parent !== undefined ? node.name : node?.nearestName
    return { name: this.name, ...(component === undefined ? {} : { component }) }
  }

  /** How many have not ended. */
  get alive(): number {
    return states.reduce((sum, state) => sum + this.#inState[state], 0)
  }

  inState(state: TaskState): number {
    return this.#inState[state]
  }

  began(): void {
    this.#inState.Running++
    this.count("started")
    this.#running.modifyUnsafe(1, this.#context)
  }

  moved(from: TaskState, to: TaskState): void {
    this.#inState[from]--
    this.#inState[to]++
    if (to === "Ended") this.#running.modifyUnsafe(-1, this.#context)
  }

  count(what: keyof typeof counters, by = 1): void {
    if (what === "failed") this.failures += by
    let counter = this.#counters.get(what)
    if (counter === undefined) {
      counter = Metric.counter(`quiesce_tasks_${what}`, {
        description: counters[what],
        attributes: this.#attributes,
        incremental: true
      })
      this.#counters.set(what, counter)
    }
    counter.updateUnsafe(by, this.#context)
  }

  /** How long one took from being told to stop to its end. */
  stopped(millis: number): void {
    this.#stopTime ??= Metric.histogram("quiesce_tasks_stop_millis", {
      description: "milliseconds from the interruption of a task to its end",
      attributes: this.#attributes,
      boundaries: [1, 10, 100, 1000, 10_000]
    })
    this.#stopTime.updateUnsafe(millis, this.#context)
  }
}
