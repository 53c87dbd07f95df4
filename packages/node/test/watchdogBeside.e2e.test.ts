import { describe, expect, it } from "@effect/vitest"
import { Child } from "./support/child.ts"

/** Runs `beside` first, and what it returns when the application has blocked for `blockMillis`. */
const beside = (code: {
  readonly before?: string
  readonly afterwards?: string
  readonly release?: string
  readonly blockMillis?: number
}): Child =>
  Child.inline(`
    import { Session } from "node:inspector"
    import { Worker } from "node:worker_threads"
    import * as Effect from "effect/Effect"
    import * as Layer from "effect/Layer"
    import { Lifecycle } from "quiesce/Lifecycle"
    import * as NodeApp from "@quiesce/node/NodeApp"
    const spin = (millis) => { for (const end = performance.now() + millis; performance.now() < end;); }
    ${code.before ?? ""}
    const app = Layer.effectDiscard(Effect.gen(function*() {
      const lifecycle = yield* Lifecycle
      yield* Effect.acquireRelease(Effect.void, () => Effect.sync(() => { ${code.release ?? ""} }))
      yield* Effect.forkDetach(Effect.andThen(Effect.andThen(lifecycle.running, Effect.sleep(50)), Effect.promise(async () => {
        spin(${code.blockMillis ?? 2000})
        ${code.afterwards ?? ""}
        console.log("all done")
      })))
    }))
    NodeApp.run(app, { name: "beside", gracePeriod: 2000 })`)

describe("a watchdog", () => {
  it("and a debugger and profiler of the application's own do not disturb each other", async () => {
    const child = beside({
      before: `
        const session = new Session()
        session.connect()
        const ask = (method) => new Promise((resolve, reject) => session.post(method, (error, answer) => error ? reject(error) : resolve(answer)))
        session.on("Debugger.paused", () => console.log("paused"))
        session.on("Inspector.detached", () => console.log("detached"))
        await ask("Debugger.enable")
        await ask("Profiler.enable")
        await ask("Profiler.start")`,
      afterwards: `
        const { profile } = await ask("Profiler.stop")
        console.log("profiled " + profile.nodes.some(({ callFrame }) => callFrame.functionName === "spin"))`
    })
    await child.says("all done")
    await child.says("the event loop was blocked")
    const { code, stdout } = await child.signal("SIGTERM").ended()
    expect(code).toBe(0)
    expect(stdout).toContain("profiled true")
    expect(stdout).toMatch(/WARN .*the event loop was blocked for [\d.]+ s by spin/)
    expect(stdout).not.toMatch(/paused|detached/)
  })

  const workers = `
    const busy = Array.from({ length: 3 }, () => new Worker("let n = 0; for (;;) n++", { eval: true }))`

  it("does not take busy worker threads for a blocked event loop, which is stopped as ever", async () => {
    const child = beside({ before: workers, blockMillis: 0 })
    await child.says("all done")
    const { code, stderr } = await child.signal("SIGTERM").ended()
    expect(code).toBe(0)
    expect(stderr).not.toContain("blocked")
  })

  it("ends a process with busy worker threads, and names the line that the main thread is in", async () => {
    const child = beside({ before: workers, blockMillis: 0, release: "spin(1e9)" })
    await child.says("all done")
    const { signal, stderr } = await child.signal("SIGTERM").ended()
    expect(signal).toBe("SIGKILL")
    expect(stderr).toMatch(/the event loop was blocked for [\d.]+ s by spin/)
  })

  it("is not there for an application in a worker thread, which its process can terminate", async () => {
    const inside = `
      Promise.all(["effect/Effect", "effect/Layer", "@quiesce/node/NodeApp"].map((name) => import(name))).then(
        ([Effect, Layer, NodeApp]) => {
          const hangs = Effect.acquireRelease(Effect.void, () => Effect.sync(() => {
            process.getBuiltinModule("node:worker_threads").parentPort.postMessage("hangs")
            for (;;);
          }))
          const fails = Effect.andThen(Effect.sleep(200), Effect.fail("it fails after that"))
          NodeApp.run(Layer.effectDiscard(Effect.andThen(hangs, fails)), { name: "inside", gracePeriod: 500 })
        })`
    const child = Child.inline(`
      import { Worker } from "node:worker_threads"
      const application = new Worker(${JSON.stringify(inside)}, { eval: true })
      application.once("message", () => setTimeout(async () => {
        await application.terminate()
        console.log("terminated")
      }, 1500))`)
    await child.says("terminated")
    expect(await child.ended()).toMatchObject({ code: 0, signal: null })
  })
})

describe("a start that fails", () => {
  for (const when of ["in its first turn", "later"] as const) {
    it(`${when} and hangs in what it releases then is ended after its grace period, with a report of both`, async () => {
      const child = Child.inline(`
        import * as Effect from "effect/Effect"
        import * as Layer from "effect/Layer"
        import * as NodeApp from "@quiesce/node/NodeApp"
        import * as Component from "quiesce/Component"
        function hang() { for (;;); }
        const held = Layer.effectDiscard(Effect.acquireRelease(Effect.void, () => Effect.sync(hang)))
        const failing = Layer.effectDiscard(Effect.andThen(${when === "later" ? "Effect.sleep(50)" : "Effect.void"}, Effect.fail(new Error("no disk"))))
        NodeApp.run(failing.pipe(Component.make("disk"), Layer.provideMerge(held.pipe(Component.make("held")))), { name: "it", gracePeriod: 1000 })`)
      const { signal, stderr } = await child.ended()
      expect(signal).toBe("SIGKILL")
      expect(stderr).toMatch(/it was forced out after .* of 1 s \(start failed: no disk, exit code 137\)/)
      expect(stderr).toMatch(/the event loop was blocked for .* by hang/)
    })
  }

  for (const [what, first] of [
    ["blocked for a while before", "for (const end = performance.now() + 900; performance.now() < end;);"],
    ["something else to release before", ""]
  ] as const) {
    it(`and had ${what} has one grace period for all of that`, async () => {
      const child = Child.inline(`
        import * as Effect from "effect/Effect"
        import * as Layer from "effect/Layer"
        import * as NodeApp from "@quiesce/node/NodeApp"
        import * as Component from "quiesce/Component"
        function hang() { for (;;); }
        const releases = (name, release) => Layer.effectDiscard(Effect.acquireRelease(Effect.void, () => release)).pipe(Component.make(name))
        const below = releases("below", Effect.sync(hang))
        const first = Effect.andThen(Effect.sync(() => { ${first} }), Effect.sleep(500))
        const above = releases("above", ${first === "" ? "Effect.sleep(1500)" : "Effect.andThen(first, Effect.sync(hang))"})
        const failing = Layer.effectDiscard(Effect.andThen(Effect.sleep(50), Effect.fail(new Error("no disk"))))
        NodeApp.run(failing.pipe(Layer.provideMerge(above), Layer.provideMerge(below)), { name: "it", gracePeriod: 2000 })`)
      const { signal, stderr } = await child.ended()
      expect(signal).toBe("SIGKILL")
      expect(stderr).toMatch(/it was forced out after 2(\.\d+)? s of 2 s/)
      expect(stderr).toMatch(/the event loop was blocked for .* by hang/)
    })
  }
})
