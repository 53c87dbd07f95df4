// The smallest application: a layer with something to release, and one line to run it.
// It runs until Ctrl+C; the second Ctrl+C would leave at once.
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as NodeApp from "@quiesce/node/NodeApp"

const App = Layer.effectDiscard(
  Effect.acquireRelease(Effect.log("open for business, press Ctrl+C"), () => Effect.log("closed"))
)

NodeApp.run(App, { name: "first-app" })
