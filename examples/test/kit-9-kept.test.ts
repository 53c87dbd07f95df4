import { expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import * as Laws from "@quiesce/testing/Laws"
import * as Plan from "@quiesce/testing/Plan"
import * as Search from "@quiesce/testing/Search"

it.effect("100 random programs break no law", () =>
  Effect.gen(function* () {
    const found = yield* Search.run({ programs: 100 })
    expect(found === undefined ? "" : Search.explain(found)).toBe("")
  })
)

const folder = join(import.meta.dirname, "regressions")

for (const file of readdirSync(folder)) {
  it.effect(`what was found stays mended: ${file}`, () =>
    Effect.gen(function* () {
      const plan = yield* Plan.fromJson(readFileSync(join(folder, file), "utf8"))
      for (const seed of [plan.seed, 1, 2, 3, 4, 5]) yield* Laws.assert(yield* Plan.play({ ...plan, seed }))
    })
  )
}
