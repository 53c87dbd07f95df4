/** Runs the command line; the result is the exit code. */
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as CliConfig from "effect/cli/CliConfig"
import * as CliError from "effect/cli/CliError"
import * as CliOutput from "effect/cli/CliOutput"
import * as Command from "effect/cli/Command"
import * as GlobalFlag from "effect/cli/GlobalFlag"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { readFileSync } from "node:fs"
import { exitCodes } from "quiesce/Outcome"
import { quiesce } from "./commands.ts"
import { Failed } from "./flags.ts"

const version = (): string => {
  const manifest: unknown = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8"))
  return typeof manifest === "object" && manifest !== null && "version" in manifest
    ? String(manifest.version)
    : "unknown"
}

/** What is wrong, and nothing else: a screen of help hides it. */
const presenter = CliOutput.layerPresenter({
  present: (event) =>
    event._tag === "InvalidInvocation"
      ? Effect.forEach(
          [
            ...event.errors.map((error) => `quiesce: ${error.message}`),
            `"${event.commandPath.join(" ")} --help" tells what can be written`
          ],
          (line) => Console.error(line),
          { discard: true }
        )
      : CliOutput.defaultPresenter.present(event)
})

const flags = CliConfig.layer({ builtIns: [GlobalFlag.Help, GlobalFlag.Version, GlobalFlag.Completions] })

export const main = (args: ReadonlyArray<string>): Promise<number> =>
  Command.runWith(quiesce, { version: version() })(args).pipe(
    Effect.as(0),
    Effect.catch((error) => {
      if (error instanceof Failed) return Effect.succeed(error.exitCode)
      // It has been printed.
      if (CliError.isCliError(error)) return Effect.succeed(exitCodes.usage)
      return Effect.fail(error)
    }),
    Effect.provide(Layer.mergeAll(NodeServices.layer, presenter, flags)),
    Effect.runPromise
  )
