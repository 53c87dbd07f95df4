/**
 * The supervisor's side of the control socket; `Control` has its language.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { mkdirSync } from "node:fs"
import { createServer, type Server } from "node:http"
import { dirname } from "node:path"
import { SupervisorError } from "../SupervisorError.ts"
import { controlPathProblem } from "./controlPath.ts"
import type { Supervision } from "./Supervision.ts"
import { removeStale } from "./unixSockets.ts"

interface Answer {
  readonly status: number
  readonly body: object
}

/** Time for the last answers to leave, in milliseconds. */
const farewell = 500

/** Makes the folder of the control socket, if it is to be made. */
export const prepareFolder = (path: string): Effect.Effect<void, SupervisorError> => {
  const problem = controlPathProblem(path)
  if (problem !== undefined) return Effect.fail(new SupervisorError({ reason: "Control", detail: problem }))
  return Effect.try({
    try: () => void mkdirSync(dirname(path), { recursive: true, mode: 0o700 }),
    catch: (error) => controlError(path, error)
  })
}

/** Answers until the scope closes; whoever calls this has the lock. */
export const serveControl = (
  path: string,
  supervision: Supervision
): Effect.Effect<void, SupervisorError, Scope.Scope> =>
  // We have the lock, so no supervisor listens on it; but somebody else may, if --socket names what is theirs.
  removeStale(path).pipe(
    Effect.mapError(
      (why) =>
        new SupervisorError({
          reason: "Control",
          detail: `the control socket cannot be made: ${path} ${why}; choose another --socket`
        })
    ),
    Effect.andThen(Effect.asVoid(Effect.acquireRelease(listen(path, supervision), close)))
  )

const listen = (path: string, supervision: Supervision): Effect.Effect<Server, SupervisorError> =>
  Effect.callback((resume) => {
    const server = createServer((request, response) => {
      Effect.runFork(answer(`${request.method} ${request.url}`, supervision)).addObserver((exit) => {
        const { body, status } =
          exit._tag === "Success" ? exit.value : { status: 500, body: { message: String(exit.cause) } }
        response.writeHead(status, { "content-type": "application/json", connection: "close" })
        response.end(`${JSON.stringify(body)}\n`)
      })
    })
    server.once("error", (error) => resume(Effect.fail(controlError(path, error))))
    try {
      // The socket is made within `listen`, and is nobody else's from its first moment.
      const umask = process.umask(0o177)
      try {
        server.listen(path, () => resume(Effect.succeed(server)))
      } finally {
        process.umask(umask)
      }
    } catch (error) {
      resume(Effect.fail(controlError(path, error)))
    }
  })

const controlError = (path: string, error: unknown): SupervisorError => {
  const why = error instanceof Error ? error.message : String(error)
  return new SupervisorError({
    reason: "Control",
    detail: `the control socket ${path} cannot be opened (${why}): let --socket name one in a folder where this user may write`
  })
}

const answer = (request: string, supervision: Supervision): Effect.Effect<Answer> => {
  switch (request) {
    case "GET /status":
      return Effect.map(supervision.status, (body) => ({ status: 200, body }))
    case "GET /plan":
      return Effect.sync(() => planAnswer(supervision))
    case "POST /reload":
      return Effect.match(supervision.reload, {
        onSuccess: (body) => ({ status: 200, body }),
        onFailure: (message) => ({ status: 409, body: { message } })
      })
    case "POST /stop":
      supervision.stop("SIGTERM")
      return Effect.map(supervision.over, (exitCode) => ({ status: 200, body: { exitCode } }))
    default:
      return Effect.succeed({
        status: 404,
        body: { message: `there is no ${request}: there are GET /status, GET /plan, POST /reload and POST /stop` }
      })
  }
}

const planAnswer = ({ plan }: Supervision): Answer =>
  plan === undefined
    ? {
        status: 404,
        body: { message: "the application has told no plan: under NodeApp.run it does when it is Running" }
      }
    : { status: 200, body: plan }

const close = (server: Server): Effect.Effect<void> => {
  const closed = Effect.callback<void>((resume) => void server.close(() => resume(Effect.void)))
  return Effect.raceFirst(closed, Effect.sleep(farewell)).pipe(
    Effect.andThen(Effect.sync(() => server.closeAllConnections()))
  )
}
