/** Plans that broke a law once, some only with a deliberate fault. Each is played again with its own seed and twenty others. */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import * as Laws from "@quiesce/testing/Laws"
import * as Plan from "@quiesce/testing/Plan"

const folder = join(import.meta.dirname, "regressions")
const seeds = 20

describe("a bug that was found stays fixed", () => {
  for (const file of readdirSync(folder).toSorted()) {
    it.effect(file.replace(/\.json$/, "").replaceAll("-", " "), () =>
      Effect.gen(function* () {
        const plan = yield* Plan.fromJson(readFileSync(join(folder, file), "utf8"))
        for (const seed of [plan.seed, ...Array.from({ length: seeds }, (_, seed) => seed)]) {
          const life = yield* Plan.play({ ...plan, seed })
          const violations = Laws.check(life)
          expect(violations, `seed ${seed}\n${Laws.explain(violations, life.timeline)}`).toEqual([])
        }
      })
    )
  }
})
