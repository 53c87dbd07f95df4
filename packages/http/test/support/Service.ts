/**
 * A service inside the test's own process, with the real stop pipeline.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import { HttpServer } from "effect/http/HttpServer"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as App from "quiesce/App"
import type { Event } from "quiesce/Event"
import type { Lifecycle } from "quiesce/Lifecycle"
import type * as Report from "quiesce/Report"
import * as StopReason from "quiesce/StopReason"
import { subscribe, unsubscribe } from "node:diagnostics_channel"
import { createServer } from "node:http"
import * as HttpDrain from "../../src/HttpDrain.ts"
import type { ListenError } from "../../src/ListenError.ts"

export interface ServiceOptions {
  readonly app?: App.Options
  readonly drain?: HttpDrain.DrainOptions
  readonly server?: Parameters<typeof HttpDrain.layer>[0]
  /** Around everything, as the health probes are. */
  readonly around?: Layer.Layer<never, ListenError, Lifecycle>
  /** What the routes need before they are there. */
  readonly before?: Layer.Layer<never, never, Lifecycle>
}

export class Service {
  readonly app: App.App
  readonly port: number

  private constructor(app: App.App, port: number) {
    this.app = app
    this.port = port
  }

  static async start<E, R>(routes: Layer.Layer<never, E, R>, options: ServiceOptions = {}): Promise<Service> {
    const listening = Deferred.makeUnsafe<number>()
    const Tell = Layer.effectDiscard(
      Effect.flatMap(HttpServer, ({ address }) => Deferred.succeed(listening, "port" in address ? address.port : 0))
    )
    const Served = HttpRouter.serve(routes, { disableLogger: true, disableListenLog: true }).pipe(
      Layer.provide(options.before ?? Layer.empty)
    )
    const Main = Layer.mergeAll(Tell, Served).pipe(
      Layer.provide(
        HttpDrain.layer(options.server ?? (() => createServer()), { port: 0, host: "127.0.0.1" }, options.drain)
      ),
      Layer.provide(options.around ?? Layer.empty)
    )
    const app = await Effect.runPromise(
      Effect.provide(App.start(Main as Layer.Layer<never, unknown, Lifecycle>, options.app), Logger.layer([]))
    )
    return new Service(app, await Effect.runPromise(Deferred.await(listening)))
  }

  /** Waits until the application has reached this state. */
  reached(state: string): Promise<void> {
    return until(() => this.app.lifecycle.stateUnsafe() === state)
  }

  /** Waits until this has happened. */
  told(tag: Event["_tag"]): Promise<void> {
    return until(() => this.app.events.some(({ _tag }) => _tag === tag))
  }

  /** Waits until so much is in flight. */
  inFlight(kind: string, count: number): Promise<void> {
    return until(() => (this.app.lifecycle.statusUnsafe().inFlight[kind] ?? 0) === count)
  }

  stop(): Promise<Report.Report> {
    this.app.requestStopUnsafe(StopReason.requested("the test"))
    return this.stopped()
  }

  stopped(): Promise<Report.Report> {
    return Effect.runPromise(this.app.stopped)
  }
}

/** Completes when node has read a request, on whatever server, and whether anybody serves it or not. */
export const requestRead = (): Promise<void> =>
  new Promise((resolve) => {
    const read = (): void => {
      unsubscribe("http.server.request.start", read)
      resolve()
    }
    subscribe("http.server.request.start", read)
  })

/** Looks once a turn of the event loop. */
const until = (condition: () => boolean): Promise<void> =>
  new Promise((resolve) => {
    const look = () => (condition() ? resolve() : void setImmediate(look))
    look()
  })
