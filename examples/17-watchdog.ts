// A loop that does not end would hold the process for ever: no signal, no timer and no finalizer gets its turn. The watchdog's
// thread says which line it is, runs the emergency hooks, writes the report and ends the process at its deadline.
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as NodeApp from "@quiesce/node/NodeApp"
import * as Component from "quiesce/Component"
import { Lifecycle } from "quiesce/Lifecycle"
import * as StopReason from "quiesce/StopReason"

/** Never finds what it looks for. */
const findLastDigit = (): number => {
  for (let digit = 0; ; digit = (digit + 1) % 10) if (digit > 9) return digit
}

const Table = Layer.effectDiscard(
  Effect.gen(function* () {
    const lifecycle = yield* Lifecycle
    // Synchronous, for the end in which nothing else runs any more.
    yield* lifecycle.emergency("save the table", () => console.error("the table is saved"))
    yield* Effect.acquireRelease(Effect.log("open"), () => Effect.sync(findLastDigit))
    yield* Effect.forkScoped(Effect.andThen(lifecycle.running, lifecycle.requestStop(StopReason.finished)))
  })
).pipe(Component.make("table"))

NodeApp.run(Table, { name: "watchdog", gracePeriod: "2 seconds" })
