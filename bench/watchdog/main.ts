/** The program under comparison: what runs it, and what its finalizer does, come as arguments; it answers what it has used. */
import { spawnSync } from "node:child_process"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as NodeApp from "@quiesce/node/NodeApp"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import type { Fault, Kind, Usage } from "./Program.ts"

const faults: Readonly<Record<Fault, () => void>> = {
  nothing() {},
  hotLoop() {
    for (let i = 0; ; i = (i + 1) % 1000);
  },
  catastrophicRegex() {
    ;/^(a+)+$/.test(`${"a".repeat(64)}b`)
  },
  waitForever() {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
  },
  spawnSleep() {
    spawnSync("sleep", ["60"])
  },
  promiseFlood() {
    void (async () => {
      for (;;) await Promise.resolve()
    })()
  }
}

const kind = process.argv[2] as Kind
const fault = faults[process.argv[3] as Fault]

const app = Layer.effectDiscard(
  Effect.gen(function* () {
    // A turn later, and a flood begins while there is something left to do.
    yield* Effect.acquireRelease(Effect.void, () => Effect.andThen(Effect.sync(fault), Effect.sleep(1)))
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
