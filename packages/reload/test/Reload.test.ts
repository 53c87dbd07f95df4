/** Law 14, `reload-atomic`: a failed reload leaves the old configuration and the old instances serving. */
import { describe, expect, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Metric from "effect/Metric"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import * as App from "quiesce/App"
import type { Event } from "quiesce/Event"
import * as StopReason from "quiesce/StopReason"
import * as ConfigFile from "@quiesce/reload/ConfigFile"
import * as Reload from "@quiesce/reload/Reload"
import * as Reloadable from "@quiesce/reload/Reloadable"
import { MemoryFiles } from "./support/MemoryFiles.ts"

const schema = Schema.Struct({
  host: Schema.String,
  greeting: Schema.String.pipe(Schema.withDecodingDefaultKey(Effect.succeed("hello"))),
  port: Schema.Int.pipe(Schema.withDecodingDefaultKey(Effect.succeed(80)), ConfigFile.restart)
})
type Settings = typeof schema.Type
class Config extends Context.Service<Config, Reload.Reload<Settings>>()("test/Config") {}
class Client extends Context.Service<Client, Reloadable.Reloadable<string>>()("test/Client") {}

const path = "/etc/app/settings.yaml"
const file = ConfigFile.make(path, { schema })

interface Given {
  readonly text?: string
  readonly options?: Reload.Options
  /** What building and releasing a client for a host does. */
  readonly build?: (host: string) => Effect.Effect<unknown, unknown>
  readonly release?: (host: string) => Effect.Effect<unknown>
  readonly retireTimeout?: number
  readonly watchable?: boolean
}

/** An application with a configuration and a client that is built from it, and the log of what happened to the clients. */
const live = (given: Given = {}) =>
  Effect.gen(function* () {
    const files = new MemoryFiles({ [path]: given.text ?? "host: a" })
    files.watchable = given.watchable ?? true
    const log: Array<string> = []
    const client = Reloadable.layer(Client, Config, {
      from: ({ host }) => host,
      retireTimeout: given.retireTimeout ?? 1000,
      make: (host) =>
        Effect.acquireRelease(
          Effect.andThen(
            given.build?.(host) ?? Effect.void,
            Effect.sync(() => {
              log.push(`+${host}`)
              return host
            })
          ),
          () =>
            Effect.andThen(
              Effect.sync(() => void log.push(`-${host}`)),
              given.release?.(host) ?? Effect.void
            ),
          { interruptible: true }
        )
    })
    const services = yield* Deferred.make<Context.Context<Config | Client>>()
    const take = Layer.effectDiscard(
      Effect.flatMap(Effect.context<Config | Client>(), (context) => Deferred.succeed(services, context))
    )
    const main = take.pipe(
      Layer.provide(client),
      Layer.provide(Reload.layer(Config, file, given.options)),
      Layer.provide(files.layer)
    )
    const app = yield* App.start(main)
    const context = yield* Deferred.await(services)
    yield* app.lifecycle.running
    yield* TestClock.adjust(1) // the watch is set up, and has looked
    const config = Context.get(context, Config)
    return { app, config, client: Context.get(context, Client), files, log }
  })

/** What came of the reloads, as the event log has it. */
const told = (events: ReadonlyArray<Event>): ReadonlyArray<string> =>
  events.flatMap((event) => {
    switch (event._tag) {
      case "ReloadStarted":
        return [`started by ${event.trigger}`]
      case "Reloaded":
        return [`version ${event.version}, changed ${event.changed.join()}, restart ${event.restart.join()}`]
      case "ReloadFailed":
        return [`failed: ${event.message}`]
      case "ReloadAbandoned":
        return ["abandoned"]
      default:
        return []
    }
  })

const settle = TestClock.adjust(200)

describe("a reload", () => {
  it.effect("builds the new instance, swaps, and only then releases the old one", () =>
    Effect.gen(function* () {
      const { app, client, config, files, log } = yield* live()
      yield* files.write(path, "host: b")
      yield* settle
      expect(yield* client.use((host) => Effect.succeed([host, config.currentUnsafe().host]))).toEqual(["b", "b"])
      expect([log, yield* client.generation]).toEqual([["+a", "+b", "-a"], 2])
      expect(told(app.events)).toEqual(["started by file", "version 2, changed host, restart "])
    })
  )

  it.effect(
    "that finds the configuration wrong keeps everything, says what is wrong, and degrades until it is mended",
    () =>
      Effect.gen(function* () {
        const { app, client, config, files, log } = yield* live()
        yield* files.write(path, "hots: b")
        yield* settle
        expect((yield* config.status).failure).toBe(
          "the configuration cannot be used, 2 things are wrong:\n" +
            "  /etc/app/settings.yaml:1:1 hots: is not known here; remove it, or did you mean host?\n" +
            "  /etc/app/settings.yaml:1:1 host: is missing; add it (a string)"
        )
        expect([yield* client.use(Effect.succeed), log, app.lifecycle.stateUnsafe()]).toEqual(["a", ["+a"], "Running"])
        expect(yield* config.status).toMatchObject({ version: 1, rejected: 1 })
        expect(app.lifecycle.statusUnsafe().health.state).toBe("Degraded")
        yield* files.write(path, "host: a")
        yield* settle
        expect(yield* config.status).toMatchObject({ version: 1, rejected: 1, failure: undefined })
        expect(app.lifecycle.statusUnsafe().health.state).toBe("Healthy")
        expect(log).toEqual(["+a"])
      })
  )

  it.effect("that cannot build what is new keeps the old instances serving, and releases what it had built", () =>
    Effect.gen(function* () {
      const { app, client, config, files, log } = yield* live({
        build: (host) =>
          host === "nowhere" ? Effect.andThen(Effect.sleep(50), Effect.fail("no such host")) : Effect.void
      })
      // A second resource, which can be built, and must not be used all the same.
      const second: Array<string> = []
      yield* config.join({
        name: "second",
        prepare: ({ host }) =>
          Effect.succeed({
            swap: () => void second.push(`swapped to ${host}`),
            discard: Effect.sync(() => void second.push(`discarded ${host}`))
          })
      })
      yield* files.write(path, "host: nowhere")
      const reloading = yield* Effect.forkChild(Effect.flip(config.reload("test")))
      yield* settle
      const error = yield* Fiber.join(reloading)
      expect(error.message).toBe(
        "Client could not be built for the new configuration: no such host; correct the configuration, or what it points to, and reload"
      )
      expect([yield* client.use(Effect.succeed), config.currentUnsafe().host, log, second]).toEqual([
        "a",
        "a",
        ["+a"],
        ["discarded nowhere"]
      ])
      expect(told(app.events)).toEqual(["started by test", `failed: ${error.message}`])
    }).pipe(Effect.scoped)
  )

  it.effect("in the very step of which the stop comes is told as done: the new configuration is in force", () =>
    Effect.gen(function* () {
      const { app, client, config, files } = yield* live()
      yield* config.join({
        name: "second",
        prepare: () => Effect.succeed({ swap: () => app.signalUnsafe("SIGTERM"), discard: Effect.void })
      })
      yield* files.write(path, "host: b")
      const reloading = yield* Effect.forkChild(config.reload("test"))
      yield* Effect.yieldNow
      expect(yield* Fiber.join(reloading)).toEqual({ version: 2, changed: ["host"], restart: [] })
      expect(told(app.events)).toEqual(["started by test", "version 2, changed host, restart "])
      expect([config.currentUnsafe().host, yield* client.use(Effect.succeed)]).toEqual(["b", "b"])
      expect(yield* config.status).toMatchObject({ version: 2, rejected: 0, failure: undefined })
    }).pipe(Effect.scoped)
  )

  it.effect(
    "that takes too long is given up, also when it ignores its interruption, and what comes of it is released",
    () =>
      Effect.gen(function* () {
        const gate = yield* Deferred.make<void>()
        const { client, config, files, log } = yield* live({
          options: { timeout: 5000 },
          build: (host) => (host === "slow" ? Effect.uninterruptible(Deferred.await(gate)) : Effect.void)
        })
        yield* files.write(path, "host: slow")
        yield* TestClock.adjust(5200)
        expect((yield* config.status).failure).toContain("Client was not built for the new configuration in time")
        yield* files.write(path, "host: b")
        yield* settle
        expect([yield* client.use(Effect.succeed), log]).toEqual(["b", ["+a", "+b", "-a"]])
        yield* Deferred.succeed(gate, undefined)
        yield* settle
        expect([yield* client.use(Effect.succeed), log.filter((entry) => entry.endsWith("slow"))]).toEqual(["b", []])
      })
  )

  it.effect("of what has not changed is a success, rebuilds nothing, and is silent where nobody asked", () =>
    Effect.gen(function* () {
      const { app, config, files, log } = yield* live()
      yield* files.write(path, "host: a")
      yield* TestClock.adjust("1 minute")
      expect([told(app.events), log, (yield* config.status).lastSuccess]).toEqual([[], ["+a"], 60_000])
      expect(yield* config.reload("test")).toEqual({ version: 1, changed: [], restart: [] })
      yield* files.write(path, "# a comment\nhost: a")
      yield* settle
      expect([log, (yield* config.status).version, told(app.events).length]).toEqual([["+a"], 1, 4])
    })
  )

  it.effect("leaves instances alone whose part of the configuration is the same", () =>
    Effect.gen(function* () {
      const { config, files, log } = yield* live()
      yield* files.write(path, "host: a\ngreeting: good day")
      yield* settle
      expect([config.currentUnsafe().greeting, log]).toEqual(["good day", ["+a"]])
    })
  )

  it.effect(
    "puts live keys in force and leaves those that need a restart as they are, and says so, until they are as before",
    () =>
      Effect.gen(function* () {
        const { app, config, files } = yield* live()
        yield* files.write(path, "host: b\nport: 81")
        yield* settle
        expect([config.currentUnsafe(), (yield* config.status).restart]).toEqual([
          { host: "b", greeting: "hello", port: 80 },
          ["port"]
        ])
        expect(told(app.events).at(-1)).toBe("version 2, changed host, restart port")
        yield* files.write(path, "host: b\nport: 80")
        yield* settle
        expect([(yield* config.status).restart, (yield* config.status).version]).toEqual([[], 2])
      })
  )

  it.effect("refuses a configuration that is wrong in a key that needs a restart: the next start would fail", () =>
    Effect.gen(function* () {
      const { config, files } = yield* live()
      yield* files.write(path, "host: b\nport: eighty")
      yield* settle
      expect([config.currentUnsafe().host, (yield* config.status).rejected]).toEqual(["a", 1])
    })
  )

  it.effect("of a file that has gone away keeps what there is, and takes the file when it is back", () =>
    Effect.gen(function* () {
      const { config, files } = yield* live()
      yield* files.write(path, undefined)
      yield* settle
      expect((yield* config.status).failure).toContain("/etc/app/settings.yaml: does not exist")
      yield* files.write(path, "host: b")
      yield* settle
      expect([config.currentUnsafe().host, (yield* config.status).failure]).toEqual(["b", undefined])
    })
  )

  it.effect("is tried again on request, not at each poll", () =>
    Effect.gen(function* () {
      let reachable = false
      const { app, client, config, files } = yield* live({
        build: (host) => (host === "b" && !reachable ? Effect.fail("refused") : Effect.void)
      })
      yield* files.write(path, "host: b")
      yield* TestClock.adjust("5 minutes")
      expect(told(app.events).length).toBe(2)
      reachable = true
      yield* config.reload("test")
      expect(yield* client.use(Effect.succeed)).toBe("b")
    })
  )
})

describe("the reasons to reload", () => {
  it.effect("several writes in a row are one reload, when the file has been left alone", () =>
    Effect.gen(function* () {
      const { app, files } = yield* live()
      for (const host of ["", ":", "b", "c"]) {
        yield* files.write(path, `host: ${host}`)
        yield* TestClock.adjust(50)
      }
      yield* settle
      expect(told(app.events)).toEqual(["started by file", "version 2, changed host, restart "])
    })
  )

  it.effect("what else happens in the folder is none, and Kubernetes' link is one", () =>
    Effect.gen(function* () {
      const { config, files } = yield* live()
      const reads = files.reads
      yield* files.write("/etc/app/other.yaml", "host: b")
      yield* settle
      expect(files.reads).toBe(reads)
      yield* files.write(path, "host: b", { told: false })
      yield* files.write("/etc/app/..data", "")
      yield* settle
      expect(config.currentUnsafe().host).toBe("b")
    })
  )

  it.effect("a change that nobody tells is noticed by the slow poll, also where folders cannot be watched", () =>
    Effect.gen(function* () {
      const { config, files } = yield* live({ watchable: false })
      yield* files.write(path, "host: b", { told: false })
      yield* TestClock.adjust("29 seconds")
      expect(config.currentUnsafe().host).toBe("a")
      yield* TestClock.adjust("2 seconds")
      expect(config.currentUnsafe().host).toBe("b")
    })
  )

  it.effect("requests that come while a reload runs are one more", () =>
    Effect.gen(function* () {
      const { app, files } = yield* live({ build: (host) => (host === "a" ? Effect.void : Effect.sleep(1000)) })
      yield* files.write(path, "host: b", { told: false })
      app.requestReloadUnsafe("SIGHUP")
      yield* TestClock.adjust(500)
      yield* files.write(path, "host: c", { told: false })
      for (let n = 0; n < 10; n++) app.requestReloadUnsafe("SIGHUP")
      yield* TestClock.adjust(5000)
      expect(told(app.events)).toEqual([
        "started by SIGHUP",
        "version 2, changed host, restart ",
        "started by SIGHUP",
        "version 3, changed host, restart "
      ])
    })
  )

  it.effect("everyone who listens hears of each configuration", () =>
    Effect.gen(function* () {
      const { config, files } = yield* live()
      const seen = yield* config.changes.pipe(
        Stream.map(({ host }) => host),
        Stream.take(3),
        Stream.runCollect,
        Effect.forkChild
      )
      for (const text of ["host: b", "host: [", "host: b # again", "host: c"]) {
        yield* files.write(path, text)
        yield* settle
      }
      expect(yield* Fiber.join(seen)).toEqual(["a", "b", "c"])
    })
  )
})

describe("a file that has just been changed", () => {
  const now = Clock.currentTimeMillis

  it.effect("is taken when it is the same after a while, whatever the reason to look at it", () =>
    Effect.gen(function* () {
      const { app, config, files } = yield* live({ options: { poll: 1000 } })
      // Somebody saves it in steps of 60 ms, and is asked for it and looked at all the while.
      for (const text of ["host: ", "host: half", "host: half-done", "host: whole"]) {
        yield* files.write(path, text, { told: false, modified: yield* now })
        app.requestReloadUnsafe("SIGHUP")
        yield* TestClock.adjust(60)
      }
      expect(told(app.events)).toEqual([])
      yield* TestClock.adjust(2000)
      expect(told(app.events)).toEqual([
        "started by SIGHUP",
        "version 2, changed host, restart ",
        "started by SIGHUP",
        "version 2, changed , restart "
      ])
      expect(config.currentUnsafe().host).toBe("whole")
    })
  )

  it.effect("is taken at once when its time says nothing: long ago, or far in the future", () =>
    Effect.gen(function* () {
      const { config, files } = yield* live()
      yield* TestClock.adjust("1 day")
      for (const [host, hours] of [
        ["b", -1],
        ["c", 1]
      ] as const) {
        yield* files.write(path, `host: ${host}`, { told: false, modified: (yield* now) + hours * 3_600_000 })
        expect((yield* config.reload("test")).changed).toEqual(["host"])
      }
    })
  )

  it.effect("is taken a little later when the clock of its drive is ahead", () =>
    Effect.gen(function* () {
      const { config, files } = yield* live()
      yield* files.write(path, "host: b", { told: false, modified: (yield* now) + 5000 })
      const reloading = yield* Effect.forkChild(config.reload("test"))
      yield* TestClock.adjust(100)
      expect((yield* Fiber.join(reloading)).changed).toEqual(["host"])
    })
  )

  it.effect("and again and again is refused in the end, and taken when it is left alone", () =>
    Effect.gen(function* () {
      const { config, files } = yield* live({ options: { poll: 1000 } })
      const write = Effect.flatMap(now, (modified) =>
        files.write(path, `host: at-${modified}`, { told: false, modified })
      )
      yield* write
      const writer = yield* Effect.forkChild(Effect.forever(Effect.delay(write, 50)))
      const refused = yield* Effect.forkChild(Effect.flip(config.reload("test")))
      yield* TestClock.adjust(5100)
      const { message } = yield* Fiber.join(refused)
      expect(message).toContain(
        `${path}: is written to again and again; leave it alone for a moment, or save it in one step`
      )
      expect([config.currentUnsafe().host, (yield* config.status).failure]).toEqual(["a", message])
      yield* Fiber.interrupt(writer)
      yield* TestClock.adjust("10 seconds")
      expect([config.currentUnsafe().host.slice(0, 3), (yield* config.status).failure]).toEqual(["at-", undefined])
    })
  )

  it.effect("is waited for by the start too", () =>
    Effect.gen(function* () {
      const files = new MemoryFiles()
      yield* files.write(path, "", { modified: 0 })
      const main = Layer.effectDiscard(
        Effect.gen(function* () {
          const config = yield* Config
          expect((yield* config.current).host).toBe("b")
        })
      ).pipe(Layer.provide(Reload.layer(Config, file)), Layer.provide(files.layer))
      const app = yield* App.start(main)
      yield* TestClock.adjust(50)
      expect(app.lifecycle.stateUnsafe()).toBe("Starting")
      yield* files.write(path, "host: b", { modified: 50 })
      yield* TestClock.adjust(200)
      expect(app.lifecycle.stateUnsafe()).toBe("Running")
    })
  )
})

describe("an old instance", () => {
  it.effect("is released when its last borrower has left, and meanwhile others use the new one", () =>
    Effect.gen(function* () {
      const { client, files, log } = yield* live()
      const gate = yield* Deferred.make<void>()
      const borrower = yield* Effect.forkChild(client.use((host) => Effect.as(Deferred.await(gate), host)))
      yield* files.write(path, "host: b")
      yield* settle
      expect([yield* client.use(Effect.succeed), log]).toEqual(["b", ["+a", "+b"]])
      yield* Deferred.succeed(gate, undefined)
      expect(yield* Fiber.join(borrower)).toBe("a")
      yield* settle
      expect(log).toEqual(["+a", "+b", "-a"])
    })
  )

  it.effect("is not waited for longer than its limit", () =>
    Effect.gen(function* () {
      const lines: Array<string> = []
      const logger = Logger.make<unknown, void>(({ message }) => void lines.push(String(message)))
      const { client, files, log } = yield* live({ retireTimeout: 1000 }).pipe(Effect.provide(Logger.layer([logger])))
      yield* Effect.forkChild(client.use(() => Effect.never))
      yield* files.write(path, "host: b")
      yield* TestClock.adjust(1000)
      expect(log).toEqual(["+a", "+b"])
      yield* TestClock.adjust(200)
      expect(log).toEqual(["+a", "+b", "-a"])
      expect(lines.join("\n")).toContain("Client: generation 1 is still used 1 times 1s after it was replaced")
    })
  )

  it.effect("whose release fails is told once, with its name and cause", () =>
    Effect.gen(function* () {
      const lines: Array<string> = []
      const logger = Logger.make<unknown, void>(
        ({ cause, message }) => void lines.push(`${String(message)} ${String(cause.reasons.length)}`)
      )
      const { files } = yield* live({ release: (host) => (host === "a" ? Effect.die("stuck") : Effect.void) }).pipe(
        Effect.provide(Logger.layer([logger]))
      )
      yield* files.write(path, "host: b")
      yield* settle
      expect(lines.filter((line) => line.includes("cleanly"))).toEqual([
        "Client: generation 1 failed to be released cleanly 1"
      ])
    })
  )
})

describe("a stop", () => {
  const stop = (app: App.App) =>
    Effect.gen(function* () {
      yield* app.lifecycle.requestStop(StopReason.requested("test"))
      for (let n = 0; n < 40; n++) yield* TestClock.adjust(250)
      return yield* app.stopped
    })

  it.effect("abandons a reload that is going on: the old instance serves to the end, and all is released once", () =>
    Effect.gen(function* () {
      const { app, client, files, log } = yield* live({
        build: (host) => (host === "b" ? Effect.never : Effect.void)
      })
      yield* files.write(path, "host: b")
      yield* settle
      expect(app.lifecycle.stateUnsafe()).toBe("Reloading")
      yield* app.lifecycle.requestStop(StopReason.requested("test"))
      expect(yield* client.use(Effect.succeed)).toBe("a")
      const report = yield* stop(app)
      expect([told(app.events), log, report.outcome._tag, report.duration, report.exitCode]).toEqual([
        ["started by file", "abandoned"],
        ["+a", "-a"],
        "Clean",
        0,
        0
      ])
    })
  )

  it.effect("releases every generation exactly once, those included that still had borrowers", () =>
    Effect.gen(function* () {
      const { app, client, files, log } = yield* live({ retireTimeout: 60_000 })
      yield* Effect.forkDetach(client.use(() => Effect.never))
      yield* files.write(path, "host: b")
      yield* settle
      const report = yield* stop(app)
      expect([log.toSorted(), report.outcome._tag]).toEqual([["+a", "+b", "-a", "-b"], "Clean"])
    })
  )

  it.effect("is not waited for by whoever asks for a reload then: it is refused", () =>
    Effect.gen(function* () {
      const { app, config } = yield* live()
      yield* stop(app)
      expect((yield* Effect.flip(config.reload("late")))._tag).toBe("ShuttingDown")
    })
  )
})

describe("a start", () => {
  it.effect("with a configuration that cannot be used ends with exit code 78 and everything that is wrong", () =>
    Effect.gen(function* () {
      const files = new MemoryFiles({ [path]: "hots: b\nport: eighty" })
      const main = Layer.provide(Reload.layer(Config, file), files.layer)
      const report = yield* App.launch(main)
      expect([report.exitCode, report.reason?._tag]).toEqual([78, "StartFailed"])
      expect(JSON.stringify(report.reason)).toContain("3 things are wrong")
    })
  )
})

describe("metrics", () => {
  it.effect("say which configuration is in force, since when, and how many were refused", () =>
    Effect.gen(function* () {
      const { files } = yield* live({ options: { name: "measured" } })
      yield* TestClock.adjust(10_000)
      yield* files.write(path, "host: b")
      yield* settle
      yield* files.write(path, "host: [")
      yield* settle
      const snapshot = yield* Metric.snapshot
      const values = snapshot
        .filter(({ attributes }) => attributes?.["config"] === "measured")
        .map(({ id, state }) => [id, "value" in state ? state.value : undefined])
      expect(Object.fromEntries(values)).toEqual({
        quiesce_config_version: 2,
        quiesce_config_last_success_seconds: 10.101,
        quiesce_config_rejected: 1
      })
    })
  )
})
