/**
 * What `NodeApp.run` must know before the application is loaded. It is in the environment alone: a file would have to be read
 * and understood before signals are handled.
 *
 * A value that cannot be read is left to its default here; the application's own settings then refuse it, with everything else
 * that is wrong and exit code 78. That way there is one place that explains, and signals are handled all the while.
 */
import type { Options } from "@quiesce/node/NodeApp"
import type { Issue } from "@quiesce/reload/ConfigError"
import { parseMillis } from "./millis.ts"

/** The variables that are read here. */
export const names = ["CONFIG_FILE", "GRACE_PERIOD", "LAME_DUCK", "LOG_FORMAT", "LOG_LEVEL"] as const

type Environment = Readonly<Record<string, string | undefined>>

/** Durations are milliseconds. */
export interface ProcessSettings {
  /** `undefined` when none is named. */
  readonly configFile: string | undefined
  readonly gracePeriod: number
  readonly lameDuck: number
  readonly logFormat: "pretty" | "json"
  readonly logLevel: (typeof logLevels)[number] | undefined
}

const logFormats = ["pretty", "json"] as const
const logLevels = ["Trace", "Debug", "Info", "Warn", "Error", "Fatal", "None"] as const

const isFile = /\.(ya?ml|json|toml)$/
const day = 86_400_000

/** The settings, and what is wrong with the variables. An empty one counts as not set. */
export const processSettings = (
  env: Environment
): { readonly settings: ProcessSettings; readonly issues: ReadonlyArray<Issue> } => {
  const issues: Array<Issue> = []
  const wrong = (variable: string, message: string): void =>
    void issues.push({ variable, path: "", message, remedy: "correct the variable, or unset it" })
  const read = <T>(name: string, parse: (text: string) => T | undefined, expected: string): T | undefined => {
    const text = env[name]?.trim() ?? ""
    if (text === "") return undefined
    const value = parse(text)
    if (value === undefined) wrong(name, `expected ${expected}, found "${text}"`)
    return value
  }
  const duration = (name: string, minimum: number, example: string): number | undefined =>
    read(
      name,
      (text) => {
        const millis = parseMillis(text)
        return millis === undefined || millis < minimum || millis > day ? undefined : millis
      },
      `a duration${minimum === 0 ? "" : ` of at least ${minimum} ms`} with its unit, for example "${example}"`
    )
  const oneOf = <T extends string>(name: string, values: ReadonlyArray<T>): T | undefined =>
    read(name, (text) => values.find((value) => value === text), values.map((value) => `"${value}"`).join(" or "))

  const gracePeriod = duration("GRACE_PERIOD", 100, "25 seconds") ?? 25_000
  const lameDuck = duration("LAME_DUCK", 0, "5 seconds") ?? 0
  if (lameDuck >= gracePeriod)
    wrong(
      "LAME_DUCK",
      `is ${lameDuck} ms, and must be shorter than GRACE_PERIOD (${gracePeriod} ms), which contains it`
    )
  return {
    settings: {
      configFile: read(
        "CONFIG_FILE",
        (text) => (isFile.test(text) ? text : undefined),
        "a .yaml, .yml, .json or .toml file"
      ),
      gracePeriod,
      lameDuck: Math.min(lameDuck, gracePeriod),
      logFormat: oneOf("LOG_FORMAT", logFormats) ?? "pretty",
      logLevel: oneOf("LOG_LEVEL", logLevels)
    },
    issues
  }
}

/**
 * Shares of the grace period and not fixed times, so that a short one still leaves time to release everything; together they
 * are all of it. The worker puts a run back after half of it (see Worker), so that the drain ends with nothing left behind.
 */
const shares = { drain: 0.6, interrupt: 0.06, release: 0.28, reserve: 0.06 } as const

/** What a share comes to, in milliseconds. */
export const share = ({ gracePeriod, lameDuck }: ProcessSettings, of: keyof typeof shares): number =>
  Math.floor((gracePeriod - lameDuck) * shares[of])

export const processOptions = (env: Environment): Options => {
  const { settings } = processSettings(env)
  const { gracePeriod, lameDuck, logFormat, logLevel } = settings
  return {
    name: "dashboard",
    gracePeriod,
    lameDuck,
    drain: share(settings, "drain"),
    interrupt: share(settings, "interrupt"),
    reserve: share(settings, "reserve"),
    logFormat,
    logLevel
  }
}
