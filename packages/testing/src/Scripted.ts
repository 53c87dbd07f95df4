/**
 * Components whose start, life and end are scripts: the faulty dependencies that a test of a stop needs.
 */
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { identity } from "effect/Function"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as Component from "quiesce/Component"
import { Lifecycle } from "quiesce/Lifecycle"
import * as Optional from "quiesce/Optional"
import * as Behaviour from "./Behaviour.ts"
import { CurrentJournal } from "./internal/Journal.ts"
import * as Part from "./Part.ts"

/** A layer that needs nothing but the application that it lives in. */
export type AnyLayer = Layer.Layer<never, unknown, Lifecycle>

export interface Script extends Component.Policy {
  /**
   * The components that it is built with and that must outlive it.
   *
   * @default none
   */
  readonly needs?: ReadonlyArray<AnyLayer> | undefined
  /**
   * How it starts.
   *
   * @default "return", at once
   */
  readonly acquire?: Behaviour.Input | undefined
  /**
   * How it stops.
   *
   * @default "return", at once
   */
  readonly release?: Behaviour.Input | undefined
  /**
   * What it does while it runs.
   *
   * @default nothing
   */
  readonly parts?: ReadonlyArray<Part.Part> | undefined
  /**
   * What else it does when it has been acquired; the scope is its own.
   *
   * @default nothing
   */
  readonly during?: Effect.Effect<unknown, never, Lifecycle | Scope.Scope> | undefined
  /**
   * Whether it is an `Optional.layer`, each attempt of which follows the script: one that takes longer than half a second has
   * failed, and the next begins 100, 200, 400, ... ms after a failure.
   *
   * @default false
   */
  readonly optional?: boolean | undefined
}

const tagPrefix = "@quiesce/testing/scripted/"

/** An instance of a scripted component. */
interface Resource {
  readonly name: string
}

const tagOf = (name: string) => Context.Service<Resource>(`${tagPrefix}${name}`)

/** The scripted components in sight. */
const inSight = (context: Context.Context<never>): ReadonlyArray<string> =>
  Array.from(context.mapUnsafe)
    .filter(([key]) => key.startsWith(tagPrefix))
    .map(([, service]: readonly [string, Resource]) => service.name)

/**
 * A component that follows a script. What it needs is provided to it, so that it stands for itself and can be shared by
 * reference: two that need the same object share it.
 *
 * **When to use**: in the place of a real dependency, to see what the rest of the application does when this one is slow,
 * hangs, fails or dies; and to build whole applications for a test.
 *
 * **Details**: what it does is in the timeline when the application builds it as it starts. Built by code that runs, or by an
 * application inside of yours, it does what its script says, and is nobody's whom the laws look at.
 *
 * **Interruption safety**: the start can be interrupted unless the script says `masked`; the release as `Scope.close` has it.
 *
 * @example
 * ```ts
 * import * as Layer from "effect/Layer"
 * import * as Scripted from "@quiesce/testing/Scripted"
 *
 * const db = Scripted.component("db", { release: "hang" })
 * const api = Scripted.component("api", { needs: [db], acquire: { after: 20 } })
 * const jobs = Scripted.component("jobs", { needs: [db], stopTimeout: "1 second" })
 * const App = Layer.mergeAll(api, jobs)
 * ```
 */
export const component = (name: string, script: Script = {}): AnyLayer => {
  const layer = scripted(name, script, Context.empty())
  if (script.optional !== true) return layer
  return Optional.layer(tagOf(name), layer, {
    name,
    retry: Schedule.exponential("100 millis"),
    startTimeout: "500 millis",
    stopTimeout: script.stopTimeout
  })
}

/** A script, and a name for what stands behind it. */
export interface ServiceScript extends Script {
  /**
   * The component's name.
   *
   * @default the key of the service
   */
  readonly name?: string | undefined
}

/**
 * A component that follows a script and provides a service of yours.
 *
 * **When to use**: in the place of a real dependency that your application calls, to see what it does when this one starts
 * slowly, or hangs, fails or dies when it is released. What its calls do is in the implementation: `Effect.never` hangs.
 *
 * **Interruption safety**: as `component`.
 *
 * @example
 * ```ts
 * import * as Context from "effect/Context"
 * import * as Effect from "effect/Effect"
 * import * as Scripted from "@quiesce/testing/Scripted"
 *
 * class Db extends Context.Service<Db, { readonly query: (sql: string) => Effect.Effect<number> }>()("app/Db") {}
 *
 * const DbThatHangs = Scripted.service(Db, { query: () => Effect.succeed(1) }, { name: "db", release: "hang" })
 * ```
 */
export const service = <Id, Service>(
  tag: Context.Key<Id, Service>,
  implementation: NoInfer<Service>,
  { name = tag.key, ...script }: ServiceScript = {}
): Layer.Layer<Id, unknown, Lifecycle> => scripted(name, script, Context.make(tag, implementation))

/** It also provides itself, so that scripted components see which others they are built with. */
const scripted = <Services>(
  name: string,
  script: Script,
  services: Context.Context<Services>
): Layer.Layer<Services | Resource, unknown, Lifecycle> => {
  const layer = Layer.effectContext(
    Effect.gen(function* () {
      const journal = yield* CurrentJournal
      const needs = inSight(yield* Effect.context())
      const self = journal.instance(name)
      const release = Effect.suspend(() => {
        journal.record({ _tag: "Releasing", component: self })
        return Effect.ensuring(
          Effect.orDie(Behaviour.run(Behaviour.make(script.release), self, "release failed")),
          Effect.sync(() => journal.record({ _tag: "Released", component: self }))
        )
      })
      const own = script.stopTimeout === undefined ? {} : { stopTimeout: Duration.toMillis(script.stopTimeout) }
      journal.record({ _tag: "Acquiring", component: self, needs, ...own })
      yield* Behaviour.run(Behaviour.make(script.acquire), self, "acquire failed")
      // Apart from the script, which can be interrupted: what is told as acquired has its finalizer.
      const resource = yield* Effect.acquireRelease(
        Effect.sync(() => {
          journal.record({ _tag: "Acquired", component: self })
          return { name: self }
        }),
        () => release
      )
      // The first part bears the component's name, the others a number behind it.
      for (const [at, part] of (script.parts ?? []).entries())
        yield* Part.start(at === 0 ? self : `${self}.${at}`, part)
      if (script.during !== undefined) yield* script.during
      return Context.add(services, tagOf(name), resource)
    }).pipe(script.optional === true ? identity : inItsJournal)
  ).pipe(Component.make(name, script))
  const [first, ...rest] = script.needs ?? []
  return first === undefined ? layer : layer.pipe(Layer.provide([first, ...rest]))
}

/**
 * Only what is built as a part of the application under test writes into its journal. The generations of an optional component
 * are built while it runs, and yet are parts of it.
 */
const inItsJournal = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R | Lifecycle> =>
  Effect.contextWith((context: Context.Context<Lifecycle>) => {
    const builder = {
      lifecycle: Context.get(context, Lifecycle),
      memoMap: Context.getUnsafe(context, Layer.CurrentMemoMap)
    }
    return Effect.provideService(effect, CurrentJournal, Context.get(context, CurrentJournal).of(builder))
  })
