/**
 * Why an application stops.
 *
 * Every stop has exactly one reason, the first: later requests never replace it. The reason decides the exit code of a
 * stop that otherwise went well (see `Outcome.exitCode`).
 */
import * as Schema from "effect/Schema"

/**
 * - `uncaughtException`, `unhandledRejection`: an error that nobody caught.
 * - `processExit`: code of the process left it in the middle of things, with `process.exit` or as Node ends by itself.
 * - `heapLimit`: the memory of the process is nearly used up, and the next step would be to be killed for it.
 * - `outputClosed`: nobody reads the standard output any more.
 */
export const CrashKind = Schema.Literals([
  "uncaughtException",
  "unhandledRejection",
  "processExit",
  "heapLimit",
  "outputClosed"
])

export type CrashKind = typeof CrashKind.Type

/**
 * The closed union of reasons, as plain data: it appears in events, in the report and in the JSON of both.
 *
 * - `Signal`: the operating system asked (`SIGTERM`, `SIGINT`, ...).
 * - `Requested`: the application asked through `Lifecycle.requestStop`.
 * - `Finished`: the application came to its own end.
 * - `Interrupted`: the fiber that runs `App.launch` was interrupted.
 * - `StartFailed`: a component could not start; `code` is the exit code its error asks for, when it does.
 * - `ComponentFailed`: a required component failed while running.
 * - `TaskFailed`: a supervised task failed and had no restarts left.
 * - `Crash`: what nobody in the application wanted; see `CrashKind`.
 *
 * @example
 * ```ts
 * import * as StopReason from "quiesce/StopReason"
 *
 * StopReason.describe(StopReason.signal("SIGTERM")) // "SIGTERM"
 * ```
 */
export const StopReason = Schema.TaggedUnion({
  Signal: { signal: Schema.String },
  Requested: { by: Schema.String },
  Finished: {},
  Interrupted: {},
  StartFailed: { message: Schema.String, code: Schema.optionalKey(Schema.Number) },
  ComponentFailed: { component: Schema.String, message: Schema.String, code: Schema.optionalKey(Schema.Number) },
  TaskFailed: { task: Schema.String, message: Schema.String },
  Crash: { kind: CrashKind, message: Schema.String }
})

export type StopReason = typeof StopReason.Type

/** The operating system sent `signal`, for example `"SIGTERM"`. */
export const signal = (signal: string): StopReason => ({ _tag: "Signal", signal })

/** The application asked for its own stop; `by` says who, for the log and the report. */
export const requested = (by: string): StopReason => ({ _tag: "Requested", by })

/** The application came to its own end. */
export const finished: StopReason = { _tag: "Finished" }

/** The fiber that runs the application was interrupted. */
export const interrupted: StopReason = { _tag: "Interrupted" }

/** One line for people, the same in the log, in the progress line and in the report. */
export const describe: (reason: StopReason) => string = StopReason.match({
  Signal: (_) => _.signal,
  Requested: (_) => `requested by ${_.by}`,
  Finished: () => "finished",
  Interrupted: () => "interrupted",
  StartFailed: (_) => `start failed: ${_.message}`,
  ComponentFailed: (_) => `${_.component} failed: ${_.message}`,
  TaskFailed: (_) => `task ${_.task} failed: ${_.message}`,
  Crash: (_) => `${_.kind}: ${_.message}`
})

/** Whether the reason itself is a failure, so that even a stop in perfect order must not exit with 0. */
export const isFailure: (reason: StopReason) => boolean = StopReason.match({
  Signal: () => false,
  Requested: () => false,
  Finished: () => false,
  Interrupted: () => false,
  StartFailed: () => true,
  ComponentFailed: () => true,
  TaskFailed: () => true,
  Crash: () => true
})
