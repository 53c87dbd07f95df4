import { expect, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as App from "quiesce/App"
import { stopLimit } from "../src/internal/stopLimit.ts"

/** What a release that wants five seconds is given. */
const given = (options: App.Options) =>
  Effect.gen(function* () {
    const limits: Array<number> = []
    const pool = Layer.effectDiscard(
      Effect.gen(function* () {
        const limit = yield* stopLimit(Duration.seconds(5))
        yield* Effect.addFinalizer(() =>
          Effect.map(limit, (duration) => void limits.push(Math.round(Duration.toMillis(duration))))
        )
      })
    )
    const app = yield* App.start(pool, options)
    app.signalUnsafe("SIGTERM")
    yield* app.stopped
    return limits
  })

it.effect("a release takes its own limit where there is time", () =>
  Effect.gen(function* () {
    expect(yield* given({ gracePeriod: "25 seconds" })).toEqual([5000])
  })
)

it.effect("a release takes no more than releases have, so that a hung server does not use up the reserve", () =>
  Effect.gen(function* () {
    expect(yield* given({ gracePeriod: "2 seconds", reserve: "500 millis" })).toEqual([1500])
  })
)

it.effect("without an application a release takes its own limit", () =>
  Effect.gen(function* () {
    const limit = yield* stopLimit(Duration.seconds(5))
    expect(Duration.toMillis(yield* limit)).toBe(5000)
  })
)
