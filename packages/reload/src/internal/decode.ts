/**
 * From texts to a configuration, or to everything that is wrong with it: parse, migrate, lay over each other, validate. Each
 * step is taken for all files before the next, so that a person sees as much at once as can be known.
 */
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as SchemaAST from "effect/SchemaAST"
import { ConfigError, type Issue } from "../ConfigError.ts"
import type { Definition } from "./Definition.ts"
import { parse, type Parsed } from "./document.ts"
import { valueOf } from "./environment.ts"
import * as Paths from "./paths.ts"
import { explain, type Layer } from "./problems.ts"
import type { Sources } from "./sources.ts"

export interface Decoded<T> {
  readonly value: T
  /** What it was decoded from. */
  readonly plain: unknown
}

interface Document {
  readonly file: string
  readonly parsed: Parsed
}

const strict = { errors: "all", onExcessProperty: "error" } as const

export const decode = <T>(sources: Sources, definition: Definition<T>): Result.Result<Decoded<T>, ConfigError> => {
  const documents: Array<Document> = []
  const unread: Array<Issue> = []
  for (const [index, { failure, path: file, text }] of sources.texts.entries()) {
    if (failure !== undefined) {
      unread.push({ file, path: "", ...failure })
    } else if (text?.trim() === "") {
      // What a save that failed, or is not done, has left; as a configuration it would put all defaults in force.
      unread.push({ file, path: "", message: "is empty", remedy: "write what is wanted, or a comment if nothing is" })
    } else if (text !== undefined) {
      const parsed = parse(definition.files[index]?.format ?? "yaml", text)
      const { problems } = parsed
      documents.push({ file, parsed })
      for (const { column, line, message } of problems)
        unread.push({ file, line, column, path: "", message, remedy: "correct the syntax there" })
      if (problems.length === 0 && !Paths.isMapping(parsed.value)) {
        const remedy = "write keys and values, as in port: 8080"
        unread.push({ file, line: 1, column: 1, path: "", message: "is no mapping of keys to values", remedy })
      }
    }
  }
  const failed = failWith(unread)
  if (failed !== undefined) return failed

  const migrated = documents.map((document) => migrate(document, definition))
  const failedMigrations = failWith(migrated.flatMap((each) => (Result.isFailure(each) ? each.failure : [])))
  if (failedMigrations !== undefined) return failedMigrations
  const read = migrated.flatMap((each) => (Result.isSuccess(each) ? [each.success] : []))
  // Without any, the first is still where people are told to write something.
  const nowhere = { file: definition.files[0]?.path, parsed: { value: {}, locate: () => undefined } }
  const layers = [
    ...(read.length === 0 ? [nowhere] : read),
    { file: undefined, parsed: { value: valueOf(sources.environment), locate: () => undefined } }
  ]
  const plain = layers.reduce<unknown>((below, { parsed }) => Paths.merge(below, parsed.value), {})
  return decodePlain(plain, layers, definition)
}

/** Plain data that is complete, as a file may hold it. */
export const decodePlain = <T>(
  plain: unknown,
  layers: ReadonlyArray<Layer>,
  definition: Definition<T>
): Result.Result<Decoded<T>, ConfigError> => {
  const result = Schema.decodeUnknownResult(definition.codec)(plain, strict)
  if (Result.isSuccess(result)) return Result.succeed({ value: result.success, plain })
  return failWith(explain(result.failure.issue, plain, layers, { ...definition, showsValues: true })) ?? unreachable()
}

/** In the order in which a person goes through the files. */
const failWith = (issues: ReadonlyArray<Issue>): Result.Result<never, ConfigError> | undefined => {
  const files = issues.map(({ file }) => file)
  const [first, ...rest] = issues.toSorted(
    (a, b) =>
      files.indexOf(a.file) - files.indexOf(b.file) ||
      (a.line ?? 0) - (b.line ?? 0) ||
      (a.column ?? 0) - (b.column ?? 0)
  )
  return first === undefined ? undefined : Result.fail(new ConfigError({ issues: [first, ...rest] }))
}

const unreachable = (): never => {
  throw new Error("a schema failed without an issue")
}

/** Brings one file to the newest version; the file itself stays as it is. */
const migrate = <T>(
  { file, parsed }: Document,
  definition: Definition<T>
): Result.Result<Layer, ReadonlyArray<Issue>> => {
  const newest = definition.version
  if (newest === undefined) return Result.succeed({ file, parsed })
  const { version: stated = 1, ...rest } = Paths.isMapping(parsed.value) ? parsed.value : {}
  const issue = (message: string, remedy: string): Result.Result<never, ReadonlyArray<Issue>> =>
    Result.fail([{ file, ...parsed.locate(["version"], "value"), path: "version", message, remedy }])
  if (typeof stated !== "number" || !Number.isInteger(stated) || stated < 1)
    return issue("expected a whole number from 1 on", `write version: ${newest}`)
  if (stated > newest)
    return issue(
      `is ${stated}, and this program knows versions up to ${newest}`,
      "run the program that wrote it, or a newer one"
    )
  let value: unknown = rest
  for (const [index, migration] of definition.migrations.entries()) {
    const from = index + 1
    if (from < stated) continue
    const step = Schema.decodeUnknownResult(migration)(value, strict)
    if (Result.isFailure(step)) {
      const layer: Layer = { file, parsed: { value, locate: parsed.locate } }
      return Result.fail(
        explain(step.failure.issue, value, [layer], {
          ast: SchemaAST.toEncoded(migration.ast),
          variables: [],
          showsValues: false
        }).map((each) => ({
          ...each,
          message: `${each.message} (in version ${from}, on the way to version ${newest})`
        }))
      )
    }
    value = step.success
  }
  return Result.succeed({ file, parsed: { value, locate: parsed.locate } })
}
