/**
 * A configuration file as text: parsed, with the place of every key, and written.
 *
 * The parsers' own messages quote the text, and so, sooner or later, a password: what is told here is their position and
 * their kind of problem.
 */
import * as Predicate from "effect/Predicate"
import * as Toml from "smol-toml"
import { type AST as TomlAST, getStaticTOMLValue, parseTOML, ParseError } from "toml-eslint-parser"
import * as Yaml from "yaml"
import type { Path } from "./paths.ts"

export type Format = "yaml" | "json" | "toml"

interface Position {
  readonly line: number
  readonly column: number
}

export interface Parsed {
  readonly value: unknown
  /** Where the key, or its value, is; `undefined` when it is not there. */
  readonly locate: (path: Path, part: "key" | "value") => Position | undefined
  /** What keeps the text from being read; the value is of no use then. */
  readonly problems: ReadonlyArray<Problem>
}

interface Problem extends Position {
  readonly message: string
}

const extensions: Readonly<Record<string, Format>> = { yaml: "yaml", yml: "yaml", json: "json", toml: "toml" }

export const formatOf = (file: string): Format | undefined =>
  extensions[/\.([a-z]+)$/i.exec(file)?.[1]?.toLowerCase() ?? ""]

export const parse = (format: Format, text: string): Parsed =>
  format === "toml" ? parseToml(text) : parseYaml(format, text)

export const stringify = (format: Format, value: Readonly<Record<string, unknown>>): string => {
  if (format === "toml") return Toml.stringify(value)
  return format === "json" ? `${JSON.stringify(value, null, 2)}\n` : Yaml.stringify(value)
}

/** JSON is YAML; comments and trailing commas are then welcome too. */
const parseYaml = (format: "yaml" | "json", text: string): Parsed => {
  const lines = new Yaml.LineCounter()
  const document = Yaml.parseDocument(text, { lineCounter: lines, prettyErrors: false, merge: true })
  const position = (offset: number): Position => {
    const { col, line } = lines.linePos(offset)
    return { line, column: col }
  }
  const problems = [...document.errors, ...document.warnings].map(({ code, pos }) => ({
    ...position(pos[0]),
    message: yamlProblems[code] ?? `is no valid ${format.toUpperCase()}`
  }))
  Yaml.visit(document, {
    Alias: (_, alias) => {
      if (alias.resolve(document) === undefined)
        problems.push({ ...position(alias.range?.[0] ?? 0), message: `${yamlProblems["BAD_ALIAS"]}` })
    }
  })
  const plain = problems.length === 0 ? toPlain(document) : undefined
  // Aliases of aliases of aliases: a few lines that would fill the memory.
  if (plain instanceof Error) problems.push({ line: 1, column: 1, message: "has too many aliases" })
  return {
    value: plain,
    problems,
    locate: (path, part) => {
      const parent = path.length === 0 ? undefined : document.getIn(path.slice(0, -1), true)
      const key = path.at(-1)
      const pair =
        part === "key" && Yaml.isMap(parent)
          ? parent.items.find((item) => Yaml.isScalar(item.key) && item.key.value === key)
          : undefined
      const node = pair?.key ?? document.getIn(path, true)
      return Yaml.isNode(node) && node.range ? position(node.range[0]) : undefined
    }
  }
}

const toPlain = (document: Yaml.Document): unknown => {
  try {
    return document.toJS() ?? {}
  } catch (error) {
    return error instanceof Error ? error : new Error("not an error")
  }
}

const yamlProblems: Readonly<Record<string, string>> = {
  BAD_INDENT: "is not indented as what is around it",
  DUPLICATE_KEY: "is the same key a second time",
  MISSING_CHAR: "lacks a closing bracket, brace or quote, or a colon",
  MULTIPLE_DOCS: "is a second document; a configuration is one",
  TAB_AS_INDENT: "is indented with a tab; YAML wants spaces",
  TAG_RESOLVE_FAILED: "has an unknown tag (!); quote what begins with an exclamation mark",
  BAD_ALIAS: "has an alias (*) that cannot be one; quote what begins with an asterisk",
  BLOCK_AS_IMPLICIT_KEY: "has a colon too many; quote what contains one"
}

const parseToml = (text: string): Parsed => {
  const places = new Map<string, { readonly key: Position; readonly value: Position }>()
  try {
    const ast = parseTOML(text)
    for (const [path, key, value] of tomlPlaces(ast)) places.set(JSON.stringify(path), { key, value })
    return {
      value: plain(getStaticTOMLValue(ast)),
      problems: [],
      locate: (path, part) => (path.length === 0 ? { line: 1, column: 1 } : places.get(JSON.stringify(path))?.[part])
    }
  } catch (error) {
    if (!(error instanceof ParseError)) throw error
    // Its messages are fixed sentences: they quote nothing.
    const message = `is no valid TOML: ${error.message}`
    return {
      value: undefined,
      problems: [{ line: error.lineNumber, column: error.column + 1, message }],
      locate: () => undefined
    }
  }
}

/** Dates as the text that a schema decodes them from. */
const plain = (value: unknown): unknown => {
  if (Predicate.isDate(value)) return value.toISOString()
  if (Array.isArray(value)) return value.map(plain)
  if (typeof value !== "object" || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, plain(item)]))
}

type Place = readonly [path: Path, key: Position, value: Position]

const start = ({ loc }: TomlAST.TOMLNode): Position => ({ line: loc.start.line, column: loc.start.column + 1 })

const tomlPlaces = (ast: TomlAST.TOMLProgram): ReadonlyArray<Place> =>
  ast.body[0].body.flatMap((node) =>
    node.type === "TOMLTable"
      ? [
          [node.resolvedKey, start(node.key), start(node)] satisfies Place,
          ...node.body.flatMap((pair) => pairPlaces(pair, node.resolvedKey))
        ]
      : pairPlaces(node, [])
  )

const pairPlaces = ({ key, value }: TomlAST.TOMLKeyValue, at: Path): ReadonlyArray<Place> => {
  const names = key.keys.map((name) => (name.type === "TOMLBare" ? name.name : name.value))
  const outer = names.slice(0, -1).map((_, index): Place => {
    const place = start(key.keys[index] ?? key)
    return [[...at, ...names.slice(0, index + 1)], place, place]
  })
  return [...outer, ...valuePlaces(value, [...at, ...names], start(key))]
}

const valuePlaces = (value: TomlAST.TOMLContentNode, path: Path, key: Position): ReadonlyArray<Place> => {
  const place: Place = [path, key, start(value)]
  if (value.type === "TOMLInlineTable") return [place, ...value.body.flatMap((pair) => pairPlaces(pair, path))]
  if (value.type === "TOMLArray")
    return [
      place,
      ...value.elements.flatMap((element, index) => valuePlaces(element, [...path, index], start(element)))
    ]
  return [place]
}
