/** What random plans are made of: numbers, choices, and the manners in which a step can go. */
import * as Arbitrary from "effect/Arbitrary"
import * as Schema from "effect/Schema"
import type { Behaviour } from "../Behaviour.ts"

export const below = (limit: number): Arbitrary.Arbitrary<number> =>
  Arbitrary.schema(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: limit - 1 })))

/** One of the values; a value that is given more often comes more often. */
export const pick = <A>(values: readonly [A, ...ReadonlyArray<A>]): Arbitrary.Arbitrary<A> =>
  Arbitrary.map(below(values.length), (index) => values[index] ?? values[0])

/** So many of a value, to give it weight. */
export const times = <A>(count: number, value: A): ReadonlyArray<A> => Array.from({ length: count }, () => value)

/** One of several kinds, each generated in its own way. */
export const oneOf = <A>(first: Arbitrary.Arbitrary<A>, ...rest: ReadonlyArray<Arbitrary.Arbitrary<A>>) =>
  Arbitrary.flatMap(below(rest.length + 1), (index) => rest[index - 1] ?? first)

export const flag = (rarity: number): Arbitrary.Arbitrary<boolean> => pick([false, ...times(rarity, false), true])

type Manner = Omit<Behaviour, "after">

export const good: Manner = { end: "return", masked: false, blocks: false }

/** Ways to go that come to a good end. */
export const harmless: ReadonlyArray<Manner> = [
  { ...good, masked: true },
  { ...good, blocks: true }
]

export const faults: ReadonlyArray<Manner> = [
  { ...good, end: "fail" },
  { ...good, end: "die" },
  { ...good, end: "hang" },
  { ...good, end: "hang", masked: true },
  { ...good, end: "fail", masked: true }
]

export const delays = [0, 0, 0, 10, 50, 100, 200, 300, 700, 2000] as const

/** A step that goes in one of these manners, and well so many times as often as in each of them. */
export const behaviour = (
  sound: number,
  manners: ReadonlyArray<Manner>,
  after: readonly [number, ...ReadonlyArray<number>] = delays
): Arbitrary.Arbitrary<Behaviour> =>
  Arbitrary.map(
    Arbitrary.all({ manner: pick<Manner>([good, ...times(sound, good), ...manners]), after: pick(after) }),
    ({ after, manner }) => ({ ...manner, after: manner.blocks ? Math.max(3 * after, 10) : after })
  )
