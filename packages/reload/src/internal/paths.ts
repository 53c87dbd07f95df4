/** Paths into plain data, such as a configuration before it is decoded. */

export type Path = ReadonlyArray<string | number>

export type Mapping = Readonly<Record<string, unknown>>

export const isMapping = (value: unknown): value is Mapping =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/** `server.hosts[0]`, the same in errors, events and log. */
export const formatPath = (path: Path): string =>
  path.reduce<string>(
    (text, key) => (typeof key === "number" ? `${text}[${key}]` : text === "" ? key : `${text}.${key}`),
    ""
  )

const has = (value: unknown, key: string | number): value is Mapping =>
  typeof value === "object" && value !== null && Object.hasOwn(value, key)

/** The value there, also inside of what was decoded; `undefined` when there is none. */
export const get = (value: unknown, path: Path): unknown =>
  path.reduce<unknown>((at, key) => (has(at, key) ? at[key] : undefined), value)

/** How many keys of the path are there. */
export const depth = (value: unknown, path: Path): number => {
  let at = value
  for (const [index, key] of path.entries()) {
    if (!has(at, key)) return index
    at = at[key]
  }
  return path.length
}

/** A copy with another value there; `undefined` takes the key out. */
export const set = (value: unknown, path: Path, item: unknown): unknown => {
  const [key, ...rest] = path
  if (key === undefined) return item
  if (Array.isArray(value)) return value.map((old: unknown, index) => (index === key ? set(old, rest, item) : old))
  const { [key]: old, ...others } = isMapping(value) ? value : {}
  const made = set(old, rest, item)
  return made === undefined ? others : { ...others, [key]: made }
}

/** The second laid over the first: mappings are joined key by key, everything else is replaced. */
export const merge = (below: unknown, above: unknown): unknown => {
  if (!isMapping(below) || !isMapping(above)) return above
  const keys = new Set([...Object.keys(below), ...Object.keys(above)])
  return Object.fromEntries(
    Array.from(keys, (key) => [
      key,
      !Object.hasOwn(above, key) ? below[key] : Object.hasOwn(below, key) ? merge(below[key], above[key]) : above[key]
    ])
  )
}

/** Where two differ: the keys at which one is not a mapping any more. */
export const changes = (before: unknown, after: unknown, at: Path = []): ReadonlyArray<string> => {
  if (!isMapping(before) || !isMapping(after))
    return JSON.stringify(before) === JSON.stringify(after) ? [] : [formatPath(at)]
  const keys = new Set([...Object.keys(before), ...Object.keys(after)])
  return Array.from(keys).flatMap((key) => changes(before[key], after[key], [...at, key]))
}
