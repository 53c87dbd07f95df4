/**
 * Random plans. Times come from a coarse grid, so that things often happen in the same instant; faults are rare enough that
 * most of a program is sound; every choice shrinks towards the first, simplest one.
 */
import * as Arbitrary from "effect/Arbitrary"
import type { Behaviour } from "../Behaviour.ts"
import type { Part } from "../Part.ts"
import type { Budgets, Plan } from "../Plan.ts"
import type { Node, Program } from "../Program.ts"
import type { Strike } from "../SignalStorm.ts"
import { behaviour, below, delays, faults, flag, harmless, oneOf, pick, times } from "./arbitraryChoices.ts"
import { burst, finisher, line, part, requests, trouble } from "./arbitraryParts.ts"
import { withHardships } from "./hardships.ts"
import { insideOptions } from "./limits.ts"

const anyParts = oneOf<ReadonlyArray<Part>>(
  Arbitrary.array(part, { maxLength: 2 }),
  Arbitrary.array(part, { maxLength: 2 }),
  Arbitrary.map(burst, (one) => [one]),
  Arbitrary.map(burst, (one) => [one]),
  line,
  Arbitrary.map(finisher, (one) => [one])
)

const node = (
  acquire: Arbitrary.Arbitrary<Behaviour>,
  parts: Arbitrary.Arbitrary<ReadonlyArray<Part>> = anyParts
): Arbitrary.Arbitrary<Node> =>
  Arbitrary.map(
    Arbitrary.all({
      needs: Arbitrary.array(below(30), { maxLength: 3 }),
      acquire,
      release: behaviour(40, [...harmless, ...faults], [0, 0, 0, ...delays]),
      stopTimeout: pick<number | null>([null, null, null, 1000, 100, 0]),
      onBackgroundFailure: pick<Node["onBackgroundFailure"]>(["stop", "log"]),
      fresh: flag(12),
      inside: pick([0, ...times(14, 0), 1, 3]),
      optional: flag(24),
      breaks: behaviour(1, [...harmless, ...faults]),
      parts
    }),
    ({ breaks, ...node }) => {
      // An optional component is there to break, again and again.
      if (node.optional) return { ...node, inside: 0, parts: [{ _tag: "Background", behaviour: breaks }] }
      // Who runs an application has the time that the stop of that one takes.
      return node.inside > 0 ? { ...node, stopTimeout: 2 * insideOptions.gracePeriod } : node
    }
  )

const atOnce = node(behaviour(40, harmless, [0]))
const soon = node(behaviour(40, harmless, [0, 0, 0, 0, 10, 50, 100, 300]))
// With work from the first instant on, so that there is some when the start is rolled back.
const faulty = node(
  behaviour(20, [...harmless, ...faults]),
  oneOf<ReadonlyArray<Part>>(
    Arbitrary.array(part, { maxLength: 2 }),
    Arbitrary.map(requests, (one) => [one._tag === "Requests" ? { ...one, when: 0 } : one])
  )
)
const troubled = node(behaviour(40, harmless, [0]), trouble)

const programOf = (
  nodes: Arbitrary.Arbitrary<Arbitrary.Arbitrary<Node>>,
  lengths: Arbitrary.Arbitrary<number>
): Arbitrary.Arbitrary<Program> =>
  Arbitrary.flatMap(Arbitrary.all({ node: nodes, maxLength: lengths }), ({ maxLength, node }) =>
    Arbitrary.all({
      composition: pick<Program["composition"]>(["merged", "merged", "chained"]),
      nodes: Arbitrary.array(node, { minLength: 1, maxLength })
    })
  )

/**
 * Most programs start, and soon: what keeps a start from succeeding comes in a few of them, and there in many places. Most are
 * small: they cost little, and show a race as well.
 */
const program = programOf(
  pick([atOnce, atOnce, atOnce, soon, soon, faulty, faulty, troubled]),
  pick([3, 6, 6, 10, 10, 30])
)

const fraction = pick([0, 0.25, 0.5, 0.75, 1])
const kind = pick<Strike["kind"]>(["SIGTERM", "SIGTERM", "SIGTERM", "SIGINT", "SIGINT", "SIGHUP", "crash", "request"])

const stopping = ["Releasing", "Draining", "Interrupting", "LameDuck", "Flushing"] as const

/** Some strike in the very instant in which something of the application happens. */
const place = Arbitrary.map(
  Arbitrary.all({
    fraction,
    wake: oneOf<number | undefined>(Arbitrary.Constant(undefined), Arbitrary.Constant(undefined), below(32))
  }),
  ({ fraction, wake }) => (wake === undefined ? { fraction } : { fraction, wake })
)

const later = Arbitrary.all({ state: pick<Strike["state"]>([...stopping, "Running"]), place, kind })

const anyState: Arbitrary.Arbitrary<Strike["state"] | undefined> = pick(stopping)

const stormOf = (
  least: number,
  focus: Arbitrary.Arbitrary<Strike["state"] | undefined>,
  opening: Arbitrary.Arbitrary<Strike["kind"]> = kind
): Arbitrary.Arbitrary<ReadonlyArray<Strike>> =>
  Arbitrary.map(
    Arbitrary.all({
      first: Arbitrary.all({
        state: pick<Strike["state"]>(["Running", ...times(8, "Running" as const), "Starting"]),
        place,
        kind: opening
      }),
      rest: Arbitrary.array(later, { minLength: least, maxLength: 4 }),
      focus,
      // Repeats of one signal can count as one, and so do not leave the state.
      same: flag(2)
    }),
    ({ first: { place, ...first }, focus, rest, same }) => [
      { ...first, ...place },
      ...rest.map(({ kind, place, state }) => ({
        state: focus ?? state,
        ...place,
        kind: same ? first.kind : kind
      }))
    ]
  )

/**
 * The first strike finds it alive; the others anywhere, or all in one state, so that every number of signal meets every state.
 */
export const storm = stormOf(0, oneOf(Arbitrary.Constant(undefined), anyState))

const budgets: Arbitrary.Arbitrary<Budgets> = Arbitrary.all({
  gracePeriod: pick([25_000, 25_000, 10_000, 10_000, 5000, 5000, 1000, 100]),
  lameDuck: pick([0, 0, 0, 0, 0, 100, 1000, 3000]),
  drain: pick([10_000, 10_000, 500, 100, 0]),
  interrupt: pick([5000, 5000, 500, 100, 0]),
  stopTimeout: pick([5000, 1000, 100]),
  ladder: pick<Budgets["ladder"]>(["exit", "exit", "interrupt", "patient", "long"])
})

/** Everything goes wrong in a long stop, and impatient people want it to end. */
const ordeal = {
  budgets: Arbitrary.all({
    gracePeriod: pick([25_000, 10_000]),
    lameDuck: pick([1000, 3000, 100]),
    drain: pick([100, 500, 0, 10_000]),
    interrupt: pick([5000, 500]),
    stopTimeout: pick([5000, 1000]),
    ladder: pick<Budgets["ladder"]>(["long", "long", "patient"])
  }),
  // Where it is not a signal that begins the stop, the first signal finds a later state.
  storm: stormOf(4, anyState, pick<Strike["kind"]>(["SIGTERM", "SIGINT", "request", "crash"])),
  program: programOf(Arbitrary.Constant(troubled), pick([3, 6]))
}

const ordinary = { budgets, storm, program }

export const plan: Arbitrary.Arbitrary<Plan> = Arbitrary.flatMap(
  pick([ordinary, ...times(5, ordinary), ordeal]),
  (kind) =>
    Arbitrary.all({
      seed: below(1_000_000),
      runFor: pick([1000, 1000, 300, 100, 10, 0]),
      ...kind,
      storm: withHardships(kind.storm)
    })
)
