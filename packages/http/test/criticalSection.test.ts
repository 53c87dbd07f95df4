/** A critical section in the answer to a request: neither the client nor the stop tears it. */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as CriticalSection from "quiesce/CriticalSection"
import { createServer } from "node:http"
import { describe, expect, test } from "vitest"
import { Service, type ServiceOptions } from "./support/Service.ts"
import { Wire } from "./support/Wire.ts"

/** A route that is in the middle of a section, until the test lets it go on. */
const saving = async (options: ServiceOptions = {}) => {
  const log: Array<string> = []
  const begun = Deferred.makeUnsafe<void>()
  const goesOn = Deferred.makeUnsafe<void>()
  const say = (what: string) => Effect.sync(() => log.push(what))
  const section = CriticalSection.run(
    "save",
    Effect.gen(function* () {
      yield* Deferred.succeed(begun, undefined)
      yield* Deferred.await(goesOn)
      yield* say("saved")
    }).pipe(Effect.onInterrupt(() => say("torn")))
  )
  const route = Effect.as(Effect.andThen(section, say("answered")), HttpServerResponse.text("ok"))
  const service = await Service.start(
    HttpRouter.use((router) => router.add("GET", "/", route)),
    options
  )
  const client = await Wire.open(service.port)
  client.get("/")
  await Effect.runPromise(Deferred.await(begun))
  const goOn = () => Effect.runPromise(Deferred.succeed(goesOn, undefined))
  return { client, goOn, log, service }
}

describe("a critical section in a request", () => {
  test("is finished although the client hangs up in the middle, and what comes after it is not", async () => {
    const closed = Deferred.makeUnsafe<void>()
    const server = () =>
      createServer((_, response) => response.on("close", () => Deferred.doneUnsafe(closed, Effect.void)))
    const { client, goOn, log, service } = await saving({ server })
    client.destroy()
    await Effect.runPromise(Deferred.await(closed))
    await goOn()
    const report = await service.stop()
    expect([log, report.outcome._tag, report.stragglers]).toEqual([["saved"], "Clean", []])
  })

  test("is finished although the drain is over, and held the stop up by name", async () => {
    const { client, goOn, log, service } = await saving({ app: { drain: 0 } })
    const stopped = service.stop()
    await service.reached("Interrupting")
    expect(service.app.lifecycle.statusUnsafe().criticalSections).toEqual(["save"])
    await goOn()
    const report = await stopped
    client.destroy()
    expect([log, report.criticalSections]).toEqual([
      ["saved"],
      [expect.objectContaining({ name: "save", exceeded: false })]
    ])
  })
})
