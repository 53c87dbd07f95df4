/**
 * An application that is imported as the first step of its own start, so that a stop can come before it is there.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import type { Lifecycle } from "quiesce/Lifecycle"

/** Typically `() => import("./app.ts")`, with the layer as the module's default export. */
export type LazyLayer<A, E> = () => Promise<{ readonly default: Layer.Layer<A, E, Lifecycle> }>

class ImportFailed extends Schema.TaggedError<ImportFailed>()("ImportFailed", {
  reason: Schema.Literals(["threw", "no layer"]),
  cause: Schema.Defect()
}) {
  override get message(): string {
    return this.reason === "no layer"
      ? "the application's module has no Layer as its default export; write: export default App"
      : `the application's module could not be loaded: ${this.cause instanceof Error ? this.cause.message : String(this.cause)}`
  }
}

export const importLayer = <A, E>(load: LazyLayer<A, E>): Layer.Layer<A, E | ImportFailed, Lifecycle> =>
  Layer.unwrap(
    Effect.gen(function* () {
      const { default: layer } = yield* Effect.tryPromise({
        try: load,
        catch: (cause) => new ImportFailed({ reason: "threw", cause })
      })
      // The types say that it is one; a JavaScript module can still say otherwise.
      if (!isLayer(layer)) return yield* new ImportFailed({ reason: "no layer", cause: layer })
      return layer
    })
  )

const isLayer: (u: unknown) => boolean = Layer.isLayer
