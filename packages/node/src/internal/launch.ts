/**
 * The engine behind `NodeApp.run`, loaded when the signal handlers are in place.
 */
import { isMainThread } from "node:worker_threads"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import * as App from "quiesce/App"
import type { Event } from "quiesce/Event"
import type { Lifecycle } from "quiesce/Lifecycle"
import { exitCodes } from "quiesce/Outcome"
import { defaultLadder, defaultSignalCooldown, isStopping } from "quiesce/Phase"
import * as Report from "quiesce/Report"
import * as StopReason from "quiesce/StopReason"
import type { Options } from "../NodeApp.ts"
import { EventFile, eventFilePath } from "./EventFile.ts"
import { hangUp } from "./hangUp.ts"
import { importLayer, type LazyLayer } from "./importLayer.ts"
import { KeepAlive } from "./KeepAlive.ts"
import { logging } from "./logging.ts"
import { Notifier } from "./notify/Notifier.ts"
import { Output } from "./Output.ts"
import { platformGrace } from "./platformGrace.ts"
import { Progress } from "./Progress.ts"
import { prepareReports, reportPath, writeReport } from "./reportFile.ts"
import type { HeldSignals } from "./signals.ts"
import { statusText } from "./statusText.ts"
import { warnOfUntaken } from "./warnOfUntaken.ts"
import { Watchdog } from "./watchdog/Watchdog.ts"
import { watchHeap } from "./watchHeap.ts"

export const launch = <A, E>(
  app: Layer.Layer<A, E, Lifecycle> | LazyLayer<A, E>,
  options: Options,
  signals: HeldSignals
): void => {
  const output = new Output()
  const warn = (text: string): void => output.error(text)
  const name = options.name ?? "app"
  const progress = new Progress(output, options.progress ?? true)
  const keepAlive = new KeepAlive()
  const logFormat = options.logFormat ?? "pretty"
  let current: App.App | undefined
  // The application keeps its log; a start that fails at once has ended before there is one.
  const early: Array<Event> = []
  const events = (): ReadonlyArray<Event> => current?.events ?? early
  const eventPath = eventFilePath(options.eventLog)
  const eventFile = eventPath === undefined ? undefined : new EventFile(eventPath, warn)
  const path = reportPath(options.reports, name)
  if (path !== undefined) prepareReports(path, warn)
  const wanted = options.report ?? "always"
  const style = { json: logFormat === "json", width: output.width, color: output.color, wanted: wanted !== "never" }
  const watchdog =
    // A worker thread is for its process to terminate.
    options.watchdog === false || !isMainThread
      ? undefined
      : new Watchdog({
          name,
          events,
          cooldownMillis: Duration.toMillis(options.signalCooldown ?? defaultSignalCooldown),
          lastSignal: (options.escalation ?? defaultLadder).indexOf("Exit") + 1,
          stallMillis: Math.max(Duration.toMillis(options.watchdog?.stallThreshold ?? "1 second"), leastStall),
          reportPath: path,
          style,
          warn
        })
  // A start that hangs in its first turn does not come to take them.
  for (const signal of signals.held()) watchdog?.hold(signal)
  let hasEnded = false
  let isLeaving = false
  const notifier = new Notifier(warn)

  const onEvent = (event: Event): void => {
    if (current === undefined) early.push(event)
    try {
      eventFile?.write(event)
      watchdog?.onEvent(event)
      notifier.onEvent(event)
      if (event._tag === "StateChanged" && event.from === "Starting" && event.to === "Running") warnOfUntaken(warn)
      options.onEvent?.(event)
    } finally {
      // Whatever a listener throws, the process leaves.
      progress.onEvent(event)
      if (event._tag === "Ended") {
        hasEnded = true
        leave(Report.fromEvents(events()))
      }
    }
  }

  const leave = (report: Report.Report): void => {
    progress.end()
    const json = JSON.stringify(report)
    if (path !== undefined) writeReport(path, json, warn)
    if (isWanted(wanted, report)) output.error(style.json ? json : Report.render(report, style))
    // Who leaves already leaves with this code.
    if (isLeaving) process.exitCode = report.exitCode
    else output.exit(report.exitCode, flushMillis(report))
  }

  const patience = Effect.runSync(Effect.result(platformGrace))
  if (Result.isFailure(patience)) {
    output.error(patience.failure)
    return output.exit(exitCodes.configuration, flushLimit)
  }

  process.on("exit", (code) => {
    isLeaving = true
    const error = new Error(`somebody called process.exit(${code})`)
    // Layers that are built at once are built before there is an application to tell.
    if (current === undefined && !hasEnded) warn(`${name} was left in the first step of its start\n${error.stack}`)
    else if (!hasEnded) current?.reportCrashUnsafe("processExit", error)
  })
  const started = Effect.runSync(
    App.start(typeof app === "function" ? importLayer(app) : app, {
      platformGrace: patience.success,
      ...options,
      onEvent,
      lingering: keepAlive.lingering
    }).pipe(
      Effect.provide(
        logging({ format: logFormat, level: options.logLevel, output, beforeLine: () => progress.clear() })
      )
    )
  )
  current = started
  watchdog?.watch(started)
  progress.watch(started.lifecycle)
  notifier.watch(started.lifecycle)
  // What nobody caught: the state is unknown, so the application stops; what it had accepted still deserves an answer.
  // Nothing of it is missed: all of the start up to here is one turn, and these events come between turns.
  process.on("uncaughtException", (error) => started.reportCrashUnsafe("uncaughtException", error))
  process.on("unhandledRejection", (reason) => started.reportCrashUnsafe("unhandledRejection", reason))
  // Once: what is logged of it goes the same way.
  process.stdout.once("error", (error) => {
    const isClosed = "code" in error && error.code === "EPIPE"
    if (isClosed && !isStopping(started.lifecycle.stateUnsafe())) started.reportCrashUnsafe("outputClosed", error)
  })
  watchHeap((message) => started.reportCrashUnsafe("heapLimit", message))
  if (options.stopOnInputEnd === true) {
    process.stdin.once("end", () => started.requestStopUnsafe(StopReason.requested("the end of the standard input")))
    process.stdin.resume()
  }
  signals.answerStatus(() => output.error(statusText(name, started.lifecycle.statusUnsafe())))
  const take = (signal: string): void => {
    started.signalUnsafe(signal, watchdog?.signalWaited())
    watchdog?.took(signal, started.signalsUnsafe())
  }
  const hungUp = hangUp(started, () => take("SIGHUP"))
  signals.deliver((signal) => {
    // "Read your configuration again", where there is one that can be; on Windows, that the console has been closed.
    if (signal === "SIGHUP" && process.platform !== "win32") hungUp()
    else take(signal)
  })
}

/** The watchdog looks four times a second, and a machine may be busy. */
const leastStall = 500

/** Milliseconds for the last words of who forces an exit, or does not even start. */
const flushLimit = 40

/** For a slow reader there is what remains of the grace period; who forces an exit wants it within 50 ms. */
const flushMillis = (report: Report.Report): number => {
  const isCutShort = report.outcome._tag === "Forced" || report.outcome._tag === "TimedOut"
  return isCutShort ? flushLimit : Math.min(Math.max(report.gracePeriod - report.duration, flushLimit), 2000)
}

const isWanted = (when: "always" | "problems" | "never", report: Report.Report): boolean =>
  when === "always" || (when === "problems" && report.exitCode !== 0)
