/**
 * The stop of one server, from lame duck to the last connection.
 *
 * Invariants, each a test of that name:
 * 1. `serves-old-connections`: a request on a connection from before draining is served.
 * 2. `refuses-new-work-cleanly`: a request on a later connection gets a complete 503.
 * 3. `listens-until-quiet`: the socket stops listening only when nothing waits to be accepted, or the bound is over. One that
 *    others serve too is left at once: they take what waits, and nobody is refused.
 * 4. `drain-touches-no-work`: interrupting the drain ends no request.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import type { Server as HttpServer } from "node:http"
import { Server as NetServer } from "node:net"
import { Gatekeeper } from "./Gatekeeper.ts"
import type { Limits } from "./limits.ts"
import { Sweeper } from "./Sweeper.ts"
import { Traffic } from "./Traffic.ts"
import { turn, wait } from "./turns.ts"
import { WebSockets } from "./WebSockets.ts"

/** How often, at most, what has become due is looked for, in milliseconds; what ends by itself is noticed at once. */
const sweepInterval = 10
/** Time for the last answers to leave when the server is released. */
const farewell = 50
/** Turns of the event loop after which a socket stops listening even though each turn brought a connection. */
const mostTurns = 1000

export class Drainer {
  readonly webSockets = new WebSockets()
  /** Completes when draining begins. */
  readonly draining: Deferred.Deferred<void> = Deferred.makeUnsafe()
  /** One scope for each application that serves: closing it interrupts its requests. */
  readonly scopes = new Set<Scope.Closeable>()
  readonly #limits: Limits
  /** Whether others listen on the same socket, now or later; asked when the stop begins. */
  readonly #isShared: () => boolean
  #traffic!: Traffic
  #gatekeeper!: Gatekeeper
  #began = 0
  /** Whether it was released before the application was stopped. */
  #stopsAlone = false

  constructor(limits: Limits, isShared: () => boolean) {
    this.#limits = limits
    this.#isShared = isShared
  }

  /** Takes over a server that nobody has listened to yet. */
  attach<S extends object>(server: S): S {
    this.#traffic = new Traffic(server as unknown as HttpServer)
    this.#gatekeeper = new Gatekeeper(this.#traffic, this.#limits)
    return server
  }

  readonly inFlight = (): Record<string, number> => this.#traffic.inFlight()

  get countUpgraded(): Traffic["countUpgraded"] {
    return this.#traffic.countUpgraded
  }

  readonly isDraining = (): boolean => this.#traffic.closing

  readonly lameDuck: Effect.Effect<void> = Effect.sync(() => {
    this.#gatekeeper.standUp()
    for (const { session } of this.#traffic.connections) if (session !== undefined) this.#gatekeeper.notice(session)
  })

  readonly drain: Effect.Effect<void> = Effect.suspend(() => {
    this.#begin()
    return this.#stopListening.pipe(
      Effect.ensuring(Effect.sync(() => this.#gatekeeper.release())),
      Effect.andThen(Effect.raceFirst(this.#atRest, this.#sweeping))
    )
  })

  /**
   * Ends what is still in progress: effect answers the requests that it interrupts with 503. Waits for those that take
   * their time to be interrupted; how long, is for the caller to say.
   */
  readonly interrupt: Effect.Effect<void> = Effect.suspend(() => {
    this.#begin()
    this.#closeSocket()
    this.#gatekeeper.release()
    this.#prepareInterruptions()
    this.webSockets.terminate()
    return Effect.andThen(
      Effect.forkDetach(this.#closeScopes, { startImmediately: true }),
      this.#traffic.until(() => !this.#traffic.isWorking)
    )
  })

  /**
   * The end of one application on this server, when it was not stopped before: an own small stop, which leaves behind what
   * cannot be interrupted. In a stop of the whole application how long to wait for that is for the stop timeout to say.
   */
  readonly release = (scope: Scope.Closeable): Effect.Effect<void> =>
    Effect.suspend(() => {
      this.#stopsAlone ||= !this.isDraining()
      const drained = this.isDraining() ? Effect.void : Effect.raceFirst(this.drain, wait(this.#limits.release))
      const closed = this.#stopsAlone
        ? Effect.flatMap(Effect.forkDetach(Scope.close(scope, Exit.void), { startImmediately: true }), (closing) =>
            Effect.raceFirst(Fiber.await(closing), wait(this.#limits.release))
          )
        : Scope.close(scope, Exit.void)
      return drained.pipe(
        Effect.andThen(Effect.sync(() => this.#prepareInterruptions())),
        Effect.andThen(closed),
        Effect.ensuring(Effect.sync(() => this.scopes.delete(scope)))
      )
    })

  /** The end of the server: nothing of it may hold the process. */
  readonly close: Effect.Effect<void> = Effect.suspend(() => {
    this.#begin()
    this.#closeSocket()
    this.#gatekeeper.release()
    const { server, connections, handshakes } = this.#traffic
    const destroy = Effect.sync(() => {
      for (const { socket } of [...connections, ...handshakes]) socket.destroy()
      // It no longer listens; this stops node's own timer that looks after its connections.
      server.close(() => {})
    })
    // The last answers, 503 for what was interrupted, have just been written.
    return Effect.andThen(Effect.raceFirst(this.#atRest, wait(farewell)), destroy)
  })

  #begin(): void {
    if (this.#traffic.closing) return
    this.#began = performance.now()
    this.#traffic.closing = true
    this.#traffic.refusing = !this.#isShared()
    this.#gatekeeper.standUp()
    for (const { session } of this.#traffic.connections) if (session !== undefined) this.#gatekeeper.notice(session)
    if (!this.#traffic.serving) this.#gatekeeper.refuseHeld()
    // Resumes who waits for it, so it comes after every change here; before the close frames, so that the handler of a
    // WebSocket can say goodbye.
    Deferred.doneUnsafe(this.draining, Effect.void)
    setImmediate(() => this.webSockets.close())
  }

  readonly #atRest: Effect.Effect<void> = Effect.suspend(() =>
    this.#traffic.until(() => !this.#traffic.isOpen && !this.#traffic.isWorking)
  )

  /** Until nothing has arrived for a moment, then when the event loop has found nothing more to accept. */
  readonly #stopListening: Effect.Effect<void> = Effect.suspend(() =>
    this.#traffic.refusing
      ? Effect.andThen(this.#quiet, this.#closeWhenAccepted)
      : Effect.sync(() => this.#closeSocket())
  )

  readonly #quiet: Effect.Effect<void> = Effect.gen({ self: this }, function* () {
    // Somebody who is connected may be about to send; otherwise only what has come of late says that more may come.
    const from = this.#traffic.isOpen ? this.#began : Number.NEGATIVE_INFINITY
    const end = this.#began + this.#limits.refuse
    while (true) {
      const due = Math.min(Math.max(this.#traffic.lastArrival, from) + this.#limits.quiet, end)
      const left = due - performance.now()
      if (left <= 0) return
      yield* wait(Math.ceil(left))
    }
  })

  /**
   * Connections that wait to be accepted when a socket stops listening are reset. The event loop accepts one a turn, so a
   * turn without any has emptied the queue; closing in that very turn leaves them the shortest moment to arrive in. What
   * is left of this turn does not count: it may be past its look at the network.
   */
  readonly #closeWhenAccepted: Effect.Effect<void> = Effect.callback<void>((resume) => {
    const { server } = this.#traffic
    let immediate: NodeJS.Immediate
    const look = (accepted: number | undefined, turns: number): void => {
      immediate = setImmediate(() => {
        if (server.listening && this.#traffic.accepted !== accepted && turns < mostTurns) {
          return look(this.#traffic.accepted, turns + 1)
        }
        this.#closeSocket()
        resume(Effect.void)
      })
    }
    look(undefined, 0)
    return Effect.sync(() => clearImmediate(immediate))
  })

  readonly #sweeping: Effect.Effect<never> = Effect.gen({ self: this }, function* () {
    const sweeper = new Sweeper(this.#traffic, this.#limits, this.#began)
    while (true) {
      for (const closable of sweeper.sweep()) {
        yield* turn
        sweeper.close(closable)
      }
      yield* wait(Math.max(sweepInterval, this.#traffic.connections.size / 100))
    }
  })

  /** `close` of an HTTP server would destroy idle connections, with the requests that are on their way to them. */
  #closeSocket(): void {
    const { server } = this.#traffic
    if (server.listening) NetServer.prototype.close.call(server)
  }

  #prepareInterruptions(): void {
    for (const response of this.#traffic.responses()) this.#gatekeeper.prepareInterruption(response)
  }

  readonly #closeScopes: Effect.Effect<void> = Effect.suspend(() =>
    Effect.forEach(Array.from(this.scopes), (scope) => Scope.close(scope, Exit.void), {
      concurrency: "unbounded",
      discard: true
    })
  )
}
