/** Reading, explaining, migrating and saving a configuration. */
import { mkdtempSync, readdirSync, readFileSync, statSync, symlinkSync, utimesSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { basename, join } from "node:path"
import { describe, expect, it } from "@effect/vitest"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Runtime from "effect/Runtime"
import * as Schema from "effect/Schema"
import { ConfigError } from "@quiesce/reload/ConfigError"
import * as ConfigFile from "@quiesce/reload/ConfigFile"
import { MemoryFiles } from "./support/MemoryFiles.ts"

const Port = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 65535 }))
const schema = Schema.Struct({
  server: Schema.Struct({
    port: Port,
    host: Schema.String.pipe(Schema.withDecodingDefaultKey(Effect.succeed("127.0.0.1")))
  }),
  password: Schema.Redacted(Schema.String),
  every: Schema.DurationFromString,
  level: Schema.Literals(["info", "debug"]),
  tags: Schema.Array(Schema.String),
  limits: Schema.Record(Schema.String, Schema.Finite),
  maxConnections: Schema.optionalKey(Schema.Union([Schema.Finite, Schema.Literal("auto")]))
})

const valid = { server: { port: 80 }, password: "hunter2", every: "5 seconds", level: "info", tags: ["a"], limits: {} }

type Env = Readonly<Record<string, string>>

const loading = <T>(file: ConfigFile.ConfigFile<T>, texts: Env, env: Env = {}) =>
  ConfigFile.load(file).pipe(
    Effect.provide(new MemoryFiles(texts).layer),
    Effect.provideService(ConfigProvider.ConfigProvider, ConfigProvider.fromUnknown(env))
  )

const problemsOf = <T>(file: ConfigFile.ConfigFile<T>, texts: Env, env: Env = {}) =>
  Effect.map(Effect.flip(loading(file, texts, env)), ({ message }) => message.split(/\n {2}|: (?=\w+\.\w+)/).slice(1))

const of = (name: string) => ConfigFile.make(name, { schema, env: "APP" })

describe("everything that is wrong is told at once, with its place and what to do", () => {
  const yaml = [
    "# settings",
    "server:",
    "  port: eighty",
    "  hots: example.com",
    "password: [hunter2]",
    "every: 5 lightyears",
    "level: inof",
    "tags:",
    "  - a",
    "  - 1",
    'limits: { uploads: "1" }'
  ].join("\n")
  const json = [
    "{",
    '  "server": {',
    '    "port": "eighty",',
    '    "hots": "example.com" },',
    '  "password": ["hunter2"],',
    '  "every": "5 lightyears",',
    '  "level": "inof",',
    '  "tags": ["a",',
    "1],",
    '  "limits": { "uploads": "1" } }'
  ].join("\n")
  const toml = [
    'password = ["hunter2"]',
    'every = "5 lightyears"',
    'level = "inof"',
    'tags = ["a",',
    "1]",
    "[server]",
    'port = "eighty"',
    'hots = "example.com"',
    "[limits]",
    'uploads = "1"'
  ].join("\n")
  const expected = (at: Readonly<Record<string, string>>, name: string) =>
    new Set([
      `${name}:${at["port"]} server.port: expected an integer between 1 and 65535, found "eighty"; correct it there, or set APP_SERVER_PORT`,
      `${name}:${at["hots"]} server.hots: is not known here; remove it, or did you mean host?`,
      `${name}:${at["password"]} password: expected a string, found something else, not shown because it is secret; correct it there, or set APP_PASSWORD`,
      `${name}:${at["every"]} every: expected a valid Duration string, found "5 lightyears"; correct it there, or set APP_EVERY`,
      `${name}:${at["level"]} level: expected "info" or "debug", found "inof"; correct it there, or set APP_LEVEL`,
      `${name}:${at["tags"]} tags[1]: expected a string, found 1; correct it there`,
      `${name}:${at["uploads"]} limits.uploads: expected a finite number, found "1"; correct it there`
    ])

  for (const [name, text, at] of [
    [
      "s.yaml",
      yaml,
      { port: "3:9", hots: "4:3", password: "5:11", every: "6:8", level: "7:8", tags: "10:5", uploads: "11:20" }
    ],
    [
      "s.json",
      json,
      { port: "3:13", hots: "4:5", password: "5:15", every: "6:12", level: "7:12", tags: "9:1", uploads: "10:26" }
    ],
    [
      "s.toml",
      toml,
      { port: "7:8", hots: "8:1", password: "1:12", every: "2:9", level: "3:9", tags: "5:1", uploads: "10:11" }
    ]
  ] as const) {
    it.effect(`in ${name}`, () =>
      Effect.gen(function* () {
        const problems = yield* problemsOf(of(name), { [name]: text })
        expect(new Set(problems)).toEqual(expected(at, name))
      })
    )
  }

  it.effect("in the environment, where the variable is named; and exit code 78 is asked for", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(
        loading(of("s.json"), { "s.json": JSON.stringify(valid) }, { APP_SERVER_PORT: "eighty", APP_TAGS: "[1" })
      )
      expect(error.message).toBe(
        "the configuration cannot be used, 2 things are wrong:\n" +
          '  APP_SERVER_PORT (server.port): expected an integer between 1 and 65535, found "eighty"; correct the variable, or unset it to use what the file says\n' +
          '  APP_TAGS (tags): expected a list, found "[1"; correct the variable, or unset it to use what the file says'
      )
      expect(Runtime.getErrorExitCode(error)).toBe(78)
    })
  )

  it.effect("what is missing is told where it belongs, with all ways to give it", () =>
    Effect.gen(function* () {
      const { server: _, ...rest } = valid
      const text = JSON.stringify({ ...rest, server: {} }, null, 1)
      expect(yield* problemsOf(of("s.json"), { "s.json": text })).toEqual([
        "s.json:9:2 server.port: is missing; add it (an integer between 1 and 65535), or set APP_SERVER_PORT"
      ])
    })
  )

  it.effect("a file that is not there, of several the first", () =>
    Effect.gen(function* () {
      const file = ConfigFile.make(["base.yaml", "local.yaml"], { schema: Schema.Struct({}) })
      expect((yield* Effect.flip(loading(file, { "local.yaml": "{}" }))).issues).toEqual([
        {
          file: "base.yaml",
          path: "",
          message: "does not exist",
          remedy: "create it, or correct the path and its permissions"
        }
      ])
      expect(yield* loading(file, { "base.yaml": "# nothing" })).toEqual({})
    })
  )

  it.effect("the syntax of all files, without a word of what is in them", () =>
    Effect.gen(function* () {
      const broken = {
        "a.yaml": "a: [1,\nb: 1\npassword: hunter2: x",
        "b.yaml": "password: *hunter2",
        "c.yaml": "password: !hunter2 x",
        "d.yaml": "a: 1\na: 2",
        "e.yaml": "just text",
        "f.json": '{ "password": hunter2',
        "g.toml": "password = hunter2"
      }
      const names = Object.keys(broken)
      const [first = "", ...rest] = names
      const file = ConfigFile.make([first, ...rest], { schema: Schema.Struct({}) })
      const { issues, message } = yield* Effect.flip(loading(file, broken))
      expect(new Set(issues.map((issue) => issue.file))).toEqual(new Set(names))
      expect(issues.filter(({ column, line }) => line === undefined || column === undefined)).toEqual([])
      expect(message).not.toContain("hunter2")
    })
  )
})

describe("a configuration", () => {
  it.effect("comes from the files in their order, with the environment on top", () =>
    Effect.gen(function* () {
      const file = ConfigFile.make(["base.yaml", "local.toml"], { schema, env: "APP" })
      const texts = { "base.yaml": JSON.stringify(valid), "local.toml": '[server]\nport = 81\nhost = "local"' }
      const env = {
        APP_SERVER_PORT: "82",
        APP_TAGS: "x,y",
        APP_LIMITS: '{ "uploads": 3 }',
        APP_MAX_CONNECTIONS: "auto"
      }
      const settings = yield* loading(file, texts, { ...env, APP_LEVEL: " " })
      expect({
        ...settings,
        password: Redacted.value(settings.password),
        every: Duration.toMillis(settings.every)
      }).toEqual({
        server: { port: 82, host: "local" },
        password: "hunter2",
        every: 5000,
        level: "info",
        tags: ["x", "y"],
        limits: { uploads: 3 },
        maxConnections: "auto"
      })
    })
  )

  it.effect("whose file is optional is what the environment says, and tells in which file the rest belongs", () =>
    Effect.gen(function* () {
      const file = ConfigFile.make(["base.yaml", "more.yaml"], {
        schema: Schema.Struct({ host: Schema.String, port: Port }),
        env: "APP",
        optional: true,
        version: 2,
        migrations: [ConfigFile.migration(Schema.Struct({ port: Port }), ({ port }) => ({ port, host: "old" }))]
      })
      expect(yield* loading(file, {}, { APP_HOST: "h", APP_PORT: "80" })).toEqual({ host: "h", port: 80 })
      expect(yield* loading(file, { "more.yaml": "version: 2\nport: 81" }, { APP_HOST: "h" })).toMatchObject({
        port: 81
      })
      expect(yield* problemsOf(file, {}, { APP_HOST: "h" })).toEqual([
        "base.yaml port: is missing; add it (an integer between 1 and 65535), or set APP_PORT"
      ])
    })
  )

  it.effect("of an empty file is none, as a save that has failed leaves it; a comment is one", () =>
    Effect.gen(function* () {
      const withDefaults = Schema.Struct({ port: Port.pipe(Schema.withDecodingDefaultKey(Effect.succeed(80))) })
      for (const name of ["s.yaml", "s.json", "s.toml"]) {
        const file = ConfigFile.make(name, { schema: withDefaults, optional: true })
        for (const empty of ["", "\n", " \n\t"])
          expect(yield* problemsOf(file, { [name]: empty })).toEqual([
            `${name}: is empty; write what is wanted, or a comment if nothing is`
          ])
        expect(yield* loading(file, { [name]: "# as it is" })).toEqual({ port: 80 })
      }
    })
  )

  it.effect("is a service, when it need not reload", () =>
    Effect.gen(function* () {
      class Settings extends Context.Service<Settings, { readonly port: number }>()("test/Settings") {}
      const file = ConfigFile.make("s.yaml", { schema: Schema.Struct({ port: Port }) })
      const layer = Layer.provide(ConfigFile.layer(Settings, file), new MemoryFiles({ "s.yaml": "port: 80" }).layer)
      expect(yield* Effect.provide(Settings, layer)).toEqual({ port: 80 })
    })
  )

  it.effect("may be JSON with tabs, escapes and comments: JSON is YAML", () =>
    Effect.gen(function* () {
      const value = { 'a "b"\\': ["\u2028/\ud83d\ude00", -1.5e3, true, null, {}], __proto__x: { "": [[]] } }
      const file = ConfigFile.make("s.json", { schema: Schema.Record(Schema.String, Schema.Unknown) })
      for (const indent of ["", "\t", "    "])
        expect(yield* loading(file, { "s.json": JSON.stringify(value, null, indent) })).toEqual(value)
      expect(yield* loading(file, { "s.json": '{ "a": 1, // a comment\n }'.replace("//", "#") })).toEqual({ a: 1 })
    })
  )

  it("of a format that is not known is refused at once, and so is a version without its migrations", () => {
    expect(() => ConfigFile.make("s.ini", { schema })).toThrow("name a .yaml, .yml, .json or .toml file")
    expect(() => ConfigFile.make("s.yaml", { schema, version: 3 })).toThrow("version 3 needs 2 migrations")
  })
})

describe("a file of an older version", () => {
  const file = ConfigFile.make("s.yaml", {
    schema: Schema.Struct({ server: Schema.Struct({ port: Port, host: Schema.String }) }),
    env: "APP",
    version: 3,
    migrations: [
      ConfigFile.migration(Schema.Struct({ port: Schema.Int }), ({ port }) => ({ server: { port } })),
      ConfigFile.migration(Schema.Struct({ server: Schema.Struct({ port: Schema.Int }) }), ({ server }) => ({
        server: { ...server, host: "localhost" }
      }))
    ]
  })

  for (const text of ["port: 80", "version: 1\nport: 80", "version: 2\nserver: { port: 80 }"]) {
    it.effect(`is migrated as it is read (${JSON.stringify(text)})`, () =>
      Effect.gen(function* () {
        expect(yield* loading(file, { "s.yaml": text })).toEqual({ server: { port: 80, host: "localhost" } })
        expect(yield* loading(file, { "s.yaml": text }, { APP_SERVER_HOST: "other" })).toMatchObject({
          server: { host: "other" }
        })
      })
    )
  }

  it.live("stays on the disk as it is: nothing writes it back", () =>
    Effect.gen(function* () {
      const path = join(mkdtempSync(join(tmpdir(), "quiesce-old-")), "s.yaml")
      const text = "# by hand\nport:   80\n"
      writeFileSync(path, text)
      utimesSync(path, new Date("2000-01-01"), new Date("2000-01-01"))
      const old = ConfigFile.make(path, {
        schema: Schema.Struct({ server: Schema.Struct({ port: Schema.Int }) }),
        version: 2,
        migrations: [ConfigFile.migration(Schema.Struct({ port: Schema.Int }), ({ port }) => ({ server: { port } }))]
      })
      expect(yield* Effect.provide(ConfigFile.load(old), NodeFileSystem.layer)).toEqual({ server: { port: 80 } })
      expect([readFileSync(path, "utf8"), statSync(path).mtime]).toEqual([text, new Date("2000-01-01")])
    })
  )

  it.effect("that is wrong is explained in the words of its version; a newer one is refused", () =>
    Effect.gen(function* () {
      expect(yield* problemsOf(file, { "s.yaml": "port: eighty" })).toEqual([
        "s.yaml:1:7 port: expected an integer, found something else (in version 1, on the way to version 3); correct it there"
      ])
      expect(yield* problemsOf(file, { "s.yaml": "\nversion: 4" })).toEqual([
        "s.yaml:2:10 version: is 4, and this program knows versions up to 3; run the program that wrote it, or a newer one"
      ])
      expect(yield* problemsOf(file, { "s.yaml": "version: new" })).toEqual([
        "s.yaml:1:10 version: expected a whole number from 1 on; write version: 3"
      ])
    })
  )
})

describe("a save", () => {
  const folder = () => mkdtempSync(join(tmpdir(), "quiesce-save-"))
  const saving = <T>(file: ConfigFile.ConfigFile<T>, value: T) =>
    Effect.provide(ConfigFile.save(file, value), NodeFileSystem.layer)

  for (const extension of ["yaml", "json", "toml"]) {
    it.effect(`is read back as what it was, as ${extension}`, () =>
      Effect.gen(function* () {
        const file = ConfigFile.make(join(folder(), `s.${extension}`), {
          schema,
          version: 2,
          migrations: [ConfigFile.migration(Schema.Struct({}), () => ({}))]
        })
        const value: typeof schema.Type = {
          server: { port: 80, host: 'a "b" \\ # c: d\n\u007f' },
          password: Redacted.make("*!: hunter2"),
          every: Duration.seconds(5),
          level: "info",
          tags: ["", "- x", "no", "0x1f", "1_000", "2026-01-01"],
          limits: { "a.b": 1.5, "c d": -0.001 }
        }
        yield* saving(file, value)
        expect(yield* Effect.provide(ConfigFile.load(file), NodeFileSystem.layer)).toEqual(value)
      })
    )
  }

  it.live("flushes the new file before it takes the place of the old one, and the folder after that", () =>
    Effect.gen(function* () {
      const path = join(folder(), "s.json")
      const done: Array<string> = []
      const say = (what: string) => Effect.sync(() => void done.push(what))
      const called = (name: string) => basename(name).replace(/[0-9a-f]{8}/, "*")
      const recording = Layer.effect(
        FileSystem.FileSystem,
        Effect.map(FileSystem.FileSystem, (fs) =>
          FileSystem.FileSystem.of({
            ...fs,
            writeFileString: (to, text, options) =>
              Effect.tap(fs.writeFileString(to, text, options), say(`write ${called(to)} ${options?.flag}`)),
            rename: (from, to) => Effect.tap(fs.rename(from, to), say(`rename ${called(from)} to ${called(to)}`)),
            open: (opened, options) =>
              Effect.map(fs.open(opened, options), (file) => {
                const what = opened === join(path, "..", "/") ? "the folder" : called(opened)
                const sync = Effect.tap(file.sync, say(`flush ${what}`))
                return new Proxy(file, { get: (of, key) => (key === "sync" ? sync : Reflect.get(of, key)) })
              })
          })
        )
      ).pipe(Layer.provide(NodeFileSystem.layer))
      const file = ConfigFile.make(path, { schema: Schema.Struct({ port: Schema.Int }) })
      yield* Effect.provide(ConfigFile.save(file, { port: 80 }), recording)
      expect(done).toEqual([
        "write .s.json.*.tmp wx",
        "flush .s.json.*.tmp",
        "rename .s.json.*.tmp to s.json",
        "flush the folder"
      ])
    })
  )

  it.live("keeps permissions and links, and leaves nothing beside the file but what another save may be writing", () =>
    Effect.gen(function* () {
      const [real, links] = [folder(), folder()]
      const target = join(real, "s.json")
      writeFileSync(target, "{}", { mode: 0o600 })
      symlinkSync(target, join(links, "s.json"))
      const [old, young] = [join(real, ".s.json.0badcafe.tmp"), join(real, ".s.json.00000001.tmp")]
      for (const left of [old, young]) writeFileSync(left, "{")
      utimesSync(old, new Date(), new Date("2000-01-01"))
      const file = ConfigFile.make(join(links, "s.json"), { schema: Schema.Struct({ port: Schema.Int }) })
      yield* saving(file, { port: 80 })
      expect([JSON.parse(readFileSync(target, "utf8")), statSync(target).mode & 0o777]).toEqual([{ port: 80 }, 0o600])
      expect([readdirSync(real).toSorted(), readdirSync(links)]).toEqual([
        [".s.json.00000001.tmp", "s.json"],
        ["s.json"]
      ])
    })
  )

  it.effect("that fails leaves the old file, and says what to do", () =>
    Effect.gen(function* () {
      const path = join(folder(), "missing", "s.json")
      const error = yield* Effect.flip(saving(ConfigFile.make(path, { schema: Schema.Struct({}) }), {}))
      expect(error).toBeInstanceOf(ConfigError)
      expect(error.message).toMatch(/could not be written: .*; make .* a folder in which this process may write$/)
    })
  )
})
