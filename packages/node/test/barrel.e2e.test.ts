// `import { NodeApp } from "@quiesce/node"` has to be as quick as `@quiesce/node/NodeApp`: until the handlers are there, a signal kills.
import { expect, it } from "@effect/vitest"
import { Child } from "./support/child.ts"

it("the package loads nothing of Effect before the signal handlers are in place", async () => {
  const program = `
    import { registerHooks } from "node:module"
    const loaded = []
    registerHooks({ load: (url, context, next) => { loaded.push(url); return next(url, context) } })
    const { NodeApp } = await import("@quiesce/node")
    const early = loaded.filter((url) => /\\/effect\\//.test(url)).length
    NodeApp.run(() => new Promise(() => {}), { name: "slow" })
    console.log("modules of Effect: " + early + ", handlers: " + process.listenerCount("SIGTERM"))`
  const child = await Child.inline(program).says("handlers: 1")
  expect(child.output).toContain("modules of Effect: 0,")
  const { code, signal } = await child.signal("SIGTERM").ended()
  expect([code, signal]).toEqual([0, null])
})
