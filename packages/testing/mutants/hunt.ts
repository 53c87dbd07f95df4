// Looks for a life that breaks a law, with the core as it was loaded, and says which law broke after how many programs:
// random ones first, then the plans of bugs that were found before.
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import process from "node:process"
import * as Effect from "effect/Effect"
import * as Laws from "@quiesce/testing/Laws"
import * as Plan from "@quiesce/testing/Plan"
import * as Search from "@quiesce/testing/Search"

const [count = "1000", seed = "0"] = process.argv.slice(2)
const programs = Number(count)
const regressions = join(import.meta.dirname, "../test/regressions")

const hunt = Effect.gen(function* () {
  const found = yield* Search.run({ programs, seed: Number(seed), shrink: false })
  if (found !== undefined) return { ...found.violations[0], tried: found.tried }
  for (const file of readdirSync(regressions).toSorted()) {
    const plan = yield* Plan.fromJson(readFileSync(join(regressions, file), "utf8"))
    for (const again of [plan, ...Array.from({ length: 10 }, (_, seed) => ({ ...plan, seed }))]) {
      const [violation] = Laws.check(yield* Plan.play(again))
      if (violation !== undefined) return { ...violation, tried: 0 }
    }
  }
  return { law: null }
})

console.log(JSON.stringify(await Effect.runPromise(hunt)))
