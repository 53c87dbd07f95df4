/**
 * Random plans. Times come from a coarse grid, so that things often happen in the same instant; faults are rare enough that
 * most of a program is sound; every choice shrinks towards the first, simplest one.
 */
import * as Arbitrary from "effect/Arbitrary"
import * as Schema from "effect/Schema"
import type { Behaviour } from "../Behaviour.ts"
import type { Part } from "../Part.ts"
import type { Budgets, Plan } from "../Plan.ts"
import type { Node, Program } from "../Program.ts"
import type { Strike } from "../SignalStorm.ts"
import { insideOptions } from "./limits.ts"

const below = (limit: number): Arbitrary.Arbitrary<number> =>
  Arbitrary.schema(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: limit - 1 })))

/** One of the values; a value that is given more often comes more often. */
const pick = <A>(values: readonly [A, ...ReadonlyArray<A>]): Arbitrary.Arbitrary<A> =>
  Arbitrary.map(below(values.length), (index) => values[index] ?? values[0])

/** So many of a value, to give it weight. */
const times = <A>(count: number, value: A): ReadonlyArray<A> => Array.from({ length: count }, () => value)

/** One of several kinds, each generated in its own way. */
const oneOf = <A>(first: Arbitrary.Arbitrary<A>, ...rest: ReadonlyArray<Arbitrary.Arbitrary<A>>) =>
  Arbitrary.flatMap(below(rest.length + 1), (index) => rest[index - 1] ?? first)

const flag = (rarity: number): Arbitrary.Arbitrary<boolean> => pick([false, ...times(rarity, false), true])

type Manner = Omit<Behaviour, "after">

const good: Manner = { end: "return", masked: false, blocks: false }

/** Ways to go that come to a good end. */
const harmless: ReadonlyArray<Manner> = [
  { ...good, masked: true },
  { ...good, blocks: true }
]

const faults: ReadonlyArray<Manner> = [
  { ...good, end: "fail" },
  { ...good, end: "die" },
  { ...good, end: "hang" },
  { ...good, end: "hang", masked: true },
  { ...good, end: "fail", masked: true }
]

const delays = [0, 0, 0, 10, 50, 100, 200, 300, 700, 2000] as const

/** A step that goes in one of these manners, and well so many times as often as in each of them. */
const behaviour = (
  sound: number,
  manners: ReadonlyArray<Manner>,
  after: readonly [number, ...ReadonlyArray<number>] = delays
): Arbitrary.Arbitrary<Behaviour> =>
  Arbitrary.map(
    Arbitrary.all({ manner: pick<Manner>([good, ...times(sound, good), ...manners]), after: pick(after) }),
    // A loop that is blocked for long is what no law can hold against.
    ({ after, manner }) => ({ ...manner, after: manner.blocks ? Math.min(Math.max(after, 10), 100) : after })
  )

const when = pick<number | "stopping" | "lameDuck">([0, "stopping", "lameDuck", 10, 100, 300, 1000])

const requests: Arbitrary.Arbitrary<Part> = Arbitrary.map(
  Arbitrary.all({
    when: pick<number | "stopping" | "lameDuck">([0, "lameDuck", "lameDuck", "stopping", 10, 100, 1000]),
    every: pick([0, 0, 10, 50, 100]),
    count: pick([1, 2, 5, 12]),
    takes: pick([0, 0, 10, 100, 300, 1000, 4000, -1]),
    masked: flag(4)
  }),
  (fields) => ({ _tag: "Requests", ...fields })
)

/** What comes just as the stop begins, and much of it, is what a gate can get wrong. */
const burst: Arbitrary.Arbitrary<Part> = Arbitrary.map(
  Arbitrary.all({ count: pick([12, 5, 20]), takes: pick([0, 0, 10, 100, 1000]) }),
  (fields) => ({ _tag: "Requests", when: "lameDuck", every: 0, masked: false, ...fields })
)

const section: Arbitrary.Arbitrary<Part> = Arbitrary.map(
  Arbitrary.all({
    when,
    takes: pick([0, 50, 300, 1000, 4000, -1]),
    atMost: pick([5000, 1000, 200, 0]),
    masked: flag(4),
    allowDuringStop: flag(3),
    fails: flag(4)
  }),
  (fields) => ({ _tag: "Section", ...fields })
)

const task: Arbitrary.Arbitrary<Part> = Arbitrary.map(
  Arbitrary.all({
    behaviour: behaviour(2, [...harmless, ...faults]),
    restarts: pick([0, 1, 3]),
    every: pick([100, 0, 10, 300]),
    cleanup: pick([0, 0, 10, 50]),
    priority: pick([0, 5, 9]),
    onFailure: pick<"stop" | "degrade" | "ignore">(["ignore", "degrade", "stop"]),
    onStop: pick<"interrupt" | "finish">(["interrupt", "interrupt", "finish"])
  }),
  (fields) => ({ _tag: "Task", ...fields })
)

const worker: Arbitrary.Arbitrary<Part> = Arbitrary.map(
  Arbitrary.all({
    every: pick([0, 0, 10, 100]),
    count: pick([1, 3, 12]),
    takes: pick([0, 10, 100, 1000, 4000, -1]),
    masked: flag(4),
    concurrency: pick([1, 1, 3]),
    poisoned: pick([-1, -1, -1, 0, 2])
  }),
  (fields) => ({ _tag: "Worker", ...fields })
)

const reloads: Arbitrary.Arbitrary<Part> = Arbitrary.map(
  Arbitrary.all({
    when: pick([0, 10, 500, 900]),
    every: pick([0, 0, 50, 300]),
    count: pick([1, 3, 12]),
    behaviour: behaviour(2, [...harmless, ...faults])
  }),
  (fields) => ({ _tag: "Reloads", ...fields })
)

const part: Arbitrary.Arbitrary<Part> = oneOf<Part>(
  requests,
  requests,
  requests,
  requests,
  requests,
  section,
  section,
  Arbitrary.map(
    Arbitrary.all({
      when: pick<number | "stopping" | "lameDuck">([1000, "lameDuck", "stopping", 0, 10, 100, 300]),
      behaviour: behaviour(2, [...harmless, ...faults])
    }),
    (fields) => ({ _tag: "Background", ...fields })
  ),
  Arbitrary.map(
    Arbitrary.all({
      when: pick<number | "stopping" | "lameDuck">([0, 0, 0, "stopping", "lameDuck", 100, 1000]),
      on: pick<"onStopping" | "awaitBeforeStop" | "onStopped">(["onStopping", "awaitBeforeStop", "onStopped"]),
      behaviour: behaviour(4, [...harmless, ...faults])
    }),
    (fields) => ({ _tag: "Hook", ...fields })
  ),
  task,
  task,
  worker,
  reloads,
  Arbitrary.map(flag(2), (throws) => ({ _tag: "Emergency", throws })),
  Arbitrary.map(pick([100, 1000, 60_000]), (millis) => ({ _tag: "Lease", millis })),
  Arbitrary.map(
    Arbitrary.all({
      after: pick([1000, 1000, 1000, 300, 300, 100, 0]),
      reason: pick<"finished" | "requested">(["finished", "requested"])
    }),
    (fields) => ({ _tag: "Ends", ...fields })
  )
)

/** What goes wrong just before the stop begins, as it does, and later in it. */
const mishap: Arbitrary.Arbitrary<Part> = Arbitrary.map(
  Arbitrary.all({
    on: pick<"running" | "lameDuck" | "stopping" | "onStopping" | "awaitBeforeStop" | "onStopped">([
      "running",
      "lameDuck",
      "lameDuck",
      "stopping",
      "stopping",
      "onStopping",
      "awaitBeforeStop",
      "onStopped",
      "onStopped"
    ]),
    behaviour: behaviour(0, [...harmless, ...faults, { ...good, end: "die", masked: true }], [0, 10, 100, 300, 700])
  }),
  ({ behaviour, on }) =>
    on === "running" || on === "lameDuck" || on === "stopping"
      ? { _tag: "Background", when: on === "running" ? 10 : on, behaviour }
      : { _tag: "Hook", on, behaviour }
)

/** It keeps the application from coming to rest, so that something can go wrong meanwhile. */
const stubborn: Arbitrary.Arbitrary<Part> = Arbitrary.map(pick([1000, 4000, -1]), (takes) => ({
  _tag: "Requests",
  when: "lameDuck",
  every: 0,
  count: 1,
  takes,
  masked: true
}))

const trouble = oneOf<ReadonlyArray<Part>>(
  Arbitrary.array(mishap, { minLength: 1, maxLength: 2 }),
  Arbitrary.map(Arbitrary.all({ stubborn, mishap }), ({ mishap, stubborn }) => [stubborn, mishap])
)

const anyParts = oneOf<ReadonlyArray<Part>>(
  Arbitrary.array(part, { maxLength: 2 }),
  Arbitrary.map(burst, (one) => [one])
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
      ...kind
    })
)
