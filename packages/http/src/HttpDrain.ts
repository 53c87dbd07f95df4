/**
 * An HTTP server that comes to rest without losing a request: effect's own server for Node, and a drain that takes part
 * in the stop of the application.
 */
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import type * as NodeServices from "@effect/platform-node/NodeServices"
import * as Config from "effect/Config"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Etag from "effect/http/Etag"
import type * as HttpPlatform from "effect/http/HttpPlatform"
import { HttpServer } from "effect/http/HttpServer"
import type { HttpServerResponse } from "effect/http/HttpServerResponse"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import type * as Http from "node:http"
import type * as Http2 from "node:http2"
import * as ListenFds from "@quiesce/node/ListenFds"
import { Lifecycle } from "quiesce/Lifecycle"
import { drainedServer } from "./internal/drainedServer.ts"
import { Drainer } from "./internal/Drainer.ts"
import { resolve } from "./internal/limits.ts"
import { listenErrorOf } from "./internal/listenErrorOf.ts"
import type { ListenError } from "./ListenError.ts"

export { gated, isDraining, refuse, refused, stopping, untilDrain } from "./internal/handlers.ts"

/** Where to listen, as in `NodeHttpServer.layer`; how to end is said by `DrainOptions`. */
export interface Options extends Omit<
  NodeHttpServer.Options,
  "disablePreemptiveShutdown" | "gracefulShutdownTimeout"
> {}

/** Every bound holds from the moment draining begins; the drain budget of the application is above them all. */
export interface DrainOptions {
  /**
   * Its name in the progress line and in the report.
   *
   * @default "http"
   */
  readonly name?: string | undefined
  /**
   * The name of the inherited socket to serve (`quiesce run --listen <name>=<address>`, systemd's `FileDescriptorName=`);
   * `false` opens one of its own in any case.
   *
   * @default the one with the port or path of `options`, else the one with the name of this server; its own when there is none
   */
  readonly inherited?: string | false | undefined
  /**
   * The socket stops listening, and idle connections are closed, when no connection and no request has arrived for so
   * long. No waiting when nobody is connected.
   *
   * @default 60 milliseconds: with it busy clients lost no request in any measured run, and nobody notices it
   */
  readonly quiet?: Duration.Input | undefined
  /**
   * The most that `quiet` is waited for before the socket stops listening.
   *
   * @default 500 milliseconds: who is new after that is served no better by waiting
   */
  readonly refuseAtMost?: Duration.Input | undefined
  /**
   * The most that `quiet` is waited for before idle connections are closed.
   *
   * @default 2 seconds: as long as clients keep coming by on their old connections, each is told that it ends, and loses
   * nothing; closing them in the middle of that loses one request in some thousand
   */
  readonly idleAtMost?: Duration.Input | undefined
  /**
   * How long a connection may be open without having sent a byte.
   *
   * @default 500 milliseconds: the first request of a far client comes one round trip after its connection
   */
  readonly silentTimeout?: Duration.Input | undefined
  /**
   * How long the headers of a request may take to arrive in full; half of it when no more bytes come.
   *
   * @default 1 second: a lost packet is sent again after some 200 milliseconds
   */
  readonly headersTimeout?: Duration.Input | undefined
  /**
   * How long a request body may pause. One that keeps arriving has the whole drain budget.
   *
   * @default 2 seconds: more than a mobile connection needs to recover, less than a drain should wait for a dead one
   */
  readonly stallTimeout?: Duration.Input | undefined
  /**
   * How long a client has to answer the close frame of a WebSocket (1001, sent at once).
   *
   * @default 1 second: browsers answer within a round trip
   */
  readonly webSocketTimeout?: Duration.Input | undefined
  /**
   * How long to drain when the server is released outside a stop of the application, by a reload for example. What is left
   * then is interrupted, has as long again to end, and is left behind.
   *
   * @default 4 seconds: below the 5 seconds that a component has to stop
   */
  readonly releaseTimeout?: Duration.Input | undefined
  /**
   * What the `Retry-After` header of a 503 says.
   *
   * @default 1 second: another instance is there already
   */
  readonly retryAfter?: Duration.Input | undefined
  /**
   * Paths that are served also where new work is refused.
   *
   * @default `["/livez", "/readyz", "/startupz"]`: a probe wants to know the state, and a refusal hides it
   */
  readonly exempt?: ReadonlyArray<string> | undefined
  /**
   * Which streamed responses have no end of their own and are ended, with their last chunk, when draining begins. For
   * others use `untilDrain`, or let them finish.
   *
   * @default those of type `text/event-stream`; the end of any other would make a part look like the whole
   */
  readonly endOnDrain?: ((response: HttpServerResponse) => boolean) | undefined
}

type Server = Http.Server | Http2.Http2Server | Http2.Http2SecureServer

/**
 * The server alone, as an effect; see `layer`.
 */
export const make = (
  evaluate: () => Server,
  options: Options,
  drain?: DrainOptions
): Effect.Effect<HttpServer["Service"], ListenError, Lifecycle | Scope.Scope> =>
  Effect.gen(function* () {
    const lifecycle = yield* Lifecycle
    const limits = resolve(drain)
    const inherited = yield* inheritedBy(limits.name, options, drain?.inherited)
    const isShared = (): boolean => inherited !== undefined && Effect.runSync(ListenFds.isShared(inherited))
    const drainer = new Drainer(limits, isShared)
    const server = yield* NodeHttpServer.make(() => drainer.attach(addressed(evaluate(), inherited?.path)), {
      ...options,
      // Before host and port in node's eyes.
      ...(inherited === undefined ? {} : { fd: inherited.fd }),
      // Ours has ended before: node's closes idle connections with the requests that are on their way to them.
      disablePreemptiveShutdown: true,
      websocket: drainer.webSockets.track(options.websocket)
    }).pipe(Effect.mapError((error) => listenErrorOf(limits.name, options, error.cause)))
    yield* Effect.addFinalizer(() => drainer.close)
    yield* lifecycle.drainable({
      name: limits.name,
      inFlight: drainer.inFlight,
      lameDuck: drainer.lameDuck,
      drain: drainer.drain,
      interrupt: drainer.interrupt
    })
    return drainedServer(server, drainer, limits)
  })

const inheritedBy = (
  name: string,
  { path, port }: Options,
  wanted: string | false | undefined
): Effect.Effect<ListenFds.ListenFd | undefined> => {
  if (wanted === false) return Effect.succeed(undefined)
  return ListenFds.take(wanted === undefined ? { name, path, port } : { name: wanted })
}

/** Node does not know the path of a unix socket that it was handed, and effect takes for granted that it does. */
const addressed = <S extends Server>(server: S, path: string | undefined): S => {
  if (path !== undefined) server.address = () => path
  return server
}

/**
 * Effect's HTTP server for Node, drained. It takes the place of `NodeHttpServer.layer`: the same arguments, the same
 * services, one word to change.
 *
 * **When to use**: for every HTTP server of an application that `App.launch` or `NodeApp.run` runs. Behind
 * `HttpRouter.serve`, `HttpApi` or `HttpServer.serve`, over HTTP/1.1, HTTP/2 and TLS.
 *
 * It replaces the server's layer, and is not one more layer around it, because a drain has to be there before the first
 * connection, stand before the application's own listeners, and keep node's `close` from destroying connections. For that
 * it needs the server object, which is made inside that layer. Effect itself is not changed: what is overridden is one
 * method, `emit`, of that one server, when a stop begins.
 *
 * **Order**, state by state:
 * - `Starting`: requests that come before the application serves are kept and then served.
 * - `LameDuck`: everything is served; every response says `Connection: close`, HTTP/2 clients are asked for no new streams.
 * - `Draining`: requests on connections from before are served; requests on newer ones get 503 with `Retry-After`, sent
 *   when the socket has stopped listening, which it does when nothing has arrived for `quiet`. WebSockets get 1001, event
 *   streams end. Then idle connections are closed, the rest with its last response.
 * - `Interrupting`: requests still running are interrupted and answered with 503.
 * - `Releasing`: nothing is left to do, or to wait for.
 *
 * **Inherited sockets**: under `quiesce run --listen`, and under systemd's socket activation, it serves the socket that was
 * opened for it instead of opening one (see `inherited`). Others serve that socket too, the next life of the application for
 * one: so in `Draining` it stops accepting at once and refuses nobody. What it does not accept waits for who comes next. When
 * nobody comes next, because the supervisor has given the socket up, it ends as any other (see `ListenFds.isShared`).
 *
 * **Limits**: an HTTP/1.1 client that sends on an idle connection in the very moment in which it is closed gets no answer,
 * as with every server; see `quiet`. Only a lame duck longer than its pauses helps against that. Requests behind
 * `Connection: close` in a pipeline are not processed; the protocol allows the client to repeat them.
 *
 * **Interruption safety**: an interrupted drain leaves every request as it is.
 *
 * @example
 * ```ts
 * import * as Layer from "effect/Layer"
 * import * as HttpRouter from "effect/http/HttpRouter"
 * import * as HttpServerResponse from "effect/http/HttpServerResponse"
 * import { createServer } from "node:http"
 * import * as HttpDrain from "@quiesce/http/HttpDrain"
 *
 * const Hello = HttpRouter.add("GET", "/", HttpServerResponse.text("hello"))
 *
 * const App = HttpRouter.serve(Hello).pipe(
 *   Layer.provide(HttpDrain.layer(() => createServer(), { port: 3000 }))
 * )
 * ```
 */
export const layer = (
  evaluate: () => Server,
  options: Options,
  drain?: DrainOptions
): Layer.Layer<
  HttpServer | NodeServices.NodeServices | HttpPlatform.HttpPlatform | Etag.Generator,
  ListenError,
  Lifecycle
> => Layer.mergeAll(Layer.effect(HttpServer)(make(evaluate, options, drain)), NodeHttpServer.layerHttpServices)

/**
 * `layer`, with the address read from `Config`.
 *
 * @example
 * ```ts
 * import * as Config from "effect/Config"
 * import { createServer } from "node:http"
 * import * as HttpDrain from "@quiesce/http/HttpDrain"
 *
 * const Server = HttpDrain.layerConfig(() => createServer(), { port: Config.Port("PORT").pipe(Config.withDefault(3000)) })
 * ```
 */
export const layerConfig = (
  evaluate: () => Server,
  options: Config.Wrap<Options>,
  drain?: DrainOptions
): Layer.Layer<
  HttpServer | NodeServices.NodeServices | HttpPlatform.HttpPlatform | Etag.Generator,
  ListenError | Config.ConfigError,
  Lifecycle
> =>
  Layer.mergeAll(
    Layer.effect(HttpServer)(Effect.flatMap(Config.unwrap(options), (options) => make(evaluate, options, drain))),
    NodeHttpServer.layerHttpServices
  )
