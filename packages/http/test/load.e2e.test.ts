import { monitorEventLoopDelay } from "node:perf_hooks"
import { afterEach, describe, expect, test } from "vitest"
import { Child } from "./support/Child.ts"
import { Load, type LoadOptions } from "./support/Load.ts"

const children: Array<Child> = []
afterEach(() => {
  for (const child of children.splice(0)) child.kill()
})

/** What the drain waits for clients that keep coming by, by default: who is held up for longer can lose a request. */
const quiet = 60
const mostRuns = 4

/** Repeats a run that lost something while the machine held up the clients themselves: it says nothing. */
const stopUnder = async (options: LoadOptions, after: number) => {
  for (let run = 1; ; run++) {
    const stop = await runUnder(options, after)
    if (stop.failed.length === 0 || stop.heldUp < quiet || run === mostRuns) return stop
  }
}

/** A SIGTERM in the middle of the load; answers what the clients saw and how the process ended. */
const runUnder = async (options: LoadOptions, after: number) => {
  const child = await Child.start({ protocol: options.protocol ?? "http" })
  children.push(child)
  const load = new Load(child.port, options)
  await load.served(after)
  const delay = monitorEventLoopDelay({ resolution: 5 })
  delay.enable()
  child.stop()
  const end = await child.ended()
  delay.disable()
  load.stop()
  await load.ended
  return { ...load.result, ...end, heldUp: delay.max / 1e6, released: child.lines.includes("released") }
}

describe("a SIGTERM under the load of 60 keep-alive clients loses no request", () => {
  for (let run = 1; run <= 20; run++) {
    test(`run ${run} of 20`, async () => {
      const stop = await stopUnder({ clients: 60 }, 600)
      expect(stop).toMatchObject({ failed: [], code: 0, released: true })
      expect(stop.after).toBeLessThan(8000) // before the drain budget is over
    })
  }

  test("when they retry without a pause until nobody listens", async () => {
    expect(await stopUnder({ clients: 60, stubborn: true }, 600)).toMatchObject({ failed: [], code: 0 })
  })

  test("when they pause at random, so that most connections are idle", async () => {
    expect(await stopUnder({ clients: 60, pause: 150 }, 200)).toMatchObject({ failed: [], code: 0 })
  })

  test("when every request takes its time, so that all are in flight", async () => {
    expect(await stopUnder({ clients: 60, path: "/slow?ms=40" }, 200)).toMatchObject({ failed: [], code: 0 })
  })

  test("over TLS", async () => {
    expect(await stopUnder({ clients: 30, protocol: "https" }, 300)).toMatchObject({ failed: [], code: 0 })
  })
})
