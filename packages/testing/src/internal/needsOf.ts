import type { Node } from "../Program.ts"

/** The places of what a component needs, each once. */
export const needsOf = ({ needs }: Node, place: number): ReadonlyArray<number> =>
  place === 0 ? [] : Array.from(new Set(needs.map((need) => need % place)))
