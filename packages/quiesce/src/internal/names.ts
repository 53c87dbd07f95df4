/**
 * Names for layers that nobody named: the services they provide.
 */

const internalKeys = new Set(["effect/Layer/unwrap", "effect/Layer/CurrentMemoMap"])

/** The keys of a built context that a person would recognise. */
export const publicKeys = (keys: Iterable<string>): ReadonlyArray<string> =>
  Array.from(keys).filter((key) => !internalKeys.has(key))

const lastSegment = (key: string): string => key.slice(key.lastIndexOf("/") + 1) || key

/** `["app/Db", "effect/sql/SqlClient"]` becomes `Db+SqlClient`; more than two are counted. */
export const fromServices = (keys: ReadonlyArray<string>): string | undefined => {
  const names = Array.from(new Set(keys.map(lastSegment)))
  if (names.length === 0) return undefined
  const shown = names.slice(0, 2).join("+")
  return names.length > 2 ? `${shown}+${names.length - 2}` : shown
}

/** Hands out each name once: the second `Db` is `Db#2`. */
export const unique = (taken: Map<string, number>, name: string): string => {
  const count = (taken.get(name) ?? 0) + 1
  taken.set(name, count)
  return count === 1 ? name : `${name}#${count}`
}
