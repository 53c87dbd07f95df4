/** Random parts: what components do while they run, and what goes wrong then. */
import * as Arbitrary from "effect/Arbitrary"
import type { Part } from "../Part.ts"
import { behaviour, faults, flag, good, harmless, oneOf, pick } from "./arbitraryChoices.ts"
import { emergency } from "./hardships.ts"

const when = pick<number | "stopping" | "lameDuck">([0, "stopping", "lameDuck", 10, 100, 300, 1000])

/** Fields of a gate with so many places, or with none. */
const limited = (
  capacities: readonly [number | undefined, ...ReadonlyArray<number | undefined>]
): Arbitrary.Arbitrary<Partial<Extract<Part, { _tag: "Requests" }>>> =>
  Arbitrary.map(
    Arbitrary.all({
      capacity: pick(capacities),
      whenFull: pick<"wait" | "reject">(["wait", "wait", "reject"]),
      kinds: pick([1, 1, 2, 3]),
      patience: pick<number | undefined>([undefined, undefined, 100, 100, 300, 10])
    }),
    ({ capacity, kinds, patience, whenFull }) => ({
      ...(kinds > 1 && { kinds }),
      ...(capacity !== undefined && { capacity, whenFull, ...(patience !== undefined && { patience }) })
    })
  )

export const requests: Arbitrary.Arbitrary<Part> = Arbitrary.map(
  Arbitrary.all({
    when: pick<number | "stopping" | "lameDuck">([0, "lameDuck", "lameDuck", "stopping", 10, 100, 1000]),
    every: pick([0, 0, 10, 50, 100]),
    count: pick([1, 2, 5, 12]),
    takes: pick([0, 0, 10, 100, 300, 1000, 4000, -1]),
    masked: flag(4),
    limited: limited([undefined, undefined, undefined, 1, 2])
  }),
  ({ limited, ...fields }) => ({ _tag: "Requests", ...fields, ...limited })
)

/** What comes just as the stop begins, and much of it, is what a gate can get wrong. */
export const burst: Arbitrary.Arbitrary<Part> = Arbitrary.map(
  Arbitrary.all({
    count: pick([12, 5, 20]),
    takes: pick([0, 0, 10, 100, 1000]),
    limited: limited([undefined, undefined, undefined, 1])
  }),
  ({ limited, ...fields }) => ({ _tag: "Requests", when: "lameDuck", every: 0, masked: false, ...fields, ...limited })
)

/** More than there are places for, one after the other. */
const crowd: Arbitrary.Arbitrary<Part> = Arbitrary.map(
  Arbitrary.all({
    when: pick<number | "lameDuck">([0, 0, 100, 900, "lameDuck"]),
    every: pick([10, 10, 0, 0, 50]),
    count: pick([5, 12]),
    takes: pick([100, 100, 100, 300, 1000, 10, -1]),
    masked: flag(8),
    limited: limited([1, 1, 2, 5])
  }),
  ({ limited, ...fields }) => ({ _tag: "Requests", ...fields, ...limited })
)

const sectionOf = (
  keys: readonly [string | undefined, ...ReadonlyArray<string | undefined>]
): Arbitrary.Arbitrary<Part> =>
  Arbitrary.map(
    Arbitrary.all({
      when,
      takes: pick([0, 50, 300, 1000, 4000, -1]),
      atMost: pick([5000, 1000, 200, 0]),
      masked: flag(4),
      allowDuringStop: flag(3),
      fails: flag(4),
      key: pick(keys),
      patience: pick<number | undefined>([undefined, undefined, undefined, 100, 10])
    }),
    ({ key, patience, ...fields }) => ({
      _tag: "Section",
      ...fields,
      ...(key !== undefined && { key, ...(patience !== undefined && { patience }) })
    })
  )

const section = sectionOf([undefined, undefined, undefined, "a", "b"])

/** A task that goes on when the stop comes, and is let finish. */
export const finisher: Arbitrary.Arbitrary<Part> = Arbitrary.map(
  Arbitrary.all({
    behaviour: behaviour(1, [{ ...good, end: "fail" }, ...faults], [1100, 1100, 1300, 2000, 700, 4000]),
    restarts: pick([0, 0, 1]),
    every: pick([100, 0]),
    cleanup: pick([0, 0, 50]),
    priority: pick([0, 5]),
    onFailure: pick<"stop" | "degrade" | "ignore">(["ignore", "degrade", "stop"])
  }),
  (fields) => ({ _tag: "Task", onStop: "finish", ...fields })
)

/** Several that want one place, or few. */
export const line = oneOf<ReadonlyArray<Part>>(
  Arbitrary.map(crowd, (one) => [one]),
  Arbitrary.array(sectionOf(["a", "a", "a", "b"]), { minLength: 2, maxLength: 4 })
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
    poisoned: pick([-1, -1, -1, 0, 2]),
    claims: pick<number | undefined>([undefined, undefined, undefined, 10, 100, 1000])
  }),
  ({ claims, ...fields }) => ({ _tag: "Worker", ...fields, ...(claims !== undefined && { claims }) })
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

export const part: Arbitrary.Arbitrary<Part> = oneOf<Part>(
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
  emergency,
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

export const trouble = oneOf<ReadonlyArray<Part>>(
  Arbitrary.array(mishap, { minLength: 1, maxLength: 2 }),
  Arbitrary.map(Arbitrary.all({ stubborn, mishap }), ({ mishap, stubborn }) => [stubborn, mishap])
)
