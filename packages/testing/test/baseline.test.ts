import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Baseline from "@quiesce/testing/Baseline"

describe("the same programs under plain Effect", () => {
  it.effect("order and critical sections hold there as well; the rest does not, and Quiesce breaks none", () =>
    Effect.gen(function* () {
      const comparison = yield* Baseline.compare({ programs: 300, seed: 2 })
      const plain = Object.fromEntries(comparison.rows.map((row) => [row.law, row.plain]))
      expect(comparison.rows.filter(({ quiesce }) => quiesce > 0)).toEqual([])
      expect([plain["reverse-order"], plain["critical-section-whole"]]).toEqual([0, 0])
      for (const law of [
        "released-once",
        "no-late-acceptance",
        "ends-in-time",
        "isolation",
        "exit-code",
        "never-silent"
      ]) {
        expect(plain[law], law).toBeGreaterThan(10)
      }
      expect(comparison.neverEnded.plain).toBeGreaterThan(10)
      expect(comparison.neverEnded.quiesce).toBe(0)
      const table = Baseline.render(comparison)
      console.log(table)
      expect(table).toContain(`| \`exit-code\` | ${plain["exit-code"]} | 0 |`)
    })
  )
})
