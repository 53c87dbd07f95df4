/**
 * What no handler foresaw: logged once with its cause, and answered with a 500 that says so. Without it a defect would be
 * an empty 500, and nobody would know of it.
 */
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import { HttpServerRequest } from "effect/http/HttpServerRequest"
import * as HttpServerRespondable from "effect/http/HttpServerRespondable"
import * as HttpServerResponse from "effect/http/HttpServerResponse"

const answer = HttpServerResponse.jsonUnsafe(
  { _tag: "InternalError", message: "this is a fault of the dashboard, and it is in its log; try again later" },
  { status: 500 }
)

export const layer = HttpRouter.middleware(
  (httpEffect) =>
    httpEffect.pipe(
      Effect.catchDefect((defect) =>
        // Effect's own refusals (a body that is too large, one that never arrived) know their answer.
        HttpServerRespondable.isRespondable(defect)
          ? Effect.die(defect)
          : Effect.flatMap(HttpServerRequest, (request) =>
              Effect.as(Effect.logError(`${request.method} ${request.url} failed`, defect), answer)
            )
      ),
      // For the 503 of a database that does not answer; the drain's own has it already.
      Effect.map((response) =>
        response.status === 503 ? HttpServerResponse.setHeader(response, "retry-after", "1") : response
      )
    ),
  { global: true }
)
