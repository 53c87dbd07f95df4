/**
 * Runs a command under supervision: what `quiesce run` does, as an effect.
 */
import { SdNotify } from "@quiesce/node/SdNotify"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import { isatty } from "node:tty"
import { prepareFolder, serveControl } from "./internal/controlServer.ts"
import { controlPath } from "./internal/controlPath.ts"
import { holdSockets } from "./internal/HeldSockets.ts"
import { IsLeaving } from "./internal/IsLeaving.ts"
import { Ledger } from "./internal/Ledger.ts"
import { parseListenAddress } from "./internal/ListenAddress.ts"
import { sayer } from "./internal/sayer.ts"
import { endGroup, groupPatience } from "./internal/processGroup.ts"
import { watchdogMillis } from "./internal/serviceManager.ts"
import { spawner } from "./internal/spawnChild.ts"
import { defaultGracePeriod, margin } from "./internal/patience.ts"
import { Supervision } from "./internal/Supervision.ts"
import { SupervisorError } from "./SupervisorError.ts"

export interface Options {
  /** The program and its arguments. */
  readonly command: ReadonlyArray<string>
  /**
   * Tells applications in one folder apart, in the path of the control socket and in the lines of the supervisor.
   *
   * @default "app"
   */
  readonly name?: string | undefined
  /**
   * The path of the control socket; a lock with the ending `.lock` is beside it.
   *
   * @default `.quiesce/<name>.sock` in the current folder: whoever asks from there finds it, whatever their environment
   */
  readonly socket?: string | undefined
  /**
   * Sockets to open and hold, as `[name=][host:]port`. The host is a numeric address, IPv6 in brackets; without one it is every
   * address. A socket without a name has its port as its name. Or as `[name=]path` with a slash in it, for a unix socket.
   *
   * @default none: the application opens its own, and cannot be replaced without refusing somebody
   */
  readonly listen?: ReadonlyArray<string> | undefined
  /**
   * From the stop signal to the kill of the whole process group, 0.9 seconds later.
   *
   * @default the grace period of the application, which it tells; 25 seconds when it tells nothing
   */
  readonly gracePeriod?: Duration.Input | undefined
  /**
   * How long the next life may take to become ready in a reload.
   *
   * @default 30 seconds: a start that takes longer has usually gone wrong
   */
  readonly readyTimeout?: Duration.Input | undefined
  /**
   * `"on-failure"`: after every exit code but 0, and every death by a signal. Exit codes 2 and 78 (usage, configuration), 126
   * and 127 (no such command) are never followed by a restart: it would end in the same way.
   *
   * @default "on-failure"
   */
  readonly restart?: "on-failure" | "always" | "never" | undefined
  /**
   * The most restarts within `restartWindow`; then the supervisor leaves, with the exit code of the application.
   *
   * @default 5
   */
  readonly maxRestarts?: number | undefined
  /**
   * @default 1 minute
   */
  readonly restartWindow?: Duration.Input | undefined
  /**
   * Delays before restarts. It begins anew after a life that became ready, or that was as long as `restartWindow`.
   *
   * @default 100 milliseconds, doubling, at most 10 seconds: nobody waits for the first, and a crash loop costs nothing
   */
  readonly restartSchedule?: Schedule.Schedule<unknown> | undefined
}

/** The default of `restartSchedule`, with another first delay. */
export const backoff = (first: Duration.Input): Schedule.Schedule<unknown> =>
  Schedule.min([Schedule.exponential(first), Schedule.spaced("10 seconds")])

/**
 * Runs the command until it has ended for good; the result is the exit code to leave with: the application's own, or 128 + n
 * after its death by signal n.
 *
 * **When to use**: in a program of your own that is a supervisor. On the command line it is `quiesce run`.
 *
 * **Details**
 * - SIGTERM, SIGINT and SIGQUIT are handed on and begin the stop; SIGHUP replaces the application, or stops it when the terminal
 *   has been closed; SIGUSR1 and SIGUSR2 are handed on. The process that calls this belongs to it while it runs.
 * - What a supervisor that was killed has left running is ended first.
 *
 * **Errors**: `SupervisorError`: nothing was started.
 *
 * **Interruption safety**: interrupting it kills what it has started, at once; the graceful way is a stop signal.
 *
 * @example
 * ```ts
 * import * as Effect from "effect/Effect"
 * import * as Supervisor from "@quiesce/cli/Supervisor"
 *
 * const exitCode = Supervisor.run({ command: ["node", "app.js"], listen: ["3000"], gracePeriod: "10 seconds" })
 *
 * Effect.runPromise(exitCode).then((code) => process.exit(code))
 * ```
 */
export const run = (options: Options): Effect.Effect<number, SupervisorError> =>
  Effect.scoped(
    Effect.gen(function* () {
      const { name = "app" } = options
      if (process.platform === "win32") {
        return yield* new SupervisorError({
          reason: "Unsupported",
          detail: "Windows has no process groups and no signals"
        })
      }
      const listen = yield* Effect.forEach(options.listen ?? [], (text) =>
        Effect.try({
          try: () => parseListenAddress(text),
          catch: (error) =>
            new SupervisorError({
              reason: "Listen",
              detail: `cannot listen on ${JSON.stringify(text)}: expected ${error instanceof Error ? error.message : String(error)}`
            })
        })
      )
      const say = yield* sayer(name)
      const socket = controlPath({ name, socket: options.socket })
      const gracePeriod = options.gracePeriod === undefined ? undefined : millis(options.gracePeriod)

      yield* prepareFolder(socket)
      const ledger = yield* Ledger.open(`${socket}.lock`, socket, say)
      for (const { isLed, pid } of ledger.leftovers()) {
        say(
          `${isLed ? "" : "what had been started by "}pid ${pid} was left behind by a supervisor that was killed: it is ended first`
        )
        yield* endGroup(pid, isLed ? (gracePeriod ?? defaultGracePeriod) + margin : groupPatience)
        ledger.forget(pid)
      }
      // Takes NOTIFY_SOCKET out of the environment that the application gets.
      const manager = SdNotify.fromEnv(say)
      const sockets = yield* holdSockets(listen)
      const supervision = yield* Supervision.make({
        name,
        gracePeriod,
        readyTimeout: millis(options.readyTimeout ?? "30 seconds"),
        restart: {
          when: options.restart ?? "on-failure",
          most: options.maxRestarts ?? 5,
          window: Duration.fromInputUnsafe(options.restartWindow ?? "1 minute"),
          schedule: options.restartSchedule ?? backoff("100 millis")
        },
        listening: sockets.map(({ address, name }) => ({ name, address })),
        pid: process.pid,
        // The application alone has them now: when it stops listening, who connects is refused at once and waits for nobody.
        onStop: () => sockets.forEach(({ close }) => close()),
        notify: (lines) => manager?.send(lines),
        spawn: spawner({ command: options.command, sockets, gracePeriod, ledger, say }),
        say
      })
      yield* Effect.addFinalizer(() => supervision.kill)
      const watched = watchdogMillis()
      if (manager !== undefined && watched !== undefined) {
        // Between two lives the service is alive all the same. The first heartbeat of a life comes after half of the time.
        const beat = Effect.sync(() => supervision.isSilent && manager.send(["WATCHDOG=1"]))
        yield* Effect.forkScoped(Effect.forever(Effect.andThen(beat, Effect.sleep(watched / 4))))
      }
      yield* ownSignals(supervision)
      yield* serveControl(socket, supervision)
      yield* supervision.begin
      return yield* supervision.over
    })
  )

const millis = (duration: Duration.Input): number => Duration.toMillis(Duration.fromInputUnsafe(duration))

/** Until the scope closes. */
const ownSignals = (supervision: Supervision): Effect.Effect<void, never, Scope.Scope> =>
  Effect.gen(function* () {
    const isLeaving = yield* IsLeaving
    const own = (signals: ReadonlyArray<NodeJS.Signals>, act: (signal: NodeJS.Signals) => void) =>
      Effect.acquireRelease(
        Effect.sync(() => signals.forEach((signal) => process.on(signal, act))),
        () =>
          Effect.sync(() =>
            signals.forEach((signal) => {
              if (isLeaving) process.on(signal, () => {})
              process.off(signal, act)
            })
          )
      )
    yield* own(["SIGTERM", "SIGINT", "SIGQUIT"], (signal) => supervision.stop(signal))
    yield* own(["SIGUSR1", "SIGUSR2"], (signal) => supervision.handOn(signal))
    const hadTerminal = isatty(0)
    yield* own(["SIGHUP"], () => {
      // Its terminal has been closed: nobody is there any more who could stop it.
      if (hadTerminal && !isatty(0)) return supervision.stop("SIGTERM")
      // Who is waiting for the answer of a signal reads the log.
      Effect.runFork(Effect.ignore(supervision.reload))
    })
  })
