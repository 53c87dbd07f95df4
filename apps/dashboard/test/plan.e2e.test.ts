import { expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as App from "quiesce/App"
import dashboard from "../src/app.ts"
import { parseMillis } from "../src/settings/millis.ts"
import { processOptions } from "../src/settings/processOptions.ts"
import { scopedFolder } from "./support/folder.ts"
import { environment } from "./support/stores.ts"

const variants: ReadonlyArray<Record<string, string>> = [{}, { GRACE_PERIOD: "6 s", LAME_DUCK: "1 s" }]

it.live("the plan of a stop, with a Postgres of its own, fits the grace period, which fits the platform's", () =>
  Effect.gen(function* () {
    const folder = yield* scopedFolder
    for (const variant of variants) {
      const env = { ...variant, PORT: "0", HEALTH_PORT: "0", DATA_DIR: folder, LOG_FORMAT: "json" }
      const app = Layer.provide(dashboard, environment(env))
      const plan = yield* App.plan(app, { ...processOptions(env), platformGrace: "30 seconds" })
      expect(plan.gracePeriod).toBe(parseMillis(variant["GRACE_PERIOD"] ?? "25 s"))
      expect(plan.components.filter(({ own }) => own).map(({ name }) => name)).toEqual([
        "postgres",
        "embedded-postgres"
      ])
      expect(plan.problems).toEqual([])
    }
  }).pipe(Effect.provide(Logger.layer([])))
)
