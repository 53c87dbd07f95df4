/**
 * What a schema says about a path: what is expected there, which keys it knows, whether it is secret, whether it can change
 * while the application runs.
 */
import * as SchemaAST from "effect/SchemaAST"
import type { Path } from "./paths.ts"

type AST = SchemaAST.AST

/** The name of the annotation of keys that need a restart. */
export const restartKey = "@quiesce/reload/restart"

const redacted = "effect/schema/Redacted"

const isSecretNode = (ast: AST): boolean => {
  const representation = ast.annotations?.["representation"]
  return (
    SchemaAST.isDeclaration(ast) &&
    typeof representation === "object" &&
    representation !== null &&
    "id" in representation &&
    representation.id === redacted
  )
}

const members = (ast: AST): ReadonlyArray<AST> =>
  SchemaAST.isUnion(ast) ? ast.types.flatMap(members) : SchemaAST.isSuspend(ast) ? members(ast.thunk()) : [ast]

const child = (ast: AST, key: string | number): ReadonlyArray<AST> => {
  if (SchemaAST.isObjects(ast)) {
    const property = ast.propertySignatures.find(({ name }) => name === key)
    return property === undefined ? ast.indexSignatures.map(({ type }) => type) : [property.type]
  }
  if (SchemaAST.isArrays(ast)) {
    const element = typeof key === "number" ? ast.elements[key] : undefined
    return element === undefined ? ast.rest.slice(0, 1) : [element]
  }
  // A class decodes from the struct of its fields.
  return SchemaAST.isDeclaration(ast) && !isSecretNode(ast)
    ? ast.typeParameters.flatMap(members).flatMap((inner) => child(inner, key))
    : []
}

/** What the schema has there: several where it is a union. */
const nodesAt = (ast: AST, path: Path): ReadonlyArray<AST> =>
  path.reduce<ReadonlyArray<AST>>(
    (nodes, key) => nodes.flatMap((node) => child(node, key)).flatMap(members),
    members(ast)
  )

/** Whether a value there, or around it, must not be shown. */
export const isSecret = (ast: AST, path: Path): boolean =>
  [...path.keys(), path.length].some((length) => nodesAt(ast, path.slice(0, length)).some(isSecretNode))

/** The keys of the mapping there. */
export const keysAt = (ast: AST, path: Path): ReadonlyArray<string> =>
  nodesAt(ast, path).flatMap((node) =>
    SchemaAST.isObjects(node) ? node.propertySignatures.map(({ name }) => String(name)) : []
  )

/** What is expected there, in words; `undefined` where only the schema itself can say. */
export const expectedAt = (ast: AST, path: Path): string | undefined => {
  const words = new Set<string | undefined>(nodesAt(ast, path).map(describe))
  if (words.size === 0 || words.has(undefined)) return undefined
  return Array.from(words).join(" or ")
}

const describe = (ast: AST): string | undefined => {
  if (isSecretNode(ast) && SchemaAST.isDeclaration(ast)) {
    const inner = ast.typeParameters.map(describe)
    return inner.length === 1 ? inner[0] : undefined
  }
  if (ast.encoding !== undefined) return undefined
  if (SchemaAST.isLiteral(ast)) return JSON.stringify(ast.literal)
  const word = words[ast._tag]
  if (word === undefined) return undefined
  const checks = (ast.checks ?? []).map(({ annotations }) => annotations?.expected)
  if (!checks.every((check) => typeof check === "string")) return undefined
  // "an integer" + "a value between 1 and 9"; to the most special word for what it is goes what else it has to be.
  const nouns = checks.filter((check) => !check.startsWith("a value "))
  const rest = checks.filter((check) => check.startsWith("a value ")).map((check) => check.slice("a value ".length))
  return [nouns.length === 0 ? word : nouns.join(", "), rest.join(" and ")].filter((part) => part !== "").join(" ")
}

const words: Readonly<Partial<Record<AST["_tag"], string>>> = {
  String: "a string",
  Number: "a number",
  Boolean: "true or false",
  Null: "nothing",
  Arrays: "a list",
  Objects: "a mapping"
}

/** Paths of the keys that were marked with `ConfigFile.restart`. */
export const restartPaths = (ast: AST, at: Path = []): ReadonlyArray<Path> =>
  members(ast).flatMap((node) =>
    SchemaAST.isObjects(node)
      ? node.propertySignatures.flatMap(({ name, type }) => {
          const path = [...at, String(name)]
          return type.context?.annotations?.[restartKey] === true ? [path] : restartPaths(type, path)
        })
      : SchemaAST.isDeclaration(node)
        ? node.typeParameters.flatMap((inner) => restartPaths(inner, at))
        : []
  )

/** A key that an environment variable can set, with what the variable has to be turned into. */
export interface Leaf {
  readonly path: ReadonlyArray<string>
  readonly ast: AST
}

/** The leaves of what the schema decodes from: everything that is not a mapping with known keys. */
export const leaves = (encoded: AST, at: ReadonlyArray<string> = []): ReadonlyArray<Leaf> => {
  const mappings = members(encoded).filter(
    (node) => SchemaAST.isObjects(node) && node.propertySignatures.length > 0 && node.indexSignatures.length === 0
  )
  const [mapping] = mappings
  if (mapping === undefined || mappings.length > 1 || !SchemaAST.isObjects(mapping))
    return at.length === 0 ? [] : [{ path: at, ast: encoded }]
  return mapping.propertySignatures.flatMap(({ name, type }) => leaves(type, [...at, String(name)]))
}

/** The members of a union, or the node itself. */
export { members }
