/** What a `ConfigFile` was made from, in the form in which it is read and written. */
import type * as Schema from "effect/Schema"
import type * as SchemaAST from "effect/SchemaAST"
import type { Format } from "./document.ts"
import type { Variable } from "./environment.ts"
import type { Path } from "./paths.ts"

/** One step of a chain of migrations: decodes version n to version n + 1, both as they stand in a file. */
export type Migration = Schema.Codec<unknown, unknown>

export interface Definition<T> {
  /** Laid over each other in this order. */
  readonly files: ReadonlyArray<{ readonly path: string; readonly format: Format; readonly mayBeMissing: boolean }>
  /** From plain data. */
  readonly codec: Schema.Codec<T, unknown>
  readonly ast: SchemaAST.AST
  readonly variables: ReadonlyArray<Variable>
  readonly restart: ReadonlyArray<Path>
  /** The newest version; `undefined`: files have none. */
  readonly version: number | undefined
  readonly migrations: ReadonlyArray<Migration>
}
