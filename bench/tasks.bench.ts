// What 100,000 sleeping tasks cost beside plain fibers in a FiberSet, and whether the event loop stays free while they are
// started and stopped; and whether a loop of 60 a second stays at 60.0 while the process is busy.
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FiberSet from "effect/FiberSet"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Scope from "effect/Scope"
import * as App from "quiesce/App"
import * as StopReason from "quiesce/StopReason"
import * as Task from "quiesce/Task"
import * as Tasks from "quiesce/Tasks"

const many = 100_000
const rounds = 5

/**
 * The time in all of an effect, and the longest in which the event loop did nothing else, as processor time of this thread, so
 * that other processes do not count.
 */
const watched = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    let longest = 0
    let last = cpu()
    const began = performance.now()
    const beat = (): void => {
      const now = cpu()
      longest = Math.max(longest, now - last)
      last = now
    }
    const timer = setInterval(beat, 1)
    yield* effect
    const took = performance.now() - began
    // Two more turns: what blocked at last is seen by the next.
    yield* Effect.sleep(5)
    clearInterval(timer)
    return { took, longest }
  })

const cpu = (): number => {
  const { system, user } = process.threadCpuUsage()
  return (system + user) / 1000
}

const heap = (): number => {
  globalThis.gc?.()
  return process.memoryUsage().heapUsed
}

interface Figures {
  readonly start: { readonly took: number; readonly longest: number }
  readonly stop: { readonly took: number; readonly longest: number }
  readonly bytes: number
}

const plain: Effect.Effect<Figures> = Effect.gen(function* () {
  const before = heap()
  const scope = yield* Scope.make()
  const set = yield* Scope.provide(FiberSet.make(), scope)
  const start = yield* watched(
    Effect.gen(function* () {
      for (let n = 0; n < many; n++) yield* FiberSet.run(set, Effect.never)
    })
  )
  const bytes = (heap() - before) / many
  const stop = yield* watched(Scope.close(scope, Exit.void))
  return { start, stop, bytes }
})

const supervised = (nameOf: (n: number) => string): Effect.Effect<Figures> =>
  Effect.gen(function* () {
    const before = heap()
    const sleepers = Layer.effectDiscard(
      Effect.gen(function* () {
        for (let n = 0; n < many; n++) yield* Tasks.start(nameOf(n), Effect.never)
      })
    )
    let app: App.App | undefined
    const start = yield* watched(
      Effect.gen(function* () {
        app = yield* App.start(sleepers)
        yield* app.lifecycle.running
      })
    )
    const bytes = (heap() - before) / many
    const stop = yield* watched(
      Effect.suspend(() => {
        app?.requestStopUnsafe(StopReason.finished)
        return app?.stopped ?? Effect.void
      })
    )
    return { start, stop, bytes }
  })

const median = (values: ReadonlyArray<number>) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0

const sleepers = Effect.gen(function* () {
  const contestants = {
    "plain FiberSet": plain,
    "tasks of one name": supervised(() => "sleeper"),
    "tasks of a name each": supervised((n) => `sleeper-${n}`)
  }
  for (const [name, contestant] of Object.entries(contestants)) {
    const figures: Array<Figures> = []
    for (let round = 0; round < rounds; round++) figures.push(yield* contestant)
    const [start, stop] = (["start", "stop"] as const).map(
      (phase) =>
        `${phase} ${median(figures.map((one) => one[phase].took)).toFixed(0)} ms, longest block ` +
        `${median(figures.map((one) => one[phase].longest)).toFixed(0)} ms (worst of ${rounds}: ` +
        `${Math.max(...figures.map((one) => one[phase].longest)).toFixed(0)} ms)`
    )
    console.log(
      `${many} ${name}: ${start}; ${stop}; ${median(figures.map(({ bytes }) => bytes)).toFixed(0)} bytes each`
    )
  }
})

/** Burns a part of the processor's time in short pieces, as other work of the process does. */
const busy = (part: number) =>
  Effect.forever(
    Effect.suspend(() => {
      const until = performance.now() + 10 * part
      while (performance.now() < until);
      return Effect.sleep(10 * (1 - part))
    })
  )

const seconds = 10

const rhythm = Effect.gen(function* () {
  for (const overlap of ["skip", "queue"] as const) {
    for (const load of [0, 0.5, 0.9]) {
      const at: Array<number> = []
      let ticks: Effect.Effect<{ readonly runs: number; readonly missed: number }> = Effect.succeed({
        runs: 0,
        missed: 0
      })
      const loop = Layer.effectDiscard(
        Effect.gen(function* () {
          if (load > 0) yield* Tasks.start("load", busy(load))
          const frame = Effect.sync(() => void at.push(performance.now()))
          const task = yield* Task.periodic("frame", frame, { rate: 1000 / 60, overlap, limit: 60 })
          ticks = task.ticks
        })
      )
      const app = yield* App.start(loop)
      yield* Effect.sleep(seconds * 1000)
      const { missed } = yield* ticks
      app.requestStopUnsafe(StopReason.finished)
      yield* app.stopped
      const span = (at.at(-1) ?? 0) - (at[0] ?? 0)
      const gaps = at.slice(1).map((now, index) => now - (at[index] ?? now))
      console.log(
        `60 Hz, "${overlap}", ${100 * load} % of the time busy, ${seconds} s: ${((1000 * (at.length - 1)) / span).toFixed(2)} runs a second, ` +
          `${missed} missed, ${((1000 * (at.length - 1 + missed)) / span).toFixed(2)} with those; ` +
          `median interval ${median(gaps).toFixed(1)} ms, longest ${Math.max(...gaps).toFixed(1)} ms`
      )
    }
  }
})

const wanted = process.argv.slice(2)
const parts = { sleepers, rhythm }
for (const [name, part] of Object.entries(parts)) {
  if (wanted.length === 0 || wanted.includes(name)) await Effect.runPromise(Effect.provide(part, Logger.layer([])))
}
