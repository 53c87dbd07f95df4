/** Lives spoilt in what is told of a stop: report, log and exit code. */
import { changed, is, twice, without } from "../support/change.ts"
import { reported, type Spoilt } from "../support/spoil.ts"

const drained = is("Awaited", { kind: "drainable", name: "api" })

export const told: ReadonlyArray<Spoilt> = [
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
  ]
]
