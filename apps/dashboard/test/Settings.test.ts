import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Runtime from "effect/Runtime"
import { parseMillis } from "../src/settings/millis.ts"
import { processOptions } from "../src/settings/processOptions.ts"
import * as Settings from "../src/settings/Settings.ts"
import { environment } from "./support/stores.ts"

const load = (env: Record<string, string>) =>
  Settings.Settings.pipe(Effect.provide(Settings.layer.pipe(Layer.provide(environment(env)))))

describe("the settings", () => {
  it.effect("without any variable are those of a first start on a laptop", () =>
    Effect.gen(function* () {
      expect(yield* load({})).toEqual({
        host: "127.0.0.1",
        port: 3000,
        healthPort: 3001,
        embedded: true,
        dataDir: ".data/dashboard",
        databaseWait: 15_000,
        workers: 2,
        runDuration: { min: 2000, max: 6000 },
        pollInterval: 500,
        lease: 15_000,
        instance: "local",
        gracePeriod: 25_000,
        logFormat: "pretty"
      })
    })
  )

  it.effect("take an empty variable for one that is not set", () =>
    Effect.gen(function* () {
      expect(yield* load({ PORT: "", HOST: " ", DATABASE_URL: "" })).toMatchObject({
        port: 3000,
        host: "127.0.0.1",
        embedded: true
      })
    })
  )

  it.effect("vouch for no instance name where the database is shared and none was given", () =>
    Effect.gen(function* () {
      const DATABASE_URL = "postgres://user:secret@db/app"
      expect(yield* load({ DATABASE_URL })).toMatchObject({ embedded: false, instance: undefined })
      expect(yield* load({ DATABASE_URL, INSTANCE: "pod-0" })).toMatchObject({ instance: "pod-0" })
    })
  )

  const wrong: ReadonlyArray<readonly [env: Record<string, string>, problem: string]> = [
    [{ PORT: "abc" }, 'PORT is "abc" but must be a port number, 1 to 65535, or 0 for any free port; for example 3000'],
    [{ PORT: "70000" }, 'PORT is "70000" but must be a port number'],
    [{ HEALTH_PORT: "3001.5" }, 'HEALTH_PORT is "3001.5" but must be a port number'],
    [{ WORKERS: "many" }, 'WORKERS is "many" but must be a whole number from 0 to 64'],
    [{ GRACE_PERIOD: "25" }, 'GRACE_PERIOD is "25" but must be a duration of at least 100 ms with its unit'],
    [{ GRACE_PERIOD: "10 ms" }, 'GRACE_PERIOD is "10 ms" but must be a duration of at least 100 ms'],
    [{ LEASE: "-1 second" }, 'LEASE is "-1 second" but must be a duration'],
    [{ LOG_FORMAT: "xml" }, 'LOG_FORMAT is "xml" but must be "pretty" or "json"'],
    [{ LOG_LEVEL: "loud" }, 'LOG_LEVEL is "loud" but must be "Trace"'],
    [
      { RUN_DURATION_MIN: "9 s", RUN_DURATION_MAX: "3 s" },
      "RUN_DURATION_MIN (9000 ms) must not be longer than RUN_DURATION_MAX (3000 ms)"
    ],
    [{ GRACE_PERIOD: "5 s", LAME_DUCK: "5 s" }, "LAME_DUCK (5000 ms) must be shorter than GRACE_PERIOD (5000 ms)"],
    [{ PORT: "3001" }, "PORT and HEALTH_PORT are both 3001"]
  ]
  for (const [env, problem] of wrong) {
    it.effect(`${JSON.stringify(env)} is refused with exit code 78 and a message that says what must be`, () =>
      Effect.gen(function* () {
        const error = yield* Effect.flip(load(env))
        expect(error.message).toContain(problem)
        expect(error.message).toContain("--help")
        expect(Runtime.getErrorExitCode(error)).toBe(78)
      })
    )
  }

  it.effect("tell all that is wrong at once", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(load({ PORT: "x", WORKERS: "y", LEASE: "z" }))
      expect(error.problems.map((problem) => problem.split(" ")[0])).toEqual(["PORT", "WORKERS", "LEASE"])
    })
  )
})

describe("durations", () => {
  for (const [text, millis] of [
    ["25 seconds", 25_000],
    ["25s", 25_000],
    ["1.5 seconds", 1500],
    ["500 ms", 500],
    ["500 millis", 500],
    ["2 minutes", 120_000],
    ["1h", 3_600_000],
    [" 7 s ", 7000],
    ["25", undefined],
    ["", undefined],
    ["ten seconds", undefined],
    ["-1 s", undefined],
    ["1 s 5 ms", undefined],
    ["Infinity", undefined]
  ] as const) {
    it(`"${text}" is ${millis === undefined ? "none" : `${millis} ms`}`, () => expect(parseMillis(text)).toBe(millis))
  }
})

describe("what the process is told before the application is loaded", () => {
  it("are budgets that fit into the grace period and leave a quarter of it for the release", () => {
    for (const [GRACE_PERIOD, LAME_DUCK] of [
      ["25 s", "0 s"],
      ["2 s", "0 s"],
      ["30 s", "10 s"]
    ] as const) {
      const options = processOptions({ GRACE_PERIOD, LAME_DUCK })
      const [grace, lameDuck] = [parseMillis(GRACE_PERIOD) ?? 0, parseMillis(LAME_DUCK) ?? 0]
      expect(options).toMatchObject({ gracePeriod: grace, lameDuck })
      expect(Number(options.drain) + Number(options.interrupt)).toBeCloseTo((grace - lameDuck) * 0.75)
    }
  })

  it("is the default wherever the settings will refuse the value", () => {
    expect(processOptions({ GRACE_PERIOD: "25", LAME_DUCK: "x", LOG_FORMAT: "xml", LOG_LEVEL: "loud" })).toEqual(
      processOptions({})
    )
  })
})
