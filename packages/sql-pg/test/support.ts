/** What these tests share: a pool on the run's server, and logs that can be read. */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Redacted from "effect/Redacted"
import * as Scope from "effect/Scope"
import * as SqlClient from "effect/sql/SqlClient"
import { inspect } from "node:util"
import { inject } from "vitest"
import type { Options } from "../src/PgComponent.ts"
import * as PgComponent from "../src/PgComponent.ts"

/** The URL of the run's server, with parts replaced. */
export const url = (change: (url: URL) => void = () => {}): Redacted.Redacted => {
  const server = new URL(inject("postgres"))
  change(server)
  return Redacted.make(server.href)
}

/** A pool in a scope that the test closes by hand, and all that was logged. */
export const open = Effect.fnUntraced(function* (options: Options) {
  const logs: Array<string> = []
  const capture = Logger.make(({ logLevel, message }) => {
    logs.push(
      `${logLevel.toUpperCase()} ${[message]
        .flat()
        .map((part) => (typeof part === "string" ? part : inspect(part)))
        .join(" ")}`
    )
  })
  const logger = Logger.layer([capture])
  const scope = yield* Scope.make()
  const context = yield* Layer.buildWithScope(Layer.provideMerge(PgComponent.layer(options), logger), scope)
  const sql = yield* Effect.provideContext(SqlClient.SqlClient, context)
  const close = Effect.gen(function* () {
    const start = performance.now()
    const exit = yield* Effect.exit(Effect.provide(Scope.close(scope, Exit.void), logger))
    return {
      took: performance.now() - start,
      failure: Exit.isFailure(exit) ? Cause.pretty(exit.cause).split("\n", 1)[0] : undefined
    }
  })
  return { sql, context, close, logs }
})
