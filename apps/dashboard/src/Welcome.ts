/** Where to look and what to try, printed when everything runs. */
import { HealthProbes } from "@quiesce/http/HealthProbes"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as HttpServer from "effect/http/HttpServer"
import * as Layer from "effect/Layer"
import * as Component from "quiesce/Component"
import { Settings } from "./settings/Settings.ts"

export const layer = Layer.effectDiscard(
  Effect.gen(function* () {
    const { embedded, gracePeriod, logFormat } = yield* Settings
    const api = HttpServer.formatAddress((yield* HttpServer.HttpServer).address)
    const health = (yield* HealthProbes).address.url
    if (logFormat === "json") return yield* Effect.logInfo(`ready on ${api}, probes on ${health}`)
    yield* Console.log(`
QA dashboard is ready: ${api}/docs
It stores in ${embedded ? "a Postgres of its own; set DATABASE_URL to use another" : "the Postgres that DATABASE_URL names"}.

Try, in another terminal (the numbers are the ids of the answers before):
  curl --json '{"name":"shop"}' ${api}/projects
  curl --json '{"name":"checkout","cases":["cart","payment","receipt"]}' ${api}/projects/1/suites
  curl --json '{"label":"nightly"}' -H 'Idempotency-Key: nightly-1' ${api}/suites/1/runs
  curl ${api}/runs/1              # queued, running, passed or failed
  curl ${api}/runs/1/events       # who executed it, and when
  curl ${api}/runs/1/results      # when it has ended
  curl ${api}/openapi.json        # all there is, for machines
  curl -i ${health}/readyz     # also /livez, /startupz

Ctrl+C stops: runs finish or go back to the queue, within ${gracePeriod / 1000} s. A second Ctrl+C leaves at once.
`)
  })
).pipe(Component.make("welcome"))
