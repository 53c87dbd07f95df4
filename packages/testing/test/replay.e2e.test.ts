import { expect, it } from "@effect/vitest"
import { execFileSync } from "node:child_process"
import { join } from "node:path"

/** Plays 100 random plans in a process of its own and gives a digest of everything that happened. */
const digest = (seed: string): string =>
  execFileSync(process.execPath, [join(import.meta.dirname, "fixtures/digest.ts"), seed], { encoding: "utf8" }).trim()

it("replay: the same seed gives the same event log in every process", () => {
  const first = digest("a")
  expect(first).toMatch(/^[0-9a-f]{64}$/)
  expect(digest("a")).toBe(first)
  expect(digest("b")).not.toBe(first)
})
