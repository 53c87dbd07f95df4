/** Lists that grow are given out in pages. */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"

/** Numbers that the database gives out. Small ones, so that they can be typed: /runs/7. */
export const Id = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 2_147_483_647 }))

const Limit = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 100 }))

/** Newest first: the next page begins `before` the last item of this one. */
export const PageQuery = {
  limit: Limit.pipe(Schema.withDecodingDefaultTypeKey(Effect.succeed(20))),
  before: Schema.optionalKey(Id)
}

/** Oldest first, for what is read as it grows: what came `after` the last item seen. */
export const TailQuery = {
  limit: Limit.pipe(Schema.withDecodingDefaultTypeKey(Effect.succeed(100))),
  after: Schema.optionalKey(Id)
}

export interface PageRequest {
  readonly limit: number
  readonly before?: number
}

export interface TailRequest {
  readonly limit: number
  readonly after?: number
}

/** `next` is the `before` (or `after`) of the following page; null when this is the last one. */
export const Page = <S extends Schema.Constraint>(item: S) =>
  Schema.Struct({ items: Schema.Array(item), next: Schema.NullOr(Schema.Int) })

export interface Page<A> {
  readonly items: ReadonlyArray<A>
  readonly next: number | null
}

/** Makes a page of rows that were asked for with one more than the limit, which tells whether there is another page. */
export const fromRows = <A extends { readonly id: number }>(rows: ReadonlyArray<A>, limit: number): Page<A> => {
  const items = rows.slice(0, limit)
  return { items, next: rows.length > limit ? (items.at(-1)?.id ?? null) : null }
}
