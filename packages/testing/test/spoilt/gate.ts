/** Lives spoilt in the gate for new work. */
import type { Entry } from "@quiesce/testing/Timeline"
import { changed, is, moved, to, twice, without } from "../support/change.ts"
import type { Spoilt } from "../support/spoil.ts"

const accepted: Entry = { _tag: "Accepted", at: 1500, gate: "api", unit: 9, masked: false }
const left: Entry = { _tag: "Left", at: 1500, gate: "api", unit: 9, whole: true }
const drained = is("Awaited", { kind: "drainable", name: "api" })
const endOfDrain = (entry: Entry): boolean => to("Interrupting")(entry) || drained(entry)

export const gate: ReadonlyArray<Spoilt> = [
  [
    "no-late-acceptance",
    "a unit gets in when the gate was drained",
    "sound",
    (timeline) => timeline.flatMap((entry) => (drained(entry) ? [entry, accepted, left] : [entry])),
    "api accepted unit 9 after it was drained"
  ],
  [
    "no-late-acceptance",
    "the gate is told to be empty with a unit in it",
    "sound",
    moved(is("Left"), "behind", drained),
    "api was told to be drained while unit 0 was in it"
  ],
  [
    "no-late-acceptance",
    "a unit never ends",
    "sound",
    without(is("Left")),
    "unit 0 of api never ended, and nothing says so"
  ],
  [
    "no-late-acceptance",
    "a unit is torn",
    "sound",
    changed(is("Left"), { whole: false }),
    "unit 0 of api was torn, and nothing had said so"
  ],
  [
    "no-late-acceptance",
    "the drain does not say what it waits for",
    "sound",
    without(is("InFlight")),
    "api closed with 0 units in it, and 1 were let in"
  ],
  [
    "no-late-acceptance",
    "a gate closes twice",
    "sound",
    twice(is("GateClosed")),
    "api was told 2 times to be closed or drained"
  ],
  [
    "no-late-acceptance",
    "an empty gate is waited for",
    "sound",
    changed(drained, { result: "abandoned", at: 1350 }),
    "api was waited for, and it had been empty for 50 ms"
  ],
  [
    "no-late-acceptance",
    "a straggler is left out",
    "slow",
    changed(is("Straggler"), { count: 1 }),
    "api has 2 unfinished units, and 1 are told"
  ],
  [
    "no-late-acceptance",
    "there are more stragglers than units",
    "slow",
    changed(is("Straggler"), { count: 3 }),
    "api has at most 2 unfinished units, and 3 are told"
  ],
  [
    "no-late-acceptance",
    "the drain ends before its budget",
    "slow",
    changed(endOfDrain, { at: 1300 }),
    "Draining ended after 300 ms of 400 ms with work in api"
  ],
  [
    "no-late-acceptance",
    "what is left is not interrupted",
    "slow",
    changed(is("Left", { unit: 0 }), { at: 1700 }),
    "unit 0 of api went on after the drain, and was not interrupted"
  ],
  [
    "no-late-acceptance",
    "Interrupting does not wait",
    "slow",
    moved(is("Left", { unit: 0 }), "behind", to("Releasing")),
    "Interrupting ended after 300 ms of 1000 ms with unit 0 in api"
  ],
  [
    "ready-before-refuse",
    "the gate closes while it is ready",
    "sound",
    moved(is("GateClosed"), "before", to("LameDuck")),
    "new work was refused while the application said that it was ready"
  ],
  [
    "ready-before-refuse",
    "lame duck is too short",
    "sound",
    changed(is("GateClosed"), { at: 1040 }),
    "lame duck lasted 40 ms instead of 100 ms"
  ]
]
