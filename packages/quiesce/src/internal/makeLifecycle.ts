/**
 * The `Lifecycle` service of one application, over its pipeline.
 */
import type * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { Event } from "../Event.ts"
import { Lifecycle, type Status } from "../Lifecycle.ts"
import * as Phase from "../Phase.ts"
import { ShuttingDown } from "../ShuttingDown.ts"
import { CurrentComponent } from "./ComponentNode.ts"
import { startOptional } from "./OptionalComponent.ts"
import type { Hook } from "./Participants.ts"
import type { Pipeline } from "./Pipeline.ts"
import { Release } from "./Release.ts"
import { CurrentSection } from "./Sections.ts"

export const makeLifecycle = (pipeline: Pipeline): Lifecycle["Service"] => {
  const { health, ledger, states } = pipeline
  const { participants, releases, sections, tasks, waits } = states

  /** Registered in one step and taken out with the scope. */
  const scoped = <A>(set: Set<A>, item: A, add: (item: A) => void): Effect.Effect<void, never, Scope.Scope> =>
    Effect.asVoid(
      Effect.acquireRelease(
        Effect.sync(() => add(item)),
        () => Effect.sync(() => set.delete(item))
      )
    )

  const provided = <R>(name: string, effect: Effect.Effect<unknown, unknown, R>): Effect.Effect<Hook, never, R> =>
    Effect.contextWith((context: Context.Context<R>) =>
      Effect.succeed({ name, effect: Effect.provideContext(effect, context) })
    )

  const hook = (kind: "onStopping" | "awaitBeforeStop") => {
    return <R>(name: string, effect: Effect.Effect<unknown, unknown, R>): Effect.Effect<void, never, R | Scope.Scope> =>
      Effect.flatMap(provided(name, effect), (made) =>
        scoped(participants[kind], made, (item) => pipeline.registerHook(kind, item))
      )
  }

  const statusUnsafe = (): Status => {
    const { reason, state } = pipeline.phase
    const remaining = pipeline.remaining()
    const components = ledger.components
    const stopping = components.filter((node) => node.state === "Stopping")
    return {
      state,
      reason,
      uptime: pipeline.now(),
      remaining: Number.isFinite(remaining) ? Math.max(remaining, 0) : undefined,
      health: health.summary,
      inFlight: participants.inFlight,
      criticalSections: Array.from(sections.open, (section) => section.name),
      components: components.map((node) => ({ name: node.name, state: node.state, since: node.since })),
      tasks: tasks.status,
      awaiting: [
        ...waits.names,
        ...releases.names,
        ...Array.from(sections.open, (section) => section.name),
        ...stopping.map((node) => node.name)
      ]
    }
  }

  /** What is so now, and what the events from now on say of it. */
  const nowAndLater = <A>(now: () => A, later: (event: Event) => ReadonlyArray<A>): Stream.Stream<A> =>
    Stream.unwrap(
      Effect.sync(() =>
        Stream.concat(
          Stream.succeed(now()),
          pipeline.log.since(pipeline.log.count).pipe(Stream.flatMap((event) => Stream.fromIterable(later(event))))
        )
      )
    )

  return Lifecycle.of({
    state: Effect.sync(() => pipeline.phase.state),
    stateUnsafe: () => pipeline.phase.state,
    changes: nowAndLater(
      () => pipeline.phase.state,
      (event) => (event._tag === "StateChanged" ? [event.to] : [])
    ),
    events: pipeline.log.since(0),
    plan: Effect.sync(pipeline.plan),
    status: Effect.sync(statusUnsafe),
    statusUnsafe,
    requestStop: (reason) => Effect.sync(() => pipeline.requestStop(reason)),
    stopped: Deferred.await(pipeline.stopped),
    running: Deferred.await(states.running),
    lameDuck: Deferred.await(states.lameDuck),
    stopping: Deferred.await(states.stopping),
    remaining: Effect.sync(() => limitOf(pipeline.remaining())),
    releaseRemaining: Effect.sync(() => limitOf(pipeline.releaseRemaining())),
    extendStop: (by) =>
      Effect.map(CurrentComponent, (node) => {
        const component = node?.state === "Stopping" ? node : undefined
        const granted =
          component === undefined
            ? pipeline.extend(pipeline.phase.state, Duration.toMillis(by), (millis) => states.extend(millis))
            : pipeline.extend(component.name, Duration.toMillis(by), (millis) => ledger.extend(component, millis))
        return Duration.millis(granted)
      }),
    drainable: (drainable) =>
      Effect.asVoid(
        Effect.acquireRelease(
          Effect.sync(() => pipeline.register(drainable)),
          () => pipeline.deregister(drainable)
        )
      ),
    onStopping: hook("onStopping"),
    awaitBeforeStop: hook("awaitBeforeStop"),
    onStopped: (name, effect) => Effect.map(provided(name, effect), (made) => pipeline.registerHook("onStopped", made)),
    reload: (what, work) =>
      pipeline.reloads.run(what, work, {
        begun: Deferred.await(states.running),
        stop: Deferred.await(states.lameDuck)
      }),
    onReloadRequested: (name, request) =>
      scoped(pipeline.reloads.reloaders, { name, request }, (item) => pipeline.reloads.add(item)),
    requestReload: (trigger) => Effect.sync(() => pipeline.reloads.request(trigger)),
    emergency: (name, run) => scoped(participants.emergency, { name, run }, (item) => participants.emergency.add(item)),
    health: {
      summaryUnsafe: () => health.summary,
      changes: nowAndLater(
        () => health.summary.state,
        (event) => (event._tag === "HealthChanged" ? [event.to] : [])
      ),
      contribute: (name, kind, impact, status) =>
        Effect.acquireRelease(
          Effect.sync(() => health.enter(name, kind, impact, status)),
          (contribution) => Effect.sync(() => health.leave(contribution))
        )
    },
    releases: Effect.map(CurrentComponent, (node) => (spec) => new Release(releases, node, spec)),
    criticalSections: {
      enter: (name, { allowDuringStop, atMost, key }, restore) =>
        Effect.flatMap(CurrentSection, (outer) => {
          const late = allowDuringStop || (outer !== undefined && sections.open.has(outer))
          const refused = Effect.suspend(() => Effect.fail(new ShuttingDown({ kind: name })))
          const isRefused = (): boolean => Phase.isRefusing(pipeline.phase.state) && !late
          if (isRefused()) return refused
          if (key === undefined || sections.holds(outer, key))
            return Effect.sync(() => sections.enter(name, atMost, outer))
          // In one step with the look: who stands in line only after that is not sent away when the drain begins.
          const turn = sections.keys.lineUp(key, late)
          return restore(Deferred.await(turn.ready)).pipe(
            Effect.onInterrupt(() => Effect.sync(() => sections.keys.leave(turn))),
            Effect.flatMap((ready) => {
              // The state counts at once; who sends the others away may have to wait for its turn.
              if (ready && !isRefused()) return Effect.sync(() => sections.enter(name, atMost, outer, turn))
              sections.keys.leave(turn)
              return refused
            })
          )
        }),
      leave: (section) => sections.leave(section),
      bound: (section) => sections.bound(section)
    },
    optionals: { start: (spec) => startOptional({ kernel: pipeline, states, health }, spec) },
    tasks: { start: (spec) => tasks.start(spec) }
  })
}

const limitOf = (millis: number): Option.Option<Duration.Duration> =>
  Number.isFinite(millis) ? Option.some(Duration.millis(Math.max(millis, 0))) : Option.none()
