/**
 * A whole application as plain data: its components, what each is built with, and what each does. It can be generated,
 * shrunk, written to a file and read by a person, and made into a Layer.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as App from "quiesce/App"
import type { Event } from "quiesce/Event"
import { Behaviour } from "./Behaviour.ts"
import { CurrentJournal } from "./internal/Journal.ts"
import { insideOptions } from "./internal/limits.ts"
import { needsOf } from "./internal/needsOf.ts"
import { Part } from "./Part.ts"
import * as Scripted from "./Scripted.ts"

/**
 * - `needs`: places of the components that it is built with, counted among those before it (and taken modulo their number, so
 *   that every number means something).
 * - `stopTimeout`: milliseconds, or none of its own.
 * - `fresh`: whoever needs it gets an instance of its own.
 * - `optional`: the application can live without it: each of its generations does what the node says; no, when left out. Where
 *   one is, nothing is fresh: what lives and dies within a generation is not seen.
 * - `inside`: it runs an application of so many components of its own, as long as it lives; 0 for none.
 */
export const Node = Schema.Struct({
  needs: Schema.Array(Schema.Number),
  acquire: Behaviour,
  release: Behaviour,
  stopTimeout: Schema.NullOr(Schema.Number),
  onBackgroundFailure: Schema.Literals(["stop", "log"]),
  fresh: Schema.Boolean,
  inside: Schema.Number,
  parts: Schema.Array(Part),
  optional: Schema.optionalKey(Schema.Boolean)
})

export type Node = typeof Node.Type

/**
 * - `merged`: everything side by side; dependencies alone order it.
 * - `chained`: one provided to the other in a row, as applications are often written.
 */
export const Program = Schema.Struct({ composition: Schema.Literals(["merged", "chained"]), nodes: Schema.Array(Node) })

export type Program = typeof Program.Type

/** The name of the component at a place: `c0`, `c1`, ... */
export const nameOf = (place: number): string => `c${place}`

/**
 * A new Layer of it; two calls share nothing.
 *
 * **When to use**: to start a program of a plan by other means than `Plan.play`, which does this for you.
 *
 * **Interruption safety**: that of its scripted components.
 *
 * @example
 * ```ts
 * import * as Program from "@quiesce/testing/Program"
 * import type * as Plan from "@quiesce/testing/Plan"
 * import * as TestApp from "@quiesce/testing/TestApp"
 *
 * const underTheTestClock = ({ program }: Plan.Plan) => TestApp.make(Program.layer(program))
 * ```
 */
export const layer = ({ composition, nodes }: Program): Scripted.AnyLayer => {
  const made: Array<Scripted.AnyLayer> = []
  const hasOptional = nodes.some(({ optional }) => optional === true)
  for (const [place, node] of nodes.entries()) {
    const needs = needsOf(node, place).flatMap((need) => made.slice(need, need + 1))
    const component = Scripted.component(nameOf(place), {
      needs,
      acquire: node.acquire,
      release: node.release,
      parts: node.parts,
      during: inside(node),
      onBackgroundFailure: node.onBackgroundFailure,
      optional: node.optional,
      ...(node.stopTimeout === null ? {} : { stopTimeout: node.stopTimeout })
    })
    made.push(node.fresh && !hasOptional ? Layer.fresh(component) : component)
  }
  if (composition === "chained")
    return made.reduce<Scripted.AnyLayer>((below, one) => one.pipe(Layer.provideMerge(below)), Layer.empty)
  const [first, ...rest] = made
  return first === undefined ? Layer.empty : Layer.mergeAll(first, ...rest)
}

/** An application of a chain of components, the last of which does and stops what the component around it does. */
const inside = ({ inside, parts, release }: Node): Effect.Effect<void, never, Scope.Scope> => {
  if (inside === 0) return Effect.void
  let app = Scripted.component("inside0", { release, parts })
  for (let place = 1; place < inside; place++) app = Scripted.component(`inside${place}`, { needs: [app] })
  return Effect.flatMap(CurrentJournal, (outer) => {
    const { begin, entries, journal } = outer.inside()
    const onEvent = (event: Event): void => {
      if (event._tag === "AppStarting") begin()
      entries.push(event)
    }
    const launched = App.launch(app, { ...insideOptions, onEvent })
    return Effect.asVoid(Effect.forkScoped(Effect.provideService(launched, CurrentJournal, journal)))
  })
}
