/**
 * Liveness, readiness and startup probes: `/livez`, `/readyz`, `/startupz`.
 */
import * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as ListenFds from "@quiesce/node/ListenFds"
import { Lifecycle } from "quiesce/Lifecycle"
import * as probes from "./internal/probes.ts"
import { listen } from "./internal/probeServer.ts"
import type { ListenError } from "./ListenError.ts"

export interface Options {
  /** The port; 0 takes a free one, see `HealthProbes.address`. */
  readonly port: number
  /**
   * The address to listen on.
   *
   * @default "127.0.0.1": the probes tell a stranger about the inside. Where the prober comes from outside, as Kubernetes
   * does, say so: `"0.0.0.0"`
   */
  readonly host?: string | undefined
}

/** Where the probes are. */
export interface Address {
  readonly host: string
  readonly port: number
  /** For example `http://127.0.0.1:9000`, without a path. */
  readonly url: string
}

/**
 * The server of the probes.
 */
export class HealthProbes extends Context.Service<HealthProbes, { readonly address: Address }>()(
  "@quiesce/http/HealthProbes"
) {}

/**
 * The probes on a port of their own.
 *
 * | probe | 200 | 503 |
 * | --- | --- | --- |
 * | `/livez` | whenever the event loop answers | a `Health.liveness` check fails; a blocked loop does not answer at all |
 * | `/readyz` | `Running`, and health is Healthy or Degraded | `Starting`, Unhealthy, and from `LameDuck` to the end |
 * | `/startupz` | once `Running` was reached and every startup check has passed | before |
 *
 * The body names the checks: `{"status":"fail","checks":[{"name":"lifecycle","status":"fail","detail":"LameDuck: ..."}]}`;
 * what makes the application Degraded has the status `warn`. An answer is what is known already: no probe waits for a check.
 *
 * **When to use**: in every service that something else watches. The port of its own is what lets the probes answer while
 * the application's server is not listening yet, or no more. Where only one port is to be had, use `routes`.
 *
 * **Inherited sockets**: an inherited socket (`quiesce run --listen`, systemd) with this port, or with the name `probes`, is
 * served instead of an own one. While an application is replaced its old and its new life share it, and either may answer.
 *
 * **Order**: provide it outermost, last in the pipe. What is provided outermost is built first and released last, so it
 * answers until everything else has been released.
 *
 * **Errors**: `ListenError` when the port cannot be had; it names host and port.
 *
 * **Interruption safety**: nothing of the application waits for it, and it waits for nobody: its release closes the
 * connections of those who are probing.
 *
 * @example
 * ```ts
 * import * as Layer from "effect/Layer"
 * import * as HttpRouter from "effect/http/HttpRouter"
 * import * as HttpServerResponse from "effect/http/HttpServerResponse"
 * import { createServer } from "node:http"
 * import * as HealthProbes from "@quiesce/http/HealthProbes"
 * import * as HttpDrain from "@quiesce/http/HttpDrain"
 *
 * const App = HttpRouter.serve(HttpRouter.add("GET", "/", HttpServerResponse.text("hello"))).pipe(
 *   Layer.provide(HttpDrain.layer(() => createServer(), { port: 3000 })),
 *   Layer.provide(HealthProbes.layer({ port: 9000 }))
 * )
 * ```
 */
export const layer = (options: Options): Layer.Layer<HealthProbes, ListenError, Lifecycle> =>
  Layer.effect(HealthProbes)(make(options))

/**
 * `layer`, with port and host read from `Config`.
 *
 * @example
 * ```ts
 * import * as Config from "effect/Config"
 * import * as HealthProbes from "@quiesce/http/HealthProbes"
 *
 * const Probes = HealthProbes.layerConfig({
 *   port: Config.Port("PROBES_PORT").pipe(Config.withDefault(9000)),
 *   host: Config.String("PROBES_HOST").pipe(Config.withDefault("127.0.0.1"))
 * })
 * ```
 */
export const layerConfig = (
  options: Config.Wrap<Options>
): Layer.Layer<HealthProbes, ListenError | Config.ConfigError, Lifecycle> =>
  Layer.effect(HealthProbes)(Effect.flatMap(Config.unwrap(options), make))

/**
 * The probes as routes of the application's own router: without access log, and exempt from the refusals of `HttpDrain`.
 *
 * **When to use**: where only one port is to be had. They answer as long as the application's server listens, which ends
 * early in `Draining`; a prober then sees a refused connection, which counts as not ready and, for Kubernetes, while the
 * pod is being deleted, does no harm.
 *
 * @example
 * ```ts
 * import * as Layer from "effect/Layer"
 * import * as HttpRouter from "effect/http/HttpRouter"
 * import * as HttpServerResponse from "effect/http/HttpServerResponse"
 * import * as HealthProbes from "@quiesce/http/HealthProbes"
 *
 * const Routes = Layer.mergeAll(HttpRouter.add("GET", "/", HttpServerResponse.text("hello")), HealthProbes.routes)
 * ```
 */
export const routes: Layer.Layer<never, never, HttpRouter.HttpRouter | Lifecycle> = HttpRouter.use(
  Effect.fnUntraced(function* (router) {
    const seen = yield* watch
    for (const path of probes.paths) {
      const response = Effect.sync(() => {
        const { body, status } = probes.answer(path, seen())
        const headers = { "cache-control": "no-store" }
        return HttpServerResponse.text(body, { status, contentType: probes.contentType, headers })
      })
      yield* router.add("GET", path, response)
    }
  })
).pipe(Layer.provide(HttpRouter.disableLogger))

const make = Effect.fnUntraced(function* ({ host = "127.0.0.1", port }: Options) {
  const seen = yield* watch
  const inherited = yield* ListenFds.take({ name: "probes", port })
  return { address: yield* listen({ host, port, fd: inherited?.fd }, (path) => probes.answer(path, seen())) }
})

/** The state now, whether it has ever been Running, and the health. */
const watch: Effect.Effect<() => probes.Seen, never, Lifecycle | Scope.Scope> = Effect.gen(function* () {
  const lifecycle = yield* Lifecycle
  let started = false
  yield* lifecycle.changes.pipe(
    Stream.filter((state) => state === "Running"),
    Stream.take(1),
    Stream.runForEach(() => Effect.sync(() => void (started = true))),
    Effect.forkScoped({ startImmediately: true })
  )
  return () => {
    const state = lifecycle.stateUnsafe()
    started ||= state === "Running"
    return { state, started, health: lifecycle.health.summaryUnsafe() }
  }
})
