/**
 * Refused work as a declared error of an `HttpApi`: 503 with `Retry-After` and a problem document.
 */
import * as Duration from "effect/Duration"
import * as HttpApiSchema from "effect/http-api/HttpApiSchema"
import * as Schema from "effect/Schema"
import { AtCapacity } from "quiesce/AtCapacity"
import { ShuttingDown } from "quiesce/ShuttingDown"
import { Unavailable } from "quiesce/Unavailable"
import { contentType, headersOf, problemOf, type Refusal } from "./internal/refusal.ts"

export interface Options {
  /**
   * What the `Retry-After` header says, in whole seconds, at least 1. For what is `Unavailable` it is not sooner than the next
   * attempt, and there is no header when that has been given up.
   *
   * @default 1 second
   */
  readonly retryAfter?: Duration.Input | undefined
}

const members = {
  type: Schema.String,
  title: Schema.String,
  status: Schema.Number,
  detail: Schema.String
}

const { attempts, component, next, retryIn, state } = Unavailable.fields

const Body = Schema.Union([
  Schema.Struct({ ...members, _tag: Schema.Literal("AtCapacity"), kind: Schema.String, capacity: Schema.Number }),
  Schema.Struct({ ...members, _tag: Schema.Literal("ShuttingDown"), kind: Schema.String }),
  Schema.Struct({ ...members, _tag: Schema.Literal("Unavailable"), attempts, component, next, retryIn, state })
]).pipe(HttpApiSchema.asJson({ contentType }), HttpApiSchema.status(503))

/** A proxy on the way may have taken the header away, or have its own: a client reads the error all the same. */
const headers = { "retry-after": Schema.optionalKey(Schema.String) }

/**
 * What a gate, a critical section or an optional component refuses with, `AtCapacity`, `ShuttingDown` or `Unavailable`, as an
 * error of an endpoint: 503 with `Retry-After`. The client of the same `HttpApi` gets the error that the handler failed with,
 * without what an optional component had failed with, which is the operator's.
 *
 * **When to use**: in the `error` of every endpoint whose handler enters a `DrainGate` or a `CriticalSection`, or uses an
 * optional component without a way around. Routes of an `HttpRouter` need nothing: there a server of `HttpDrain` answers by
 * itself.
 *
 * **Details**: 503, and not 429, because it is the service that has no room, whoever asks; 429 would tell this one client that
 * it asks too often. An endpoint may have other errors with status 503 beside it, as long as they have no headers of their own.
 *
 * @example
 * ```ts
 * import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
 * import * as HttpRefusal from "@quiesce/http/HttpRefusal"
 *
 * const upload = HttpApiEndpoint.post("upload", "/uploads", { error: HttpRefusal.error({ retryAfter: "5 seconds" }) })
 * ```
 */
export const error = ({ retryAfter = "1 second" }: Options = {}) =>
  Schema.Union([AtCapacity, ShuttingDown, Unavailable]).pipe(
    HttpApiSchema.encodeToWithHeaders(
      { body: Body, headers },
      {
        decode: ({ body }) => refusalOf(body),
        encode: (refusal) => ({ body: problemOf(refusal), headers: headersOf(refusal, Duration.toMillis(retryAfter)) })
      }
    )
  )

const refusalOf = (body: typeof Body.Type): Refusal => {
  switch (body._tag) {
    case "AtCapacity":
      return new AtCapacity(body)
    case "ShuttingDown":
      return new ShuttingDown(body)
    case "Unavailable":
      return new Unavailable(body)
  }
}
