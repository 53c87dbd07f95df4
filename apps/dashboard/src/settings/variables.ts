/**
 * Every environment variable of the dashboard, in one table: the settings, `--help` and the errors are read from it.
 */
import * as Schema from "effect/Schema"
import * as SchemaTransformation from "effect/SchemaTransformation"
import { parseMillis } from "./millis.ts"

export interface Variable<T> {
  /** What it is for, for `--help`. */
  readonly about: string
  /** What it has to be: the end of the sentence "PORT must be ...". */
  readonly mustBe: string
  /** As it would be written in the environment; `undefined` when leaving it out means something of its own. */
  readonly fallback: string | undefined
  readonly codec: Schema.Codec<T, string>
}

const Millis = Schema.String.pipe(
  Schema.decodeTo(
    Schema.Finite, // what is no duration is not a number either
    SchemaTransformation.transform({
      decode: (text: string) => parseMillis(text) ?? Number.NaN,
      encode: (millis: number) => `${millis} ms`
    })
  )
)

const integer = (minimum: number, maximum: number) =>
  Schema.FiniteFromString.check(Schema.isInt(), Schema.isBetween({ minimum, maximum }))

const duration = (about: string, fallback: string, minimum = 0): Variable<number> => ({
  about,
  fallback,
  mustBe:
    `a duration${minimum === 0 ? "" : ` of at least ${minimum} ms`} with its unit,` +
    ` for example "${fallback}", "1500 ms" or "2 minutes"`,
  codec: Millis.check(Schema.isBetween({ minimum, maximum: 86_400_000 }))
})

const port = (about: string, fallback: string): Variable<number> => ({
  about,
  fallback,
  mustBe: `a port number, 1 to 65535, or 0 for any free port; for example ${fallback}`,
  codec: integer(0, 65535)
})

const text = (about: string, fallback: string | undefined, mustBe: string): Variable<string> => ({
  about,
  fallback,
  mustBe,
  codec: Schema.Trim
})

export const variables = {
  HOST: text("address of the API", "127.0.0.1", "an address of this machine, for example 127.0.0.1 or 0.0.0.0"),
  PORT: port("port of the API", "3000"),
  HEALTH_PORT: port("port of the probes /livez /readyz /startupz, always on 127.0.0.1", "3001"),
  DATABASE_URL: text(
    "use this Postgres; unset: the dashboard runs one of its own",
    undefined,
    "postgres://username:password@host:5432/database"
  ),
  DATABASE_WAIT: duration("how long a start waits for the database to answer", "15 seconds"),
  DATA_DIR: text("where its own Postgres keeps its data", ".data/dashboard", "a folder that can be written to"),
  WORKERS: {
    about: "runs executed at a time; 0 only queues them",
    fallback: "2",
    mustBe: "a whole number from 0 to 64",
    codec: integer(0, 64)
  },
  RUN_DURATION_MIN: duration("the shortest time a simulated run takes", "2 seconds"),
  RUN_DURATION_MAX: duration("the longest time a simulated run takes", "6 seconds"),
  POLL_INTERVAL: duration("how often the queue is looked at for runs that another instance queued", "500 ms", 10),
  LEASE: duration("a run whose executor is not heard of for this long is queued again", "15 seconds", 100),
  INSTANCE: text(
    "a name that only one process has at a time; a restart under the same name takes back its own runs at once",
    undefined,
    "a name"
  ),
  GRACE_PERIOD: duration("from the first stop signal to the exit, at most", "25 seconds", 100),
  LAME_DUCK: duration("not ready but still serving, for a load balancer to notice; part of the grace period", "0 ms"),
  LOG_FORMAT: {
    about: "lines for people, or one JSON object a line",
    fallback: "pretty",
    mustBe: '"pretty" or "json"',
    codec: Schema.Literals(["pretty", "json"])
  },
  LOG_LEVEL: {
    about: "the least level that is logged",
    fallback: "Info",
    mustBe: '"Trace", "Debug", "Info", "Warn", "Error", "Fatal" or "None"',
    codec: Schema.Literals(["Trace", "Debug", "Info", "Warn", "Error", "Fatal", "None"])
  }
} as const

export type Name = keyof typeof variables
