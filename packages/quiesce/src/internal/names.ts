/**
 * Names for layers that nobody named: the services they provide.
 */

const unwrapKey = "effect/Layer/unwrap"
const internalKeys = new Set([unwrapKey, "effect/Layer/CurrentMemoMap"])

/** Whether it is the effect inside of `Layer.unwrap`: a step on the way to a layer, and never what a name is meant for. */
export const isUnwrap = (services: ReadonlyMap<string, unknown>): boolean => services.has(unwrapKey)

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
