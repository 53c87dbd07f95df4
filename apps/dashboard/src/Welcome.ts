/** Where to look and what to try, printed when it is true: everything runs, and what is checked passes. */
import { HealthProbes } from "@quiesce/http/HealthProbes"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as HttpServer from "effect/http/HttpServer"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import * as Component from "quiesce/Component"
import * as Health from "quiesce/Health"
import { Lifecycle } from "quiesce/Lifecycle"
import * as Tasks from "quiesce/Tasks"
import { Process, Settings } from "./settings/Settings.ts"

const welcome = Effect.gen(function* () {
  const { gracePeriod, logFormat } = yield* Process
  const { databaseUrl } = yield* (yield* Settings).current
  const api = HttpServer.formatAddress((yield* HttpServer.HttpServer).address)
  const health = (yield* HealthProbes).address.url
  yield* (yield* Lifecycle).running
  yield* Health.changes.pipe(
    Stream.filter((state) => state !== "Unhealthy"),
    Stream.runHead
  )
  if (logFormat === "json") return yield* Effect.logInfo(`ready on ${api}, probes on ${health}`)
  yield* Console.log(`
QA dashboard is ready: ${api}/docs
It stores in ${databaseUrl === undefined ? "a Postgres of its own; set databaseUrl to use another" : "the Postgres that databaseUrl names"}.

Try, in another terminal (the numbers are the ids of the answers before):
  curl --json '{"name":"shop"}' ${api}/projects
  curl --json '{"name":"checkout","cases":["cart","payment","receipt"]}' ${api}/projects/1/suites
  curl --json '{"label":"nightly"}' -H 'Idempotency-Key: nightly-1' ${api}/suites/1/runs
  curl ${api}/runs/1              # queued, running, passed or failed
  curl ${api}/runs/1/events       # who executed it, and when
  curl ${api}/runs/1/results      # when it has ended
  curl ${api}/metrics             # for Prometheus
  curl ${api}/openapi.json        # all there is, for machines
  curl -i ${health}/readyz     # also /livez, /startupz

Ctrl+C stops: runs finish or go back to the queue, within ${gracePeriod / 1000} s. A second Ctrl+C leaves at once.
`)
})

export const layer = Layer.effectDiscard(Tasks.start("welcome", welcome)).pipe(Component.make("welcome"))
