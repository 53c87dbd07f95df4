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

/** Chooses how a step goes, with so many sound ones to each kind of fault. */
const behaviour = (sound: number): Arbitrary.Arbitrary<Behaviour> => {
  const good: Manner = { end: "return", masked: false, blocks: false }
  const manner = pick<Manner>([
    good,
    ...times(sound, good),
    { ...good, masked: true },
    { ...good, end: "fail" },
    { ...good, end: "die" },
    { ...good, end: "hang" },
    { ...good, end: "hang", masked: true },
    { ...good, end: "fail", masked: true },
    { ...good, blocks: true }
  ])
  const after = pick([0, 0, 0, 10, 50, 100, 200, 300, 700, 2000])
  // A loop that is blocked for long is what no law can hold against.
  return Arbitrary.map(Arbitrary.all({ manner, after }), ({ after, manner }) => ({
    ...manner,
    after: manner.blocks ? Math.min(after, 100) : after
  }))
}

const when = pick<number | "stopping" | "lameDuck">([0, "stopping", "lameDuck", 10, 100, 300, 1000])

const requests: Arbitrary.Arbitrary<Part> = Arbitrary.map(
  Arbitrary.all({
    // What comes just as the stop begins is what a gate can get wrong.
    when: pick<number | "stopping" | "lameDuck">([0, "lameDuck", "lameDuck", "lameDuck", "stopping", 10, 100, 1000]),
    every: pick([0, 0, 10, 50, 100]),
    count: pick([1, 2, 5, 12]),
    takes: pick([0, 0, 10, 100, 300, 1000, 4000, -1]),
    masked: flag(4)
  }),
  (fields) => ({ _tag: "Requests", ...fields })
)

const section: Arbitrary.Arbitrary<Part> = Arbitrary.map(
  Arbitrary.all({
    when,
    takes: pick([0, 50, 300, 1000, 4000, -1]),
    atMost: pick([5000, 1000, 200, 0]),
    masked: flag(4),
    allowDuringStop: flag(3)
  }),
  (fields) => ({ _tag: "Section", ...fields })
)

const task: Arbitrary.Arbitrary<Part> = Arbitrary.map(
  Arbitrary.all({
    behaviour: behaviour(2),
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
    behaviour: behaviour(2)
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
  Arbitrary.map(behaviour(2), (behaviour) => ({ _tag: "Background", behaviour })),
  Arbitrary.map(
    Arbitrary.all({
      on: pick<"onStopping" | "awaitBeforeStop" | "onStopped">(["onStopping", "awaitBeforeStop", "onStopped"]),
      behaviour: behaviour(4)
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
      after: pick([0, 100, 1000]),
      reason: pick<"finished" | "requested">(["finished", "requested"])
    }),
    (fields) => ({ _tag: "Ends", ...fields })
  )
)

const anyNode = Arbitrary.all({
  needs: Arbitrary.array(below(30), { maxLength: 3 }),
  acquire: behaviour(150),
  release: behaviour(25),
  stopTimeout: pick<number | null>([null, null, null, 1000, 100, 0]),
  onBackgroundFailure: pick<Node["onBackgroundFailure"]>(["stop", "log"]),
  fresh: flag(12),
  inside: pick([0, ...times(14, 0), 1, 3]),
  parts: Arbitrary.array(part, { maxLength: 2 }),
  optional: flag(24),
  breaks: behaviour(1)
})

/** An optional component is there to break, again and again. */
const node: Arbitrary.Arbitrary<Node> = Arbitrary.map(anyNode, ({ breaks, ...node }) =>
  node.optional ? { ...node, inside: 0, parts: [{ _tag: "Background", behaviour: breaks }] } : node
)

const program: Arbitrary.Arbitrary<Program> = Arbitrary.all({
  composition: pick<Program["composition"]>(["merged", "merged", "chained"]),
  nodes: Arbitrary.array(node, { minLength: 1, maxLength: 30 })
})

const fraction = pick([0, 0.25, 0.5, 0.75, 1])
const kind = pick<Strike["kind"]>(["SIGTERM", "SIGTERM", "SIGTERM", "SIGINT", "SIGINT", "SIGHUP", "crash", "request"])

const anywhere = pick<Strike["state"]>([
  "Releasing",
  "Draining",
  "Interrupting",
  "LameDuck",
  "Flushing",
  "Running",
  "Starting"
])

/**
 * The first strike finds it alive; the others anywhere, or all in one state, so that every number of signal meets every state.
 */
export const storm: Arbitrary.Arbitrary<ReadonlyArray<Strike>> = Arbitrary.map(
  Arbitrary.all({
    first: Arbitrary.all({
      state: pick<Strike["state"]>(["Running", "Running", "Running", "Starting"]),
      fraction,
      kind
    }),
    rest: Arbitrary.array(Arbitrary.all({ state: anywhere, fraction, kind }), { maxLength: 4 }),
    focus: oneOf<Strike["state"] | undefined>(Arbitrary.Constant(undefined), anywhere),
    // Repeats of one signal can count as one, and so do not leave the state.
    same: flag(2)
  }),
  ({ first, focus, rest, same }) => [
    first,
    ...rest.map((strike) => ({
      ...strike,
      state: focus ?? strike.state,
      kind: same ? first.kind : strike.kind
    }))
  ]
)

const budgets: Arbitrary.Arbitrary<Budgets> = Arbitrary.all({
  gracePeriod: pick([25_000, 25_000, 10_000, 5000, 1000, 100]),
  lameDuck: pick([0, 0, 0, 100, 1000, 3000]),
  drain: pick([10_000, 10_000, 500, 100, 0]),
  interrupt: pick([5000, 5000, 500, 100, 0]),
  stopTimeout: pick([5000, 1000, 100]),
  ladder: pick<Budgets["ladder"]>(["exit", "exit", "interrupt", "patient", "long"])
})

export const plan: Arbitrary.Arbitrary<Plan> = Arbitrary.all({
  seed: below(1_000_000),
  runFor: pick([1000, 1000, 300, 100, 10, 0]),
  budgets,
  storm,
  program
})
