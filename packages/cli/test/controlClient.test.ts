import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/testing/TestClock"
import { once } from "node:events"
import { mkdtempSync, rmSync } from "node:fs"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Reloaded, Status } from "../src/Control.ts"
import { ask } from "../src/internal/controlClient.ts"

/** A socket whose owner accepts, and answers nothing, as one that is stopped (SIGSTOP). */
const deaf = Effect.acquireRelease(
  Effect.promise(async () => {
    const folder = mkdtempSync(join(tmpdir(), "quiesce-cli-"))
    const server = createServer().listen(join(folder, "app.sock"))
    await once(server, "listening")
    return { folder, server, asked: once(server, "connection") }
  }),
  ({ asked, folder, server }) =>
    Effect.promise(async () => {
      for (const socket of await asked) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
      rmSync(folder, { recursive: true })
    })
)

describe("a supervisor that does not answer", () => {
  it.effect("a question is given up after 5 seconds, with what may be the matter", () =>
    Effect.gen(function* () {
      const { asked, folder } = yield* deaf
      const question = ask(join(folder, "app.sock"), "GET", "status", Status)
      const answer = yield* Effect.forkChild(Effect.flip(question), { startImmediately: true })
      yield* Effect.promise(() => asked)
      yield* TestClock.adjust("5 seconds")
      const error = yield* Fiber.join(answer)
      expect(error.reason).toBe("Unreachable")
      expect(error.message).toContain("did not answer within 5 s: see whether its process is stopped (SIGSTOP)")
    })
  )

  it.effect("a reload is waited for, however long it takes", () =>
    Effect.gen(function* () {
      const { asked, folder } = yield* deaf
      const request = ask(join(folder, "app.sock"), "POST", "reload", Reloaded)
      const answer = yield* Effect.forkChild(Effect.result(request), { startImmediately: true })
      yield* Effect.promise(() => asked)
      yield* TestClock.adjust("1 hour")
      expect(answer.pollUnsafe()).toBeUndefined()
      yield* Fiber.interrupt(answer)
    })
  )
})
