/**
 * A real process under test: start an application as users start it, send it signals, kill it, and ask of its life what an
 * in-process test asks.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type { Event } from "quiesce/Event"
import type { AppState } from "quiesce/Phase"
import type * as Report from "quiesce/Report"
import { ChildRun } from "./internal/process/ChildRun.ts"
import type { Timeline } from "./Timeline.ts"

export interface Options {
  /**
   * What is started. It may be a wrapper such as npm, as long as it hands on its environment, and signals.
   *
   * @default this Node
   */
  readonly command?: string | undefined
  readonly args: ReadonlyArray<string>
  /**
   * @default the folder in which the test runs
   */
  readonly cwd?: string | undefined
  /**
   * Added to the environment of the test; `undefined` takes a variable away.
   *
   * @default nothing added. FORCE_COLOR, the test runner's wish for itself, is not handed on
   */
  readonly env?: Readonly<Record<string, string | undefined>> | undefined
}

/** A life that is over. */
export interface Ended {
  /** The exit code; null when a signal has killed it. */
  readonly code: number | null
  /** The signal that has killed it; null when it has left by itself. */
  readonly signal: NodeJS.Signals | null
  readonly output: string
  readonly events: ReadonlyArray<Event>
  /** The report of its stop; undefined when it did not come to its end, as after SIGKILL. */
  readonly report: Report.Report | undefined
  /**
   * The events, and between them what was done: `Signalled` for each stop signal that `signal` has sent, `Struck` for any
   * other, `Exited` at last with the code that a shell would see (137 after SIGKILL).
   */
  readonly timeline: Timeline
  /** Milliseconds from the first signal that was sent to the end of the process; 0 when none was. */
  readonly stopMillis: number
}

/** A process that is running, or was. */
export interface ChildApp {
  readonly pid: number
  /** What it has written to stdout and stderr so far, in the order in which it came. */
  readonly output: Effect.Effect<string>
  /** The events that it has told so far. An application that does not run under `NodeApp.run` tells none. */
  readonly events: Effect.Effect<ReadonlyArray<Event>>
  /** Waits until the output contains this text. */
  readonly says: (text: string) => Effect.Effect<void, ChildAppError>
  /** Waits for an event, in the past or to come, and gives the first one. */
  readonly happened: (what: (event: Event) => boolean) => Effect.Effect<Event, ChildAppError>
  /** Waits until it has entered this state. */
  readonly reached: (state: AppState) => Effect.Effect<void, ChildAppError>
  /** Sends a signal, to this process alone. Nothing happens when it has ended. */
  readonly signal: (signal: NodeJS.Signals) => Effect.Effect<void>
  /** Waits for its end. What it has left behind runs on until the scope closes. */
  readonly ended: Effect.Effect<Ended>
}

/** - `NotStarted`: there is no process. `Ended`: it ended before what a test waited for; `code` as in `Ended`. */
export const Reason = Schema.TaggedUnion({
  NotStarted: { detail: Schema.String },
  Ended: {
    awaited: Schema.String,
    code: Schema.NullOr(Schema.Number),
    signal: Schema.NullOr(Schema.String),
    output: Schema.String
  }
})

export type Reason = typeof Reason.Type

/** The process is not what the test needs. The message has its output. */
export class ChildAppError extends Schema.TaggedError<ChildAppError>()("ChildAppError", {
  command: Schema.String,
  reason: Reason
}) {
  override get message(): string {
    const reason = this.reason
    if (reason._tag === "NotStarted")
      return `could not start "${this.command}": ${reason.detail}; see that the command and its cwd exist`
    const how = reason.signal === null ? `exit code ${reason.code}` : `killed by ${reason.signal}`
    const said = reason.output === "" ? "it wrote nothing" : `this is what it wrote:\n${reason.output}`
    return `"${this.command}" ended (${how}) before ${reason.awaited}; ${said}`
  }
}

/**
 * Starts a process, which lives at most as long as the scope.
 *
 * **When to use**: for what only a real process shows: signals, exit codes, output at the end, `kill -9`. Everything else is
 * faster and reproducible in `Simulation` and `TestApp`.
 *
 * **Details**
 * - The events come through the file that `QUIESCE_EVENTS` names; the application needs nothing for it but `NodeApp.run`.
 *   They are the ones of one application: what `NodeApp.run` runs in processes below it does not get the variable.
 * - Waiting takes real time, under `TestClock` as well, and has no limit but the end of the process: the test's own limit
 *   counts.
 * - The process leads its own process group. When the scope closes, the group is killed, what the process has started
 *   included unless it has left the group (`detached`), and the scope has closed when all of them are gone.
 * - POSIX only: on Windows there are neither signals nor process groups.
 *
 * **Errors**: `ChildAppError`: there is no such command; the process ended before what was waited for.
 *
 * **Interruption safety**: waiting can be interrupted at any time, and again waited for; starting and closing are atomic.
 *
 * @example
 * ```ts
 * import * as Effect from "effect/Effect"
 * import * as ChildApp from "@quiesce/testing/ChildApp"
 *
 * const test = Effect.gen(function* () {
 *   const app = yield* ChildApp.start({ args: ["src/main.ts"], env: { PORT: "0" } })
 *   yield* app.reached("Running")
 *   yield* app.signal("SIGTERM")
 *   const { code, report } = yield* app.ended
 *   return [code, report?.outcome._tag] // [0, "Clean"]
 * }).pipe(Effect.scoped)
 * ```
 */
export const start = Effect.fnUntraced(function* ({
  args,
  command = process.execPath,
  cwd,
  env
}: Options): Effect.fn.Return<ChildApp, ChildAppError, Scope.Scope> {
  const line = [command, ...args].join(" ")
  const notStarted = (error: unknown): ChildAppError => {
    const detail = error instanceof Error ? error.message : String(error)
    return new ChildAppError({ command: line, reason: { _tag: "NotStarted", detail } })
  }
  const run = yield* Effect.acquireRelease(
    Effect.try({
      try: () => new ChildRun({ command, args, cwd, env: { ...process.env, FORCE_COLOR: undefined, ...env } }),
      catch: notStarted
    }),
    (run) => run.close
  )
  const pid = yield* run.until(() => run.failure ?? run.pid)
  if (typeof pid !== "number") return yield* notStarted(pid)

  const until = <A>(awaited: string, look: () => A | undefined): Effect.Effect<A, ChildAppError> =>
    Effect.flatMap(run.until(look), (seen) => {
      if (seen !== undefined) return Effect.succeed(seen)
      const { code, output, signalCode: signal } = run
      return Effect.fail(new ChildAppError({ command: line, reason: { _tag: "Ended", awaited, code, signal, output } }))
    })
  const happened = (what: (event: Event) => boolean, awaited: string) => until(awaited, () => run.events.find(what))

  return {
    pid,
    output: Effect.sync(() => run.output),
    events: Effect.sync(() => [...run.events]),
    says: (text) =>
      Effect.asVoid(until(`it said ${JSON.stringify(text)}`, () => (run.output.includes(text) ? text : undefined))),
    happened: (what) => happened(what, "the event that was waited for"),
    reached: (state) =>
      Effect.asVoid(
        happened(
          // It begins in Starting, and no change leads there.
          (event) => (event._tag === "StateChanged" ? event.to === state : isStarting(event) && state === "Starting"),
          `it reached ${state}`
        )
      ),
    signal: (signal) => Effect.sync(() => run.signal(signal)),
    ended: Effect.map(
      run.until(() => (run.isOver ? run : undefined)),
      () => ({
        code: run.code,
        signal: run.signalCode,
        output: run.output,
        events: [...run.events],
        report: run.report,
        timeline: run.timeline,
        stopMillis: run.stopMillis
      })
    )
  }
})

const isStarting = (event: Event): boolean => event._tag === "AppStarting"
