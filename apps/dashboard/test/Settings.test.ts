import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as App from "quiesce/App"
import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { Configuration } from "../src/settings/Configuration.ts"
import { parseMillis } from "../src/settings/millis.ts"
import { processOptions } from "../src/settings/processOptions.ts"
import * as Settings from "../src/settings/Settings.ts"
import { scopedFolder } from "./support/folder.ts"
import { running } from "./support/running.ts"
import { environment } from "./support/stores.ts"

/** A configuration file of the test's own. */
const fileWith = (text: string) =>
  Effect.map(scopedFolder, (folder) => {
    const path = join(folder, "dashboard.yaml")
    writeFileSync(path, text)
    return path
  })

const settingsFrom = (env: Record<string, string>) => Layer.provide(Settings.layer, environment(env))

const load = (env: Record<string, string>) =>
  Effect.all({ file: Effect.flatMap(Settings.Settings, ({ current }) => current), process: Settings.Process }).pipe(
    Effect.provide(running(settingsFrom(env)))
  )

/** What the start fails with. The report has room for the beginning of the message only. */
const refused = Effect.fnUntraced(function* (env: Record<string, string>) {
  let message = "it was not refused"
  const told = Layer.tapError(settingsFrom(env), (error) => Effect.sync(() => (message = error.message)))
  return { ...(yield* App.launch(told)), message }
})

const defaults = {
  host: "127.0.0.1",
  port: 3000,
  healthPort: 3001,
  databaseWait: 15_000,
  dataDir: ".data/dashboard",
  lease: 15_000,
  intake: 64,
  workers: 2,
  pollInterval: 500,
  runDurationMin: 2000,
  runDurationMax: 6000
}

describe("the settings", () => {
  it.effect("without any file or variable are those of a first start on a laptop", () =>
    Effect.gen(function* () {
      const { file, process } = yield* load({})
      expect(file).toEqual(defaults)
      expect(Settings.instanceOf(file)).toBe("local")
      expect(process).toMatchObject({ gracePeriod: 25_000, lameDuck: 0, logFormat: "pretty" })
    })
  )

  it.effect("are the defaults where a file leaves them out, and the example says all of those", () =>
    Effect.gen(function* () {
      const file = yield* fileWith("workers: 5")
      expect((yield* load({ CONFIG_FILE: file })).file).toEqual({ ...defaults, workers: 5 })
      const path = join(import.meta.dirname, "../dashboard.example.yaml")
      expect((yield* load({ CONFIG_FILE: path })).file).toEqual(defaults)
      const example = readFileSync(path, "utf8")
      for (const key of Object.keys(Configuration.fields)) expect(example).toMatch(new RegExp(`^(# )?${key}: `, "m"))
    })
  )

  it.effect("in the environment win over those in the file", () =>
    Effect.gen(function* () {
      const file = yield* fileWith("workers: 5\nlease: 20 s")
      expect((yield* load({ CONFIG_FILE: file, WORKERS: "7" })).file).toMatchObject({ workers: 7, lease: 20_000 })
    })
  )

  it.effect("take an empty variable for one that is not set", () =>
    Effect.gen(function* () {
      const { file } = yield* load({ PORT: "", HOST: " ", DATABASE_URL: "", CONFIG_FILE: "" })
      expect(file).toEqual(defaults)
    })
  )

  it.effect("vouch for no instance name where the database is shared and none was given", () =>
    Effect.gen(function* () {
      const DATABASE_URL = "postgres://user:secret@db/app"
      expect(Settings.instanceOf((yield* load({ DATABASE_URL })).file)).toBe(undefined)
      expect(Settings.instanceOf((yield* load({ DATABASE_URL, INSTANCE: "pod-0" })).file)).toBe("pod-0")
    })
  )

  const wrong: ReadonlyArray<readonly [env: Record<string, string>, problem: string]> = [
    [{ PORT: "abc" }, 'PORT (port): expected a whole number from 0 to 65535, found "abc"'],
    [{ PORT: "70000" }, "PORT (port): expected a whole number from 0 to 65535, found 70000"],
    [{ HEALTH_PORT: "3001.5" }, "HEALTH_PORT (healthPort): expected a whole number from 0 to 65535, found 3001.5"],
    [{ WORKERS: "many" }, 'WORKERS (workers): expected a whole number from 0 to 64, found "many"'],
    [{ GRACE_PERIOD: "25" }, 'GRACE_PERIOD: expected a duration of at least 100 ms with its unit, for example "25 s'],
    [{ GRACE_PERIOD: "10 ms" }, "GRACE_PERIOD: expected a duration of at least 100 ms"],
    [{ LEASE: "-1 second" }, "LEASE (lease): expected a duration of at least 100 ms with its unit"],
    [{ LOG_FORMAT: "xml" }, 'LOG_FORMAT: expected "pretty" or "json", found "xml"'],
    [{ LOG_LEVEL: "loud" }, 'LOG_LEVEL: expected "Trace" or'],
    [{ CONFIG_FILE: "dashboard.ini" }, "CONFIG_FILE: expected a .yaml, .yml, .json or .toml file"],
    [{ CONFIG_FILE: "/nowhere/dashboard.yaml" }, "/nowhere/dashboard.yaml: does not exist; create it, or correct"],
    [
      { RUN_DURATION_MIN: "9 s", RUN_DURATION_MAX: "3 s" },
      "RUN_DURATION_MIN (runDurationMin): is 9000 ms, and must not be longer than runDurationMax (3000 ms)"
    ],
    [
      { GRACE_PERIOD: "5 s", LAME_DUCK: "5 s" },
      "LAME_DUCK: is 5000 ms, and must be shorter than GRACE_PERIOD (5000 ms)"
    ],
    [{ PORT: "3001" }, "is 3001, as port is; the probes need a port of their own"]
  ]
  for (const [env, problem] of wrong) {
    it.effect(`${JSON.stringify(env)} is refused with exit code 78 and a message that says what must be`, () =>
      Effect.gen(function* () {
        const { exitCode, message } = yield* refused(env)
        expect(message).toContain(problem)
        expect(exitCode).toBe(78)
      })
    )
  }

  it.effect("tell all that is wrong at once, in environment and file, with line and remedy", () =>
    Effect.gen(function* () {
      const file = yield* fileWith("port: 80\nlease: 25\nwrokers: 3\n")
      const { message } = yield* refused({ CONFIG_FILE: file, POLL_INTERVAL: "soon", GRACE_PERIOD: "x" })
      expect(message).toContain("4 things are wrong")
      for (const text of [
        "GRACE_PERIOD: expected",
        "POLL_INTERVAL (pollInterval): expected",
        `${file}:2:8 lease: expected a duration of at least 100 ms`,
        `${file}:3:1 wrokers: is not known here; remove it, or did you mean workers?`
      ]) {
        expect(message).toContain(text)
      }
    })
  )

  it.effect("never show the password of a database", () =>
    Effect.gen(function* () {
      const { message } = yield* refused({ CONFIG_FILE: yield* fileWith("databaseUrl: [postgres, hunter2]") })
      expect(message).toContain("databaseUrl: ")
      expect(message).not.toContain("hunter2")
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
      const given = Number(options.drain) + Number(options.interrupt) + Number(options.reserve)
      expect(given).toBeCloseTo((grace - lameDuck) * 0.72)
    }
  })

  it("is the default wherever the settings will refuse the value", () => {
    expect(processOptions({ GRACE_PERIOD: "25", LAME_DUCK: "x", LOG_FORMAT: "xml", LOG_LEVEL: "loud" })).toEqual(
      processOptions({})
    )
  })
})
