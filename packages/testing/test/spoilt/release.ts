/** Lives spoilt in order and completeness of the release. */
import { changed, is, moved, to, twice, without } from "../support/change.ts"
import type { Spoilt } from "../support/spoil.ts"

const ran = is("HookRan", { hook: "db/awaitBeforeStop" })

export const release: ReadonlyArray<Spoilt> = [
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
    "isolation",
    "one is not released because another fails",
    "sound",
    without(is("Releasing", { component: "db" })),
    "db was never released, because of api"
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
