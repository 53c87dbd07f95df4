/** Names and limits, wherever in a composition they are given. */
import { describe, expect, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServer from "effect/http/HttpServer"
import * as Layer from "effect/Layer"
import * as LayerMap from "effect/LayerMap"
import * as NetAddress from "effect/net/NetAddress"
import type * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"
import * as App from "quiesce/App"
import * as Component from "quiesce/Component"
import type { Report } from "quiesce/Report"
import { type AnyLayer, lifeOf, only, orderViolations, runToEnd } from "./support/scripted.ts"

class Config extends Context.Service<Config, { readonly url: string }>()("shop/Config") {}
class Db extends Context.Service<Db, { readonly url: string }>()("shop/Db") {}
class Cache extends Context.Service<Cache, { readonly url: string }>()("shop/Cache") {}

const ConfigLive = Layer.effect(Config, Effect.succeed({ url: "postgres://" }))
const DbLive = Layer.effect(
  Db,
  Effect.map(Config, ({ url }) => ({ url }))
)
const CacheLive = Layer.effect(Cache, Effect.succeed({ url: "redis://" }))

/** `name <- what it was built with`, as the report says it. */
const graphOf = (layer: AnyLayer) =>
  Effect.map(lifeOf(layer), ({ report }) =>
    report.components.map((row) => `${row.name} <- ${row.builtWith.join(", ")}`.trimEnd()).toSorted()
  )

describe("a name", () => {
  it.effect("is that of the services where nobody gave one", () =>
    Effect.gen(function* () {
      class Third extends Context.Service<Third, string>()("@third/party/Third") {}
      const many = Layer.effectContext(
        Effect.succeed(
          Context.empty().pipe(Context.add(Db, { url: "" }), Context.add(Cache, { url: "" }), Context.add(Third, ""))
        )
      )
      expect(yield* graphOf(Layer.mergeAll(DbLive.pipe(Layer.provide(ConfigLive)), CacheLive, many))).toEqual([
        "Cache <-",
        "Config <-",
        "Db <- Config",
        "Db+Cache+1 <-"
      ])
    })
  )

  it.effect("goes to what the layer itself acquires, given before or after its dependencies are provided", () =>
    Effect.gen(function* () {
      const before = DbLive.pipe(Component.make("postgres"), Layer.provide(ConfigLive))
      const after = DbLive.pipe(Layer.provide(ConfigLive), Component.make("postgres"))
      const several = DbLive.pipe(Layer.provide([ConfigLive, CacheLive]), Component.make("postgres"))
      const kept = DbLive.pipe(Layer.provideMerge(ConfigLive), Component.make("postgres"))
      expect(yield* Effect.forEach([before, after, several, kept], graphOf)).toEqual([
        ["Config <-", "postgres <- Config"],
        ["Config <-", "postgres <- Config"],
        ["Cache <-", "Config <-", "postgres <- Config, Cache"],
        ["Config <-", "postgres <- Config"]
      ])
    })
  )

  it.effect("is shared by merged layers, each with its service behind a slash", () =>
    Effect.gen(function* () {
      const stores = Layer.mergeAll(DbLive.pipe(Layer.provide(ConfigLive)), CacheLive).pipe(Component.make("stores"))
      expect(yield* graphOf(stores)).toEqual(["Config <-", "stores/Cache <-", "stores/Db <- Config"])
    })
  )

  it.effect("that is nested keeps to itself, and two of one name are told apart", () =>
    Effect.gen(function* () {
      const inner = CacheLive.pipe(Component.make("redis"))
      const outer = Layer.mergeAll(inner, DbLive.pipe(Layer.provide(ConfigLive))).pipe(Component.make("stores"))
      const twin = Layer.effectDiscard(Effect.void).pipe(Component.make("redis"))
      expect(yield* graphOf(Layer.mergeAll(outer, twin))).toEqual([
        "Config <-",
        "redis <-",
        "redis#2 <-",
        "stores <- Config"
      ])
    })
  )

  it.effect("is given to plain values, to fresh layers, and to whatever effect does not share", () =>
    Effect.gen(function* () {
      const plain = Layer.succeed(Config, { url: "" }).pipe(Component.make("config"))
      const fresh = Layer.fresh(CacheLive).pipe(Component.make("fresh cache"))
      const user = DbLive.pipe(Component.make("db"), Layer.provide(plain))
      const unwrapped = Layer.unwrap(Effect.succeed(CacheLive)).pipe(Component.make("unwrapped"))
      expect(yield* graphOf(Layer.mergeAll(user, fresh))).toEqual(["config <-", "db <- config", "fresh cache <-"])
      expect((yield* graphOf(unwrapped)).includes("unwrapped <-")).toBe(true)
    })
  )

  it.effect("works for layers that provide nothing, and for what takes the place of a layer that failed", () =>
    Effect.gen(function* () {
      const worker = Layer.effectDiscard(Effect.forkScoped(Effect.never)).pipe(Component.make("worker"))
      const broken: Layer.Layer<Cache, string> = Layer.effect(Cache, Effect.fail("no redis"))
      const cache = broken.pipe(
        Layer.catchCause(() => CacheLive),
        Component.make("cache")
      )
      const { report } = yield* lifeOf(Layer.mergeAll(worker, cache))
      expect(report.components.map((row) => `${row.name}: ${row.end}`).toSorted()).toEqual([
        "cache: start failed",
        "cache: stopped",
        "worker: stopped"
      ])
    })
  )

  it.effect("is known also of a component that could not start", () =>
    Effect.gen(function* () {
      const refused = Layer.effect(Db, Effect.andThen(Config, Effect.fail("connection refused")))
      const wrapped = [
        refused.pipe(Component.make("postgres"), Layer.provide(ConfigLive)),
        refused.pipe(Layer.provide(ConfigLive), Component.make("postgres"))
      ]
      for (const layer of wrapped) {
        const { report } = yield* lifeOf(layer)
        expect(report.failures).toEqual(["postgres could not start: connection refused"])
      }
    })
  )
})

describe("a stop timeout", () => {
  const hanging = Layer.effect(
    Db,
    Effect.andThen(
      Effect.addFinalizer(() => Effect.never),
      Effect.map(Config, ({ url }) => ({ url }))
    )
  )

  it.effect("applies wherever it was given; without one the application's applies", () =>
    Effect.gen(function* () {
      const layers = [
        hanging.pipe(Layer.provide(ConfigLive)),
        hanging.pipe(Component.make("db", { stopTimeout: "1 second" }), Layer.provide(ConfigLive)),
        hanging.pipe(Layer.provide(ConfigLive), Component.make("db", { stopTimeout: "2 seconds" })),
        Layer.mergeAll(hanging.pipe(Layer.provide(ConfigLive)), CacheLive).pipe(
          Component.make("stores", { stopTimeout: "3 seconds" })
        ),
        hanging.pipe(
          Component.make("inner", { stopTimeout: "4 seconds" }),
          Component.make("outer", { stopTimeout: "1 second" }),
          Layer.provide(ConfigLive)
        ),
        Layer.fresh(hanging.pipe(Layer.provide(ConfigLive))).pipe(Component.make("fresh", { stopTimeout: "6 seconds" }))
      ]
      const after = yield* Effect.forEach(layers, (layer) =>
        Effect.map(lifeOf(layer, { stopTimeout: "500 millis" }), ({ events }) =>
          only(events, "ComponentAbandoned").map((event) => `${event.name} after ${event.after}`)
        )
      )
      expect(after).toEqual([
        ["Db after 500"],
        ["db after 1000"],
        ["db after 2000"],
        ["stores/Db after 3000"],
        ["inner after 4000"],
        ["fresh after 6000"]
      ])
    })
  )

  it.effect("does not run while what was built with the component is still stopping", () =>
    Effect.gen(function* () {
      const slow = Layer.effectDiscard(
        Effect.andThen(
          Db,
          Effect.addFinalizer(() => Effect.sleep("3 seconds"))
        )
      ).pipe(Component.make("slow", { stopTimeout: "4 seconds" }))
      const db = DbLive.pipe(Layer.provide(ConfigLive), Component.make("db", { stopTimeout: "1 second" }))
      const { report } = yield* lifeOf(
        slow.pipe(Layer.provide(db), Component.make("both", { stopTimeout: "1 second" }))
      )
      expect([report.outcome._tag, report.duration]).toEqual(["Clean", 3000])
    })
  )
})

describe("a background fiber that dies", () => {
  const worker = (policy: Component.Policy) =>
    Layer.effectDiscard(
      Effect.forkScoped(Effect.andThen(Effect.sleep("1 second"), Effect.die(new Error("queue closed"))))
    ).pipe(Component.make("worker", policy))

  it.effect("stops the application with the component's name, or is only logged, as the policy says", () =>
    Effect.gen(function* () {
      const stopped = yield* lifeOf(worker({}), { runFor: "2 seconds" })
      expect([stopped.report.reason, stopped.report.exitCode]).toEqual([
        { _tag: "ComponentFailed", component: "worker", message: "queue closed" },
        1
      ])
      const logged = yield* lifeOf(worker({ onBackgroundFailure: "log" }), { runFor: "2 seconds" })
      expect([logged.report.reason._tag, logged.report.exitCode, logged.report.failures]).toEqual([
        "Signal",
        0,
        ["a background fiber of worker died: queue closed"]
      ])
    })
  )

  it.effect("is told of at the start and during the stop too; one that is interrupted or ends is not", () =>
    Effect.gen(function* () {
      const during = (millis: number): AnyLayer =>
        Layer.effectDiscard(
          Effect.gen(function* () {
            yield* Effect.forkScoped(Effect.void)
            yield* Effect.forkScoped(Effect.interrupt)
            yield* Effect.forkScoped(Effect.never)
            yield* Effect.addFinalizer(() => Effect.sleep("1 second"))
            yield* Effect.forkScoped(Effect.andThen(Effect.sleep(millis), Effect.die(new Error("gone"))), {
              uninterruptible: true
            })
            yield* Effect.sleep("1 second")
          })
        ).pipe(Component.make("worker"))
      const failures = yield* Effect.forEach([500, 1500, 2500], (millis) =>
        Effect.map(lifeOf(during(millis), { runFor: "2 seconds" }), ({ report }) => [
          report.failures.length,
          report.reason._tag
        ])
      )
      expect(failures).toEqual([
        [1, "ComponentFailed"],
        [1, "ComponentFailed"],
        [1, "Signal"]
      ])
    })
  )
})

describe("a component that is built with another memo map", () => {
  const logged = (log: Array<string>, name: string) =>
    Effect.acquireRelease(
      Effect.sync(() => {
        log.push(`+${name}`)
        return { url: name }
      }),
      () =>
        Effect.andThen(
          Effect.sleep("1 second"),
          Effect.sync(() => void log.push(`-${name}`))
        )
    )
  const endings = ({ report }: { readonly report: Report }) =>
    report.components.map((row) => `${row.name}: ${row.end}`).toSorted()

  it.effect("below Layer.fresh is seen, wherever that stands, and no composition with it", () =>
    Effect.gen(function* () {
      const db = Layer.effect(Db, Effect.succeed({ url: "" })).pipe(Component.make("db"))
      const cache = CacheLive.pipe(Component.make("cache"))
      const api = Layer.effectDiscard(Db).pipe(Component.make("api"))
      const stores = Layer.mergeAll(DbLive.pipe(Layer.provide(ConfigLive)), CacheLive).pipe(Component.make("stores"))
      const graphs = yield* Effect.forEach(
        [
          Layer.fresh(db),
          Layer.mergeAll(Layer.fresh(db), Layer.fresh(cache)),
          api.pipe(Layer.provide(Layer.fresh(db))),
          Layer.fresh(db).pipe(Component.make("outer")),
          Layer.mergeAll(Layer.fresh(db), Layer.fresh(db)),
          Layer.mergeAll(Layer.fresh(stores), cache)
        ],
        graphOf
      )
      expect(graphs).toEqual([
        ["db <-"],
        ["cache <-", "db <-"],
        ["api <- db", "db <-"],
        ["db <-"],
        ["db <-", "db#2 <-"],
        ["Config <-", "cache <-", "stores/Cache <-", "stores/Db <- Config"]
      ])
    })
  )

  it.effect("in a router is seen, stops in order and in its time, and the server keeps its own name", () =>
    Effect.gen(function* () {
      const log: Array<string> = []
      const sessions = Layer.effect(
        Cache,
        Effect.andThen(
          Effect.addFinalizer(() => Effect.never),
          Effect.as(Config, { url: "" })
        )
      ).pipe(Component.make("sessions", { stopTimeout: "2 seconds" }))
      const server = Layer.succeed(
        HttpServer.HttpServer,
        HttpServer.make({
          address: NetAddress.inetAddressFromIpStringUnsafe("127.0.0.1", 80),
          serve: () => Effect.asVoid(logged(log, "listening"))
        })
      )
      const http = HttpRouter.serve(Layer.effectDiscard(Cache).pipe(Layer.provide(sessions)), {
        disableListenLog: true
      }).pipe(Component.make("http"), Layer.provide(server))
      const config = Layer.effect(Config, logged(log, "config")).pipe(Component.make("config"))
      const { events, report } = yield* lifeOf(http.pipe(Layer.provide(config)))
      expect(only(events, "ComponentAbandoned").map(({ after, name }) => [name, after])).toEqual([["sessions", 2000]])
      expect(report.components.map((row) => row.name).toSorted()).toEqual(["config", "http", "http#2", "sessions"])
      expect([log, orderViolations(events)]).toEqual([["+config", "+listening", "-listening", "-config"], []])
    })
  )

  it.effect("leaves the one that builds it a component, with its name and its failure", () =>
    Effect.gen(function* () {
      const db = DbLive.pipe(Layer.provide(ConfigLive), Component.make("db"))
      const ways: ReadonlyArray<Effect.Effect<unknown, never, Scope.Scope>> = [
        Layer.build(db),
        Layer.build(Layer.fresh(db)),
        Effect.provide(Db, db),
        Effect.provide(Db, db, { local: true })
      ]
      for (const way of ways) {
        const build = Effect.andThen(logged([], "api"), way)
        const api = Layer.effectDiscard(build)
        for (const named of [
          api.pipe(Component.make("api")),
          api.pipe(Layer.provide(CacheLive), Component.make("api"))
        ]) {
          const life = yield* lifeOf(named, { runFor: 10 })
          expect(endings(life).filter((line) => !line.startsWith("C"))).toEqual(["api: stopped", "db: stopped"])
        }
        const app = yield* App.start(api.pipe(Component.make("api")))
        yield* TestClock.adjust(0)
        expect(app.lifecycle.statusUnsafe().components.map(({ name }) => name)).toContain("api")
        app.signalUnsafe("SIGTERM")
        yield* runToEnd(app)
        const broken = Layer.effectDiscard(Effect.andThen(way, Effect.fail("no port"))).pipe(Component.make("api"))
        expect((yield* lifeOf(broken)).report.failures).toEqual(["api could not start: no port"])
      }
    })
  )

  it.effect("that cannot start is what the report names, and not what only composes it", () =>
    Effect.gen(function* () {
      const db = Layer.effectDiscard(Effect.fail("no db")).pipe(Component.make("db"))
      const { report } = yield* lifeOf(Layer.mergeAll(Layer.fresh(db), CacheLive.pipe(Layer.fresh)))
      expect([report.failures, report.components.map((row) => row.name)]).toEqual([
        ["db could not start: no db"],
        ["db"]
      ])
    })
  )

  it.effect("is what the report names when it is interrupted, and not what only composes it", () =>
    Effect.gen(function* () {
      const db = Layer.effectDiscard(Effect.sleep("1 minute")).pipe(Component.make("db"))
      const life = yield* lifeOf(Layer.mergeAll(Layer.fresh(db)))
      expect(endings(life)).toEqual(["db: start interrupted"])
      const slow = Layer.fresh(Layer.effectDiscard(Effect.sleep("1 minute")))
      const between = yield* lifeOf(
        slow.pipe(Layer.provide(Layer.fresh(DbLive.pipe(Layer.provide(ConfigLive), Component.make("db")))))
      )
      expect(endings(between)).toEqual(["Config: stopped", "db: stopped"])
    })
  )

  it.effect("is released when the one that built it is left behind, and not only at the end of all", () =>
    Effect.gen(function* () {
      const db = Layer.effect(Db, logged([], "db")).pipe(Component.make("db"))
      const api = Layer.effectDiscard(
        Effect.andThen(
          Layer.build(db),
          Effect.addFinalizer(() => Effect.never)
        )
      ).pipe(Component.make("api", { stopTimeout: "2 seconds" }))
      const app = yield* App.start(Layer.effectDiscard(Effect.fail("no port")).pipe(Layer.provide(api)))
      yield* runToEnd(app)
      const told = app.events.flatMap((event) =>
        event._tag === "ComponentAbandoned" || event._tag === "ComponentStopping" ? [`${event.name} ${event.at}`] : []
      )
      expect(told).toEqual(["api 0", "api 2000", "db 2000"])
      expect(app.events.findIndex((event) => event._tag === "ComponentStopping" && event.name === "db")).toBeLessThan(
        app.events.findIndex((event) => event._tag === "StopRequested")
      )
    })
  )

  it.effect("for a moment of a start, and ends or fails, is not the rollback of that start", () =>
    Effect.gen(function* () {
      const migration = Layer.effect(Db, logged([], "migration")).pipe(Component.make("migration"))
      const refused = Layer.effect(Db, Effect.andThen(logged([], "refused"), Effect.fail("refused"))).pipe(
        Component.make("refused")
      )
      for (const moment of [migration, refused]) {
        const start = Effect.gen(function* () {
          yield* Effect.addFinalizer(() => Effect.sleep("1 second"))
          yield* Effect.exit(Effect.provide(Db, moment))
          yield* Effect.sleep("1 minute")
          return yield* Effect.fail("no port")
        })
        const app = yield* App.start(Layer.effectDiscard(start).pipe(Component.make("api")))
        const report = yield* runToEnd(app)
        expect([report.reason._tag, report.outcome._tag, report.duration]).toEqual(["StartFailed", "Clean", 1000])
      }
    })
  )
})

describe("what running code builds for a request or a tenant", () => {
  const tenant = (n: number) =>
    Layer.effect(
      Cache,
      Effect.acquireRelease(Effect.succeed({ url: `${n}` }), () => Effect.void)
    ).pipe(Component.make("tenant"))

  it.effect("comes and goes without a trace, however often", () =>
    Effect.gen(function* () {
      class Tenants extends LayerMap.Service<Tenants>()("shop/Tenants", { lookup: tenant }) {}
      const served: Array<string> = []
      const api = Layer.effectDiscard(
        Effect.gen(function* () {
          const tenants = yield* Tenants
          const request = Effect.gen(function* () {
            const n = served.length
            yield* Effect.sleep(1)
            const { url } = yield* n % 2 === 0
              ? Effect.provide(Cache, tenant(n))
              : Effect.provide(Cache, tenants.get(n))
            served.push(url)
          })
          yield* Effect.forkScoped(Effect.forever(request))
        })
      ).pipe(Layer.provide(Tenants.layer))
      for (const layer of [api.pipe(Component.make("api")), Layer.fresh(api)]) {
        served.length = 0
        const app = yield* App.start(layer)
        yield* TestClock.adjust(1)
        const before = [app.events.length, app.lifecycle.statusUnsafe().components]
        yield* TestClock.adjust(1000)
        expect(served.length).toBeGreaterThan(900)
        expect([app.events.length, app.lifecycle.statusUnsafe().components]).toEqual(before)
        app.signalUnsafe("SIGTERM")
        expect((yield* runToEnd(app)).outcome._tag).toBe("Clean")
      }
    })
  )

  it.effect("does not stop the application when it cannot be built, or when its background fiber dies", () =>
    Effect.gen(function* () {
      const refused = Layer.effect(Cache, Effect.fail("refused")).pipe(Component.make("refused"))
      const dying = Layer.effect(Cache, Effect.as(Effect.forkScoped(Effect.die("boom")), { url: "" })).pipe(
        Component.make("dying")
      )
      const seen: Array<boolean> = []
      const request = (layer: Layer.Layer<Cache, string>) =>
        Effect.exit(Effect.provide(Effect.andThen(Cache, Effect.sleep(10)), layer)).pipe(
          Effect.map((exit) => void seen.push(Exit.isSuccess(exit)))
        )
      const requests = Effect.andThen(
        Effect.sleep(10),
        Effect.forEach([refused, dying], (layer) => request(layer))
      )
      const api = Layer.effectDiscard(Effect.forkScoped(requests)).pipe(Component.make("api"))
      const { report } = yield* lifeOf(api)
      expect([seen, report.reason._tag, report.outcome._tag, report.failures]).toEqual([
        [false, true],
        "Signal",
        "Clean",
        []
      ])
    })
  )
})

describe("under a plain Layer.launch", () => {
  it.effect("a component behaves as if it were not there", () =>
    Effect.gen(function* () {
      const run = (wrap: (name: string) => <A, E, R>(layer: Layer.Layer<A, E, R>) => Layer.Layer<A, E, R>) =>
        Effect.gen(function* () {
          const log: Array<string> = []
          const part = (name: string) =>
            Effect.acquireRelease(
              Effect.sync(() => void log.push(`+${name}`)),
              () => Effect.sync(() => void log.push(`-${name}`))
            )
          const config = Layer.effect(Config, Effect.as(part("config"), { url: "u" })).pipe(wrap("config"))
          const db = Layer.effect(
            Db,
            Effect.tap(Config, () => part("db"))
          ).pipe(wrap("db"), Layer.provide(config), wrap("db"))
          const users = [1, 2].map((n) =>
            Layer.effectDiscard(Effect.tap(Db, ({ url }) => part(`user ${n} of ${url}`))).pipe(
              Layer.provide(db),
              wrap("user")
            )
          )
          const fails = Layer.effectDiscard(Effect.fail("typed" as const)).pipe(wrap("fails"))
          const [first, second] = users
          if (first === undefined || second === undefined) return log
          const fiber = yield* Effect.forkChild(Layer.launch(Layer.mergeAll(first, second)), { startImmediately: true })
          yield* TestClock.adjust(1)
          yield* Fiber.interrupt(fiber)
          log.push(String(Exit.isFailure(yield* Effect.exit(Layer.launch(fails)))))
          return log
        })
      expect(yield* run((name) => Component.make(name, { stopTimeout: 1 }))).toEqual(yield* run(() => (layer) => layer))
    })
  )

  it.effect("its context is that of the layer inside", () =>
    Effect.gen(function* () {
      const context = yield* Layer.build(DbLive.pipe(Layer.provide(ConfigLive), Component.make("db")))
      expect(Context.get(context, Db)).toEqual({ url: "postgres://" })
    })
  )
})

describe("two applications", () => {
  it.effect("may share component objects and have nothing else in common", () =>
    Effect.gen(function* () {
      const log: Array<string> = []
      const shared = Layer.effect(
        Cache,
        Effect.acquireRelease(
          Effect.sync(() => {
            log.push("+")
            return { url: "" }
          }),
          () => Effect.sync(() => void log.push("-"))
        )
      ).pipe(Component.make("cache"))
      const first = yield* App.start(shared, { name: "first" })
      const second = yield* App.start(shared, { name: "second" })
      yield* TestClock.adjust(1)
      first.signalUnsafe("SIGTERM")
      const report = yield* runToEnd(first)
      expect([log, report.components.map((row) => row.name), second.lifecycle.stateUnsafe()]).toEqual([
        ["+", "+", "-"],
        ["cache"],
        "Running"
      ])
      second.signalUnsafe("SIGTERM")
      yield* runToEnd(second)
      expect(log).toEqual(["+", "+", "-", "-"])
    })
  )
})
