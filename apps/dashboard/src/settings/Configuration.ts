/**
 * Every key of the configuration file, with its default and what it must be; dashboard.example.yaml says what each is for.
 *
 * Durations are written with their unit ("25 seconds") and read as milliseconds. A key marked with `ConfigFile.restart` takes
 * effect with the next start; all others are in force as soon as the file is saved.
 */
import * as ConfigFile from "@quiesce/reload/ConfigFile"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as SchemaTransformation from "effect/SchemaTransformation"
import { parseMillis } from "./millis.ts"

/** Far more than a database wants to be written to by at once; each costs next to nothing while it has no run. */
export const mostWorkers = 64

const day = 86_400_000

const duration = (fallback: string, minimum = 0) => {
  const expected =
    `a duration${minimum === 0 ? "" : ` of at least ${minimum} ms`} with its unit, ` +
    `for example "${fallback}", "1500 ms" or "2 minutes"`
  const isOne = (text: string): boolean => {
    const millis = parseMillis(text)
    return millis !== undefined && millis >= minimum && millis <= day
  }
  return Schema.String.annotate({ message: `Expected ${expected}` })
    .check(Schema.makeFilter(isOne, { expected }))
    .pipe(
      Schema.decodeTo(
        Schema.Number,
        SchemaTransformation.transform({
          decode: (text: string) => parseMillis(text) ?? 0,
          encode: (millis: number) => `${millis} ms`
        })
      ),
      Schema.withDecodingDefaultKey(Effect.succeed(fallback))
    )
}

const integer = (fallback: number, minimum: number, maximum: number) => {
  const expected = `a whole number from ${minimum} to ${maximum}`
  return Schema.Number.annotate({ message: `Expected ${expected}` })
    .check(Schema.isInt({ expected }), Schema.isBetween({ minimum, maximum }, { expected }))
    .pipe(Schema.withDecodingDefaultKey(Effect.succeed(fallback)))
}

const text = (fallback: string) =>
  Schema.Trim.check(Schema.isNonEmpty()).pipe(Schema.withDecodingDefaultKey(Effect.succeed(fallback)))

export const Configuration = Schema.Struct({
  host: text("127.0.0.1").pipe(ConfigFile.restart),
  port: integer(3000, 0, 65_535).pipe(ConfigFile.restart),
  healthPort: integer(3001, 0, 65_535).pipe(ConfigFile.restart),
  /** Absent: the dashboard runs a Postgres of its own. */
  databaseUrl: Schema.optionalKey(Schema.Redacted(Schema.Trim.check(Schema.isNonEmpty()))).pipe(ConfigFile.restart),
  databaseWait: duration("15 seconds").pipe(ConfigFile.restart),
  dataDir: text(".data/dashboard").pipe(ConfigFile.restart),
  /** A name that no other process has at the same time; absent when nobody vouches for one. */
  instance: Schema.optionalKey(Schema.Trim.check(Schema.isNonEmpty())).pipe(ConfigFile.restart),
  lease: duration("15 seconds", 100).pipe(ConfigFile.restart),
  intake: integer(64, 1, 10_000).pipe(ConfigFile.restart),
  workers: integer(2, 0, mostWorkers),
  pollInterval: duration("500 ms", 10),
  runDurationMin: duration("2 seconds"),
  runDurationMax: duration("6 seconds")
}).check(
  Schema.makeFilter(({ runDurationMax, runDurationMin }) =>
    runDurationMin > runDurationMax
      ? {
          path: ["runDurationMin"],
          issue: `is ${runDurationMin} ms, and must not be longer than runDurationMax (${runDurationMax} ms)`
        }
      : undefined
  ),
  Schema.makeFilter(({ healthPort, port }) =>
    port !== 0 && port === healthPort
      ? { path: ["healthPort"], issue: `is ${port}, as port is; the probes need a port of their own` }
      : undefined
  )
)

export type Configuration = typeof Configuration.Type
