/**
 * From what a schema says to what people need: where it is, what was expected, what is there, what to do.
 */
import * as SchemaIssue from "effect/SchemaIssue"
import type { Issue } from "../ConfigError.ts"
import type * as SchemaAST from "effect/SchemaAST"
import type { Parsed } from "./document.ts"
import type { Variable } from "./environment.ts"
import * as Paths from "./paths.ts"
import * as Shape from "./shape.ts"

/** A place that values come from; the environment has no text. */
export interface Layer {
  readonly file: string | undefined
  readonly parsed: Pick<Parsed, "locate" | "value">
}

interface Said {
  readonly path: Paths.Path
  readonly kind: "missing" | "unexpected" | "expected" | "custom"
  readonly message: string
}

const formatted = SchemaIssue.makeFormatterStandardSchemaV1({
  leafHook: (issue) =>
    issue._tag === "MissingKey" || issue._tag === "UnexpectedKey" ? issue._tag : SchemaIssue.defaultLeafHook(issue)
})

const saidBy = (issue: SchemaIssue.Issue): ReadonlyArray<Said> =>
  formatted(issue).issues.map(({ message, path = [] }) => ({
    path: path.map((segment) => {
      const key = typeof segment === "object" ? segment.key : segment
      return typeof key === "number" ? key : String(key)
    }),
    kind:
      message === "MissingKey"
        ? "missing"
        : message === "UnexpectedKey"
          ? "unexpected"
          : message.startsWith("Expected ")
            ? "expected"
            : "custom",
    message
  }))

/** What a schema says about a document: of an older version nobody knows which of its values are secret. */
export interface Explained {
  readonly ast: SchemaAST.AST
  readonly variables: ReadonlyArray<Variable>
  readonly showsValues: boolean
}

/** Everything that a schema has to say, one issue for each key. `layers`: the later one counts. */
export const explain = (
  issue: SchemaIssue.Issue,
  value: unknown,
  layers: ReadonlyArray<Layer>,
  explained: Explained
): ReadonlyArray<Issue> => {
  const byPath = new Map<string, Array<Said>>()
  for (const said of saidBy(issue)) {
    const key = Paths.formatPath(said.path)
    byPath.set(key, [...(byPath.get(key) ?? []), said])
  }
  return Array.from(byPath.values()).flatMap(([first, ...rest]) =>
    first === undefined ? [] : [explainOne(first, rest, value, layers, explained)]
  )
}

const explainOne = (
  said: Said,
  others: ReadonlyArray<Said>,
  value: unknown,
  layers: ReadonlyArray<Layer>,
  { ast, showsValues, variables }: Explained
): Issue => {
  const { kind, path } = said
  const variable = variables.find((candidate) => Paths.formatPath(candidate.path) === Paths.formatPath(path))?.name
  const layer = origin(layers, path)
  const place =
    layer === undefined || layer.file === undefined
      ? variable === undefined
        ? {}
        : { variable }
      : { file: layer.file, ...locate(layer, path, kind === "unexpected" ? "key" : "value") }
  const inFile = layer?.file !== undefined
  const base = { ...place, path: Paths.formatPath(path) }
  switch (kind) {
    case "missing": {
      const expected = Shape.expectedAt(ast, path)
      const or = variable === undefined ? "" : `, or set ${variable}`
      return { ...base, message: "is missing", remedy: `add it${expected === undefined ? "" : ` (${expected})`}${or}` }
    }
    case "unexpected": {
      const like = nearest(String(path.at(-1)), Shape.keysAt(ast, path.slice(0, -1)))
      const remedy = like === undefined ? "remove it" : `remove it, or did you mean ${like}?`
      return { ...base, message: "is not known here", remedy }
    }
    default: {
      const message =
        kind === "custom"
          ? [said, ...others].map((each) => each.message).join(", ")
          : `expected ${Shape.expectedAt(ast, path) ?? said.message.slice("Expected ".length)}, ${showsValues ? found(ast, path, value) : "found something else"}`
      const remedy = inFile
        ? `correct it there${variable === undefined ? "" : `, or set ${variable}`}`
        : "correct the variable, or unset it to use what the file says"
      return { ...base, message, remedy }
    }
  }
}

/** Whose value it is: the last layer that goes as far down the path as any. */
const origin = (layers: ReadonlyArray<Layer>, path: Paths.Path): Layer | undefined => {
  const depths = layers.map(({ parsed }) => Paths.depth(parsed.value, path))
  const deepest = Math.max(0, ...depths)
  // Where a key is missing, no variable is to blame.
  const whole = deepest === path.length
  return (
    layers.findLast((layer, index) => depths[index] === deepest && (whole || layer.file !== undefined)) ?? layers[0]
  )
}

/** Where it is, or where the nearest thing around it is. */
const locate = ({ parsed }: Layer, path: Paths.Path, part: "key" | "value"): { line?: number; column?: number } => {
  for (let length = path.length; length >= 0; length--) {
    const position = parsed.locate(path.slice(0, length), length === path.length ? part : "key")
    if (position !== undefined) return position
  }
  return {}
}

const found = (ast: SchemaAST.AST, path: Paths.Path, value: unknown): string => {
  if (Shape.isSecret(ast, path)) return "found something else, not shown because it is secret"
  const there = Paths.get(value, path)
  if (there === undefined || there === null) return "found nothing"
  if (Array.isArray(there)) return "found a list"
  if (typeof there === "object") return "found a mapping"
  const text = JSON.stringify(there)
  return `found ${text.length <= longest ? text : `${text.slice(0, longest)}…`}`
}

const longest = 60

/** The known key that was probably meant. */
const nearest = (key: string, known: ReadonlyArray<string>): string | undefined =>
  known
    .map((name) => ({ name, distance: distance(key.toLowerCase(), name.toLowerCase()) }))
    .filter((candidate) => candidate.distance <= Math.max(1, Math.floor(candidate.name.length / 3)))
    .toSorted((a, b) => a.distance - b.distance)[0]?.name

/** Letters to be put in, taken out, changed, or swapped with their neighbour. */
const distance = (a: string, b: string): number => {
  const rows = Array.from({ length: a.length + 1 }, (_, row) => [row])
  const at = (row: number, column: number): number => rows[row]?.[column] ?? Number.POSITIVE_INFINITY
  for (let column = 0; column <= b.length; column++) rows[0]?.splice(column, 1, column)
  for (let row = 1; row <= a.length; row++) {
    for (let column = 1; column <= b.length; column++) {
      const same = a[row - 1] === b[column - 1] ? 0 : 1
      const swapped = a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1]
      rows[row]?.splice(
        column,
        1,
        Math.min(
          at(row - 1, column) + 1,
          at(row, column - 1) + 1,
          at(row - 1, column - 1) + same,
          swapped ? at(row - 2, column - 2) + 1 : Number.POSITIVE_INFINITY
        )
      )
    }
  }
  return at(a.length, b.length)
}
