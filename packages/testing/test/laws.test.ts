/** Every law of the kit can be broken: a sound life keeps it, and the same life with one thing changed does not. */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { Report } from "quiesce/Report"
import * as Law from "@quiesce/testing/Law"
import * as Laws from "@quiesce/testing/Laws"
import * as Plan from "@quiesce/testing/Plan"
import * as Scripted from "@quiesce/testing/Scripted"
import { strike } from "@quiesce/testing/SignalStorm"
import * as Search from "@quiesce/testing/Search"
import * as Simulation from "@quiesce/testing/Simulation"
import { type Entry, render, type Timeline } from "@quiesce/testing/Timeline"

const calm = { end: "return", after: 0, masked: false, blocks: false } as const
const hangs = { ...calm, end: "hang" } as const

/** Two components, one built with the other; work, sections, hooks, a finalizer that fails. */
const sound = Effect.suspend(() => {
  const db = Scripted.component("db", {
    release: { after: 100 },
    parts: [
      { _tag: "Hook", on: "awaitBeforeStop", behaviour: { ...calm, after: 50 } },
      { _tag: "Hook", on: "onStopped", behaviour: calm },
      { _tag: "Emergency", throws: false }
    ]
  })
  const api = Scripted.component("api", {
    needs: [db],
    release: { after: 50, end: "fail" },
    parts: [
      { _tag: "Requests", when: 900, every: 0, count: 1, takes: 400, masked: false },
      { _tag: "Section", when: 900, takes: 300, atMost: 1000, masked: false, allowDuringStop: false },
      { _tag: "Section", when: "stopping", takes: 0, atMost: 0, masked: false, allowDuringStop: true },
      { _tag: "Section", when: "stopping", takes: 0, atMost: 0, masked: false, allowDuringStop: false }
    ]
  })
  return Simulation.run(Layer.mergeAll(api, db), {
    plan: { storm: [strike("SIGTERM", "Running", 1)], options: { lameDuck: 100 } }
  })
})

/** Everything is given up that can be: work, a section, hooks, a component. */
const slow = Effect.suspend(() => {
  const db = Scripted.component("db", {
    release: "hang",
    stopTimeout: 200,
    parts: [
      { _tag: "Hook", on: "onStopping", behaviour: hangs },
      { _tag: "Hook", on: "onStopped", behaviour: hangs }
    ]
  })
  const api = Scripted.component("api", {
    needs: [db],
    parts: [
      { _tag: "Requests", when: 900, every: 0, count: 2, takes: -1, masked: false },
      { _tag: "Section", when: 900, takes: -1, atMost: 300, masked: false, allowDuringStop: false },
      { _tag: "Lease", millis: 100 }
    ]
  })
  return Simulation.run(Layer.mergeAll(api, db), {
    plan: {
      storm: [strike("SIGTERM", "Running", 1)],
      options: { gracePeriod: 5000, drain: 400, interrupt: 1000 }
    }
  })
})

/** It leaves at once, out of the drain, with a section in it. */
const forced = Effect.suspend(() =>
  Simulation.run(
    Scripted.component("db", {
      parts: [
        { _tag: "Emergency", throws: true },
        { _tag: "Section", when: 900, takes: -1, atMost: 3000, masked: false, allowDuringStop: false }
      ]
    }),
    { plan: { storm: [strike("SIGTERM", "Running", 1), strike("SIGINT", "Draining", 0.5)] } }
  )
)

/** It skips the drain. */
const escalated = Effect.suspend(() =>
  Simulation.run(
    Scripted.component("db", { parts: [{ _tag: "Hook", on: "onStopping", behaviour: { ...calm, after: 50 } }] }),
    {
      plan: {
        storm: [strike("SIGTERM", "Running", 1), strike("SIGINT", "LameDuck", 0.5)],
        options: { lameDuck: 1000, escalation: ["Graceful", "Interrupt", "Exit"] }
      }
    }
  )
)

/** A start that fails when another component is up already. */
const failing = Effect.suspend(() => {
  const db = Scripted.component("db", { release: { after: 100 } })
  return Simulation.run(Scripted.component("api", { needs: [db], acquire: "fail" }))
})

const lives = { sound, slow, forced, escalated, failing }

type Change = (timeline: Timeline) => Timeline

const is =
  (tag: Entry["_tag"], fields: Readonly<Record<string, unknown>> = {}) =>
  (entry: Entry): boolean =>
    entry._tag === tag && Object.entries(fields).every(([key, value]) => Reflect.get(entry, key) === value)

const without =
  (which: (entry: Entry) => boolean): Change =>
  (timeline) =>
    timeline.filter((entry) => !which(entry))

const twice =
  (which: (entry: Entry) => boolean): Change =>
  (timeline) =>
    timeline.flatMap((entry) => (which(entry) ? [entry, entry] : [entry]))

const changed =
  (which: (entry: Entry) => boolean, fields: object): Change =>
  (timeline) =>
    timeline.map((entry) => (which(entry) ? { ...entry, ...fields } : entry))

/** Takes the first such entry out and puts it before or behind another. */
const moved =
  (which: (entry: Entry) => boolean, place: "before" | "behind", other: (entry: Entry) => boolean): Change =>
  (timeline) => {
    const taken = timeline.find(which)
    if (taken === undefined) return timeline
    const rest = timeline.filter((entry) => entry !== taken)
    const at = rest.findIndex(other) + (place === "before" ? 0 : 1)
    return rest.toSpliced(at, 0, { ...taken, at: rest[at]?.at ?? taken.at })
  }

const to = (state: string) => is("StateChanged", { to: state })

const accepted: Entry = { _tag: "Accepted", at: 1500, gate: "api", unit: 9, masked: false }
const left: Entry = { _tag: "Left", at: 1500, gate: "api", unit: 9, whole: true }
const drained = is("Awaited", { kind: "drainable", name: "api" })
const ran = is("HookRan", { hook: "db/awaitBeforeStop" })
const leftSection = is("SectionLeft", { section: "api.1" })
const held = is("CriticalSectionWaited", { name: "api.1" })
const endOfDrain = (entry: Entry): boolean => to("Interrupting")(entry) || drained(entry)

/** Leaves the timeline as it is, and says something else of it in the report. */
const reported = (wrong: Partial<Report> | ((report: Report) => Partial<Report>)) => ({ wrong })

/** One for each thing that a law looks at: what is changed in which life, and what the law says of it. */
const spoilt: ReadonlyArray<
  readonly [
    law: string,
    what: string,
    life: keyof typeof lives,
    change: Change | ReturnType<typeof reported>,
    message: string
  ]
> = [
  [
    "released-once",
    "a release is missing",
    "sound",
    without(is("Releasing", { component: "db" })),
    "db was acquired and never released"
  ],
  [
    "released-once",
    "a release comes twice",
    "sound",
    twice(is("Releasing", { component: "db" })),
    "db was released 2 times"
  ],
  [
    "released-once",
    "a release was not asked for",
    "sound",
    without(is("Acquired", { component: "db" })),
    "db was released without having been acquired"
  ],
  [
    "released-once",
    "an end is not told",
    "sound",
    without(is("ComponentStopped", { name: "db" })),
    "db started and never ended"
  ],
  ["released-once", "an end is told twice", "sound", twice(is("ComponentStopped", { name: "db" })), "db ended 2 times"],
  [
    "released-once",
    "a release is told to begin twice",
    "sound",
    twice(is("ComponentStopping", { name: "db" })),
    "db began to stop twice"
  ],
  ["released-once", "a hook runs twice", "sound", twice(ran), "db/awaitBeforeStop ran 2 times"],
  [
    "released-once",
    "a hook runs before the drain",
    "sound",
    moved(ran, "before", to("Draining")),
    "db/awaitBeforeStop ran before its turn had come"
  ],
  [
    "released-once",
    "a hook runs after the drain",
    "sound",
    moved(ran, "behind", to("Interrupting")),
    "db/awaitBeforeStop ran when its turn was over"
  ],
  [
    "released-once",
    "a hook runs that is not registered any more",
    "sound",
    moved(is("HookGone", { hook: "db/awaitBeforeStop" }), "before", to("LameDuck")),
    "db/awaitBeforeStop ran although its scope had closed"
  ],
  [
    "released-once",
    "a hook does not run",
    "sound",
    without(ran),
    "db/awaitBeforeStop did not run although its turn had come"
  ],
  [
    "released-once",
    "a hook waits for another",
    "sound",
    changed(ran, { at: 1150 }),
    "db/awaitBeforeStop ran 50 ms after its turn had come"
  ],
  [
    "released-once",
    "an emergency hook does not run",
    "forced",
    without(is("HookRan")),
    "db/emergency did not run although the application left at once"
  ],
  [
    "reverse-order",
    "a dependency is released first",
    "sound",
    moved(is("Releasing", { component: "db" }), "before", is("Releasing", { component: "api" })),
    "db began to stop while api was using it"
  ],
  [
    "reverse-order",
    "a dependency is told to stop first",
    "sound",
    moved(is("ComponentStopping", { name: "db" }), "before", is("ComponentStopping", { name: "api" })),
    "db began to stop before api had settled"
  ],
  [
    "reverse-order",
    "a component starts with one that was released",
    "sound",
    moved(is("Acquiring", { component: "api" }), "behind", is("Released", { component: "db" })),
    "api began to start with db, which had been released"
  ],
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
  ],
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
    "isolation",
    "one is not released because another fails",
    "sound",
    without(is("Releasing", { component: "db" })),
    "db was never released, because of api"
  ],
  [
    "accounted",
    "the report leaves a component out",
    "sound",
    reported({ components: [] }),
    "the report does not name db"
  ],
  [
    "accounted",
    "the report says nothing of an end",
    "sound",
    reported(({ components }) => ({ components: components.map((row) => ({ ...row, end: "running" })) })),
    "the report says that db running, and it was stopped"
  ],
  [
    "accounted",
    "the report has no time for a component",
    "sound",
    reported(({ components }) => ({ components: components.map((row) => ({ ...row, working: 0 })) })),
    "the report says that db worked 0 ms, and it was 100 ms"
  ],
  [
    "accounted",
    "the report leaves a failed finalizer out",
    "sound",
    reported({ failures: [] }),
    "the report does not say how api failed"
  ],
  [
    "accounted",
    "the report leaves a failed start out",
    "failing",
    reported({ failures: [] }),
    "the report does not say: api: acquire failed on purpose"
  ],
  [
    "accounted",
    "the report leaves stragglers out",
    "slow",
    reported({ stragglers: [] }),
    "the report does not name the stragglers of api"
  ],
  [
    "accounted",
    "the report leaves waits out",
    "sound",
    reported({ awaited: [] }),
    "the report does not say that db/awaitBeforeStop was done"
  ],
  [
    "accounted",
    "the report leaves sections out",
    "sound",
    reported({ criticalSections: [] }),
    "the report does not say how api.1 ended"
  ],
  [
    "accounted",
    "the report's states do not add up",
    "sound",
    reported({ duration: 1 }),
    "the states add up to 450 ms, and the stop took 1 ms"
  ],
  [
    "accounted",
    "the report's chain does not add up",
    "sound",
    reported({ criticalChain: [] }),
    "the critical chain adds up to 0 ms, and the releases took 150 ms"
  ],
  [
    "accounted",
    "the report has another exit code",
    "sound",
    reported({ exitCode: 3 }),
    "the report has another outcome than the log"
  ],
  [
    "accounted",
    "a gate is not told to close",
    "sound",
    without(is("GateClosed")),
    "api was drained, and nothing says that it closed"
  ],
  [
    "accounted",
    "a gate's time is not what is told",
    "sound",
    changed(drained, { waited: 1 }),
    "api was waited for 200 ms, and 1 ms are told"
  ],
  [
    "accounted",
    "the end of a hook is not told",
    "sound",
    without(is("Awaited", { name: "db/awaitBeforeStop" })),
    "the end of db/awaitBeforeStop was told 0 times"
  ],
  [
    "accounted",
    "the end of a hook is not what is told",
    "sound",
    changed(is("Awaited", { name: "db/awaitBeforeStop" }), { result: "failed" }),
    "db/awaitBeforeStop was told to be failed, and it was not"
  ],
  [
    "accounted",
    "a hook that is given up goes on",
    "slow",
    changed(is("HookEnded", { hook: "db/onStopping" }), { at: 1700 }),
    "db/onStopping was given up, and not interrupted"
  ],
  [
    "accounted",
    "an emergency hook is told twice",
    "forced",
    twice(is("EmergencyRan")),
    "db/emergency was told 2 times to have run"
  ],
  [
    "accounted",
    "the end of an emergency hook is not what is told",
    "forced",
    changed(is("HookEnded"), { whole: true }),
    "db/emergency was told to have ended otherwise than it did"
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
  ],
  [
    "critical-section-whole",
    "a section is torn",
    "sound",
    changed(leftSection, { whole: false }),
    "api.1 was interrupted, and it had not exceeded its limit"
  ],
  [
    "critical-section-whole",
    "the release begins under a section",
    "sound",
    moved(leftSection, "behind", to("Releasing")),
    "the release began while api.1 was going on, and nothing says so"
  ],
  [
    "critical-section-whole",
    "a component is released under its section",
    "sound",
    moved(leftSection, "behind", is("Releasing", { component: "api" })),
    "api was released while api.1 was going on"
  ],
  [
    "critical-section-whole",
    "one is refused that may begin during a stop",
    "sound",
    changed(is("SectionRefused"), { late: true }),
    "api.3 was refused, and it may begin during a stop"
  ],
  [
    "critical-section-whole",
    "one is refused before the drain",
    "sound",
    moved(is("SectionRefused"), "before", to("LameDuck")),
    "api.3 was refused before the application drained"
  ],
  [
    "critical-section-whole",
    "one begins that may not",
    "sound",
    changed(is("SectionEntered", { section: "api.2" }), { late: false, at: 1200 }),
    "api.2 began although the application was stopping"
  ],
  ["critical-section-whole", "one is told twice", "sound", twice(held), "api.1 was told 2 times"],
  [
    "critical-section-whole",
    "one is not told",
    "sound",
    without(held),
    "the stop waited for api.1, and nothing says so"
  ],
  [
    "critical-section-whole",
    "one is told that had ended",
    "sound",
    changed(leftSection, { at: 1050 }),
    "api.1 had ended before the stop, which is told to have waited for it"
  ],
  [
    "critical-section-whole",
    "its time is not what is told",
    "sound",
    changed(held, { waited: 5 }),
    "5 ms are told of api.1, and it was 100 ms"
  ],
  [
    "critical-section-whole",
    "one that has ended is told to be given up",
    "sound",
    changed(held, { exceeded: true, at: 1250 }),
    "api.1 was told to be given up, and it had ended"
  ],
  [
    "critical-section-whole",
    "one that is given up is told to have ended",
    "slow",
    changed(held, { exceeded: false }),
    "api.1 was told to have ended, and it had not"
  ],
  [
    "critical-section-whole",
    "one that is given up goes on",
    "slow",
    changed(leftSection, { at: 2100 }),
    "api.1 was given up, and not interrupted"
  ],
  [
    "critical-section-whole",
    "one has less than its limit",
    "slow",
    changed(held, { waited: 10 }),
    "api.1 was given up after 10 ms of 300 ms"
  ],
  [
    "critical-section-whole",
    "one has more than its limit",
    "slow",
    changed(held, { at: 2500, waited: 1000 }),
    "api.1 was waited for 1000 ms of 300 ms"
  ],
  [
    "critical-section-whole",
    "one is torn by a forced exit, and not told",
    "forced",
    without(is("Straggler")),
    "db.1 was torn, and 0 times told"
  ],
  [
    "exit-code",
    "the process leaves with another code",
    "sound",
    changed(is("Exited"), { exitCode: 0 }),
    "it exited with 0, and a stop that is Degraded with the reason Signal exits with 70"
  ],
  [
    "exit-code",
    "the outcome is better than what happened",
    "sound",
    changed(is("Ended"), { outcome: { _tag: "Clean" } }),
    "it said that it was Clean, and it was Degraded"
  ],
  [
    "never-silent",
    "nothing is logged",
    "sound",
    without(is("Logged")),
    'nothing was logged of "api: release failed on purpose"'
  ],
  [
    "never-silent",
    "a failure is logged twice",
    "sound",
    twice(is("Logged", { level: "Error" })),
    '"api: release failed on purpose" was logged 2 times'
  ],
  [
    "never-silent",
    "the line is about something else",
    "sound",
    changed(is("Logged", { level: "Error" }), { message: "something: release failed on purpose" }),
    'nothing was logged of "api: release failed on purpose"'
  ],
  [
    "never-silent",
    "the line does not name the component",
    "sound",
    changed((entry) => is("Failed")(entry) || is("Logged", { level: "Error" })(entry), { message: "it broke" }),
    '"it broke" was logged without the name of api'
  ],
  [
    "never-silent",
    "nobody says who was left behind",
    "slow",
    without((entry) => entry._tag === "Logged" && entry.message.includes("left behind")),
    "nothing was logged of db, which was left behind"
  ],
  [
    "never-silent",
    "nobody says what was left undone",
    "slow",
    without((entry) => entry._tag === "Logged" && entry.message.includes("unfinished")),
    "nothing was logged of Straggler: 2 api"
  ],
  [
    "start-rollback",
    "what a failed start had acquired is not released",
    "failing",
    without(is("Releasing")),
    "db was acquired by a start that did not succeed, and was never released"
  ],
  [
    "start-rollback",
    "what was never acquired is released",
    "failing",
    without(is("Acquired")),
    "db was released, and had never been acquired"
  ],
  [
    "start-rollback",
    "it runs although its start failed",
    "failing",
    (timeline) => [{ _tag: "StateChanged", at: 0, from: "Starting", to: "Running" }, ...timeline],
    "the start failed, and yet it was running"
  ],
  [
    "start-rollback",
    "something is built on what is being released",
    "failing",
    moved(is("Acquiring", { component: "api" }), "behind", to("Releasing")),
    "api began to start although the application was being released"
  ]
]

const spoil = (life: Simulation.Simulated, change: Change | ReturnType<typeof reported>): Law.Life => {
  if (typeof change === "function") return { ...life, timeline: change(life.timeline) }
  const { wrong } = change
  return { ...life, report: { ...life.report, ...(typeof wrong === "function" ? wrong(life.report) : wrong) } }
}

describe("a sound life keeps every law", () => {
  for (const [name, lived] of Object.entries(lives)) {
    it.effect(name, () =>
      Effect.gen(function* () {
        const life = yield* lived
        expect(Laws.check(life), render(life.timeline)).toEqual([])
      })
    )
  }

  it.effect("with a failpoint that is hit while it runs", () =>
    Effect.gen(function* () {
      const life = yield* sound
      const hit: Entry = { _tag: "Struck", at: 900, what: "failpoint orders.commit" }
      const at = life.timeline.findIndex(is("Signalled"))
      expect(Laws.check({ ...life, timeline: life.timeline.toSpliced(at, 0, hit) })).toEqual([])
    })
  )
})

describe("where each step takes a little time, as on a real machine", () => {
  /** The same life, with 20 microseconds between one entry and the next. */
  const late: Change = (timeline) => timeline.map((entry, index) => ({ ...entry, at: entry.at + index / 50 }))

  it.effect("a drain that is told 60 microseconds off is within a slack of 1 ms, and outside of none", () =>
    Effect.gen(function* () {
      const life = { ...(yield* sound), report: undefined }
      const timeline = changed(drained, { waited: 199.94 })(life.timeline)
      expect(Laws.accounted.check({ ...life, timeline }).map(({ message }) => message)).toEqual([
        "api was waited for 200 ms, and 199.94 ms are told"
      ])
      const limits = yield* Law.limits({ lameDuck: 100 }, 1)
      expect(Laws.accounted.check({ ...life, limits, timeline })).toEqual([])
    })
  )

  it.effect(
    "the laws that a chaos run checks hold for all that the simulation finds sound",
    () =>
      Effect.gen(function* () {
        const broken: Array<string> = []
        yield* Search.run({
          programs: 300,
          onLife: (plan, life) => {
            const slower = {
              ...life,
              report: undefined,
              timeline: late(life.timeline),
              limits: { ...life.limits, slack: 100 }
            }
            for (const { law, message } of Laws.check(slower, Laws.unhurried))
              broken.push(`${law}: ${message}\n${Plan.toJson(plan)}`)
          }
        })
        expect(broken).toEqual([])
      }),
    30_000
  )
})

describe("every law bites", () => {
  for (const [name, what, lived, change, message] of spoilt) {
    it.effect(`${name}: ${what}`, () =>
      Effect.gen(function* () {
        const law = Laws.all.find((one) => one.name === name)
        const found = law?.check(spoil(yield* lives[lived], change)) ?? []
        expect(found.map((violation) => violation.message)).toContain(message)
        for (const { entries, law } of found) {
          expect(law).toBe(name)
          expect(entries.every((at) => at >= 0)).toBe(true)
        }
      })
    )
  }

  it.effect("replay: one entry is another", () =>
    Effect.gen(function* () {
      const life = yield* sound
      const again = { ...life, timeline: changed(is("Exited"), { exitCode: 1 })(life.timeline) }
      expect(Laws.replay(life, again)).toEqual([
        {
          law: "replay",
          message: `the second time there was ${JSON.stringify(again.timeline.at(-1))}`,
          entries: [life.timeline.length - 1]
        }
      ])
      expect(Laws.replay(life, life)).toEqual([])
    })
  )

  it("every law of the list has been tried", () => {
    const tried = new Set([...spoilt.map(([name]) => name), "tasks-supervised", "reload-atomic"])
    expect(Laws.all.map(({ name }) => name).filter((name) => !tried.has(name))).toEqual([])
  })
})

describe("Laws.assert", () => {
  it.effect("says which laws are broken, and marks the lines that show it", () =>
    Effect.gen(function* () {
      const life = yield* sound
      const timeline = changed(is("Exited"), { exitCode: 0 })(life.timeline)
      const broken = yield* Effect.flip(Laws.assert({ ...life, timeline }))
      expect(broken.laws).toEqual(["exit-code"])
      const [sentence, , ...log] = broken.message.split("\n")
      expect(sentence).toBe(
        "exit-code: it exited with 0, and a stop that is Degraded with the reason Signal exits with 70"
      )
      expect(log.filter((line) => line.startsWith(">"))).toEqual([">    1450.0 Exited exitCode=0"])
      expect(log.length).toBeGreaterThan(20)
    })
  )
})
