/**
 * The settings of the dashboard: read once, at the start, from the environment, and complete or not at all.
 */
import * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Component from "quiesce/Component"
import { SettingsInvalid } from "./SettingsInvalid.ts"
import { type Name, type Variable, variables } from "./variables.ts"

/** Durations are milliseconds. */
export class Settings extends Context.Service<
  Settings,
  {
    readonly host: string
    readonly port: number
    readonly healthPort: number
    /** Whether the dashboard runs its own Postgres. */
    readonly embedded: boolean
    readonly dataDir: string
    /** How long a start waits for the database. */
    readonly databaseWait: number
    readonly workers: number
    readonly runDuration: { readonly min: number; readonly max: number }
    readonly pollInterval: number
    readonly lease: number
    /** A name that no other process has at the same time; `undefined` when nobody vouches for one. */
    readonly instance: string | undefined
    readonly gracePeriod: number
    readonly logFormat: "pretty" | "json"
  }
>()("dashboard/Settings") {}

/** **Errors**: `SettingsInvalid` names every variable that is wrong, what it is and what it must be. */
export const layer: Layer.Layer<Settings, SettingsInvalid> = Layer.effect(
  Settings,
  Effect.suspend(() => load)
).pipe(Component.make("settings"))

const raw = (name: Name): Effect.Effect<string | undefined> =>
  Config.option(Config.String(name)).pipe(
    Effect.map((value) => Option.getOrUndefined(value)?.trim() || undefined), // an empty variable counts as unset
    Effect.orDie
  )

/** Fails with the sentence for the error message. */
const read = <T>(name: Name, variable: Variable<T>): Effect.Effect<T, string> =>
  Effect.flatMap(raw(name), (text) =>
    Schema.decodeUnknownEffect(variable.codec)(text ?? variable.fallback ?? "").pipe(
      Effect.mapError(() => `${name} is "${text}" but must be ${variable.mustBe}`)
    )
  )

const load = Effect.gen(function* () {
  const fields = {
    host: read("HOST", variables.HOST),
    port: read("PORT", variables.PORT),
    healthPort: read("HEALTH_PORT", variables.HEALTH_PORT),
    dataDir: read("DATA_DIR", variables.DATA_DIR),
    databaseWait: read("DATABASE_WAIT", variables.DATABASE_WAIT),
    workers: read("WORKERS", variables.WORKERS),
    min: read("RUN_DURATION_MIN", variables.RUN_DURATION_MIN),
    max: read("RUN_DURATION_MAX", variables.RUN_DURATION_MAX),
    pollInterval: read("POLL_INTERVAL", variables.POLL_INTERVAL),
    lease: read("LEASE", variables.LEASE),
    gracePeriod: read("GRACE_PERIOD", variables.GRACE_PERIOD),
    lameDuck: read("LAME_DUCK", variables.LAME_DUCK),
    logFormat: read("LOG_FORMAT", variables.LOG_FORMAT),
    logLevel: read("LOG_LEVEL", variables.LOG_LEVEL)
  }
  const results = yield* Effect.all(fields, { mode: "result" })
  const problems = Object.values<Result.Result<unknown, string>>(results).flatMap((result) =>
    Result.isFailure(result) ? [result.failure] : []
  )
  // The same reads once more: here all of them succeed, and the types say so.
  const all = Effect.mapError(Effect.all(fields), () => new SettingsInvalid({ problems }))
  const { lameDuck, logLevel: _, max, min, ...rest } = yield* all
  if (min > max) problems.push(`RUN_DURATION_MIN (${min} ms) must not be longer than RUN_DURATION_MAX (${max} ms)`)
  if (lameDuck >= rest.gracePeriod) {
    problems.push(
      `LAME_DUCK (${lameDuck} ms) must be shorter than GRACE_PERIOD (${rest.gracePeriod} ms), which contains it`
    )
  }
  if (rest.port !== 0 && rest.port === rest.healthPort) {
    problems.push(`PORT and HEALTH_PORT are both ${rest.port}; the probes need a port of their own`)
  }
  if (problems.length > 0) return yield* new SettingsInvalid({ problems })
  const embedded = (yield* raw("DATABASE_URL")) === undefined
  // Its own Postgres lets in one application at a time, so the name needs no other proof.
  const instance = (yield* raw("INSTANCE")) ?? (embedded ? "local" : undefined)
  return { ...rest, embedded, instance, runDuration: { min, max } }
})
