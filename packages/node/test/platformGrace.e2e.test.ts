/** What the platform gives, as the environment says: compared with the grace period before anybody needs it. */
import { describe, expect, test } from "vitest"
import { Child } from "./support/child.ts"

const withGrace = (grace: string): Child => Child.node("main.ts", { QUIESCE_PLATFORM_GRACE: grace })

describe("QUIESCE_PLATFORM_GRACE", () => {
  test("less than the grace period is a warning, and the application runs", async () => {
    const child = await withGrace("3 seconds").says("the platform kills after 3 s, and the grace period is")
    await child.says("Starting -> Running")
    const { code } = await child.signal("SIGTERM").ended()
    expect(code).toBe(0)
  })

  test("more than that is nothing to talk about", async () => {
    const child = await withGrace("1 hour").says("Starting -> Running")
    const { code, stderr, stdout } = await child.signal("SIGTERM").ended()
    expect([code, `${stderr}${stdout}`.includes("platform")]).toEqual([0, false])
  })

  test("that is no duration keeps it from starting, and says what to give instead", async () => {
    const { code, stderr } = await withGrace("soon").ended()
    expect([code, stderr.trim()]).toEqual([
      78,
      'QUIESCE_PLATFORM_GRACE is "soon": give a duration with its unit, such as "30 seconds"'
    ])
  })
})
