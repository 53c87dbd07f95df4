/**
 * The entry point of a Node process: gives the Layer that is your application a process that starts, stops and leaves as it
 * should. `NodeRuntime.runMain(Layer.launch(App))` becomes `NodeApp.run(App)`.
 */
import type * as Duration from "effect/Duration"
import type * as Layer from "effect/Layer"
import type * as LogLevel from "effect/LogLevel"
import type * as App from "quiesce/App"
import type { Lifecycle } from "quiesce/Lifecycle"
import type { LazyLayer } from "./internal/importLayer.ts"
import { holdSignals } from "./internal/signals.ts"

export interface Options extends Omit<App.Options, "lingering"> {
  /**
   * `"pretty"`: lines for people, coloured where the terminal has colour; `"json"`: one object a line.
   *
   * @default "pretty"
   */
  readonly logFormat?: "pretty" | "json" | undefined
  /**
   * The least level that is logged.
   *
   * @default Effect's own, "Info"
   */
  readonly logLevel?: LogLevel.LogLevel | undefined
  /**
   * When the report of the stop is printed to stderr, as text or, with JSON logs, as one JSON line: after every stop, only
   * when something went wrong (any outcome but Clean, or a failure as the reason), or never.
   *
   * @default "always": where the time of a stop went is seldom asked before it is gone
   */
  readonly report?: "always" | "problems" | "never" | undefined
  /**
   * What a stopping application shows on a terminal: one live line, which says what is awaited and how long is left. Where
   * stderr is no terminal there are only log lines.
   *
   * @default true
   */
  readonly progress?: boolean | undefined
  /**
   * The signal that prints the live status to stderr, from the moment in which `run` is called; `false` leaves it alone.
   *
   * @default "SIGUSR2"
   */
  readonly statusSignal?: NodeJS.Signals | false | undefined
  /**
   * A file to which every lifecycle event (`quiesce/Event`) is appended as one JSON line, before whatever caused it goes on:
   * complete however the process leaves, up to its last moment under `kill -9`. A later life goes on in the same file, after
   * an empty line. `""` writes none, whatever the environment says. A file that cannot be written costs one warning on
   * stderr, nothing else.
   *
   * @default the environment variable QUIESCE_EVENTS, else no file: who starts the process (a test, a supervisor) decides
   * whether to read along. The variable is taken out of `process.env`, so that a child process does not write there too
   */
  readonly eventLog?: string | undefined
  /**
   * A folder for the reports as JSON (`quiesce/Report`), one file for each life, named after the application, its start and its
   * process. Written however the process leaves, also when the watchdog kills it. `""` writes none, whatever the environment
   * says. A file that cannot be written costs one warning on stderr, nothing else.
   *
   * @default the environment variable QUIESCE_REPORTS, else none
   */
  readonly reports?: string | undefined
  /**
   * The watchdog: a thread that notices when one piece of code blocks the event loop, says which line that is, and ends the
   * process at its deadline when nothing else can. `false`: none; `stallThreshold`: how long the event loop may be blocked
   * before a warning names the line, at least 500 milliseconds. In a worker thread there is none: its process can end it.
   *
   * @default on, with a threshold of 1 second: a request that waits longer than that is an incident
   */
  readonly watchdog?: false | { readonly stallThreshold?: Duration.Input | undefined } | undefined
  /**
   * Whether the end of the standard input asks for a graceful stop: for a program whose parent keeps that open for as long as
   * it is wanted, as an editor does with its language servers. What arrives there is read, and lost unless the application
   * listens too.
   *
   * @default false: a service is started without an input, and would stop at once
   */
  readonly stopOnInputEnd?: boolean | undefined
}

/**
 * Runs an application as the main program of this process and leaves the process when it has ended, with the exit code that
 * tells how. Never returns control to the caller's code; call it once, last.
 *
 * **When to use**: at the entry point of every service. For tests and embedding use `App.launch`.
 *
 * **Details**
 * - Given a function, for example `() => import("./app.ts")`, it installs its handlers before anything else is loaded, the
 *   application's modules and Effect included: a SIGTERM in the middle of a slow import stops cleanly. The module exports the
 *   layer as `default`. Keep other imports out of the entry module.
 * - SIGTERM, SIGINT, SIGHUP (SIGBREAK on Windows) ask for a graceful stop; the next one leaves at once (see `escalation`).
 *   Where something can be reloaded (`@quiesce/reload`), SIGHUP asks for that instead, and is no stop signal in any state.
 *   While the application starts a SIGHUP is kept until it runs: only then is it known which of the two it means.
 *   The message `"shutdown"` of a parent process counts as a stop signal, for those who cannot send one.
 * - A service manager (`NOTIFY_SOCKET`) and a supervisor (`QUIESCE_NOTIFY_FD`) are told how it is; see `SdNotify`.
 * - An uncaught exception or an unhandled rejection is logged, stops the application gracefully within
 *   `crashGracePeriod`, and ends with exit code 1.
 * - So do a reader of the standard output that has gone away, and a memory that is nearly used up while it can still be seen
 *   coming. Code that calls `process.exit` in the middle of things is named in the log and in the report, and the emergency hooks
 *   run; there is no time for anything else, and the exit code is 1 whatever it asked for.
 * - An event loop that is blocked is told of with the line of code, and a process that is blocked at its deadline is killed by
 *   the watchdog, after the emergency hooks and with a report.
 * - Exit codes: 0 clean, 70 degraded, 1 or the error's own code when the reason is a failure, 78 configuration, 124 the grace
 *   period ran out, 128 + n forced by signal n, 137 killed by the watchdog (133 as the first process of a container, which
 *   cannot kill itself by a signal).
 * - It leaves also when something still holds the process (an open handle, a timer), and the report says what.
 * - Everything written to stdout and stderr before the end arrives, in files and pipes too, unless the reader does not read.
 *
 * **Interruption safety**: the whole process is its own, and the deadline holds whatever runs in it, native code included.
 *
 * @example
 * ```ts
 * import * as Effect from "effect/Effect"
 * import * as Layer from "effect/Layer"
 * import * as NodeApp from "@quiesce/node/NodeApp"
 *
 * const Main = Layer.effectDiscard(Effect.acquireRelease(Effect.log("up"), () => Effect.log("down")))
 *
 * if (import.meta.main) NodeApp.run(Main, { name: "hello", gracePeriod: "10 seconds" })
 * ```
 */
export const run = <A, E>(app: Layer.Layer<A, E, Lifecycle> | LazyLayer<A, E>, options: Options = {}): void => {
  const signals = holdSignals(options.name ?? "app", options.statusSignal ?? "SIGUSR2")
  // Loading the engine takes longer than anything else up to here; the signals are ours by now.
  void import("./internal/launch.ts").then(({ launch }) => launch(app, options, signals))
}
