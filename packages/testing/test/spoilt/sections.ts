/** Lives spoilt in critical sections. */
import { changed, is, moved, to, twice, without } from "../support/change.ts"
import type { Spoilt } from "../support/spoil.ts"

const leftSection = is("SectionLeft", { section: "api.1" })
const held = is("CriticalSectionWaited", { name: "api.1" })

export const sections: ReadonlyArray<Spoilt> = [
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
  ]
]
