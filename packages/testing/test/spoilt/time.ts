/** Lives spoilt in budgets and escalation. */
import type { Entry } from "@quiesce/testing/Timeline"
import { changed, is, moved, to, without } from "../support/change.ts"
import type { Spoilt } from "../support/spoil.ts"

const drained = is("Awaited", { kind: "drainable", name: "api" })
const endOfDrain = (entry: Entry): boolean => to("Interrupting")(entry) || drained(entry)

export const time: ReadonlyArray<Spoilt> = [
  [
    "ends-in-time",
    "the end comes late",
    "sound",
    changed(is("Exited"), { at: 90_000 }),
    "the stop took 89000 ms of 25000 ms"
  ],
  ["ends-in-time", "there is no end", "sound", without(is("Exited")), "it was asked to stop and never ended"],
  [
    "ends-in-time",
    "nobody hears the request",
    "sound",
    changed(is("StopRequested"), { at: 1100 }),
    "it was asked to stop (Signalled), and went on"
  ],
  [
    "ends-in-time",
    "a state is longer than its budget",
    "sound",
    changed(to("Draining"), { at: 1300 }),
    "LameDuck lasted 300 ms of 100 ms"
  ],
  [
    "ends-in-time",
    "the reserve is used up",
    "sound",
    changed(to("Flushing"), { at: 24_000 }),
    "Flushing began after 23000 ms of 25000 ms, so that less than the reserve of 2500 ms was left"
  ],
  [
    "ends-in-time",
    "a release is longer than its budget",
    "sound",
    changed(is("ComponentStopped", { name: "db" }), { at: 9000 }),
    "the release of db took 7650 ms of 5000 ms"
  ],
  [
    "ends-in-time",
    "a state waits for nothing",
    "sound",
    changed(to("Flushing"), { at: 1500 }),
    "Releasing went on for 50 ms, and there was nothing left to wait for"
  ],
  [
    "ends-in-time",
    "the drain does not wait for a hook",
    "sound",
    moved(is("HookEnded"), "behind", to("Interrupting")),
    "Draining ended after 200 ms of 10000 ms, and db/awaitBeforeStop had not"
  ],
  [
    "ends-in-time",
    "it stays although it has to leave",
    "forced",
    changed(is("Exited"), { at: 6100 }),
    "it did not leave at once although it had to"
  ],
  ["ends-in-time", "only the deadline ends it", "forced", without(is("Escalated")), "the deadline had to cut it off"],
  [
    "ends-in-time",
    "more is granted than there is",
    "slow",
    changed(is("LeaseGranted"), { millis: 60_000 }),
    "60000 ms were granted, and there were not so many left"
  ],
  [
    "ends-in-time",
    "what is granted is not given",
    "slow",
    changed(endOfDrain, { at: 1450 }),
    "Draining ended after 450 ms of 500 ms, of which 100 ms were granted"
  ],
  [
    "ends-in-time",
    "a component has less than its budget",
    "slow",
    changed(is("ComponentAbandoned"), { at: 1900, after: 100 }),
    "db was left behind after 100 ms of 200 ms"
  ],
  [
    "ends-in-time",
    "a component has less than the grace period",
    "slow",
    changed(is("ComponentAbandoned"), { limit: "gracePeriod" }),
    "db was left behind for the grace period, of which 3500 ms were left"
  ],
  [
    "ends-in-time",
    "a component's time is not what is told",
    "slow",
    changed(is("ComponentAbandoned"), { after: 100 }),
    "db was told to be left behind after 100 ms, and it was 200 ms"
  ],
  [
    "ends-in-time",
    "a hook after the stop has less than nine tenths of what is left",
    "slow",
    (timeline) => changed(to("Stopped"), { at: 4000 })(without(is("HookEnded"))(timeline)),
    "Flushing ended after 2000 ms of 3600 ms, and db.1/onStopped had not"
  ],
  [
    "ends-in-time",
    "who escalates does not wait for a hook",
    "escalated",
    moved(is("HookEnded"), "behind", to("Releasing")),
    "Interrupting ended after 50 ms of 5000 ms, and db/onStopping had not"
  ],
  [
    "ends-in-time",
    "a rollback is not counted",
    "failing",
    changed(is("StopRequested"), { spent: 0 }),
    "the rollback took 100 ms, and 0 ms were counted"
  ],
  [
    "ends-in-time",
    "more than the rollback is counted",
    "failing",
    changed(is("StopRequested"), { spent: 500 }),
    "500 ms were counted for a rollback that took at most 100 ms"
  ],
  [
    "escalation-forward",
    "two states are swapped",
    "sound",
    moved(to("Draining"), "behind", to("Interrupting")),
    "Draining -> Interrupting is not a step forward from where it was"
  ],
  [
    "escalation-forward",
    "a state is left out",
    "sound",
    changed(to("Draining"), { to: "Interrupting" }),
    "LameDuck -> Interrupting leaves out a state"
  ],
  [
    "escalation-forward",
    "a second signal does nothing",
    "sound",
    (timeline) =>
      timeline.flatMap((entry) =>
        drained(entry) ? [{ _tag: "Signalled", at: 1350, signal: "SIGINT" }, entry] : [entry]
      ),
    "SIGINT was the last rung, and the application stayed"
  ],
  [
    "escalation-forward",
    "a rung is not told",
    "forced",
    without(is("Escalated")),
    "the rungs taken were none, and the signals asked for Exit"
  ],
  [
    "escalation-forward",
    "nothing is interrupted although it was asked for",
    "escalated",
    changed(to("Interrupting"), { at: 1600 }),
    "it was told to interrupt what runs, and did not"
  ]
]
