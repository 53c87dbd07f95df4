/**
 * The options of the drain with every default filled in; durations in milliseconds. The reasons are told where they are
 * public, in `HttpDrain.DrainOptions`.
 */
import * as Duration from "effect/Duration"
import type { HttpServerResponse } from "effect/http/HttpServerResponse"
import type { DrainOptions } from "../HttpDrain.ts"

export interface Limits {
  readonly name: string
  readonly quiet: number
  readonly refuse: number
  readonly idle: number
  readonly silent: number
  readonly headers: number
  readonly stall: number
  readonly webSocket: number
  readonly release: number
  readonly retryAfter: number
  readonly exempt: (url: string) => boolean
  readonly isEndless: (response: HttpServerResponse) => boolean
}

/** Time a client gets to read its answer after our half of the connection is closed, before it may be reset. */
export const linger = 500

export const resolve = (options: DrainOptions = {}): Limits => {
  const exempt = new Set(options.exempt ?? ["/livez", "/readyz", "/startupz"])
  return {
    name: options.name ?? "http",
    quiet: Duration.toMillis(options.quiet ?? 60),
    refuse: Duration.toMillis(options.refuseAtMost ?? 500),
    idle: Duration.toMillis(options.idleAtMost ?? 2000),
    silent: Duration.toMillis(options.silentTimeout ?? 500),
    headers: Duration.toMillis(options.headersTimeout ?? 1000),
    stall: Duration.toMillis(options.stallTimeout ?? 2000),
    webSocket: Duration.toMillis(options.webSocketTimeout ?? 1000),
    release: Duration.toMillis(options.releaseTimeout ?? 4000),
    retryAfter: Duration.toMillis(options.retryAfter ?? 1000),
    exempt: (url) => exempt.has(url.split("?", 1)[0] ?? url),
    isEndless: options.endOnDrain ?? isEventStream
  }
}

const isEventStream = (response: HttpServerResponse): boolean =>
  contentTypeOf(response)?.startsWith("text/event-stream") === true

/** A header of the response's own comes before what its body says. */
export const contentTypeOf = ({ body, headers }: HttpServerResponse): string | undefined =>
  headers["content-type"] ?? (body._tag === "Empty" ? undefined : body.contentType)
