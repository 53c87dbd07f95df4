/** Lives spoilt in who gets a place, and when: at gates with a capacity, and at sections with a key. */
import { changed, is, moved, to, without } from "../support/change.ts"
import type { Spoilt } from "../support/spoil.ts"

export const capacity: ReadonlyArray<Spoilt> = [
  [
    "within-capacity",
    "a gate has more than it takes",
    "crowded",
    moved(is("Accepted", { gate: "shop", unit: 1 }), "behind", is("Asked", { gate: "shop", unit: 1 })),
    "shop has 2 at once, and takes 1"
  ],
  [
    "within-capacity",
    "a unit waits although there is a place",
    "crowded",
    moved(is("Left", { gate: "shop", unit: 0 }), "before", is("Asked", { gate: "shop", unit: 3 })),
    "unit 1 of shop had to wait at 830 ms, and shop had a place"
  ],
  [
    "within-capacity",
    "a unit comes in before one that had asked first",
    "crowded",
    (timeline) =>
      changed(is("Refused", { gate: "shop", unit: 2 }), { unit: 1 })(
        changed(is("Accepted", { gate: "shop", unit: 1 }), { unit: 2 })(timeline)
      ),
    "unit 2 of shop got a place before unit 1 of shop, which had asked first"
  ],
  [
    "within-capacity",
    "a unit is turned away although there is a place",
    "crowded",
    changed(is("Left", { gate: "desk", unit: 0 }), { at: 805 }),
    "unit 1 of desk was turned away, and desk had at most 0 of 1"
  ],
  [
    "within-capacity",
    "a unit waits that should be turned away",
    "crowded",
    changed(is("TurnedAway", { gate: "desk", unit: 1 }), { at: 840 }),
    "unit 1 of desk had to wait, and should have been turned away"
  ],
  [
    "within-capacity",
    "a gate that is closed says that it is full",
    "crowded",
    changed(is("Refused", { gate: "shop", unit: 2 }), { _tag: "TurnedAway", at: 1050 }),
    "unit 2 of shop was told that the gate is full, and it was closed"
  ],
  [
    "within-capacity",
    "who waits is not refused when the gate closes",
    "crowded",
    without(is("Refused", { gate: "shop", unit: 3 })),
    "unit 3 of shop was not refused when its time had come"
  ],
  [
    "within-capacity",
    "two sections have one key",
    "crowded",
    moved(is("SectionEntered", { section: "disk.1" }), "behind", is("SectionAsked", { section: "disk.1" })),
    "the key disk has 2 at once, and takes 1"
  ],
  [
    "within-capacity",
    "a section waits for one with another key",
    "crowded",
    changed(is("SectionAsked", { section: "disk" }), { key: "net" }),
    "disk.1 had to wait at 910 ms, and the key disk had a place"
  ],
  [
    "within-capacity",
    "a section in line is not refused when the drain begins",
    "crowded",
    changed(is("SectionRefused", { section: "disk.2" }), { at: 1150 }),
    "disk.2 was not refused when its time had come"
  ],
  [
    "within-capacity",
    "the stop does not wait for a section in line that may still begin",
    "crowded",
    moved(is("SectionEntered", { section: "disk.3" }), "behind", to("Releasing")),
    "Draining ended, and disk.3 was in line"
  ],
  [
    "no-late-acceptance",
    "a unit is let in when its gate has closed",
    "crowded",
    changed(is("Refused", { gate: "shop", unit: 3 }), { _tag: "Accepted", at: 1050 }),
    "unit 3 of shop was let in, and its gate had closed"
  ],
  [
    "no-late-acceptance",
    "the drain counts more of a kind than there are",
    "crowded",
    changed(is("InFlight"), { counts: { "shop/1": 3 } }),
    "3 units of shop/1 are told as the drain begins, and there were 1"
  ],
  [
    "no-late-acceptance",
    "the drain counts a unit as another kind",
    "crowded",
    changed(is("InFlight"), { counts: { shop: 1 } }),
    "shop/1 closed with 0 units in it, and 1 were let in"
  ]
]
