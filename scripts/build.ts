// Compiles the packages into dist: what `pnpm pack` publishes. Nothing in this repository needs it to run or to test.
import { spawnSync } from "node:child_process"
import { globSync, rmSync } from "node:fs"
import { dirname } from "node:path"

const packages = globSync("packages/*/package.json").map(dirname).toSorted()

// From nothing: the file of a module that was renamed or removed must not be published for ever.
for (const folder of packages) {
  rmSync(`${folder}/dist`, { recursive: true, force: true })
  rmSync(`${folder}/.tsbuild/src.tsbuildinfo`, { force: true })
}
const tsc = spawnSync("tsc", ["-b", ...packages], { stdio: "inherit" })
process.exitCode = tsc.status ?? 1
for (const folder of packages) {
  console.log(`${folder}/dist: ${globSync(`${folder}/dist/**/*.js`).length} modules`)
}
