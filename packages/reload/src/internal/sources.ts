/**
 * What a configuration is made of, read and not yet looked at: the texts of its files and the variables of the environment.
 *
 * A file that is saved in place is empty first, and then a part of what it will be, and a part of a file can be a valid file.
 * So what was changed a moment ago is taken when it is still the same after a while.
 */
import * as Clock from "effect/Clock"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import type * as PlatformError from "effect/PlatformError"
import type { Definition } from "./Definition.ts"
import { read, type Variable } from "./environment.ts"
import { split } from "./save.ts"

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
  readonly failure: { readonly message: string; readonly remedy: string } | undefined
}

interface Look {
  readonly file: FileText
  readonly modified: number | undefined
  readonly isRecent: boolean
}

/** How long a file has to be left alone before it is taken. */
export const defaultDebounce: Duration.Input = "100 millis"

/**
 * Some file systems count in steps of two seconds, and the clock of a file server need not be ours. What says that it is of a
 * future further away, or of no time at all, cannot be waited for.
 */
const recentMillis = 10_000

/** Whoever writes on and on must not keep a start, or a request, waiting for ever. */
const mostLooks = 50

/** `seen`: the fingerprint of what was taken last; what is still the same is not waited for. */
export const readSources = <T>(
  definition: Definition<T>,
  debounce: Duration.Input,
  seen?: string
): Effect.Effect<Sources, never, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const environment = yield* read(definition.variables)
    const said = environment.map(([{ name }, text]) => [name, text])
    const sourcesOf = (looks: ReadonlyArray<Look>): Sources => {
      const texts = looks.map(({ file }) => file)
      return { texts, environment, fingerprint: JSON.stringify([texts, said]) }
    }
    let last = yield* lookAt(definition)
    for (let looks = 1; looks <= mostLooks; looks++) {
      const sources = sourcesOf(last)
      if (sources.fingerprint === seen || !last.some(({ isRecent }) => isRecent)) return sources
      yield* Effect.sleep(debounce)
      const next = yield* lookAt(definition)
      if (JSON.stringify(next.map(saidBy)) === JSON.stringify(last.map(saidBy))) return sourcesOf(next)
      last = next
    }
    return sourcesOf(
      last.map((look) => (look.isRecent ? { ...look, file: { ...look.file, ...neverLeftAlone } } : look))
    )
  })

const saidBy = ({ file, modified }: Look) => [file, modified]

const neverLeftAlone = {
  text: undefined,
  failure: {
    message: "is written to again and again",
    remedy: "leave it alone for a moment, or save it in one step: under another name, and then renamed"
  }
}

const lookAt = <T>({ files }: Definition<T>): Effect.Effect<ReadonlyArray<Look>, never, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const now = yield* Clock.currentTimeMillis
    return yield* Effect.forEach(files, ({ mayBeMissing, path }) =>
      Effect.gen(function* () {
        const file = yield* Effect.match(fs.readFileString(path), {
          onSuccess: (text): FileText => ({ path, text, failure: undefined }),
          onFailure: (error): FileText => ({
            path,
            text: undefined,
            failure: mayBeMissing && error.reason._tag === "NotFound" ? undefined : failureOf(error)
          })
        })
        // After it was read: what was written meanwhile is recent.
        const modified = yield* modifiedAt(path)
        // Of one that has just gone away, and may be about to come back, the folder knows.
        const changed = modified ?? (yield* modifiedAt(split(path)[0]))
        return { file, modified, isRecent: changed !== undefined && Math.abs(now - changed) < recentMillis }
      })
    )
  })

const modifiedAt = (path: string): Effect.Effect<number | undefined, never, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const info = yield* Effect.option(fs.stat(path))
    return Option.getOrUndefined(Option.flatMap(info, ({ mtime }) => mtime))?.getTime()
  })

/** Without the module and method that an error of effect names first. */
const failureOf = ({ reason }: PlatformError.PlatformError): FileText["failure"] => {
  const remedy = "create it, or correct the path and its permissions"
  switch (reason._tag) {
    case "NotFound":
      return { message: "does not exist", remedy }
    case "PermissionDenied":
      return { message: "must not be read by this process", remedy }
    default:
      return { message: `cannot be read: ${reason.message}`, remedy }
  }
}
