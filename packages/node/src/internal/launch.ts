/**
 * The engine behind `NodeApp.run`, loaded when the signal handlers are in place.
 */
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import * as App from "quiesce/App"
import type { Event } from "quiesce/Event"
import type { Lifecycle } from "quiesce/Lifecycle"
import { exitCodes } from "quiesce/Outcome"
import * as Report from "quiesce/Report"
import type { Options } from "../NodeApp.ts"
import { EventFile, eventFilePath } from "./EventFile.ts"
import { hangUp } from "./hangUp.ts"
import { importLayer, type LazyLayer } from "./importLayer.ts"
import { KeepAlive } from "./KeepAlive.ts"
import { logging } from "./logging.ts"
import { Output } from "./Output.ts"
import { platformGrace } from "./platformGrace.ts"
import { Progress } from "./Progress.ts"
import type { HeldSignals } from "./signals.ts"
import { statusText } from "./statusText.ts"

export const launch = <A, E>(
  app: Layer.Layer<A, E, Lifecycle> | LazyLayer<A, E>,
  options: Options,
  signals: HeldSignals
): void => {
  const output = new Output()
  const progress = new Progress(output, options.progress ?? true)
  const keepAlive = new KeepAlive()
  const logFormat = options.logFormat ?? "pretty"
  // A start that fails at once has ended before it returns, so the log is kept here.
  const events: Array<Event> = []
  const eventPath = eventFilePath(options.eventLog)
  const eventFile = eventPath === undefined ? undefined : new EventFile(eventPath, (text) => output.error(text))

  const onEvent = (event: Event): void => {
    events.push(event)
    eventFile?.write(event)
    try {
      options.onEvent?.(event)
    } finally {
      // Whatever the user's listener throws, the process leaves.
      progress.onEvent(event)
      if (event._tag === "Ended") leave(Report.fromEvents(events))
    }
  }

  const leave = (report: Report.Report): void => {
    progress.end()
    if (isWanted(options.report ?? "always", report)) {
      output.error(
        logFormat === "json"
          ? JSON.stringify(report)
          : Report.render(report, { width: output.width, color: output.color })
      )
    }
    output.exit(report.exitCode, flushMillis(report))
  }

  const patience = Effect.runSync(Effect.result(platformGrace))
  if (Result.isFailure(patience)) {
    output.error(patience.failure)
    return output.exit(exitCodes.configuration, flushLimit)
  }

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
  progress.watch(started.lifecycle)
  // What nobody caught: the state is unknown, so the application stops; what it had accepted still deserves an answer.
  // Nothing of it is missed: all of the start up to here is one turn, and these events come between turns.
  process.on("uncaughtException", (error) => started.reportCrashUnsafe("uncaughtException", error))
  process.on("unhandledRejection", (reason) => started.reportCrashUnsafe("unhandledRejection", reason))
  signals.answerStatus(() => output.error(statusText(options.name ?? "app", started.lifecycle.statusUnsafe())))
  const hungUp = hangUp(started)
  signals.deliver((signal) => (signal === "SIGHUP" ? hungUp() : started.signalUnsafe(signal)))
}

/** Milliseconds for the last words of who forces an exit, or does not even start. */
const flushLimit = 40

/** For a slow reader there is what remains of the grace period; who forces an exit wants it within 50 ms. */
const flushMillis = (report: Report.Report): number => {
  const isCutShort = report.outcome._tag === "Forced" || report.outcome._tag === "TimedOut"
  return isCutShort ? flushLimit : Math.min(Math.max(report.gracePeriod - report.duration, flushLimit), 2000)
}

const isWanted = (when: "always" | "problems" | "never", report: Report.Report): boolean =>
  when === "always" || (when === "problems" && report.exitCode !== 0)
