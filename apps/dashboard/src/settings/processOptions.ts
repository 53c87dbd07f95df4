/**
 * What `NodeApp.run` must know before the application is loaded, from the environment.
 *
 * A value that cannot be read is left to its default here; the application's own settings then refuse it, with a message
 * and exit code 78. That way there is one place that explains, and signals are handled all the while.
 */
import type { Options } from "@quiesce/node/NodeApp"
import { parseMillis } from "./millis.ts"

const logLevels = ["Trace", "Debug", "Info", "Warn", "Error", "Fatal", "None"] as const

export const processOptions = (env: Readonly<Record<string, string | undefined>>): Options => {
  const gracePeriod = parseMillis(env["GRACE_PERIOD"] ?? "") ?? 25_000
  const lameDuck = Math.min(parseMillis(env["LAME_DUCK"] ?? "") ?? 0, gracePeriod)
  const rest = gracePeriod - lameDuck
  return {
    name: "dashboard",
    gracePeriod,
    lameDuck,
    // Shares of the grace period and not the fixed defaults, so that a short one still leaves time to release everything.
    // The worker puts a run back after half of it (see Worker), so that the drain ends with nothing left behind.
    drain: rest * 0.6,
    interrupt: rest * 0.15,
    logFormat: env["LOG_FORMAT"]?.trim() === "json" ? "json" : "pretty",
    logLevel: logLevels.find((level) => level === env["LOG_LEVEL"]?.trim())
  }
}
