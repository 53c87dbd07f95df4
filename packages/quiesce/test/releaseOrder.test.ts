/** The release that a plan foresees is the release that comes. */
import { describe, expect, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Random from "effect/Random"
import * as TestClock from "effect/testing/TestClock"
import * as App from "quiesce/App"
import { CurrentComponent } from "../src/internal/ComponentNode.ts"
import type { Ledger } from "../src/internal/Ledger.ts"
import { releaseOrder } from "../src/internal/releaseOrder.ts"
import { type AnyLayer, only, runToEnd, scripted } from "./support/scripted.ts"

/** A random application of components that take their time to stop: chains, diamonds, merged and provided, some shared. */
const randomApp = (names: Array<string>) =>
  Effect.gen(function* () {
    const made: Array<AnyLayer> = []
    const takes = new Map<string, number>()
    const count = yield* Random.nextIntBetween(1, 12)
    for (let place = 0; place < count; place++) {
      const name = `c${place}`
      names.push(name)
      const millis = (yield* Random.nextIntBetween(0, 5)) * 100
      takes.set(name, millis)
      const needs: Array<AnyLayer> = []
      for (const layer of made) if ((yield* Random.next) < 0.3) needs.push(layer)
      made.push(scripted(name, { needs, stop: Effect.sleep(millis), stopTimeout: "1 minute" }))
    }
    const chained = (yield* Random.next) < 0.5
    const [first, ...rest] = made
    if (first === undefined) return { layer: Layer.empty, takes }
    const layer: AnyLayer = chained
      ? made.reduce<AnyLayer>((below, one) => one.pipe(Layer.provideMerge(below)), Layer.empty)
      : Layer.mergeAll(first, ...rest)
    return { layer, takes }
  })

describe("the order of a release", () => {
  it.effect("is foreseen to the millisecond, whatever the application is composed of", () =>
    Effect.gen(function* () {
      for (let seed = 0; seed < 200; seed++) {
        yield* Effect.gen(function* () {
          const { layer, takes } = yield* randomApp([])
          const ledgers: Array<Ledger> = []
          const spy = Layer.effectDiscard(
            Effect.map(CurrentComponent, (component) => {
              if (component !== undefined) ledgers.push(component.ledger)
            })
          )
          const app = yield* App.start(Layer.mergeAll(layer, spy), { gracePeriod: "1 hour" })
          yield* TestClock.adjust(0)
          const [ledger] = ledgers
          const foreseen = releaseOrder(
            (ledger?.graph ?? []).map((node) => ({ ...node, takes: node.composes ? 0 : (takes.get(node.name) ?? 0) }))
          )
          const ids = new Map(ledger?.graph.map(({ id, name }) => [name, id]))
          app.signalUnsafe("SIGTERM")
          const report = yield* runToEnd(app)
          const [releasing] = only(app.events, "StateChanged").filter(({ to }) => to === "Releasing")
          const came = only(app.events, "ComponentStopping").map(({ at, id, name }) => {
            const end = only(app.events, "ComponentStopped").find((stopped) => stopped.id === id)?.at ?? 0
            return [name, { from: at - (releasing?.at ?? 0), to: end - (releasing?.at ?? 0) }] as const
          })
          const planned = came.map(([name]) => [name, foreseen.get(ids.get(name) ?? -1)] as const)
          expect({ seed, outcome: report.outcome._tag, count: came.length, spans: planned }).toEqual({
            seed,
            outcome: "Clean",
            count: takes.size,
            spans: came
          })
        }).pipe(Random.withSeed(`plan ${seed}`), Effect.provideContext(Context.empty()))
      }
    })
  )
})
