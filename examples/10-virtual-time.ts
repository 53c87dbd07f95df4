// The whole stop runs on Effect's Clock, so a test needs no real second of it: here a drain of a second and a half passes at once.
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as TestClock from "effect/testing/TestClock"
import * as App from "quiesce/App"
import * as DrainGate from "quiesce/DrainGate"
import * as Report from "quiesce/Report"

const Worker = Layer.effectDiscard(
  Effect.gen(function* () {
    const gate = yield* DrainGate.make("job")
    yield* Effect.forkScoped(gate.run(Effect.sleep("2 seconds")))
  })
)

const test = Effect.gen(function* () {
  const app = yield* App.start(Worker, { name: "virtual-time" })
  yield* TestClock.adjust("500 millis")
  app.signalUnsafe("SIGTERM")
  yield* TestClock.adjust("2 seconds")
  console.log(Report.render(yield* app.stopped))
})

await Effect.runPromise(Effect.provide(test, TestClock.layer()))
