/** The program under comparison: what runs it, and what its finalizer does, come as arguments; it answers what it has used. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as NodeApp from "@quiesce/node/NodeApp"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { faults } from "../../packages/node/test/fixtures/faults.ts"
import type { Kind, Usage, Work } from "./Program.ts"

const kind = process.argv[2] as Kind
const work = process.argv[3] as Work
const run = work === "nothing" ? () => {} : faults[work]

const app = Layer.effectDiscard(
  Effect.gen(function* () {
    // A turn later, and a flood begins while there is something left to do.
    yield* Effect.acquireRelease(Effect.void, () => Effect.andThen(Effect.sync(run), Effect.sleep(1)))
    yield* Effect.sync(() => process.send?.("up"))
  })
)

process.on("message", (message) => {
  if (message !== "usage") return
  const { system, user } = process.cpuUsage()
  process.send?.({ cpu: (system + user) / 1000, rss: process.memoryUsage().rss } satisfies Usage)
})

if (kind === "plain") NodeRuntime.runMain(Layer.launch(app))
else NodeApp.run(app, { gracePeriod: 1000, ...(kind === "unwatched" ? { watchdog: false } : {}) })
