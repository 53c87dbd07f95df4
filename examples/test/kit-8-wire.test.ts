import { it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Layer from "effect/Layer"
import * as Semaphore from "effect/Semaphore"
import * as Socket from "effect/socket/Socket"
import * as SocketServer from "effect/socket/SocketServer"
import * as Law from "@quiesce/testing/Law"
import * as Laws from "@quiesce/testing/Laws"
import * as Simulation from "@quiesce/testing/Simulation"
import { only } from "@quiesce/testing/Timeline"
import * as Wire from "@quiesce/testing/Wire"
import * as DrainGate from "quiesce/DrainGate"

/** The shop's API, as it runs in production: it knows a socket to its database, and an HTTP server. */
const Api = HttpRouter.use((router) =>
  Effect.gen(function* () {
    const db = yield* Socket.Socket
    const one = yield* Semaphore.make(1)
    const gate = yield* DrainGate.make("order")
    const insert = (row: string) =>
      Effect.gen(function* () {
        const pull = yield* Socket.readerString(db)
        const { write } = yield* db.writer
        yield* write(row)
        yield* pull
      }).pipe(Effect.scoped, (effect) => one.withPermit(effect), Effect.timeout("1 second"))
    yield* router.add(
      "POST",
      "/orders/:id",
      Effect.gen(function* () {
        const { id } = yield* HttpRouter.params
        yield* Effect.log(`accepted ${id}`)
        yield* insert(`order ${id}`)
        return HttpServerResponse.text("done")
      }).pipe(
        gate.run,
        Effect.catchTag("ShuttingDown", () => Effect.succeed(HttpServerResponse.empty({ status: 503 }))),
        Effect.catch(() => Effect.succeed(HttpServerResponse.empty({ status: 500 })))
      )
    )
  })
)

/** The other end of its socket: a database that takes 50 ms for a row. */
const Database = Layer.effectDiscard(
  Effect.gen(function* () {
    const server = yield* SocketServer.SocketServer
    const serve = (socket: Socket.Socket) =>
      Effect.gen(function* () {
        const { pull } = yield* socket.reader
        const { write } = yield* socket.writer
        return yield* Effect.forever(Effect.andThen(Effect.delay(pull, "50 millis"), write("ok")))
      }).pipe(Effect.scoped, Effect.ignore)
    yield* Effect.forkScoped(server.run(serve))
  })
)

/** Ten customers. They belong to the world outside, so that they are released last: when each of them knows. */
const Customers = Layer.effectDiscard(
  Effect.gen(function* () {
    const http = yield* HttpClient.HttpClient
    const order = (id: number) =>
      http.post(`http://shop/orders/${id}`).pipe(
        Effect.flatMap(({ status }) => Effect.log(`answered ${id}: ${status}`)),
        Effect.catch((error) => Effect.log(`nobody answered ${id}: ${error.message}`)),
        Effect.delay(id * 60),
        Effect.forkDetach
      )
    const ten = yield* Effect.forEach(
      Array.from({ length: 10 }, (_, index) => index + 1),
      order
    )
    yield* Effect.addFinalizer(() => Fiber.awaitAll(ten))
  })
)

const simulated = (weather: ReadonlyArray<Wire.FaultAt>) => () =>
  HttpRouter.serve(Api, { disableLogger: true }).pipe(
    Layer.provide(Wire.layerHttpServer("shop:80")),
    Layer.provide(Wire.layerSocket("db:5432")),
    Layer.provide([Database.pipe(Layer.provide(Wire.layerSocketServer("db:5432"))), Customers]),
    Layer.provide(Wire.layerHttpClient),
    Layer.provide(Wire.layer(weather))
  )

const answered = Law.make("answered", "every accepted order is answered, or the report names it", (life, violation) => {
  const lines = only(life.timeline, "Logged").map(({ message }) => message)
  // A 503 is not an answer to who was let in.
  const isAnswered = (id: string) =>
    lines.some((line) => line === `answered ${id}: 200` || line === `answered ${id}: 500`)
  const accepted = lines.flatMap((line) => line.match(/^accepted (.*)/)?.[1] ?? [])
  const isNamed = only(life.timeline, "Straggler").some(({ kind }) => kind === "order")
  // Who leaves at once, by a second signal, loses what it has asked to lose.
  const isForced = only(life.timeline, "Ended").some(({ outcome }) => outcome._tag === "Forced")
  return isNamed || isForced
    ? []
    : accepted.filter((id) => !isAnswered(id)).map((id) => violation(`order ${id} was accepted, and never answered`))
})

const laws = [...Laws.all, answered]

it.effect("every accepted order is answered or named, whatever signals come", () =>
  Simulation.explore(simulated([]), { seeds: 50, laws })
)

it.effect("so it is with a database that is slow, then cannot be reached, then is back", () =>
  Simulation.explore(
    simulated([
      { at: 100, address: "db:5432", fault: Wire.latency(10, { jitter: 50 }) },
      { at: 250, address: "db:5432", fault: Wire.blackHole() },
      { at: 400, address: "db:5432", fault: null }
    ]),
    { seeds: 50, laws }
  )
)
