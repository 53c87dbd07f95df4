/**
 * What a configuration is made of, read and not yet looked at: the texts of its files and the variables of the environment.
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import type * as PlatformError from "effect/PlatformError"
import type { Definition } from "./Definition.ts"
import { read, type Variable } from "./environment.ts"

export interface Sources {
  readonly texts: ReadonlyArray<FileText>
  readonly environment: ReadonlyArray<readonly [Variable, string]>
  /** The same for what is the same, byte for byte. */
  readonly fingerprint: string
}

/** `text` is absent when the file could not be read; `undefined` for `failure` too: it need not be there. */
interface FileText {
  readonly path: string
  readonly text: string | undefined
  readonly failure: string | undefined
}

export const readSources = <T>({
  files,
  variables
}: Definition<T>): Effect.Effect<Sources, never, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const texts = yield* Effect.forEach(files, ({ path }, index) =>
      Effect.match(fs.readFileString(path), {
        onSuccess: (text): FileText => ({ path, text, failure: undefined }),
        onFailure: (error): FileText => ({
          path,
          text: undefined,
          failure: index > 0 && error.reason._tag === "NotFound" ? undefined : reasonOf(error)
        })
      })
    )
    const environment = yield* read(variables)
    const said = environment.map(([{ name }, text]) => [name, text])
    return { texts, environment, fingerprint: JSON.stringify([texts, said]) }
  })

/** Without the module and method that an error of effect names first. */
const reasonOf = ({ reason }: PlatformError.PlatformError): string => {
  switch (reason._tag) {
    case "NotFound":
      return "does not exist"
    case "PermissionDenied":
      return "must not be read by this process"
    default:
      return `cannot be read: ${reason.message}`
  }
}
