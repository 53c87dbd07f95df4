/**
 * The decisions of a supervisor: which life of the application serves, what takes its place, what is leaving, and when it is
 * all over. One fiber takes what happens from one queue, in order, so no two decisions ever meet.
 *
 * Invariants, each a test:
 * 1. At most one life is `current` and at most one is `next`; nothing is told to leave before `next` is ready.
 * 2. Whatever was told to leave, or says that it stops, has a deadline, at which its process group is killed.
 * 3. When a stop has begun nothing is started any more, and the exit code is that of `current`.
 */
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import type { Plan } from "quiesce/Plan"
import type { ChildExit, Reloaded, Status } from "../Control.ts"
import { type Child, describeExit } from "./Child.ts"
import { exitCodeOf } from "./exitCode.ts"
import type { Message } from "./NotifyReader.ts"
import { patienceFor } from "./patience.ts"
import { Restarts } from "./Restarts.ts"
import { handOn, reloading } from "./serviceManager.ts"
import type { Input, Reply } from "./SupervisionInput.ts"
import type { SupervisionOptions } from "./SupervisionOptions.ts"

export class Supervision {
  readonly #options: SupervisionOptions
  readonly #inbox: Queue.Queue<Input>
  readonly #over = Deferred.makeUnsafe<number>()
  readonly #restarts: Restarts
  readonly #began: number
  #generation = 0
  #current: Child | undefined
  #next: { readonly child: Child; readonly replies: ReadonlyArray<Reply> } | undefined
  /** Reloads that were asked for while one was under way: what they ask for may have changed since that one began. */
  #queued: ReadonlyArray<Reply> = []
  readonly #leaving = new Set<Child>()
  #stopping = false
  #last: { readonly child: Child; readonly exit: ChildExit; readonly lasted: number } | undefined

  private constructor(options: SupervisionOptions, inbox: Queue.Queue<Input>, began: number) {
    this.#options = options
    this.#inbox = inbox
    this.#began = began
    this.#restarts = new Restarts(options.restart)
  }

  /** Nothing is started before `begin`. */
  static make(options: SupervisionOptions): Effect.Effect<Supervision> {
    return Effect.gen(function* () {
      return new Supervision(options, yield* Queue.unbounded<Input>(), yield* Clock.currentTimeMillis)
    })
  }

  /** Starts the application. What was asked for before happens right after. */
  readonly begin: Effect.Effect<void, never, Scope.Scope> = Effect.gen({ self: this }, function* () {
    this.#current = yield* this.#spawn()
    yield* Effect.forkScoped(this.#work)
  })

  /** The exit code, when all is over. */
  readonly over: Effect.Effect<number> = Deferred.await(this.#over)

  /** A stop signal; each one is handed on. */
  stop(signal: NodeJS.Signals): void {
    this.#put({ _tag: "Stop", signal })
  }

  /** Any other signal, for the application that serves. */
  handOn(signal: NodeJS.Signals): void {
    this.#put({ _tag: "Signal", signal })
  }

  /** Fails with the reason for which the old life goes on. */
  readonly reload: Effect.Effect<Reloaded, string> = Effect.suspend(() => {
    const reply: Reply = Deferred.makeUnsafe()
    this.#put({ _tag: "Reload", reply })
    return Deferred.await(reply)
  })

  /** Nothing of it may outlive a supervisor that leaves early. */
  readonly kill: Effect.Effect<void> = Effect.sync(() => {
    for (const child of this.#living) child.kill()
  })

  /** Whether nobody is there who could send heartbeats: nothing runs, or has told nothing yet. */
  get isSilent(): boolean {
    return this.#current?.text === undefined
  }

  get plan(): Plan | undefined {
    return this.#current?.plan
  }

  readonly status: Effect.Effect<Status> = Effect.map(Clock.currentTimeMillis, (now) => ({
    name: this.#options.name,
    pid: this.#options.pid,
    uptime: now - this.#began,
    stopping: this.#stopping,
    child: this.#current?.status(now) ?? null,
    next: this.#next?.child.status(now) ?? null,
    leaving: Array.from(this.#leaving, (child) => child.status(now)),
    restarts: this.#restarts.count,
    lastExit: this.#last === undefined ? null : { generation: this.#last.child.generation, ...this.#last.exit },
    listening: this.#options.listening
  }))

  #put(input: Input): void {
    Queue.offerUnsafe(this.#inbox, input)
  }

  readonly #work: Effect.Effect<void, never, Scope.Scope> = Effect.suspend(() =>
    Effect.flatMap(Queue.take(this.#inbox), (input) => this.#handle(input)).pipe(
      Effect.forever,
      // A mistake of ours must not leave an application without a supervisor that looks as if it had one.
      Effect.onExit((exit) => Effect.sync(() => Deferred.doneUnsafe(this.#over, exit)))
    )
  )

  #handle(input: Input): Effect.Effect<void, never, Scope.Scope> {
    switch (input._tag) {
      case "Stop":
        return this.#stop(input.signal)
      case "Signal":
        return Effect.sync(() => this.#current?.signal(input.signal))
      case "Reload":
        return this.#reload([input.reply])
      case "Heard":
        return this.#heard(input.child, input.message)
      case "Exited":
        return this.#exited(input.child, input.exit)
      case "ReadyLimit":
        return input.child === this.#next?.child ? this.#notReady(input.child) : Effect.void
      case "Deadline":
        return Effect.sync(() => this.#deadline(input.child))
      case "RestartDue":
        return this.#restartDue(input.generation)
    }
  }

  #spawn(): Effect.Effect<Child> {
    return Effect.map(Clock.currentTimeMillis, (now) => {
      const child = this.#options.spawn(++this.#generation, now, {
        heard: (message) => this.#put({ _tag: "Heard", child, message }),
        exited: (exit) => this.#put({ _tag: "Exited", child, exit })
      })
      return child
    })
  }

  #later(millis: number, input: Input): Effect.Effect<void, never, Scope.Scope> {
    const put = Effect.sync(() => this.#put(input))
    return Effect.asVoid(Effect.forkScoped(Effect.andThen(Effect.sleep(millis), put)))
  }

  get #living(): ReadonlyArray<Child> {
    const served = [this.#current, this.#next?.child].filter((child) => child !== undefined)
    return [...served, ...this.#leaving]
  }

  #heard(child: Child, message: Message): Effect.Effect<void, never, Scope.Scope> {
    return Effect.gen({ self: this }, function* () {
      child.hear(message)
      if (child === this.#current) handOn(message, this.#options.notify)
      // By itself, after a crash for example; it can hang in that as in any other stop.
      if (message.get("STOPPING") === "1") yield* this.#startDeadline(child)
      if (child === this.#next?.child && child.isReady) yield* this.#promote()
    })
  }

  // --- stop -----------------------------------------------------------------------------------------------------------

  #stop(signal: NodeJS.Signals): Effect.Effect<void, never, Scope.Scope> {
    return Effect.gen({ self: this }, function* () {
      const isFirst = !this.#stopping
      // Those that were replaced are leaving already, and would take another signal for impatience.
      const told = isFirst ? this.#living.filter((child) => !this.#leaving.has(child)) : this.#living
      if (isFirst) {
        this.#stopping = true
        this.#options.notify(["STOPPING=1"])
        this.#options.onStop()
        yield* this.#refuse([...(this.#next?.replies ?? []), ...this.#queued], "the application is being stopped")
        this.#queued = []
      }
      for (const child of told) yield* this.#tellToLeave(child, signal)
      // Last, as a line can have to wait for its reader.
      if (isFirst) this.#options.say(`${signal}: stopping`)
      yield* this.#endIfGone()
    })
  }

  #tellToLeave(child: Child, signal: NodeJS.Signals): Effect.Effect<void, never, Scope.Scope> {
    child.signal(signal)
    return this.#startDeadline(child)
  }

  #startDeadline(child: Child): Effect.Effect<void, never, Scope.Scope> {
    if (child.hasDeadline) return Effect.void
    child.hasDeadline = true
    return this.#later(patienceFor(child, this.#options.gracePeriod), { _tag: "Deadline", child })
  }

  #deadline(child: Child): void {
    if (child.exit !== undefined) return
    const waited = Duration.format(Duration.millis(patienceFor(child, this.#options.gracePeriod)))
    child.kill()
    this.#options.say(`${child.label} has not ended within ${waited}: it is killed, with its process group`)
  }

  #endIfGone(): Effect.Effect<void> {
    return Effect.sync(() => {
      if (!this.#stopping || this.#living.length > 0) return
      Deferred.doneUnsafe(this.#over, Effect.succeed(this.#last === undefined ? 0 : exitCodeOf(this.#last.exit)))
    })
  }

  // --- the end of a life ----------------------------------------------------------------------------------------------

  #exited(child: Child, exit: ChildExit): Effect.Effect<void, never, Scope.Scope> {
    return Effect.gen({ self: this }, function* () {
      const { say } = this.#options
      if (this.#leaving.delete(child)) {
        if (exit.code !== 0) say(`${child.label}, which was leaving, ended: ${describeExit(exit)}`)
      } else if (child === this.#next?.child) {
        yield* this.#failReload(`${child.label} ended before it was ready: ${describeExit(exit)}`)
      } else {
        this.#current = undefined
        this.#last = { child, exit, lasted: (yield* Clock.currentTimeMillis) - child.startedAt }
        // What has been started to take its place will.
        if (this.#next === undefined && !this.#stopping) yield* this.#ended()
      }
      yield* this.#endIfGone()
    })
  }

  /** Nothing serves. */
  #ended(): Effect.Effect<void, never, Scope.Scope> {
    return Effect.gen({ self: this }, function* () {
      const { notify, say } = this.#options
      const last = this.#last
      if (last === undefined) return
      const decision = yield* this.#restarts.decide(
        { exitCode: exitCodeOf(last.exit), wasReady: last.child.isReady, lasted: last.lasted },
        yield* Clock.currentTimeMillis
      )
      const what = `generation ${last.child.generation} ended: ${describeExit(last.exit)}`
      if (decision._tag === "Leave") {
        if (decision.because !== undefined) say(`${what}; ${decision.because}`)
        // Those that were replaced finish their work first.
        this.#stopping = true
        return yield* this.#endIfGone()
      }
      const next = `${what}; started again in ${Duration.format(Duration.millis(Math.round(decision.after)))}`
      say(next)
      notify([`STATUS=${next}`])
      yield* this.#later(decision.after, { _tag: "RestartDue", generation: last.child.generation })
    })
  }

  #restartDue(generation: number): Effect.Effect<void> {
    return Effect.gen({ self: this }, function* () {
      // A reload may have come before.
      if (this.#stopping || this.#current !== undefined || this.#next !== undefined) return
      if (this.#last?.child.generation === generation) this.#current = yield* this.#spawn()
    })
  }

  // --- reload ---------------------------------------------------------------------------------------------------------

  #reload(replies: ReadonlyArray<Reply>): Effect.Effect<void, never, Scope.Scope> {
    return Effect.gen({ self: this }, function* () {
      if (this.#stopping) return yield* this.#refuse(replies, "the application is being stopped")
      if (this.#next !== undefined) {
        this.#queued = [...this.#queued, ...replies]
        return
      }
      const child = yield* this.#spawn()
      this.#next = { child, replies }
      this.#options.say(`reload: ${child.label} is started`)
      // What was never ready cannot be reloading in the eyes of a manager: its start goes on.
      if (this.#current?.isReady) this.#options.notify(reloading())
      yield* this.#later(this.#options.readyTimeout, { _tag: "ReadyLimit", child })
    })
  }

  #promote(): Effect.Effect<void, never, Scope.Scope> {
    return Effect.gen({ self: this }, function* () {
      const next = this.#next
      if (next === undefined || this.#stopping) return
      const replaced = this.#current
      this.#current = next.child
      this.#next = undefined
      this.#options.say(`reload: ${next.child.label} is ready${replaced ? `, ${replaced.label} leaves` : ""}`)
      if (replaced !== undefined) {
        this.#leaving.add(replaced)
        yield* this.#tellToLeave(replaced, "SIGTERM")
      }
      this.#options.notify(["READY=1", ...(next.child.text === undefined ? [] : [`STATUS=${next.child.text}`])])
      const { generation, pid } = next.child.status(0)
      const done: Reloaded = { pid, generation, replaced: replaced?.pid ?? null }
      yield* Effect.forEach(next.replies, (reply) => Deferred.succeed(reply, done), { discard: true })
      yield* this.#nextInLine()
    })
  }

  #notReady(child: Child): Effect.Effect<void, never, Scope.Scope> {
    return Effect.gen({ self: this }, function* () {
      if (this.#stopping) return
      const limit = Duration.format(Duration.millis(this.#options.readyTimeout))
      // It may yet come to serve, and nothing else does.
      if (this.#current === undefined) this.#current = child
      else {
        this.#leaving.add(child)
        yield* this.#tellToLeave(child, "SIGTERM")
      }
      yield* this.#failReload(
        `${child.label} was not ready within ${limit}: an application says so through NodeApp.run, or by READY=1 on the ` +
          `file descriptor QUIESCE_NOTIFY_FD; see why it takes so long, or raise --ready-timeout`
      )
    })
  }

  #failReload(why: string): Effect.Effect<void, never, Scope.Scope> {
    return Effect.gen({ self: this }, function* () {
      const replies = this.#next?.replies ?? []
      this.#next = undefined
      const goesOn = this.#current === undefined ? "" : `; ${this.#current.label} goes on`
      if (!this.#stopping) {
        this.#options.say(`reload failed: ${why}${goesOn}`)
        if (this.#current?.isReady) this.#options.notify(["READY=1"])
      }
      yield* this.#refuse(replies, `${why}${goesOn}`)
      if (this.#current === undefined && !this.#stopping) yield* this.#ended()
      yield* this.#nextInLine()
    })
  }

  #nextInLine(): Effect.Effect<void, never, Scope.Scope> {
    return Effect.suspend(() => {
      const queued = this.#queued
      this.#queued = []
      return queued.length === 0 ? Effect.void : this.#reload(queued)
    })
  }

  #refuse(replies: ReadonlyArray<Reply>, why: string): Effect.Effect<void> {
    return Effect.forEach(replies, (reply) => Deferred.fail(reply, why), { discard: true })
  }
}
