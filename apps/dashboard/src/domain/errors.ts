/** What a request can be refused with. Each message says what happened and what to do. */
import * as Schema from "effect/Schema"

export class InvalidRequest extends Schema.TaggedError<InvalidRequest>()(
  "InvalidRequest",
  {
    message: Schema.String,
    issues: Schema.Array(Schema.Struct({ field: Schema.String, message: Schema.String }))
  },
  { httpApiStatus: 400 }
) {}

export class NotFound extends Schema.TaggedError<NotFound>()(
  "NotFound",
  { message: Schema.String },
  { httpApiStatus: 404 }
) {
  static of(what: "project" | "suite" | "run", id: number): NotFound {
    const list = { project: "/projects", suite: "/projects/{id}/suites", run: "/runs" }[what]
    return new NotFound({ message: `there is no ${what} ${id}; GET ${list} lists those that exist` })
  }
}

export class Conflict extends Schema.TaggedError<Conflict>()(
  "Conflict",
  { message: Schema.String },
  { httpApiStatus: 409 }
) {}

/** The database cannot be used right now. Nothing was stored, as far as anybody can tell. */
export class Unavailable extends Schema.TaggedError<Unavailable>()(
  "Unavailable",
  { message: Schema.String },
  { httpApiStatus: 503 }
) {}
