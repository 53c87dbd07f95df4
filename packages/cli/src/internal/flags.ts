/**
 * What more than one command of the command line has.
 */
import * as Flag from "effect/cli/Flag"
import * as Config from "effect/Config"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import { parseDuration } from "./duration.ts"

/** The exit code of a command that did not end well, when its message has been printed. */
export class Failed {
  readonly _tag = "Failed"
  readonly exitCode: number

  constructor(exitCode: number) {
    this.exitCode = exitCode
  }
}

export const failed = (message: string, exitCode: number): Effect.Effect<never, Failed> =>
  Effect.andThen(Console.error(`quiesce: ${message}`), Effect.fail(new Failed(exitCode)))

export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))

export const duration = (name: string, by: string) =>
  Flag.String(name).pipe(
    Flag.mapTryCatch(parseDuration, messageOf),
    Flag.withMetavar("duration"),
    Flag.withDescription(by)
  )

/** Also a part of paths, so it has none of its own. */
const plain = Flag.filter(
  (name: string) => /^[\w.-]+$/.test(name),
  () => 'letters, digits, ".", "_" and "-"'
)

export const nameFlag = Flag.String("name").pipe(plain)

/** Which supervisor. */
export const where = {
  name: Flag.String("name").pipe(
    Flag.withFallbackConfig(Config.String("QUIESCE_NAME").pipe(Config.withDefault("app"))),
    plain,
    Flag.withDescription("Tells applications in one folder apart (default: app, or QUIESCE_NAME)")
  ),
  socket: Flag.String("socket").pipe(
    Flag.withFallbackConfig(Config.String("QUIESCE_SOCKET")),
    Flag.optional,
    Flag.withMetavar("path"),
    Flag.withDescription("The control socket (default: .quiesce/<name>.sock in this folder, or QUIESCE_SOCKET)")
  )
}
