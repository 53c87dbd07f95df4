// What Quiesce adds to the start and the release of an application: the same graph of layers, built and released by plain
// Effect and by App.start, in turn. Figures are medians; the ratio is taken pair by pair, the difference is what an
// application pays once in its life.
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Scope from "effect/Scope"
import * as App from "quiesce/App"
import type { Lifecycle } from "quiesce/Lifecycle"
import * as StopReason from "quiesce/StopReason"

const rounds = 30

/** `size` closed layers, each built with up to three earlier ones; always the same graph for a size. */
const graph = (size: number): Layer.Layer<never, never, Lifecycle> => {
  let seed = size
  const random = (below: number) => (seed = (seed * 1103515245 + 12345) % 2147483648) % below
  const layers: Array<Layer.Layer<never>> = []
  for (let n = 0; n < size; n++) {
    const tag = Context.Service<{ readonly n: number }>(`bench/${n}`)
    const layer: Layer.Layer<never> = Layer.effect(
      tag,
      Effect.acquireRelease(Effect.succeed({ n }), () => Effect.void)
    )
    const needs = new Set(Array.from({ length: Math.min(n, 3) }, () => layers[random(n)] ?? Layer.empty))
    const [first, ...rest] = needs
    layers.push(first === undefined ? layer : layer.pipe(Layer.provide([first, ...rest])))
  }
  const [first, ...rest] = layers
  return first === undefined ? Layer.empty : Layer.mergeAll(first, ...rest)
}

const plain = (layer: Layer.Layer<never>) =>
  Effect.gen(function* () {
    const began = performance.now()
    const scope = yield* Scope.make()
    yield* Layer.buildWithScope(layer, scope)
    const built = performance.now()
    yield* Scope.close(scope, Exit.void)
    return { start: built - began, stop: performance.now() - built }
  })

const quiesce = (layer: Layer.Layer<never, never, Lifecycle>) =>
  Effect.gen(function* () {
    const began = performance.now()
    const app = yield* App.start(layer)
    yield* app.lifecycle.running
    const built = performance.now()
    app.requestStopUnsafe(StopReason.finished)
    yield* app.stopped
    return { start: built - began, stop: performance.now() - built }
  })

const median = (values: ReadonlyArray<number>) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0

const compare = Effect.gen(function* () {
  for (const size of [10, 100, 500]) {
    const layer = graph(size)
    // The graph needs no lifecycle; the type of what Quiesce runs only allows for it.
    const bare = layer as Layer.Layer<never>
    const pairs: Array<readonly [{ start: number; stop: number }, { start: number; stop: number }]> = []
    for (let round = 0; round < rounds; round++) {
      const [a, b] = [yield* plain(bare), yield* quiesce(layer)]
      // The first rounds warm the code up.
      if (round >= 5) pairs.push([a, b])
    }
    for (const phase of ["start", "stop"] as const) {
      const [bareMillis, ourMillis] = [median(pairs.map(([a]) => a[phase])), median(pairs.map(([, b]) => b[phase]))]
      const ratio = median(pairs.map(([a, b]) => b[phase] / a[phase]))
      console.log(
        `${String(size).padStart(4)} layers, ${phase.padEnd(5)}: plain ${bareMillis.toFixed(2)} ms, Quiesce ${ourMillis.toFixed(2)} ms, ` +
          `ratio ${ratio.toFixed(1)}, ${((1000 * (ourMillis - bareMillis)) / size).toFixed(0)} us a layer more`
      )
    }
  }
})

await Effect.runPromise(Effect.provide(compare, Logger.layer([])))
