/**
 * The asking side of the control socket; `Control` has its language.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { request } from "node:http"
import { Refusal } from "../Control.ts"
import { controlPathProblem } from "./controlPath.ts"

/**
 * - `NotRunning`: no supervisor answers. `Refused`: it does, and says why not. `Unreachable`: it may not be asked, or did not
 *   finish its answer.
 */
export class ControlError extends Schema.TaggedError<ControlError>()("ControlError", {
  reason: Schema.Literals(["NotRunning", "Refused", "Unreachable"]),
  detail: Schema.String
}) {
  override get message(): string {
    return this.detail
  }
}

interface Response {
  readonly status: number | undefined
  readonly text: string
}

/** What a supervisor that is not stopped takes to answer a question is a thousandth of it; in milliseconds. */
const patience = 5000

/** Waits for the end of a reload or a stop as long as it takes: they have their limits in the supervisor. */
export const ask = <A>(
  path: string,
  method: "GET" | "POST",
  what: string,
  schema: Schema.Codec<A, unknown>
): Effect.Effect<A, ControlError> =>
  Effect.gen(function* () {
    const asked = exchange(path, method, what)
    const { status, text } = yield* method === "POST" ? asked : Effect.raceFirst(asked, noAnswer(path))
    const decoded = status === 200 ? Schema.fromJsonString(schema) : Schema.fromJsonString(Refusal)
    const body = yield* Effect.mapError(
      Schema.decodeUnknownEffect(decoded)(text),
      () =>
        new ControlError({ reason: "Unreachable", detail: `${path} answered what this version does not understand` })
    )
    if (status === 200) return body as A
    return yield* new ControlError({ reason: "Refused", detail: (body as typeof Refusal.Type).message })
  })

const exchange = (path: string, method: string, what: string): Effect.Effect<Response, ControlError> =>
  Effect.callback((resume) => {
    const problem = controlPathProblem(path)
    if (problem !== undefined) {
      return resume(Effect.fail(new ControlError({ reason: "Unreachable", detail: problem })))
    }
    const failed = (error: NodeJS.ErrnoException): void => resume(Effect.fail(errorOf(path, error)))
    const asking = request({ socketPath: path, method, path: `/${what}`, agent: false }, (response) => {
      let text = ""
      response.setEncoding("utf8").on("data", (chunk: string) => (text += chunk))
      response.on("error", failed).on("end", () => resume(Effect.succeed({ status: response.statusCode, text })))
    })
    asking.on("error", failed).end()
    return Effect.sync(() => void asking.destroy())
  })

const noAnswer = (path: string): Effect.Effect<never, ControlError> =>
  Effect.andThen(
    Effect.sleep(patience),
    Effect.fail(
      new ControlError({
        reason: "Unreachable",
        detail: `the supervisor on ${path} did not answer within 5 s: see whether its process is stopped (SIGSTOP)`
      })
    )
  )

const errorOf = (path: string, error: NodeJS.ErrnoException): ControlError => {
  if (error.code === "ENOENT" || error.code === "ECONNREFUSED") {
    return new ControlError({
      reason: "NotRunning",
      detail:
        `no supervisor answers on ${path}: ask in the folder in which "quiesce run" was started, with the --name or --socket ` +
        `that was given there`
    })
  }
  const remedy = error.code === "EACCES" ? "ask as the user that runs it" : "it may have just ended, ask again"
  return new ControlError({ reason: "Unreachable", detail: `${path} did not answer (${error.message}): ${remedy}` })
}
