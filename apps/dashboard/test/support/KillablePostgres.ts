/** A Postgres of a test's own that can be killed with -9, and comes back with its data, on the same port. */
import * as EmbeddedPostgres from "@quiesce/sql-pg/EmbeddedPostgres"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Logger from "effect/Logger"
import * as Redacted from "effect/Redacted"
import * as Scope from "effect/Scope"
import { scopedFolder } from "./folder.ts"

export const make = Effect.gen(function* () {
  const dataDir = yield* scopedFolder
  const outer = yield* Scope.Scope

  const start = Effect.fnUntraced(
    function* (port: number | undefined) {
      const scope = yield* Scope.fork(outer)
      const server = yield* EmbeddedPostgres.scoped({
        dataDir,
        port,
        durable: false
      }).pipe(Scope.provide(scope))
      return { scope, server }
    },
    Effect.provide(Logger.layer([])) // that it has died is no news here
  )

  let current = yield* start(undefined)
  const { port, url } = current.server
  return {
    url: Redacted.value(url),
    port,
    /** Its sessions notice for themselves. */
    kill: Effect.sync(() => void process.kill(current.server.pid, "SIGKILL")),
    restart: Effect.gen(function* () {
      yield* Scope.close(current.scope, Exit.void)
      current = yield* start(port)
    })
  }
})

export type KillablePostgres = Effect.Success<typeof make>
