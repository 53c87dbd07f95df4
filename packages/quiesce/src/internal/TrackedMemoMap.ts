/**
 * The memo map that sees every layer: it shares layers as Effect's own does, and keeps the ledger while doing so.
 *
 * Effect asks a memo map for each memoized layer, wrapped or not, and hands it the scope of whoever asks. One view for each
 * layer under construction makes the composition visible: whoever asks through a view is a part of that layer. It rests on
 * the public `MemoMap` interface only; a contract test pins it against the effect version.
 *
 * Invariants, each a test of that name:
 * 1. `shared-once`: a layer is built once, however many ask for it, until its last holder lets go.
 * 2. `rebuilt-after-release`: a layer that is asked for while it is being released is built anew after that, never beside it.
 * 3. `transparent`: results, failures and sharing are those of Effect's own memo map.
 *
 * Where another memo map decides about sharing (below `Layer.fresh`, in a nested build) a named component is adopted: that map
 * shares as ever, so that of the three only `transparent` is ours to keep, and the ledger keeps account.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Context from "effect/Context"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import { type ComponentNode, CurrentComponent, type Hold } from "./ComponentNode.ts"
import type { Ledger } from "./Ledger.ts"

type Build<ROut, E, RIn> = (memoMap: Layer.MemoMap, scope: Scope.Scope) => Effect.Effect<Context.Context<ROut>, E, RIn>

export class TrackedMemoMap implements Layer.MemoMap {
  readonly "~effect/Layer/MemoMap" = "~effect/Layer/MemoMap" as const
  readonly #ledger: Ledger
  readonly #owner: ComponentNode
  readonly #shared: Layer.MemoMap | undefined

  /** `shared` is a memo map of others that decides what is shared below a component: that of `Layer.fresh`, say. */
  constructor(ledger: Ledger, owner: ComponentNode, shared?: Layer.MemoMap) {
    this.#ledger = ledger
    this.#owner = owner
    this.#shared = shared
  }

  /** Builds a layer that another memo map has asked for, as a part of the component that is being built. */
  adopt<RIn, E, ROut>(
    layer: Layer.Layer<ROut, E, RIn>,
    scope: Scope.Scope,
    build: Build<ROut, E, RIn>
  ): Effect.Effect<Context.Context<ROut>, E, RIn> {
    return this.#build(layer, scope, scope, build)
  }

  /** Asked by memo maps that have this one as their parent: builds nothing, shares what is there. */
  get<RIn, E, ROut>(
    layer: Layer.Layer<ROut, E, RIn>,
    scope: Scope.Scope
  ): Effect.Effect<Context.Context<ROut>, E, RIn> | undefined {
    // Its owner does more than compose.
    this.#ledger.announcements.make(this.#owner)
    if (this.#shared !== undefined) return this.#shared.get(layer, scope)
    const node = this.#ledger.find(layer)
    if (node === undefined || node.state === "Stopping") return undefined
    this.#hold(node, scope, this.#owner)
    return awaitBuilt(node)
  }

  getOrElseMemoize<RIn, E, ROut>(
    layer: Layer.Layer<ROut, E, RIn>,
    scope: Scope.Scope,
    build: Build<ROut, E, RIn>
  ): Effect.Effect<Context.Context<ROut>, E, RIn> {
    this.#ledger.announcements.withdraw(this.#owner)
    if (this.#shared !== undefined) {
      return this.#shared.getOrElseMemoize(layer, scope, (_, own) => this.#build(layer, own, scope, build))
    }
    return Effect.suspend(() => {
      const existing = this.#ledger.find(layer)
      if (existing === undefined) return this.#build(layer, scope, scope, build)
      if (existing.state !== "Stopping") {
        this.#holdPart(existing, scope, scope)
        return awaitBuilt(existing)
      }
      return Effect.andThen(
        Deferred.await(existing.closed),
        Effect.suspend(() => this.getOrElseMemoize(layer, scope, build))
      )
    })
  }

  /** `asker` is the scope of whoever asked; where another memo map shares, the layer lives in one of that map's. */
  #build<RIn, E, ROut>(
    layer: Layer.Layer<ROut, E, RIn>,
    scope: Scope.Scope,
    asker: Scope.Scope,
    build: Build<ROut, E, RIn>
  ) {
    let started: ComponentNode | undefined
    // The exit is handled outermost and synchronously: whoever else waits for this layer must hear of an interruption too.
    return Effect.onExitPrimitive(
      Effect.withFiber<Context.Context<ROut>, E, RIn>((fiber) => {
        // A scope that is closed cannot own anything: as Effect does, build in it and let its closing clean up.
        if (scope.state._tag === "Closed") return build(this, scope)
        const node = this.#ledger.start(layer, this.#owner, fiber.context, this.#shared === undefined)
        this.#holdPart(node, scope, asker)
        started = node
        const view = new TrackedMemoMap(this.#ledger, node, this.#shared)
        return build(view, node.scope).pipe(
          // One step for both: the fewer are on top of each other, the cheaper is every later one.
          Effect.provideContext(Context.make(Layer.CurrentMemoMap, view).pipe(Context.add(CurrentComponent, node)))
        )
      }),
      (exit) => {
        if (started === undefined) return undefined
        this.#ledger.started(started, exit)
        Deferred.doneUnsafe(started.built, exit)
        return undefined
      }
    )
  }

  /** What was asked for through this view is a part of its owner. */
  #holdPart(node: ComponentNode, scope: Scope.Scope, asker: Scope.Scope): void {
    const hold = this.#hold(node, scope)
    if (hold !== undefined) this.#owner.parts.push({ hold, parallel: this.#isParallel(asker) })
  }

  /** Counted and registered in one synchronous step, so that no interruption can strand a holder. */
  #hold(node: ComponentNode, scope: Scope.Scope, borrower?: ComponentNode): Hold | undefined {
    if (scope.state._tag === "Closed") return undefined
    const hold = this.#ledger.hold(node, borrower)
    addFinalizer(scope, this.#ledger, hold)
    return hold
  }

  /** `mergeAll` gives its layers scopes below one that closes in parallel. */
  #isParallel(scope: Scope.Scope): boolean {
    for (let at: Scope.Scope | undefined = scope; at !== undefined && at !== this.#owner.scope; at = at.parent) {
      if (at.strategy === "parallel") return true
    }
    return false
  }
}

// One deferred serves every type of layer; the memo map's key, the layer, is what ties the types together.
const awaitBuilt = <ROut, E>(node: ComponentNode): Effect.Effect<Context.Context<ROut>, E> =>
  Deferred.await(node.built as unknown as Deferred.Deferred<Context.Context<ROut>, E>)

/**
 * The memo map to build a named component with when the one at hand does not know the application: below `Layer.fresh`, in a
 * router. The component is then a part of whatever is being built. What is built by code that runs, for a request or a
 * tenant, comes and goes: the ledger is told nothing of it, as it would grow with each.
 */
export const tracked = (memoMap: Layer.MemoMap, owner: ComponentNode | undefined): TrackedMemoMap | undefined =>
  owner?.state !== "Starting" || memoMap instanceof TrackedMemoMap
    ? undefined
    : new TrackedMemoMap(owner.ledger, owner, memoMap)

// Apart from the class, so that the finalizer retains neither the fiber nor the view that asked.
const addFinalizer = (scope: Scope.Scope, ledger: Ledger, hold: Hold): void => {
  // The scope is open, so registering is synchronous.
  Effect.runSync(Scope.addFinalizerExit(scope, (exit) => ledger.letGo(hold, exit)))
}
