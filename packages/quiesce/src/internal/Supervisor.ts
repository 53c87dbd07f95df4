/**
 * The supervision of tasks: who runs, what their ends mean for the application, and how a stop ends them.
 *
 * Invariants, each a test of that name:
 * 1. `by-priority`: a stop interrupts by descending priority; a lower one begins when every higher one has ended or has used
 *    its share of the budget.
 * 2. `never-silent`: a run that fails is told, whoever ended it and whenever.
 * 3. `ends-with-its-scope`: a task has ended when the scope of who started it goes on to release what was there before it.
 * 4. `no-new-runs`: once draining has begun no run begins, neither the next of a period nor a restart.
 */
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import type { Event } from "../Event.ts"
import type { TaskStatus } from "../Lifecycle.ts"
import * as StopReason from "../StopReason.ts"
import { CurrentComponent } from "./ComponentNode.ts"
import { interruptInBatches } from "./interruptInBatches.ts"
import type { Contribution, HealthBoard } from "./HealthBoard.ts"
import type { Kernel } from "./Kernel.ts"
import { type Group, type Supervised, SupervisedTask, type TaskEnd, type TaskSpec } from "./SupervisedTask.ts"
import { type TaskLabels, TaskName } from "./TaskName.ts"
import type { Waits } from "./Waits.ts"
import { lastFinalizer, ofTasks } from "./watchScope.ts"

/** So many names are known to log and metrics; those that come after them share a name there. */
const mostNames = 1000
const otherNames = "(other tasks)"

export class Supervisor {
  readonly #kernel: Kernel
  readonly #waits: Waits
  /** Every group that has tasks. */
  readonly #all = new Set<Group>()
  /** The first so many, for ever, and of the others those that have tasks. */
  readonly #names = new Map<string, TaskName>()
  /** What the others are told and measured as, by their tags. */
  readonly #others = new Map<string, TaskName>()
  /** The last group of each scope: tasks that were started in it with nothing acquired between them. */
  readonly #groups = new WeakMap<Scope.Scope, Group>()
  readonly #health: HealthBoard
  readonly #degraded = new Map<string, Contribution>()
  #interrupting = false
  #stragglersTold = false

  constructor(kernel: Kernel, waits: Waits, health: HealthBoard) {
    this.#kernel = kernel
    this.#waits = waits
    this.#health = health
  }

  get #alive(): ReadonlyArray<Supervised> {
    const alive: Array<Supervised> = []
    for (const { tasks } of this.#all) for (const task of tasks) alive.push(task)
    return alive
  }

  // --- start ----------------------------------------------------------------------------------------------------------

  start<A, E, R, R2>(
    spec: TaskSpec<A, E, R, R2>
  ): Effect.Effect<SupervisedTask<A, E, R, R2>, never, R | R2 | Scope.Scope> {
    return Effect.contextWith((context: Context.Context<R | R2 | Scope.Scope>) =>
      Effect.sync(() => {
        const scope = Context.get(context, Scope.Scope)
        const { priority = 0, tags = [] } = spec.options
        const named = this.#named({ name: spec.name, priority, tags }, context)
        const task = new SupervisedTask(this, named, spec, context)
        named.began()
        if (scope.state._tag === "Closed" || this.#interrupting) task.refuse()
        else {
          // Changed first: its first step may ask for the stop.
          this.#own(scope, task)
          task.start()
        }
        return task
      })
    )
  }

  #named(labels: TaskLabels, context: Context.Context<never>): TaskName {
    this.#recovered(labels.name)
    const known = this.#names.get(labels.name)
    if (known !== undefined) return known
    const together = this.#names.size < mostNames ? undefined : this.#other(labels, context)
    const named = new TaskName(labels, Context.get(context, CurrentComponent), context, together)
    this.#names.set(labels.name, named)
    if (together === undefined) this.#tellStarted(named)
    return named
  }

  #other({ priority, tags }: TaskLabels, context: Context.Context<never>): TaskName {
    const labels =
      this.#others.size < mostNames ? { name: otherNames, priority, tags } : { name: otherNames, priority, tags: [] }
    const key = labels.tags.join(",")
    const known = this.#others.get(key)
    if (known !== undefined) return known
    const other = new TaskName(labels, undefined, context)
    this.#others.set(key, other)
    this.#tellStarted(other)
    return other
  }

  #tellStarted(named: TaskName): void {
    const { priority, tags, who } = named
    this.#kernel.emit({ _tag: "TaskStarted", at: this.now(), ...who, priority, tags })
  }

  /** Its scope ends it, at the place where it was started. */
  #own(scope: Scope.Scope, task: Supervised): void {
    const last = this.#groups.get(scope)
    const group = last !== undefined && lastFinalizer(scope) === last.scope ? last : this.#group(scope)
    group.tasks.add(task)
    this.#all.add(group)
    task.group = group
  }

  #group(scope: Scope.Scope): Group {
    const own = Scope.forkUnsafe(scope)
    const group: Group = { scope: own, tasks: new Set(), degraded: new Set() }
    ofTasks.add(own)
    this.#groups.set(scope, group)
    // The scope is open, so registering is synchronous.
    Effect.runSync(Scope.addFinalizer(own, this.#close(group)))
    return group
  }

  /** Ends all tasks of a group. One that closes its own scope is not waited for: it waits for this. */
  #close(group: Group): Effect.Effect<void> {
    return Effect.withFiber((fiber) => {
      const tasks = Array.from(group.tasks)
      for (const name of group.degraded) this.#recovered(name)
      return Effect.gen({ self: this }, function* () {
        for (const level of byPriority(tasks)) {
          yield* interruptInBatches(level)
          yield* ended(level.filter((task) => !task.isRunBy(fiber)))
        }
      })
    })
  }

  // --- what a task tells ----------------------------------------------------------------------------------------------

  readonly now = (): number => this.#kernel.now()

  readonly isDraining = (): boolean => this.#kernel.isRefusing()

  tellFailure(
    named: TaskName,
    failure: Pick<Extract<Event, { _tag: "TaskFailed" }>, "attempt" | "message" | "next" | "restartIn">,
    cause: Cause.Cause<unknown>
  ): void {
    this.#kernel.emit({ _tag: "TaskFailed", at: this.now(), ...named.who, ...failure }, cause)
  }

  failed(task: string, message: string): void {
    this.#kernel.requestStop({ _tag: "TaskFailed", task, message })
  }

  finished(): void {
    this.#kernel.requestStop(StopReason.finished)
  }

  ended(task: Supervised, how: TaskEnd, degraded: string | undefined): void {
    const { named } = task
    if (how === "interrupted") named.count("interrupted")
    if (degraded !== undefined) {
      task.group?.degraded.add(task.name)
      // Its failure is told already.
      const contribution = this.#health.enter(`task ${task.name}`, "readiness", "Degraded", "pass", "quietly")
      this.#degraded.set(task.name, contribution)
      contribution.fail(Cause.fail(degraded))
    }
    if (how === "done" && !named.told.endTold) {
      named.told.endTold = true
      this.#kernel.emit({ _tag: "TaskEnded", at: this.now(), ...named.told.who })
    }
    if (named.told !== named && named.alive === 0) this.#names.delete(named.name)
    const { group } = task
    if (group === undefined) return
    group.tasks.delete(task)
    if (group.tasks.size > 0) return
    this.#all.delete(group)
    // A degradation is remembered as long as the scope lives in which the task was started.
    if (group.degraded.size === 0) {
      // Nothing is left to do for its finalizer; what counts is that the scope it was in forgets it.
      Scope.closeUnsafe(group.scope, Exit.void)
    }
  }

  /** It is started anew, or its scope is closed. */
  #recovered(name: string): void {
    const contribution = this.#degraded.get(name)
    if (contribution === undefined) return
    this.#degraded.delete(name)
    this.#health.leave(contribution)
  }

  // --- stop -----------------------------------------------------------------------------------------------------------

  /** Draining has begun: who has nothing in hand ends now, and the drain waits for those that finish. */
  drain(): void {
    const alive = this.#alive
    const idle = alive.filter(isIdle)
    const finishing = new Map<string, Array<Supervised>>()
    for (const task of alive) {
      if (!task.finishes || isIdle(task)) continue
      const { name } = task.named.told
      const others = finishing.get(name)
      if (others === undefined) finishing.set(name, [task])
      else others.push(task)
    }
    this.#tell("TaskStopped", idle)
    if (idle.length > 0) this.#kernel.fork(interruptInBatches(idle))
    for (const [name, tasks] of finishing) this.#waits.add("task", name, ended(tasks))
  }

  /**
   * Interrupts every task by descending priority, within `budget` milliseconds. Each priority may take an equal share of what
   * is left for it and those below, so that what a higher one does not need goes to the lower ones, and one that hangs cannot
   * take it from them. What has not ended in its share is waited for again at the end.
   */
  interrupt(budget: number): void {
    this.#interrupting = true
    if (this.#all.size === 0) return
    const until = this.now() + budget
    const levels = byPriority(this.#alive)
    const all = Effect.gen({ self: this }, function* () {
      for (const [index, level] of levels.entries()) {
        const alive = level.filter(({ now }) => now !== "Ended")
        // The others have been told before, or end for a reason of their own.
        this.#tell(
          "TaskInterrupted",
          alive.filter(({ now }) => now === "Running")
        )
        yield* interruptInBatches(alive)
        const share = Math.max(until - this.now(), 0) / (levels.length - index)
        if (index < levels.length - 1) yield* Effect.raceFirst(ended(alive), Effect.sleep(share))
      }
      for (const level of levels) yield* ended(level)
    })
    this.#waits.add("interrupt", "tasks", all)
  }

  #tell(_tag: "TaskStopped" | "TaskInterrupted", tasks: ReadonlyArray<Supervised>): void {
    for (const [told, of] of countBy(tasks, ({ named }) => named.told)) {
      this.#kernel.emit({ _tag, at: this.now(), ...told.who, priority: of.priority, count: of.count })
    }
  }

  /** Names who was told to end, or should have finished, and has not: once. */
  tellStragglers(): void {
    if (this.#stragglersTold) return
    this.#stragglersTold = true
    const unfinished = this.#alive.filter(({ finishes, now }) => now === "Stopping" || (finishes && now === "Running"))
    for (const [name, { count }] of countBy(unfinished, (task) => task.name)) {
      this.#kernel.emit({ _tag: "Straggler", at: this.now(), kind: `task ${name}`, count })
    }
  }

  // --- status ---------------------------------------------------------------------------------------------------------

  get status(): ReadonlyArray<TaskStatus> {
    return Array.from(this.#names.values())
      .filter((named) => named.alive > 0)
      .map((named) => ({
        ...named.who,
        priority: named.priority,
        tags: named.tags,
        running: named.inState("Running"),
        waiting: named.inState("Idle"),
        restarting: named.inState("Restarting"),
        stopping: named.inState("Stopping"),
        failures: named.failures
      }))
  }
}

/** Whether it has nothing in hand. */
const isIdle = ({ now }: Supervised): boolean => now === "Idle" || now === "Restarting"

/** The highest first. */
const byPriority = (tasks: Iterable<Supervised>): ReadonlyArray<ReadonlyArray<Supervised>> => {
  const levels = new Map<number, Array<Supervised>>()
  for (const task of tasks) {
    const level = levels.get(task.priority)
    if (level === undefined) levels.set(task.priority, [task])
    else level.push(task)
  }
  return Array.from(levels)
    .toSorted(([a], [b]) => b - a)
    .map(([, level]) => level)
}

/** How many there are of each, and the priority of the first. */
const countBy = <K>(
  tasks: ReadonlyArray<Supervised>,
  keyOf: (task: Supervised) => K
): ReadonlyMap<K, { readonly priority: number; readonly count: number }> => {
  const counts = new Map<K, { readonly priority: number; count: number }>()
  for (const task of tasks) {
    const key = keyOf(task)
    const known = counts.get(key)
    if (known === undefined) counts.set(key, { priority: task.priority, count: 1 })
    else known.count++
  }
  return counts
}

const ended = (tasks: ReadonlyArray<Supervised>): Effect.Effect<void> =>
  Effect.forEach(tasks, (task) => (task.now === "Ended" ? Effect.void : task.settled), {
    discard: true
  })
