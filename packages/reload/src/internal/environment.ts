/**
 * Environment variables laid over a file. The schema says which there can be, so that `SERVER_PORT` is `server.port` and not
 * `server: { port }` by guesswork.
 */
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as SchemaAST from "effect/SchemaAST"
import * as Yaml from "yaml"
import * as Paths from "./paths.ts"
import { type Leaf, members } from "./shape.ts"

export interface Variable extends Leaf {
  readonly name: string
}

/** `maxConnections` is MAX_CONNECTIONS. */
const upperSnake = (key: string): string =>
  key
    .replace(/([a-z0-9])([A-Z])/g, "$1_$2")
    .replace(/[^A-Za-z0-9]+/g, "_")
    .toUpperCase()

export const variableName = (prefix: string, path: Paths.Path): string =>
  [prefix, ...path.map((key) => upperSnake(String(key)))].filter((part) => part !== "").join("_")

/** The variables that are set, as text. An empty one counts as not set. */
export const read = (variables: ReadonlyArray<Variable>): Effect.Effect<ReadonlyArray<readonly [Variable, string]>> =>
  Effect.map(
    Effect.forEach(variables, (variable) =>
      Config.option(Config.String(variable.name)).pipe(
        Effect.orDie,
        Effect.map((text) => [variable, Option.getOrElse(text, () => "")] as const)
      )
    ),
    (all) => all.filter(([, text]) => text.trim() !== "")
  )

/** What they come to, as if it had been written in a file. */
export const valueOf = (set: ReadonlyArray<readonly [Variable, string]>): Paths.Mapping =>
  set.reduce<Paths.Mapping>((value, [{ ast, path }, text]) => {
    const made = Paths.set(value, path, coerce(ast, text))
    return Paths.isMapping(made) ? made : value
  }, {})

/** What is no such thing stays the text that it is, for the schema to complain about. */
const coerce = (ast: SchemaAST.AST, text: string): unknown => {
  for (const member of members(ast)) {
    const value = coerceTo(member, text)
    if (value !== text) return value
  }
  return text
}

const coerceTo = (ast: SchemaAST.AST, text: string): unknown => {
  const trimmed = text.trim()
  if (SchemaAST.isNumber(ast)) return Number.isFinite(Number(trimmed)) ? Number(trimmed) : text
  if (SchemaAST.isBoolean(ast)) return trimmed === "true" ? true : trimmed === "false" ? false : text
  if (SchemaAST.isLiteral(ast)) return String(ast.literal) === trimmed ? ast.literal : text
  if (SchemaAST.isArrays(ast)) {
    if (trimmed.startsWith("[")) return flow(trimmed, text)
    const [element] = [...ast.elements, ...ast.rest]
    return trimmed.split(",").map((item) => (element === undefined ? item.trim() : coerce(element, item.trim())))
  }
  return SchemaAST.isObjects(ast) && trimmed.startsWith("{") ? flow(trimmed, text) : text
}

/** JSON, or as much of YAML as fits on a line. */
const flow = (trimmed: string, text: string): unknown => {
  const document = Yaml.parseDocument(trimmed, { prettyErrors: false })
  return document.errors.length === 0 ? document.toJS() : text
}
