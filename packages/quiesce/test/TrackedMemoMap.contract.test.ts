/**
 * What the engine relies on in effect, pinned: when one of these fails after an upgrade, read the module that it names. And
 * the invariants of the memo map and of the ledger, on random programs, beside plain `Layer.launch`.
 */
import { describe, expect, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"
import * as App from "quiesce/App"
import * as Component from "quiesce/Component"
import type { Event } from "quiesce/Event"
import { hasAcquired, watchScope } from "../src/internal/watchScope.ts"
import { type AnyLayer, only, orderViolations, releases, runToEnd, scripted } from "./support/scripted.ts"
import { losingTurn } from "./support/turns.ts"

class A extends Context.Service<A, { readonly name: string }>()("test/A") {}
class B extends Context.Service<B, { readonly name: string }>()("test/B") {}

const resource = (log: Array<string>, name: string, release: Effect.Effect<unknown> = Effect.void) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      log.push(`+${name}`)
      return { name }
    }),
    () =>
      Effect.andThen(
        release,
        Effect.sync(() => void log.push(`-${name}`))
      )
  )

describe("effect's own behaviour that the engine rests on", () => {
  it("a memo map is an object with a type id, get and getOrElseMemoize", () => {
    const memoMap = Layer.makeMemoMapUnsafe()
    const keys = new Set<string>()
    for (let at: object = memoMap; at !== Object.prototype; at = Object.getPrototypeOf(at) as object) {
      for (const key of Object.getOwnPropertyNames(at)) keys.add(key)
    }
    expect(Array.from(keys).toSorted()).toEqual([
      "constructor",
      "get",
      "getOrElseMemoize",
      "map",
      "parent",
      "~effect/Layer/MemoMap"
    ])
    expect(memoMap["~effect/Layer/MemoMap"]).toBe("~effect/Layer/MemoMap")
  })

  it.effect(
    "every memoized layer asks the memo map that it is built with, with itself as the key and a scope of its own",
    () =>
      Effect.gen(function* () {
        const asked: Array<string> = []
        const names = new Map<unknown, string>()
        const stock = Layer.makeMemoMapUnsafe()
        const spy: Layer.MemoMap = {
          "~effect/Layer/MemoMap": "~effect/Layer/MemoMap",
          get: (layer, scope) => stock.get(layer, scope),
          getOrElseMemoize: (layer, _scope, build) => {
            asked.push(names.get(layer) ?? "?")
            return build(spy, _scope)
          }
        }
        const a = Layer.succeed(A, { name: "a" })
        const b = Layer.effect(B, Effect.succeed({ name: "b" }))
        const synced = Layer.sync(A, () => ({ name: "a" }))
        const discard = Layer.effectDiscard(Effect.void)
        const named = Layer.fromBuildMemo((memoMap, scope) => Layer.buildWithMemoMap(b, memoMap, scope))
        const provided = Layer.provide(b, synced)
        const merged = Layer.mergeAll(a, provided, discard, named)
        for (const [name, layer] of Object.entries({ a, b, synced, discard, named, provided, merged }))
          names.set(layer, name)
        yield* Effect.scoped(Effect.flatMap(Scope.Scope, (scope) => Layer.buildWithMemoMap(merged, spy, scope)))
        // A plain value is no resource: effect does not memoize it, and so it is no component.
        expect(asked).toEqual(["merged", "provided", "synced", "b", "discard", "named", "b"])
      })
  )

  it.effect("a nested build makes a memo map of its own below the current one, and asks that one's get first", () =>
    Effect.gen(function* () {
      const asked: Array<unknown> = []
      const shared = Layer.effect(A, Effect.succeed({ name: "shared" }))
      const parent: Layer.MemoMap = {
        "~effect/Layer/MemoMap": "~effect/Layer/MemoMap",
        get: (layer) => {
          asked.push(layer)
          return undefined
        },
        getOrElseMemoize: () => Effect.die(new Error("a nested build must not build in its parent"))
      }
      const context = yield* Effect.scoped(Layer.build(shared)).pipe(
        Effect.provideService(Layer.CurrentMemoMap, parent)
      )
      expect([Context.get(context, A).name, asked]).toEqual(["shared", [shared]])
      expect(Layer.CurrentMemoMap.forkOrCreate(Context.empty())).not.toBe(parent)
    })
  )

  it.effect(
    "mergeAll and an array of dependencies give their layers scopes below a parallel one, provide gives its own",
    () =>
      Effect.gen(function* () {
        const strategies: Record<string, ReadonlyArray<string>> = {}
        const probe = (name: string) =>
          Layer.fromBuild((_, scope) => {
            const chain: Array<string> = []
            for (let at: Scope.Scope | undefined = scope; at !== undefined; at = at.parent) chain.push(at.strategy)
            strategies[name] = chain
            return Effect.succeed(Context.empty())
          })
        const layer = Layer.mergeAll(probe("merged"), Layer.provide(probe("user"), probe("dependency"))).pipe(
          Layer.provide([probe("one of several"), probe("another")])
        )
        yield* Effect.scoped(Layer.build(layer))
        const parallel = Object.entries(strategies).map(([name, chain]) => [name, chain.includes("parallel")])
        expect(Object.fromEntries(parallel)).toEqual({
          merged: true,
          user: false,
          dependency: false,
          "one of several": true,
          another: true
        })
      })
  )

  it.effect("a scope's state is public: finalizers in a map, forked fibers and child scopes as their own keys", () =>
    Effect.gen(function* () {
      const scope = Scope.makeUnsafe()
      expect(scope.state._tag).toBe("Empty")
      const state: Scope.State.Open = {
        _tag: "Open",
        finalizerKey: undefined,
        finalizer: undefined,
        finalizers: new Map()
      }
      state.finalizers?.set({}, () => Effect.void)
      scope.state = state
      const fiber = yield* Effect.forkScoped(Effect.never).pipe(Scope.provide(scope))
      const child = Scope.forkUnsafe(scope)
      yield* Scope.addFinalizer(scope, Effect.void)
      expect(scope.state).toBe(state)
      const keys = Array.from(state.finalizers?.keys() ?? [])
      expect([
        keys.length,
        keys[1] === fiber,
        keys[2] === child,
        Fiber.isFiber(keys[1]),
        Fiber.isFiber(keys[2])
      ]).toEqual([4, true, true, true, false])
      yield* Scope.close(scope, Exit.void)
      expect([scope.state._tag, fiber.pollUnsafe() !== undefined]).toEqual(["Closed", true])
    })
  )

  it.effect("a watched scope tells of every fiber that is forked into it, releases in reverse, and stays a scope", () =>
    Effect.gen(function* () {
      const log: Array<string> = []
      const scope = Scope.makeUnsafe()
      watchScope(
        scope,
        (exit) => void log.push(Exit.isSuccess(exit) ? "succeeded" : Exit.hasInterrupts(exit) ? "interrupted" : "died")
      )
      expect(hasAcquired(scope)).toBe(false)
      yield* Effect.gen(function* () {
        yield* resource(log, "first")
        yield* Effect.forkScoped(Effect.die("boom"))
        yield* Effect.forkScoped(Effect.void)
        yield* Effect.forkScoped(Effect.never)
        yield* resource(log, "second")
      }).pipe(Scope.provide(scope))
      expect(hasAcquired(scope)).toBe(true)
      yield* TestClock.adjust(0)
      yield* Scope.close(scope, Exit.void)
      yield* Scope.addFinalizer(
        scope,
        Effect.sync(() => void log.push("too late"))
      )
      expect(log).toEqual(["+first", "+second", "died", "succeeded", "-second", "interrupted", "-first", "too late"])
    })
  )
})

// --- random programs ----------------------------------------------------------------------------------------------------

/** A small generator of its own, so that a program can be built again from its seed by two launchers. */
const generator = (seed: number) => {
  let state = seed * 2_654_435_761 + 1
  const next = (): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 4_294_967_296
  }
  return { next, below: (n: number): number => Math.floor(next() * n), chance: (p: number): boolean => next() < p }
}

interface Program {
  readonly layer: AnyLayer
  readonly names: ReadonlyArray<string>
  readonly needs: ReadonlyMap<string, ReadonlyArray<string>>
}

/** A random composition of layers: shared, merged, provided, wrapped, suspended, unwrapped, fresh, failing. */
const randomProgram = (
  seed: number,
  log: Array<string>,
  options: { readonly failing?: boolean; readonly wrap?: boolean } = {}
): Program => {
  const { below, chance } = generator(seed)
  const size = 3 + below(10)
  const needs = new Map<string, ReadonlyArray<string>>()
  const layers: Array<{ readonly name: string; readonly layer: AnyLayer }> = []
  const failing = options.failing === true ? below(size) : -1
  for (let n = 0; n < size; n++) {
    const name = `n${n}`
    const tag = Context.Service<{ readonly name: string }>(`test/${name}`)
    const startMillis = below(20)
    const stopMillis = below(30)
    const acquire = Effect.andThen(
      Effect.sleep(startMillis),
      n === failing ? Effect.fail(`${name} failed`) : resource(log, name, Effect.sleep(stopMillis))
    )
    let layer: AnyLayer = Layer.effect(tag, acquire)
    if (chance(0.1)) layer = Layer.suspend(() => Layer.effect(tag, acquire))
    if (chance(0.1)) layer = Layer.unwrap(Effect.succeed(Layer.effect(tag, acquire)))
    if (options.wrap !== false && chance(0.4)) layer = Component.make(name)(layer)
    const dependencies = layers.filter(() => chance(0.35))
    const [first, ...rest] = dependencies.map((dependency) => dependency.layer)
    if (first !== undefined) {
      layer = chance(0.5)
        ? Layer.provide(layer, [first, ...rest])
        : dependencies.reduce((at, { layer: next }) => Layer.provide(at, next), layer)
      if (options.wrap !== false && chance(0.3)) layer = Component.make(name)(layer)
    }
    if (chance(0.1)) layer = Layer.orDie(Layer.tap(layer, () => Effect.void)) as AnyLayer
    needs.set(
      name,
      dependencies.map((dependency) => dependency.name)
    )
    layers.push({ name, layer })
  }
  const [first, ...rest] = layers.filter((_, n) => n === size - 1 || chance(0.6)).map((one) => one.layer)
  const layer = first === undefined ? Layer.empty : Layer.mergeAll(first, ...rest)
  return { layer, names: layers.map((one) => one.name), needs }
}

/** Runs a program with plain effect: launched, interrupted after a while. */
const plainly = (layer: AnyLayer, runFor: number) =>
  Effect.gen(function* () {
    const fiber = yield* Effect.forkDetach(Layer.launch(layer as Layer.Layer<never, unknown>), {
      startImmediately: true
    })
    yield* TestClock.adjust(runFor)
    const failure = fiber.pollUnsafe()
    yield* Effect.forkDetach(Fiber.interrupt(fiber), { startImmediately: true })
    for (let n = 0; n < 100 && fiber.pollUnsafe() === undefined; n++) yield* TestClock.adjust(20)
    const exit = failure ?? fiber.pollUnsafe()
    return exit !== undefined && Exit.isFailure(exit) && !Cause.hasInterruptsOnly(exit.cause)
      ? JSON.stringify(exit.cause)
      : "interrupted"
  })

const quiescently = (layer: AnyLayer, runFor: number) =>
  Effect.gen(function* () {
    const app = yield* App.start(layer)
    yield* TestClock.adjust(runFor)
    app.signalUnsafe("SIGTERM")
    const report = yield* runToEnd(app)
    return { events: app.events, report }
  })

const acquired = (log: ReadonlyArray<string>): ReadonlyArray<string> =>
  log.filter((entry) => entry.startsWith("+")).map((entry) => entry.slice(1))
const released = (log: ReadonlyArray<string>): ReadonlyArray<string> =>
  log.filter((entry) => entry.startsWith("-")).map((entry) => entry.slice(1))

/** What was released before something that needs it. */
const outOfOrder = (log: ReadonlyArray<string>, needs: Program["needs"]): ReadonlyArray<string> => {
  const at = new Map(released(log).map((name, position) => [name, position]))
  return Array.from(needs).flatMap(([name, dependencies]) =>
    dependencies.flatMap((dependency) =>
      (at.get(dependency) ?? Infinity) < (at.get(name) ?? -1) ? [`${dependency} before ${name}`] : []
    )
  )
}

const seeds = Array.from({ length: 60 }, (_, seed) => seed)

describe("the memo map, on random programs", () => {
  it.effect("transparent: results, failures and sharing are those of effect's own memo map", () =>
    Effect.gen(function* () {
      for (const seed of seeds) {
        for (const failing of [false, true]) {
          const runFor = 1000
          const mine: Array<string> = []
          const theirs: Array<string> = []
          const program = randomProgram(seed, mine, { failing })
          const { report } = yield* quiescently(program.layer, runFor)
          const other = randomProgram(seed, theirs, { failing })
          const exit = yield* plainly(other.layer, runFor)
          expect({ seed, acquired: acquired(mine).toSorted(), order: outOfOrder(mine, program.needs) }).toEqual({
            seed,
            acquired: acquired(theirs).toSorted(),
            order: []
          })
          expect(released(mine).toSorted()).toEqual(acquired(mine).toSorted())
          const failure = report.reason._tag === "StartFailed" ? report.reason.message : "interrupted"
          if (failure !== "interrupted") expect(exit).toContain(failure)
          else expect(exit).toBe("interrupted")
        }
      }
    })
  )

  it.effect("shared-once: a layer is built once, however many ask for it, until its last holder lets go", () =>
    Effect.gen(function* () {
      for (const seed of seeds) {
        const log: Array<string> = []
        yield* quiescently(randomProgram(seed, log).layer, 1000)
        expect(new Set(acquired(log)).size).toBe(acquired(log).length)
      }
    })
  )

  it.effect("shared-once: three nested builds and two parents hold the same instance", () =>
    Effect.gen(function* () {
      const log: Array<string> = []
      const shared = Layer.effect(A, resource(log, "shared"))
      const nested = Layer.effectDiscard(
        Effect.gen(function* () {
          const contexts = yield* Effect.forEach([1, 2, 3], () => Layer.build(shared))
          log.push(`same ${new Set(contexts.map((context) => Context.get(context, A))).size}`)
        })
      )
      const user = Layer.effectDiscard(A).pipe(Layer.provide(shared))
      yield* quiescently(nested.pipe(Layer.provideMerge(user), Layer.provideMerge(shared)), 10)
      expect(log).toEqual(["+shared", "same 1", "-shared"])
    })
  )

  it.effect(
    "rebuilt-after-release: a layer that is asked for while it is being released is built anew after that, never beside it",
    () =>
      Effect.gen(function* () {
        const log: Array<string> = []
        const shared = Layer.effect(A, resource(log, "shared", Effect.sleep("1 second")))
        const fails = Layer.effectDiscard(Effect.andThen(A, Effect.fail("no"))).pipe(Layer.provide(shared))
        const later = Layer.effectDiscard(Effect.sleep("500 millis"))
        const again = Layer.effect(B, A).pipe(Layer.provide(shared), Layer.provide(later))
        const tolerant = fails.pipe(Layer.catchCause(() => Layer.empty))
        const app = yield* App.start(Layer.mergeAll(tolerant, again))
        yield* TestClock.adjust("3 seconds")
        expect(log).toEqual(["+shared", "-shared", "+shared"])
        app.signalUnsafe("SIGTERM")
        yield* runToEnd(app)
        expect(log).toEqual(["+shared", "-shared", "+shared", "-shared"])
      })
  )

  it.effect("shared-once: what a nested build borrowed is not released before the one that borrowed it", () =>
    Effect.gen(function* () {
      const log: Array<string> = []
      const shared = Layer.effect(A, resource(log, "shared"))
      const owner = Layer.effectDiscard(Effect.andThen(A, resource(log, "owner"))).pipe(Layer.provide(shared))
      const borrower = Layer.effectDiscard(
        Effect.gen(function* () {
          yield* Effect.sleep(10)
          yield* Layer.build(shared)
          yield* resource(log, "borrower", Effect.sleep("1 second"))
        })
      )
      yield* quiescently(Layer.mergeAll(owner, borrower), 100)
      expect(log).toEqual(["+shared", "+owner", "+borrower", "-owner", "-borrower", "-shared"])
    })
  )

  it.effect("transparent: whoever waits for a layer hears when the one that was building it is interrupted", () =>
    Effect.gen(function* () {
      const slow = Layer.effect(A, Effect.andThen(Effect.sleep("1 minute"), Effect.succeed({ name: "a" })))
      const impatient = Layer.fromBuild((memoMap, scope) =>
        Layer.buildWithMemoMap(slow, memoMap, scope).pipe(Effect.timeoutOption("10 millis"), Effect.as(Context.empty()))
      )
      const patient = Layer.effectDiscard(A).pipe(Layer.provide(slow))
      const plain = yield* Effect.forkDetach(Layer.launch(Layer.mergeAll(impatient, patient)), {
        startImmediately: true
      })
      const app = yield* App.start(Layer.mergeAll(impatient, patient))
      yield* TestClock.adjust(20)
      expect([plain.pollUnsafe()?._tag, app.lifecycle.stateUnsafe()]).toEqual(["Failure", "Stopped"])
    })
  )

  it.effect("one component for each layer, and none for what only composes them, also where fibers take turns", () =>
    Effect.gen(function* () {
      const part = (name: string): AnyLayer =>
        Layer.effect(Context.Service<{ readonly name: string }>(name), Effect.succeed({ name }))
      const chain = (n: number): AnyLayer => {
        let layer = part(`c${n}-0`)
        for (let depth = 1; depth < 40; depth++) layer = Layer.provideMerge(part(`c${n}-${depth}`), layer)
        return n % 2 === 0 ? layer : Component.make(`chain ${n}`)(layer)
      }
      const [first, ...rest] = Array.from({ length: 30 }, (_, n) => chain(n))
      if (first === undefined) return
      const { report } = yield* quiescently(Layer.mergeAll(first, ...rest), 10)
      expect(report.components.length).toBe(30 * 40)
    })
  )
})

describe("a composition is no component", () => {
  const program = (): AnyLayer =>
    Layer.mergeAll(
      scripted("b", { needs: [scripted("a")] }),
      scripted("d", { needs: [scripted("c")] }).pipe(Component.make("d"))
    )
  const blocking = Layer.effectDiscard(
    Effect.sync(() => {
      for (const until = performance.now() + 3; performance.now() < until;);
    })
  ).pipe(Component.make("e"))
  const namesOf = (report: { readonly components: ReadonlyArray<{ readonly name: string }> }) =>
    report.components.map((row) => row.name).toSorted()

  it.effect("at whichever step the fiber that builds it loses its turn", () =>
    Effect.gen(function* () {
      for (let step = 1; step <= 200; step++) {
        const { report } = yield* quiescently(program(), 1000).pipe(losingTurn(step))
        expect({ step, names: namesOf(report) }).toEqual({ step, names: ["a", "b", "c", "d"] })
      }
    })
  )

  it.live("also when the event loop is blocked while that fiber waits for its next turn", () =>
    Effect.gen(function* () {
      for (let step = 1; step <= 160; step++) {
        const app = yield* App.start(Layer.mergeAll(program(), blocking)).pipe(losingTurn(step))
        yield* app.lifecycle.running
        app.signalUnsafe("SIGTERM")
        const report = yield* app.stopped
        expect({ step, names: namesOf(report) }).toEqual({ step, names: ["a", "b", "c", "d", "e"] })
        expect(only(app.events, "ComponentStarting").length).toBe(5)
      }
    }).pipe(Effect.provide(Logger.layer([])))
  )

  it.live("and is taken back where that turn came so late that it was taken for one", () =>
    Effect.gen(function* () {
      let taken = 0
      for (let step = 1; step <= 160; step++) {
        const app = yield* App.start(program()).pipe(losingTurn(step, (turn) => void setTimeout(turn, 4)))
        yield* app.lifecycle.running
        app.signalUnsafe("SIGTERM")
        const report = yield* app.stopped
        expect({ step, names: namesOf(report) }).toEqual({ step, names: ["a", "b", "c", "d"] })
        taken += only(app.events, "ComponentStarted").filter((event) => event.empty).length
      }
      expect(taken).toBeGreaterThan(0)
    }).pipe(Effect.provide(Logger.layer([])))
  )

  it.effect("a component at work is told of when time passes, before its start ends", () =>
    Effect.gen(function* () {
      const app = yield* App.start(scripted("slow", { start: Effect.sleep("1 minute") }))
      expect(only(app.events, "ComponentStarting")).toEqual([])
      yield* TestClock.adjust(1)
      expect(only(app.events, "ComponentStarting").map(({ at, name }) => [at, name])).toEqual([[0, "slow"]])
      app.signalUnsafe("SIGTERM")
      yield* runToEnd(app)
    })
  )

  it.effect("a fiber that dies in a component that has not been told of is told after it", () =>
    Effect.gen(function* () {
      const layer = Layer.effectDiscard(
        Effect.andThen(Effect.forkScoped(Effect.die("boom")), Effect.sleep("1 second"))
      ).pipe(Component.make("worker"))
      const { events } = yield* quiescently(layer, 10)
      const told = events.flatMap((event) => ("name" in event && event.name === "worker" ? [event._tag] : []))
      expect(told.slice(0, 2)).toEqual(["ComponentStarting", "BackgroundFailed"])
    })
  )
})

describe("the ledger, on random programs", () => {
  const stopAtEveryInstant = (
    check: (seed: number, log: ReadonlyArray<string>, events: ReadonlyArray<Event>, needs: Program["needs"]) => void
  ) =>
    Effect.gen(function* () {
      for (const seed of seeds.slice(0, 20)) {
        for (let instant = 0; instant <= 90; instant += 6) {
          const log: Array<string> = []
          const program = randomProgram(seed, log)
          const { events } = yield* quiescently(program.layer, instant)
          check(seed, log, events, program.needs)
        }
      }
    })

  it.effect("released-once: a node's scope is closed exactly once, whatever the instant of the stop", () =>
    stopAtEveryInstant((seed, log, events) => {
      expect({ seed, released: released(log).toSorted() }).toEqual({ seed, released: acquired(log).toSorted() })
      for (const starting of only(events, "ComponentStarting")) {
        const stops = events.filter((event) => event._tag === "ComponentStopping" && event.id === starting.id).length
        expect(stops).toBeLessThanOrEqual(1)
      }
      expect(Object.values(releases(events)).every((count) => count === 1)).toBe(true)
    })
  )

  it.effect("reverse-order: it is closed only when everything that was built with it is settled", () =>
    stopAtEveryInstant((seed, log, events, needs) => {
      expect({ seed, order: outOfOrder(log, needs), events: orderViolations(events) }).toEqual({
        seed,
        order: [],
        events: []
      })
    })
  )

  it.effect("reverse-order: also where effect's scopes alone would let go of a dependency too early", () =>
    Effect.gen(function* () {
      const log: Array<string> = []
      const dependency = Layer.effect(A, resource(log, "dependency"))
      const user = Layer.effectDiscard(Effect.andThen(A, resource(log, "user", Effect.sleep("1 second"))))
      const other = Layer.effectDiscard(resource(log, "other", Effect.sleep("1 second"))).pipe(Layer.provideMerge(user))
      // The second holder of `user` keeps it beyond the first, which is the only one that holds its dependency.
      const layer = Layer.mergeAll(user.pipe(Layer.provide(dependency)), other as Layer.Layer<never>)
      const { events } = yield* quiescently(layer, 100)
      expect(log).toEqual(["+dependency", "+user", "+other", "-other", "-user", "-dependency"])
      expect(orderViolations(events)).toEqual([])
    })
  )

  /** A random graph of closed layers, and the length of its longest chain of releases. */
  const randomGraph = (
    seed: number,
    size: number,
    edges: number,
    faults: Readonly<Record<string, Effect.Effect<unknown>>> = {}
  ) => {
    const { below } = generator(seed)
    const nodes: Array<{ readonly layer: AnyLayer; readonly needs: ReadonlyArray<number>; readonly millis: number }> =
      []
    for (let n = 0; n < size; n++) {
      const needs = Array.from(
        new Set(Array.from({ length: n === 0 ? 0 : below(edges * 2) }, () => Math.max(n - 1 - below(30), 0)))
      )
      const millis = 5 + below(100)
      const stop = faults[`n${n}`] ?? Effect.sleep(millis)
      const layer = scripted(`n${n}`, {
        needs: needs.flatMap((need) => nodes[need]?.layer ?? []),
        stop,
        stopTimeout: "1 second"
      })
      nodes.push({ layer, needs, millis })
    }
    const finish: Array<number> = Array.from({ length: size }, () => 0)
    for (let n = size - 1; n >= 0; n--) {
      const dependants = nodes.flatMap((node, m) => (node.needs.includes(n) ? [finish[m] ?? 0] : []))
      finish[n] = Math.max(0, ...dependants) + (nodes[n]?.millis ?? 0)
    }
    const [first, ...rest] = nodes.map((node) => node.layer)
    return {
      layer: first === undefined ? Layer.empty : Layer.mergeAll(first, ...rest),
      criticalPath: Math.max(0, ...finish)
    }
  }

  it.effect("random graphs are released within a tenth of their critical path, in order, and the chain adds up", () =>
    Effect.gen(function* () {
      for (const seed of seeds.slice(0, 10)) {
        const { criticalPath, layer } = randomGraph(seed, 40, 3)
        const { events, report } = yield* quiescently(layer, 100)
        const releasing = report.states.find((row) => row.state === "Releasing")?.duration ?? 0
        expect(releasing).toBeGreaterThanOrEqual(criticalPath)
        expect(releasing).toBeLessThanOrEqual(criticalPath * 1.1)
        expect(orderViolations(events)).toEqual([])
        expect(report.components.length).toBe(40)
        const sum = report.criticalChain.reduce((total, link) => total + link.waiting + link.working, 0)
        expect(Math.round(sum)).toBe(releasing)
      }
    })
  )

  it.effect("twenty independent releases of 100 ms take 100 ms", () =>
    Effect.gen(function* () {
      const parts = Array.from({ length: 20 }, (_, n) => scripted(`n${n}`, { stop: Effect.sleep(100) }))
      const [first, ...rest] = parts
      if (first === undefined) return
      const { report } = yield* quiescently(Layer.mergeAll(first, ...rest), 10)
      expect(report.duration).toBe(100)
    })
  )

  it.effect("five hundred nodes are released on their critical path too", () =>
    Effect.gen(function* () {
      const { criticalPath, layer } = randomGraph(7, 500, 4)
      const { events, report } = yield* quiescently(layer, 100)
      const releasing = report.states.find((row) => row.state === "Releasing")?.duration ?? 0
      expect([report.components.length, report.outcome._tag]).toEqual([500, "Clean"])
      expect(releasing / criticalPath).toBeLessThanOrEqual(1.1)
      expect(orderViolations(events)).toEqual([])
    })
  )

  const faults: Readonly<Record<string, Effect.Effect<unknown>>> = {
    hangs: Effect.never,
    dies: Effect.die(new Error("boom")),
    "ignores interruption": Effect.uninterruptible(Effect.never),
    "comes late": Effect.sleep("10 seconds")
  }

  it.effect("isolation: a finalizer that hangs, dies or fails keeps no other from running", () =>
    Effect.gen(function* () {
      for (const [name, fault] of Object.entries(faults)) {
        const { layer } = randomGraph(3, 20, 2, { n4: fault, n11: fault })
        const { events } = yield* quiescently(layer, 100)
        const healthy = only(events, "ComponentStopped").filter((event) => event.failure === undefined)
        expect({ name, healthy: healthy.length }).toEqual({ name, healthy: 18 })
        expect(orderViolations(events)).toEqual([])
      }
    })
  )

  it.effect(
    "bounded: a node is settled at most its stop timeout after its release began, and always before the limit",
    () =>
      Effect.gen(function* () {
        const hanging = Object.fromEntries(Array.from({ length: 20 }, (_, n) => [`n${n}`, Effect.never]))
        const { layer } = randomGraph(5, 20, 2, hanging)
        const app = yield* App.start(layer, { gracePeriod: "4 seconds", reserve: "1 second" })
        yield* TestClock.adjust("1 second")
        app.signalUnsafe("SIGTERM")
        yield* runToEnd(app)
        const abandoned = only(app.events, "ComponentAbandoned")
        expect(abandoned.length).toBe(20)
        expect(abandoned.every((event) => event.after <= 1000 && event.at <= 4000)).toBe(true)
      })
  )

  it.effect("a component that was left behind is not waited for, and is told of when it is done after all", () =>
    Effect.gen(function* () {
      const latch = Deferred.makeUnsafe<void>()
      const stuck = scripted("stuck", { stop: Deferred.await(latch), stopTimeout: "1 second" })
      const { events } = yield* quiescently(scripted("user", { needs: [stuck] }), 10)
      yield* Deferred.succeed(latch, undefined)
      yield* TestClock.adjust(1)
      expect(events.flatMap((event) => ("name" in event && event.name === "stuck" ? [event._tag] : []))).toEqual([
        "ComponentStarting",
        "ComponentStarted",
        "ComponentStopping",
        "ComponentAbandoned",
        "ComponentStoppedLate"
      ])
    })
  )
})
