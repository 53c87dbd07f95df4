/**
 * A network in memory: sockets and HTTP between the parts of an application, in simulated time and in the order of the seed,
 * with the faults of a real one.
 */
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Etag from "effect/http/Etag"
import { HttpClient } from "effect/http/HttpClient"
import type * as HttpPlatform from "effect/http/HttpPlatform"
import * as HttpServer from "effect/http/HttpServer"
import { ServeError } from "effect/http/HttpServerError"
import type * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as NetAddress from "effect/net/NetAddress"
import type * as Path from "effect/Path"
import * as Random from "effect/Random"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { Socket } from "effect/socket/Socket"
import { SocketServer, SocketServerError, SocketServerOpenError } from "effect/socket/SocketServer"
import { Fault } from "./internal/Fault.ts"
import * as http from "./internal/wire/http.ts"
import { Network } from "./internal/wire/Network.ts"
import * as sockets from "./internal/wire/sockets.ts"

export { blackHole, cut, Fault, halfOpen, latency, refuse } from "./internal/Fault.ts"
export { WireError } from "./internal/wire/Flow.ts"

/** How an HTTP server on a wire ends. */
export interface HttpServerOptions {
  /**
   * How long its release waits for the requests that were accepted, before it interrupts them.
   *
   * @default 20 seconds, as `NodeHttpServer`
   */
  readonly gracefulShutdownTimeout?: Duration.Input | undefined
}

/**
 * A network of its own. An address is any `"host:port"`; whoever has the same `Wire` can listen there, and reach it.
 *
 * **When to use**: to simulate an application that opens sockets. Real ones live in real time: while one is awaited, virtual
 * time flies and every timeout fires. What the application builds on effect's `Socket`, `SocketServer`, `HttpClient` and
 * `HttpServer` gets these in their place; for a driver with sockets of its own take a layer that stays in memory, or a real
 * process and `FaultProxy`.
 *
 * **Details**
 * - Whoever reads and writes waits in its own fiber, by effect's Clock. With the same seed everything arrives in the same order.
 * - Errors are those of Node's sockets, with the same codes in a `WireError` as their cause.
 * - At most 64 KiB of each direction are on the way; who writes more has to wait.
 * - An HTTP request has a connection of its own. Bodies are streamed; the head, and a form, arrive as they are. Routes are
 *   interrupted when their client gives up.
 * - There is no TLS, no WebSocket and no keep-alive; what `HttpDrain` does about connections needs real ones.
 *
 * **Interruption safety**: every switch is atomic. A connection ends with the scope of its reader, its writer only half of it.
 *
 * @example
 * ```ts
 * import * as Effect from "effect/Effect"
 * import * as HttpRouter from "effect/http/HttpRouter"
 * import * as HttpServerResponse from "effect/http/HttpServerResponse"
 * import * as Layer from "effect/Layer"
 * import * as TestApp from "@quiesce/testing/TestApp"
 * import * as Wire from "@quiesce/testing/Wire"
 *
 * const Routes = HttpRouter.add("GET", "/", HttpServerResponse.text("hello"))
 *
 * const test = Effect.gen(function* () {
 *   const wire = yield* Wire.make
 *   const app = yield* TestApp.make(
 *     HttpRouter.serve(Routes).pipe(
 *       Layer.provide(Wire.layerHttpServer("shop:80")),
 *       Layer.provide(Layer.succeed(Wire.Wire, wire))
 *     )
 *   )
 *   const asking = yield* Effect.forkChild(app.use(wire.httpClient.get("http://shop/")))
 *   yield* wire.set("shop:80", Wire.latency(100))
 *   yield* app.advance("200 millis")
 *   return asking
 * })
 * ```
 */
export class Wire extends Context.Service<
  Wire,
  {
    /** What is wrong with the way to an address, from now on, for open connections and for new ones. */
    readonly set: (address: string, fault: Fault) => Effect.Effect<void>
    /** Everything works again; what cannot go on is reset. */
    readonly heal: (address: string) => Effect.Effect<void>
    /** How many connections to an address have not been left by both sides. */
    readonly connections: (address: string) => Effect.Effect<number>
    /** A client: its `reader` connects, each time anew. */
    readonly socket: (address: string) => Socket
    readonly socketServer: (address: string) => Effect.Effect<SocketServer["Service"], SocketServerError, Scope.Scope>
    /** It finds its server by the host and the port of the URL. */
    readonly httpClient: HttpClient
    readonly httpServer: (
      address: string,
      options?: HttpServerOptions
    ) => Effect.Effect<HttpServer.HttpServer["Service"], ServeError, Scope.Scope>
  }
>()("@quiesce/testing/Wire") {}

/** Something that happens to the way to an address, so many milliseconds after the network was made; `null` heals it. */
export const FaultAt = Schema.Struct({ at: Schema.Number, address: Schema.String, fault: Schema.NullOr(Fault) })

export type FaultAt = typeof FaultAt.Type

/**
 * A network where nothing is wrong yet.
 *
 * **When to use**: in a test that sets the faults itself, by hand or at a failpoint
 * (`Failpoint.arm({ "orders.between": wire.set("db:5432", Wire.cut()) })`); the application gets it as
 * `Layer.succeed(Wire.Wire, wire)`.
 *
 * **Interruption safety**: a synchronous step.
 */
export const make: Effect.Effect<Wire["Service"]> = Effect.sync(() => {
  const network = new Network()
  const set = (address: string, fault: Fault | undefined) =>
    Effect.flatMap(Random.Random, (random) =>
      Effect.sync(() => network.place(address).set(fault, () => random.nextDoubleUnsafe()))
    )
  return Wire.of({
    set,
    heal: (address) => set(address, undefined),
    connections: (address) => Effect.sync(() => network.place(address).open.size),
    socket: (address) => sockets.client(network.connect(address)),
    socketServer: (address) =>
      network.listen(address).pipe(
        Effect.mapBoth({
          onSuccess: (listener) => SocketServer.of({ address: socketAddressOf(address), run: sockets.run(listener) }),
          onFailure: (cause) => new SocketServerError({ reason: new SocketServerOpenError({ cause }) })
        })
      ),
    httpClient: http.client((address) => network.connect(address)),
    httpServer: (address, options) =>
      network.listen(address).pipe(
        Effect.mapBoth({
          onSuccess: (listener) =>
            HttpServer.make({
              address: socketAddressOf(address),
              serve: http.serve(listener, options?.gracefulShutdownTimeout ?? "20 seconds")
            }),
          onFailure: (cause) => new ServeError({ cause })
        })
      )
  })
})

/**
 * A network, and what happens to it: at the times of the plan, counted from when the layer was built.
 *
 * **When to use**: around an application in `Simulation`, where each life needs a network of its own. The plan is plain data
 * (`FaultAt`), so that it can be drawn, kept and played again.
 *
 * **Interruption safety**: what has not happened when the layer is released does not happen.
 *
 * @example
 * ```ts
 * import * as Wire from "@quiesce/testing/Wire"
 *
 * const network = Wire.layer([
 *   { at: 200, address: "db:5432", fault: Wire.blackHole() },
 *   { at: 900, address: "db:5432", fault: null }
 * ])
 * ```
 */
export const layer = (plan: ReadonlyArray<FaultAt> = []): Layer.Layer<Wire> =>
  Layer.effect(
    Wire,
    Effect.tap(make, (wire) =>
      Effect.forEach(plan, ({ address, at, fault }) =>
        (fault === null ? wire.heal(address) : wire.set(address, fault)).pipe(Effect.delay(at), Effect.forkScoped)
      )
    )
  )

/** A client's socket, in the place of `NodeSocket.layerNet`: its `reader` connects, each time anew. */
export const layerSocket = (address: string): Layer.Layer<Socket, never, Wire> =>
  Layer.effect(
    Socket,
    Wire.useSync((wire) => wire.socket(address))
  )

/**
 * A server of sockets, in the place of `NodeSocketServer.layer`. Released, it resets the connections that its handlers have not
 * left.
 */
export const layerSocketServer = (address: string): Layer.Layer<SocketServer, SocketServerError, Wire> =>
  Layer.effect(
    SocketServer,
    Wire.use((wire) => wire.socketServer(address))
  )

/** An HTTP client, in the place of `NodeHttpClient.layerNodeHttp` or `FetchHttpClient.layer`. */
export const layerHttpClient: Layer.Layer<HttpClient, never, Wire> = Layer.effect(
  HttpClient,
  Wire.useSync((wire) => wire.httpClient)
)

/**
 * An HTTP server, and what its routes need, in the place of `NodeHttpServer.layer` or `HttpDrain.layer`. It ends as the
 * former does, by itself; put a `DrainGate` into the routes whose requests the drain has to wait for. Files are none.
 */
export const layerHttpServer = (
  address: string,
  options?: HttpServerOptions
): Layer.Layer<
  HttpServer.HttpServer | HttpPlatform.HttpPlatform | Etag.Generator | FileSystem.FileSystem | Path.Path,
  ServeError,
  Wire
> =>
  Layer.mergeAll(
    Layer.effect(
      HttpServer.HttpServer,
      Wire.use((wire) => wire.httpServer(address, options))
    ),
    HttpServer.layerServices
  )

/** Effect's addresses have no names: any name is this host. */
const socketAddressOf = (address: string): NetAddress.SocketAddress => {
  const port = Number(address.slice(address.lastIndexOf(":") + 1))
  const host = address.slice(0, address.lastIndexOf(":"))
  return NetAddress.inetAddressFromIpString(host, port).pipe(
    Result.getOrElse(() => NetAddress.inetAddressUnsafe(NetAddress.ipv4Loopback, port))
  )
}
