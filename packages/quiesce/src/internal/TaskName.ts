/**
 * What is known of all tasks of one name: how many there are in which state, what has been told of them, and their metrics.
 *
 * The log, the status and the metrics know tasks by name, so that a hundred thousand of one name are one line. A process may
 * make up names for ever, and neither a log nor a metric forgets one: past so many of them, log and metrics know the others
 * together, by their tags.
 */
import type * as Context from "effect/Context"
import * as Metric from "effect/Metric"
import type { ComponentNode } from "./ComponentNode.ts"
import type { TaskState } from "./SupervisedTask.ts"

const counters = {
  started: "tasks that were started",
  restarted: "runs that were begun again",
  failed: "runs that failed",
  interrupted: "tasks that were interrupted, by a stop or by the end of their scope, with something in hand",
  missed: "runs of periodic tasks that came due and were missed"
}

/** What tasks of one name share. */
export interface TaskLabels {
  readonly name: string
  readonly priority: number
  readonly tags: ReadonlyArray<string>
}

export class TaskName {
  readonly name: string
  readonly priority: number
  readonly tags: ReadonlyArray<string>
  /** Whether the log has heard of the first that ended by itself. */
  endTold = false
  failures = 0
  readonly #component: ComponentNode | undefined
  readonly #together: TaskName | undefined
  readonly #attributes: Readonly<Record<string, string>>
  readonly #context: Context.Context<never>
  readonly #counters = new Map<string, Metric.Counter<number>>()
  readonly #inState: Record<TaskState, number> = { Running: 0, Idle: 0, Restarting: 0, Stopping: 0, Ended: 0 }
  #running: Metric.Gauge<number> | undefined
  #stopTime: Metric.Histogram<number> | undefined

  /** `together`: those that it is told of and measured with, where it is one too many. */
  constructor(
    { name, priority, tags }: TaskLabels,
    component: ComponentNode | undefined,
    context: Context.Context<never>,
    together?: TaskName
  ) {
    this.name = name
    this.priority = priority
    this.tags = tags
    this.#component = component
    this.#together = together
    this.#context = context
    this.#attributes = { task: name, ...(tags.length === 0 ? {} : { tags: tags.join(",") }) }
  }

  /** As what log and metrics know it. */
  get told(): TaskName {
    return this.#together ?? this
  }

  /** How events call it: by its name and, where it belongs to one, its component's, which may change until that has started. */
  get who(): { readonly name: string; readonly component?: string } {
    const node = this.#component
    const component = node?.christened === true && node.parent !== undefined ? node.name : node?.nearestName
    return { name: this.name, ...(component === undefined ? {} : { component }) }
  }

  /** How many have not ended. */
  get alive(): number {
    const { Idle, Restarting, Running, Stopping } = this.#inState
    return Idle + Restarting + Running + Stopping
  }

  inState(state: TaskState): number {
    return this.#inState[state]
  }

  began(): void {
    this.#inState.Running++
    this.count("started")
    this.#runs(1)
  }

  moved(from: TaskState, to: TaskState): void {
    this.#inState[from]--
    this.#inState[to]++
    if (to === "Ended") this.#runs(-1)
  }

  #runs(change: number): void {
    if (this.#together !== undefined) return this.#together.#runs(change)
    this.#running ??= Metric.gauge("quiesce_tasks_running", {
      description: "tasks that have not ended",
      attributes: this.#attributes
    })
    this.#running.modifyUnsafe(change, this.#context)
  }

  count(what: keyof typeof counters, by = 1): void {
    if (what === "failed") this.failures += by
    if (this.#together !== undefined) return this.#together.count(what, by)
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
    if (this.#together !== undefined) return this.#together.stopped(millis)
    this.#stopTime ??= Metric.histogram("quiesce_tasks_stop_millis", {
      description: "milliseconds from the interruption of a task to its end",
      attributes: this.#attributes,
      boundaries: [1, 10, 100, 1000, 10_000]
    })
    this.#stopTime.updateUnsafe(millis, this.#context)
  }
}
