import * as Schema from "effect/Schema"
import { Id } from "./Page.ts"

export const Name = Schema.Trimmed.check(Schema.isNonEmpty(), Schema.isMaxLength(100))

export const Project = Schema.Struct({
  id: Id,
  name: Name,
  description: Schema.String,
  // The database speaks Date, JSON a string; both come from this one field.
  createdAt: Schema.DateTimeUtcFromDate
}).annotate({ identifier: "Project" })

export type Project = typeof Project.Type

export const NewProject = Schema.Struct({
  name: Name,
  description: Schema.optionalKey(Schema.String.check(Schema.isMaxLength(1000)))
}).annotate({ identifier: "NewProject" })

export type NewProject = typeof NewProject.Type
