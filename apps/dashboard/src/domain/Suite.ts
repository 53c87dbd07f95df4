import * as Schema from "effect/Schema"
import { Id } from "./Page.ts"
import { Name } from "./Project.ts"

const Case = Schema.Trimmed.check(Schema.isNonEmpty(), Schema.isMaxLength(200))

const Cases = Schema.Array(Case).check(Schema.isMinLength(1), Schema.isMaxLength(500), Schema.isUnique())

/** Test cases that are run together. */
export const Suite = Schema.Struct({
  id: Id,
  projectId: Id,
  name: Name,
  cases: Cases,
  createdAt: Schema.DateTimeUtcFromDate
}).annotate({ identifier: "Suite" })

export type Suite = typeof Suite.Type

export const NewSuite = Schema.Struct({ name: Name, cases: Cases }).annotate({ identifier: "NewSuite" })

export type NewSuite = typeof NewSuite.Type
