/** Real files, a real file system that tells of their changes, real processes and signals. */
import {
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
  writeSync
} from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { describe, expect, it } from "@effect/vitest"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Random from "effect/Random"
import * as References from "effect/References"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as App from "quiesce/App"
import * as StopReason from "quiesce/StopReason"
import * as ConfigFile from "@quiesce/reload/ConfigFile"
import * as Reload from "@quiesce/reload/Reload"
import * as Reloadable from "@quiesce/reload/Reloadable"
import * as ChildApp from "@quiesce/testing/ChildApp"

const folder = (): string => mkdtempSync(join(tmpdir(), "quiesce-reload-"))
const fixture = (name: string): string => join(import.meta.dirname, "fixtures", name)

/** In one step, so that nobody reads a half of it. */
const replace = (path: string, text: string): void => {
  writeFileSync(`${path}.new`, text)
  renameSync(`${path}.new`, path)
}

const schema = Schema.Struct({ host: Schema.String })
interface Borrowed {
  readonly host: string
  open: boolean
}
class Config extends Context.Service<Config, Reload.Reload<typeof schema.Type>>()("test/Config") {}
class Client extends Context.Service<Client, Reloadable.Reloadable<Borrowed>>()("test/Client") {}

/** An application with the configuration of a real file, and a client made from it that knows whether it is still open. */
const live = (path: string) =>
  Effect.gen(function* () {
    const clients = { made: 0, released: 0 }
    const client = Reloadable.layer(Client, Config, {
      from: ({ host }) => host,
      make: (host) =>
        Effect.acquireRelease(
          host.startsWith("unreachable")
            ? Effect.fail("refused")
            : Effect.sync((): Borrowed => {
                clients.made++
                return { host, open: true }
              }),
          (made) =>
            Effect.sync(() => {
              clients.released++
              made.open = false
            })
        )
    })
    const services = yield* Deferred.make<Context.Context<Config | Client>>()
    const take = Layer.effectDiscard(
      Effect.flatMap(Effect.context<Config | Client>(), (context) => Deferred.succeed(services, context))
    )
    const file = ConfigFile.make(path, { schema })
    const main = take.pipe(
      Layer.provide(client),
      // A poll would hide a watch that has gone deaf.
      Layer.provide(Reload.layer(Config, file, { poll: "1 hour", debounce: "20 millis" })),
      Layer.provide(NodeFileSystem.layer)
    )
    // Hundreds of reloads have a lot to say.
    const quiet = Effect.provideService(App.start(main), References.MinimumLogLevel, "None")
    const app = yield* Effect.acquireRelease(quiet, ({ lifecycle, stopped }) =>
      Effect.andThen(lifecycle.requestStop(StopReason.finished), stopped)
    )
    const context = yield* Deferred.await(services)
    yield* app.lifecycle.running
    const config = Context.get(context, Config)
    const serves = (host: string) =>
      config.changes.pipe(
        Stream.filter((each) => each.host === host),
        Stream.runHead
      )
    return { app, config, client: Context.get(context, Client), clients, file, serves }
  })

describe("a file is watched through its folder", () => {
  it.live("in place, and through any number of renames over it, as editors do it", () =>
    Effect.gen(function* () {
      const path = join(folder(), "settings.yaml")
      writeFileSync(path, "host: a")
      const { serves } = yield* live(path)
      writeFileSync(path, "host: b")
      yield* serves("b")
      for (const host of ["c", "d", "e"]) {
        replace(path, `host: ${host}`)
        yield* serves(host)
      }
      writeFileSync(path, "host: f")
      yield* serves("f")
    })
  )

  it.live("through our own saves", () =>
    Effect.gen(function* () {
      const path = join(folder(), "settings.toml")
      writeFileSync(path, 'host = "a"')
      const { file, serves } = yield* live(path)
      for (const host of ["b", "c"]) {
        yield* Effect.provide(ConfigFile.save(file, { host }), NodeFileSystem.layer)
        yield* serves(host)
      }
    })
  )

  it.live("as Kubernetes mounts a ConfigMap: a link through ..data, which is swapped for a new version", () =>
    Effect.gen(function* () {
      const mounted = folder()
      const version = (name: string, host: string): void => {
        mkdirSync(join(mounted, name))
        writeFileSync(join(mounted, name, "settings.yaml"), `host: ${host}`)
        symlinkSync(name, join(mounted, "..data_tmp"))
        renameSync(join(mounted, "..data_tmp"), join(mounted, "..data"))
      }
      version("..2026_01_01", "a")
      symlinkSync("..data/settings.yaml", join(mounted, "settings.yaml"))
      const { serves } = yield* live(join(mounted, "settings.yaml"))
      version("..2026_01_02", "b")
      yield* serves("b")
      rmSync(join(mounted, "..2026_01_01"), { recursive: true })
      version("..2026_01_03", "c")
      yield* serves("c")
    })
  )
})

describe("a storm of changes", () => {
  const seed = Number(process.env["SEED"] ?? Math.floor(Math.random() * 1e9))

  it.live(`300 of them, valid, broken, unchanged, unreachable, lose no borrower (SEED=${seed})`, () =>
    Effect.gen(function* () {
      const path = join(folder(), "settings.yaml")
      writeFileSync(path, "host: h0")
      const { app, client, clients, config, serves } = yield* live(path)
      let uses = 0
      const failures: Array<string> = []
      // What is borrowed must be open at both ends of its use, however long that takes.
      const borrow = (millis: number) =>
        client.use((borrowed) =>
          Effect.sync(() => {
            if (!borrowed.open) failures.push(`${borrowed.host} was closed when it was borrowed`)
          }).pipe(
            Effect.andThen(Effect.sleep(millis)),
            Effect.andThen(
              Effect.sync(() => {
                uses++
                if (!borrowed.open) failures.push(`${borrowed.host} was closed in the middle of its use`)
              })
            )
          )
        )
      const borrowers = yield* Effect.forEach(Array.from({ length: 20 }), (_, index) =>
        Effect.forkChild(Effect.forever(borrow(index % 7)))
      )
      let expected = "h0"
      for (let n = 1; n <= 300; n++) {
        const kind = yield* Random.nextIntBetween(0, 5)
        const atomic = yield* Random.nextBoolean
        const text = [`host: h${n}`, "host: [", `host: ${expected}`, `host: unreachable${n}`, `hots: h${n}`][kind] ?? ""
        if (kind === 0) expected = `h${n}`
        if (atomic) replace(path, text)
        else writeFileSync(path, text)
        // Some changes are left alone long enough, some come on top of each other, and some are asked for as well.
        const pause = yield* Random.nextIntBetween(0, 4)
        if (pause === 0) yield* Effect.ignore(config.reload("storm"))
        else if (pause === 1) yield* Effect.sleep(25)
        if (kind !== 0 && pause === 0) expect((yield* config.current).host).not.toContain("unreachable")
      }
      writeFileSync(path, "host: last")
      yield* serves("last")
      yield* Effect.forEach(borrowers, Fiber.interrupt)
      const { rejected, version } = yield* config.status
      expect(failures).toEqual([])
      expect(Math.min(uses - 300, version - 10, rejected - 10)).toBeGreaterThan(0)
      yield* app.lifecycle.requestStop(StopReason.finished)
      const report = yield* app.stopped
      expect([report.outcome._tag, report.exitCode, clients.made - clients.released]).toEqual(["Clean", 0, 0])
    }).pipe(Random.withSeed(seed))
  )
})

describe("a save in place, in several steps", () => {
  const seed = Number(process.env["SEED"] ?? Math.floor(Math.random() * 1e9))
  const withDefault = Schema.String.pipe(Schema.withDecodingDefaultKey(Effect.succeed("default")))
  const allDefaults = Schema.Struct({ first: withDefault, second: withDefault, third: withDefault })
  class Lenient extends Context.Service<Lenient, Reload.Reload<typeof allDefaults.Type>>()("test/Lenient") {}
  const whole = (value: string): string => `first: ${value}\nsecond: ${value}\nthird: ${value}\n`

  /** A configuration of which every half is a valid one, and all that were in force. */
  const lenient = (path: string) =>
    Effect.gen(function* () {
      const seen: Array<string> = []
      const made = yield* Deferred.make<Lenient["Service"]>()
      const take = Layer.effectDiscard(
        Effect.gen(function* () {
          const config = yield* Lenient
          const note = ({ first, second, third }: typeof allDefaults.Type) => seen.push(`${first} ${second} ${third}`)
          yield* Stream.runForEach(config.changes, (each) => Effect.sync(() => note(each))).pipe(Effect.forkScoped)
          yield* Deferred.succeed(made, config)
        })
      )
      const file = ConfigFile.make(path, { schema: allDefaults })
      const main = take.pipe(
        // A quarter of a second: a machine that stands still for a moment must not look like a writer that does.
        Layer.provide(Reload.layer(Lenient, file, { poll: "20 millis", debounce: "250 millis" })),
        Layer.provide(NodeFileSystem.layer)
      )
      const quiet = Effect.provideService(App.start(main), References.MinimumLogLevel, "None")
      const app = yield* Effect.acquireRelease(quiet, ({ lifecycle, stopped }) =>
        Effect.andThen(lifecycle.requestStop(StopReason.finished), stopped)
      )
      const config = yield* Deferred.await(made)
      yield* app.lifecycle.running
      return { app, config, seen }
    })

  const saveInSteps = (path: string, text: string) =>
    Effect.gen(function* () {
      const file = openSync(path, "w")
      for (let at = 0; at < text.length;) {
        yield* Effect.sleep(yield* Random.nextIntBetween(1, 20))
        const end = at + (yield* Random.nextIntBetween(1, text.length))
        writeSync(file, text.slice(at, end))
        at = end
      }
      closeSync(file)
    })

  it.live(`is never seen half-done, however often it is asked for meanwhile (SEED=${seed})`, () =>
    Effect.gen(function* () {
      const path = join(folder(), "settings.yaml")
      writeFileSync(path, whole("v0"))
      const { app, config, seen } = yield* lenient(path)
      const requests = yield* Effect.forkChild(Effect.forever(Effect.delay(config.reload("storm"), 5)))
      const hangUps = yield* Effect.forkChild(
        Effect.forever(
          Effect.delay(
            Effect.sync(() => app.requestReloadUnsafe("SIGHUP")),
            3
          )
        )
      )
      const expected = ["v0 v0 v0"]
      for (let n = 1; n <= 8; n++) {
        yield* saveInSteps(path, whole(`v${n}`))
        yield* config.reload("last")
        expected.push(`v${n} v${n} v${n}`)
      }
      yield* Effect.forEach([requests, hangUps], Fiber.interrupt)
      expect(seen).toEqual(expected)
      expect(yield* config.status).toMatchObject({ version: 9, rejected: 0 })
    }).pipe(Random.withSeed(seed))
  )

  it.live("is waited for by the start", () =>
    Effect.gen(function* () {
      const path = join(folder(), "settings.yaml")
      const file = openSync(path, "w")
      const app = yield* Effect.forkChild(lenient(path))
      for (const piece of ["first: v\n", "second: v\n", "third: v\n"]) {
        yield* Effect.sleep(50)
        writeSync(file, piece)
      }
      closeSync(file)
      const { config } = yield* Fiber.join(app)
      expect(yield* config.current).toEqual({ first: "v", second: "v", third: "v" })
    })
  )

  it.live("of which nothing comes for long is an empty file, and no configuration", () =>
    Effect.gen(function* () {
      const path = join(folder(), "settings.yaml")
      writeFileSync(path, whole("v0"))
      const { config, seen } = yield* lenient(path)
      writeFileSync(path, "")
      yield* Stream.runHead(Stream.filter(config.statuses, ({ failure }) => failure?.includes("is empty") === true))
      writeFileSync(path, whole("v1"))
      yield* Stream.runHead(Stream.filter(config.statuses, ({ version }) => version === 2))
      expect([seen, (yield* config.status).failure]).toEqual([["v0 v0 v0", "v1 v1 v1"], undefined])
    })
  )
})

describe("a process", () => {
  const start = (path: string, env: Readonly<Record<string, string>> = {}) =>
    ChildApp.start({ args: [fixture("app.ts")], env: { CONFIG: path, POLL: "never", ...env } })

  it.live("reloads on SIGHUP, as often as it comes, and stops on SIGTERM", () =>
    Effect.gen(function* () {
      // On a link into another folder: nobody tells of changes there.
      const elsewhere = join(folder(), "settings.yaml")
      const path = join(folder(), "settings.yaml")
      writeFileSync(elsewhere, "host: a\npassword: hunter2")
      symlinkSync(elsewhere, path)
      const child = yield* start(path)
      yield* child.says("serving a")
      for (const host of ["b", "c"]) {
        writeFileSync(elsewhere, `host: ${host}\npassword: hunter2`)
        yield* child.signal("SIGHUP")
        yield* child.says(`serving ${host}`)
      }
      writeFileSync(elsewhere, "host: 5\npassword: [hunter2]")
      yield* child.signal("SIGHUP")
      yield* child.happened((event) => event._tag === "ReloadFailed")
      yield* child.says(
        `${path}:2:11 password: expected a string, found something else, not shown because it is secret`
      )
      yield* child.signal("SIGTERM")
      const { code, output, report } = yield* child.ended
      expect([code, report?.reason]).toEqual([0, { _tag: "Signal", signal: "SIGTERM" }])
      expect(output.match(/let go of \w+/g)).toEqual(["let go of a", "let go of b", "let go of c"])
      expect(output).not.toContain("hunter2")
    })
  )

  it.live("that gets a SIGHUP before its configuration is there keeps it, reloads when it runs, and lives on", () =>
    Effect.gen(function* () {
      const path = join(folder(), "settings.yaml")
      writeFileSync(path, "host: a\npassword: x")
      const child = yield* start(path, { WAITS: "yes" })
      yield* child.says("waiting")
      yield* child.signal("SIGHUP")
      yield* child.says("heard SIGHUP")
      yield* child.signal("SIGCONT")
      yield* child.happened((event) => event._tag === "Reloaded")
      yield* child.says("serving a")
      yield* child.signal("SIGTERM")
      const { code, events, report } = yield* child.ended
      expect([code, report?.reason]).toEqual([0, { _tag: "Signal", signal: "SIGTERM" }])
      expect(events.flatMap((event) => (event._tag === "ReloadStarted" ? [event.trigger] : []))).toEqual(["SIGHUP"])
    })
  )

  it.live("that is told to stop in the middle of a reload abandons it, and leaves at once with 0", () =>
    Effect.gen(function* () {
      const path = join(folder(), "settings.yaml")
      writeFileSync(path, "host: a\npassword: x")
      const child = yield* start(path)
      yield* child.says("serving a")
      replace(path, "host: hangs\npassword: x")
      yield* child.reached("Reloading")
      yield* child.signal("SIGTERM")
      const { code, events, output, stopMillis } = yield* child.ended
      expect(events.map((event) => event._tag)).toContain("ReloadAbandoned")
      expect([code, output.match(/let go of \w+/g), stopMillis < 2000]).toEqual([0, ["let go of a"], true])
    })
  )

  it.live("that cannot use its configuration ends with 78 and names all that is wrong, the secret not", () =>
    Effect.gen(function* () {
      const path = join(folder(), "settings.yaml")
      writeFileSync(path, "hots: a\npassword: [hunter2]")
      const child = yield* start(path, { FIXTURE_HOST: "" })
      const { code, output } = yield* child.ended
      expect(code).toBe(78)
      expect(output).toContain(`${path}:1:1 hots: is not known here; remove it, or did you mean host?`)
      expect(output).toContain("host: is missing; add it (a string), or set FIXTURE_HOST")
      expect(output).toContain(`${path}:2:11 password: expected a string, found something else`)
      expect(output).not.toContain("hunter2")
    })
  )

  it.live("takes the environment before the file", () =>
    Effect.gen(function* () {
      const path = join(folder(), "settings.yaml")
      writeFileSync(path, "host: a")
      const child = yield* start(path, { FIXTURE_HOST: "from-outside", FIXTURE_PASSWORD: "hunter2" })
      yield* child.says("serving from-outside")
    })
  )
})

describe("a save", () => {
  // Most of the time goes into starting the processes that are killed: `KILLS=200` for more.
  const kills = Number(process.env["KILLS"] ?? 60)

  it.live(
    `that is killed at any instant leaves the old file or the new one: ${kills} times kill -9`,
    () =>
      Effect.gen(function* () {
        const compiled = folder()
        let saves = 0
        const unreadable: Array<string> = []
        // Each child saves hundreds of times a second; it is killed at some instant of that.
        const round = (path: string) =>
          Effect.gen(function* () {
            const env = { NODE_COMPILE_CACHE: compiled }
            const child = yield* ChildApp.start({ args: [fixture("saver.ts"), path], env })
            yield* child.says("saving")
            yield* Effect.sleep(yield* Random.nextIntBetween(5, 40))
            yield* child.signal("SIGKILL")
            const { signal } = yield* child.ended
            expect(signal).toBe("SIGKILL")
            const text = readFileSync(path, "utf8")
            if (isWhole(text)) saves += Schema.decodeUnknownSync(Saved)(JSON.parse(text)).count
            else unreadable.push(text)
          }).pipe(Effect.scoped)
        const lane = (path: string) =>
          Effect.forEach(Array.from({ length: kills / 2 }), () => round(path), { discard: true })
        const lanes = [folder(), folder()].map((each) => join(each, "state.json"))
        yield* Effect.forEach(lanes, lane, { concurrency: 2 })
        expect(unreadable).toEqual([])
        expect(saves).toBeGreaterThan(kills)
      }),
    kills * 2000
  )
})

const Saved = Schema.Struct({ count: Schema.Int, sum: Schema.Int, filler: Schema.Array(Schema.Int) })

const isWhole = (text: string): boolean => {
  try {
    const { count, filler, sum } = Schema.decodeUnknownSync(Saved)(JSON.parse(text))
    return filler.length === 2000 && filler[0] === count && sum === filler.reduce((all, each) => all + each, 0)
  } catch {
    return false
  }
}
