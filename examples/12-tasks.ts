// Background work under supervision: a tunnel that is restarted, a frame loop, a monitor and a worker, and how a stop ends them.
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import * as Schedule from "effect/Schedule"
import * as NodeApp from "@quiesce/node/NodeApp"
import * as Component from "quiesce/Component"
import { Lifecycle } from "quiesce/Lifecycle"
import * as StopReason from "quiesce/StopReason"
import * as Task from "quiesce/Task"
import * as Tasks from "quiesce/Tasks"

/** A task: it falls over twice and is opened again, at first soon, then later. */
const Tunnel = Layer.effectDiscard(
  Effect.gen(function* () {
    let openings = 0
    const open = Effect.gen(function* () {
      if (++openings < 3) return yield* Effect.fail(`no route at attempt ${openings}`)
      yield* Effect.log("the tunnel is open")
      return yield* Effect.never
    })
    yield* Tasks.start("tunnel", open, {
      restart: Schedule.exponential("50 millis").pipe(Schedule.upTo({ times: 5 })),
      onFailure: "degrade",
      priority: 1
    })
  })
).pipe(Component.make("network"))

/** A periodic task: 60 a second, whatever the frames take. */
const Lights = Layer.effectDiscard(
  Effect.gen(function* () {
    const frames = yield* Task.periodic("frame", Effect.sleep("3 millis"), { rate: 1000 / 60 })
    const tell = Effect.flatMap(frames.ticks, ({ missed, runs }) => Effect.log(`${runs} frames, ${missed} missed`))
    yield* Effect.addFinalizer(() => tell)
  })
).pipe(Component.make("lights"))

/** A monitor: three failures in a row, and the sensor is reset. */
const Sensor = Layer.effectDiscard(
  Effect.suspend(() => {
    let broken = true
    const check = Effect.suspend(() => (broken ? Effect.fail("no answer") : Effect.void))
    return Task.monitor("sensor", check, {
      every: "50 millis",
      failures: 3,
      onUnhealthy: () =>
        Effect.andThen(
          Effect.log("resetting the sensor"),
          Effect.sync(() => void (broken = false))
        ),
      onRecovered: Effect.log("the sensor answers again")
    })
  })
).pipe(Component.make("sensor"))

/** A worker: the stop finishes the letter in hand and hands the others back. */
const Mailer = Layer.effectDiscard(
  Effect.gen(function* () {
    const lifecycle = yield* Lifecycle
    const letters = yield* Queue.unbounded<string>()
    yield* Queue.offerAll(letters, ["first", "second", "third"])
    yield* Task.worker("mail", {
      take: letters,
      handle: (letter) => Effect.andThen(Effect.sleep("600 millis"), Effect.log(`${letter} letter sent`)),
      handBack: (letter) => Effect.log(`${letter} letter goes back to the outbox`)
    })
    yield* Effect.forkScoped(Effect.delay(lifecycle.requestStop(StopReason.finished), "1 second"))
  })
).pipe(Component.make("mailer"))

NodeApp.run(Layer.mergeAll(Tunnel, Lights, Sensor, Mailer), { name: "tasks" })
