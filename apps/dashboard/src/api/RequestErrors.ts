/** A request that does not fit the API is answered with 400 and the names of the fields that do not. */
import * as Effect from "effect/Effect"
import type { HttpApiSchemaError } from "effect/http-api/HttpApiError"
import * as HttpApiMiddleware from "effect/http-api/HttpApiMiddleware"
import * as SchemaIssue from "effect/SchemaIssue"
import { InvalidRequest } from "../domain/errors.ts"

export class RequestErrors extends HttpApiMiddleware.Service<RequestErrors>()("dashboard/RequestErrors", {
  error: InvalidRequest
}) {}

const format = SchemaIssue.makeFormatterStandardSchemaV1()

/** What a client calls the parts of its request. */
const places: Readonly<Record<HttpApiSchemaError["kind"], string>> = {
  Params: "path",
  Headers: "header",
  Query: "query",
  Payload: "body",
  Body: "response",
  ResponseHeaders: "response"
}

export const layer = HttpApiMiddleware.layerSchemaErrorTransform(RequestErrors, (error) => {
  // What we answer does not fit: that is our fault, a 500 with a log line.
  if (error.kind === "Body" || error.kind === "ResponseHeaders") return Effect.fail(error)
  const issues = format(error.cause.issue).issues.map(({ message, path = [] }) => ({
    field: [places[error.kind], ...path.map((part) => String(typeof part === "object" ? part.key : part))].join("."),
    message
  }))
  return Effect.fail(
    new InvalidRequest({
      message: `the request was not accepted: ${issues.map(({ field, message }) => `${field}: ${message}`).join("; ")}`,
      issues
    })
  )
})
