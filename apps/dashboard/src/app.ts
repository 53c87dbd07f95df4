/** The dashboard: all its parts, and who is built on whom. A stop goes the other way. */
import * as Layer from "effect/Layer"
import * as Http from "./api/Http.ts"
import * as Health from "./Health.ts"
import * as Settings from "./settings/Settings.ts"
import * as Database from "./store/Database.ts"
import * as Projects from "./store/Projects.ts"
import * as RunQueue from "./store/RunQueue.ts"
import * as Runs from "./store/Runs.ts"
import * as Welcome from "./Welcome.ts"
import * as Executor from "./worker/Executor.ts"
import * as Worker from "./worker/Worker.ts"

const Stores = Layer.mergeAll(Projects.layer, Runs.layer, RunQueue.layer)

const App = Welcome.layer.pipe(
  // It uses neither: it is built last, and says "ready" when that is true.
  Layer.provide([Http.layer, Worker.layer]),
  Layer.provide(Http.Server),
  Layer.provide([Stores, Executor.layerSimulated]),
  Layer.provide(Database.layer),
  Layer.provide(Health.layer),
  Layer.provide(Settings.layer)
)

export default App
