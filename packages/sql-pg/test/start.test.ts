import { describe, expect, it } from "@effect/vitest"
import * as Config from "effect/Config"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Redacted from "effect/Redacted"
import * as Runtime from "effect/Runtime"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as TestClock from "effect/testing/TestClock"
import { createServer, type Socket } from "node:net"
import { inspect } from "node:util"
import * as PgComponent from "../src/PgComponent.ts"
import { PgUnavailable } from "../src/PgUnavailable.ts"
import { url } from "./support.ts"

const SECRET = "hunter2hunter2"
const once = Schedule.recurs(0)

/** What the start says, after a look that the password is in no form of it: text, JSON, inspection, cause, log. */
const startOf = Effect.fnUntraced(function* <A, E>(layer: Layer.Layer<A, E>) {
  const logs: Array<string> = []
  const capture = Logger.make((entry) => logs.push(inspect([entry.message, entry.cause], { depth: 10 })))
  const error = yield* Layer.build(layer).pipe(
    Effect.tapCause((cause) => Effect.logError("start failed", cause)),
    Effect.provide(Logger.layer([capture])),
    Effect.scoped,
    Effect.flip
  )
  const forms = [String(error), JSON.stringify(error), inspect(error, { depth: 20, showHidden: true }), ...logs]
  for (const form of forms) expect(form).not.toContain(SECRET)
  expect(error).toBeInstanceOf(PgUnavailable)
  return error as PgUnavailable
})

/** A listening socket that treats every connection as `accept` says. */
const listener = (accept: (socket: Socket) => void) =>
  Effect.acquireRelease(
    Effect.callback<{ readonly port: number; readonly close: () => void }>((resume) => {
      const sockets = new Set<Socket>()
      const server = createServer((socket) => {
        sockets.add(socket)
        socket.on("error", () => {})
        accept(socket)
      })
      server.listen(0, "127.0.0.1", () => {
        const close = () => {
          server.close()
          for (const socket of sockets) socket.destroy()
        }
        resume(Effect.succeed({ port: (server.address() as { readonly port: number }).port, close }))
      })
    }),
    ({ close }) => Effect.sync(close)
  )

describe("a start", () => {
  it.live("against a port where nobody listens names host, port, database and the next step", () =>
    Effect.gen(function* () {
      const { port, close } = yield* listener(() => {})
      close()
      const error = yield* startOf(
        PgComponent.layer({ url: Redacted.make(`postgres://me:${SECRET}@127.0.0.1:${port}/shop`), startSchedule: once })
      )
      expect(error.message).toBe(
        `postgres at 127.0.0.1:${port}/shop is not reachable: connect ECONNREFUSED 127.0.0.1:${port}; start the server there or correct host and port`
      )
    }).pipe(Effect.scoped)
  )

  it.live("against a server that never answers gives up after the connect timeout", () =>
    Effect.gen(function* () {
      const { port } = yield* listener(() => {})
      const error = yield* startOf(
        PgComponent.layer({
          host: "127.0.0.1",
          port,
          username: "me",
          password: Redacted.make(SECRET),
          database: "shop",
          connectTimeout: "100 millis",
          startSchedule: once
        })
      )
      expect(error.message).toBe(
        `postgres at 127.0.0.1:${port}/shop did not answer within 100 ms: no connection; look at the server's load and the network between`
      )
    }).pipe(Effect.scoped)
  )

  it.live("with a wrong password fails at once, whatever the schedule", () =>
    Effect.gen(function* () {
      const server = url((at) => void (at.password = SECRET))
      const { host } = new URL(Redacted.value(server))
      const [took, error] = yield* Effect.timed(startOf(PgComponent.layer({ url: server })))
      expect(Duration.toMillis(took)).toBeLessThan(1000)
      expect(error.message).toBe(
        `postgres at ${host}/app refused user "postgres": password authentication failed for user "postgres"; correct username and password, or the server's pg_hba.conf`
      )
    })
  )

  it.live("without a password where one is wanted says so", () =>
    Effect.gen(function* () {
      const error = yield* startOf(PgComponent.layer({ url: url((at) => void (at.password = "")) }))
      expect(error.reason).toEqual({
        _tag: "AuthenticationFailed",
        detail: "The server requested password authentication"
      })
    })
  )

  it.live("on a database that is not there names it and how to create it", () =>
    Effect.gen(function* () {
      const { port } = new URL(Redacted.value(url()))
      const error = yield* startOf(PgComponent.layer({ url: url((at) => void (at.pathname = "/nowhere")) }))
      expect(error.message).toBe(
        `postgres at 127.0.0.1:${port}/nowhere has no such database: database "nowhere" does not exist; create it (createdb -h 127.0.0.1 -p ${port} nowhere) or correct the database name`
      )
    })
  )

  it.live("with TLS against a server that has none says what to change", () =>
    Effect.gen(function* () {
      const error = yield* startOf(PgComponent.layer({ url: url((at) => at.searchParams.set("sslmode", "require")) }))
      expect(error.reason).toEqual({ _tag: "TlsFailed", detail: "The server does not support TLS" })
      expect(error.message).toMatch(
        /and TLS: The server does not support TLS; set sslmode in the URL, or ssl, to what the server offers$/
      )
    })
  )

  it.live("waits for a server that comes up later", () =>
    Effect.gen(function* () {
      const real = new URL(Redacted.value(url()))
      const { port, close } = yield* listener((socket) => socket.destroy())
      close()
      const late = Effect.sleep("400 millis").pipe(
        Effect.andThen(proxy(port, Number(real.port))),
        Effect.andThen(Effect.never),
        Effect.scoped
      )
      const proxying = yield* Effect.forkScoped(late)
      const layer = PgComponent.layer({ url: url((at) => void (at.port = String(port))) })
      const [took] = yield* Effect.timed(Effect.scoped(Layer.build(layer)))
      expect(Duration.toMillis(took)).toBeGreaterThan(390)
      expect(Duration.toMillis(took)).toBeLessThan(2500)
      yield* Fiber.interrupt(proxying)
    }).pipe(Effect.scoped)
  )

  it.live("can be interrupted while it waits, and leaves nothing behind", () =>
    Effect.gen(function* () {
      const { port } = yield* listener(() => {})
      const fiber = yield* Effect.forkScoped(
        Layer.build(PgComponent.layer({ host: "127.0.0.1", port, username: "me" })).pipe(Effect.scoped)
      )
      yield* Effect.sleep("100 millis")
      const [took] = yield* Effect.timed(Fiber.interrupt(fiber))
      expect(Duration.toMillis(took)).toBeLessThan(100)
    }).pipe(Effect.scoped)
  )

  it.effect("tries for 15 seconds by default, the last times a second apart", () =>
    Effect.gen(function* () {
      const at: Array<number> = []
      const attempt = Effect.clockWith((clock) => clock.currentTimeMillis).pipe(
        Effect.tap((now) => Effect.sync(() => at.push(now))),
        Effect.flatMap(() => Effect.fail("down"))
      )
      const fiber = yield* Effect.forkChild(Effect.exit(Effect.retry(attempt, PgComponent.defaultStartSchedule)))
      yield* TestClock.adjust("1 minute")
      yield* Fiber.join(fiber)
      expect(at.slice(0, 4)).toEqual([0, 100, 250, 475])
      const last = at.at(-1) ?? 0
      expect(last - (at.at(-2) ?? 0)).toBe(1000)
      expect(last).toBeGreaterThan(14_000)
      expect(last).toBeLessThanOrEqual(16_000)
    })
  )
})

describe("a configuration that cannot work", () => {
  const misconfigured = (options: PgComponent.Options) =>
    Effect.map(startOf(PgComponent.layer(options)), (error) => {
      expect(error[Runtime.errorExitCode]).toBe(78)
      return error.message
    })
  const ofUrl = (text: string) => misconfigured({ url: Redacted.make(text) })

  it.live("names the field", () =>
    Effect.gen(function* () {
      expect(yield* misconfigured({ host: "db" })).toBe(
        "postgres cannot use its configuration, username: no username; the form is postgres://username:password@host:5432/database"
      )
      expect(yield* misconfigured({ username: "me", port: 70000 })).toBe(
        "postgres cannot use its configuration, port: 70000 is not a port (1 to 65535)"
      )
      expect(yield* misconfigured({ username: "me", maxConnections: 0, name: "ledger" })).toBe(
        "ledger cannot use its configuration, maxConnections: 0 is not a number of connections; the least is 1"
      )
    })
  )

  it.live("in a URL never shows the password, however the URL is broken", () =>
    Effect.gen(function* () {
      for (const broken of [
        `postgres://me:${SECRET}/x@host/shop`,
        `postgres://me:12/${SECRET}@host/shop`,
        `postgres://me:12#${SECRET}@host/shop`,
        `postgres://me:12?${SECRET}@host/shop`,
        `postgres://me:%zz${SECRET}@host/shop`,
        `mysql://me:${SECRET}@host/shop`,
        `me:${SECRET}@host`,
        ` `
      ]) {
        expect(yield* ofUrl(broken)).toMatch(/^postgres cannot use its configuration, url: /)
      }
    })
  )

  it.live("with an unknown sslmode is one too", () =>
    Effect.gen(function* () {
      expect(yield* ofUrl(`postgres://me:${SECRET}@host/shop?sslmode=maybe`)).toMatch(
        /Unrecognized sslmode in URL: "maybe"$/
      )
    })
  )

  it.live("names the variable when it comes from Config", () =>
    Effect.gen(function* () {
      const layer = PgComponent.layerConfig({ host: Config.String("PGHOST"), username: Config.succeed("me") })
      const error = yield* Effect.flip(Effect.scoped(Layer.build(layer))).pipe(
        Effect.provide(ConfigProvider.layer(ConfigProvider.fromUnknown({})))
      )
      expect(error._tag).toBe("ConfigError")
      expect(error.message).toContain("PGHOST")
    })
  )

  it.live("of DATABASE_URL is reported under that name", () =>
    Effect.gen(function* () {
      const error = yield* startOf(PgComponent.layerUrlOrEmbedded()).pipe(
        Effect.provide(ConfigProvider.layer(ConfigProvider.fromUnknown({ DATABASE_URL: `http://${SECRET}` })))
      )
      expect(error.message).toBe(
        "postgres cannot use its configuration, DATABASE_URL: it must begin with postgres:// or postgresql://"
      )
    })
  )

  it.live("of a URL that was given comes before DATABASE_URL, under the name of that", () =>
    Effect.gen(function* () {
      const url = Redacted.make(`http://${SECRET}`)
      const error = yield* startOf(PgComponent.layerUrlOrEmbedded({ url })).pipe(
        Effect.provide(
          ConfigProvider.layer(ConfigProvider.fromUnknown({ DATABASE_URL: "postgres://127.0.0.1:1/other" }))
        )
      )
      expect(error.message).toBe(
        "postgres cannot use its configuration, DATABASE_URL: it must begin with postgres:// or postgresql://"
      )
    })
  )

  it.live("is a forgotten DATABASE_URL in production", () =>
    Effect.gen(function* () {
      const error = yield* startOf(PgComponent.layerUrlOrEmbedded()).pipe(
        Effect.provide(ConfigProvider.layer(ConfigProvider.fromUnknown({ NODE_ENV: "production", DATABASE_URL: "" })))
      )
      expect(error.message).toMatch(
        /^postgres cannot use its configuration, DATABASE_URL: it is not set, and NODE_ENV is production/
      )
    })
  )

  it("keeps its reason through JSON", () => {
    const error = new PgUnavailable({
      component: "postgres",
      host: "db",
      port: 5432,
      database: "shop",
      username: "me",
      attempts: 3,
      reason: { _tag: "Failed", detail: "out of memory", code: "53200" }
    })
    const codec = Schema.toCodecJson(PgUnavailable)
    const back = Schema.decodeUnknownSync(codec)(JSON.parse(JSON.stringify(Schema.encodeSync(codec)(error))))
    expect(back.message).toBe("postgres at db:5432/shop failed its readiness query: out of memory (SQLSTATE 53200)")
  })
})

const proxy = (from: number, to: number) =>
  Effect.flatMap(
    Effect.promise(() => import("node:net")),
    ({ connect, createServer }) =>
      Effect.acquireRelease(
        Effect.sync(() => {
          const sockets: Array<Socket> = []
          const server = createServer((socket) => {
            const upstream = connect(to, "127.0.0.1")
            sockets.push(socket, upstream)
            for (const end of [socket, upstream]) end.on("error", () => {})
            socket.pipe(upstream).pipe(socket)
          }).listen(from, "127.0.0.1")
          return { server, sockets }
        }),
        ({ server, sockets }) =>
          Effect.sync(() => {
            server.close()
            for (const socket of sockets) socket.destroy()
          })
      )
  )
