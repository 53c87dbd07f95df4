// Every folder of packages/ and apps/, and examples/, is two vitest projects:
//
//   <name>       test/**/*.test.ts      in-process tests, most of them under TestClock: many at a time
//   <name> e2e   test/**/*.e2e.test.ts  real processes, sockets and databases with real time limits: after all the
//                                       others and one file at a time, so that neither disturbs the other's timing
//
// `npm test -- --project node` runs one, `npm test -- --project '*e2e'` all of a kind.
import { existsSync, globSync } from "node:fs"
import { basename, join } from "node:path"
import { defineConfig, type TestProjectInlineConfiguration } from "vitest/config"
import { Tally } from "./scripts/tally.ts"

const root = import.meta.dirname

const project = (folder: string, kind: "unit" | "e2e"): TestProjectInlineConfiguration => ({
  test: {
    name: kind === "unit" ? basename(folder) : `${basename(folder)} e2e`,
    root: join(root, folder),
    include: [kind === "unit" ? "test/**/*.test.ts" : "test/**/*.e2e.test.ts"],
    exclude: kind === "unit" ? ["**/node_modules/**", "test/**/*.e2e.test.ts"] : ["**/node_modules/**"],
    // What a whole run shares, such as a database cluster, is started by test/globalSetup.ts of the folder.
    globalSetup: [join(root, folder, "test/globalSetup.ts")].filter((file) => existsSync(file)),
    ...(kind === "unit"
      ? { testTimeout: 20_000, hookTimeout: 60_000 } // generous: two busy cores must not fail a correct test
      : { testTimeout: 120_000, hookTimeout: 120_000, maxWorkers: 1 }),
    // Not 0: with one worker (two cores) vitest puts what has the default order last, behind the e2e tests.
    sequence: { groupOrder: kind === "unit" ? 1 : 2 },
    // A process for each file: tests install signal handlers and crash hooks, and must not inherit each other's.
    pool: "forks",
    isolate: true
  }
})

export default defineConfig({
  test: {
    reporters: ["default", new Tally()],
    projects: globSync(["packages/*/package.json", "apps/*/package.json", "examples/package.json"], { cwd: root })
      .map((file) => file.slice(0, -"/package.json".length))
      .toSorted()
      .flatMap((folder) => [project(folder, "unit"), project(folder, "e2e")])
      .concat(project("scripts", "e2e"))
  }
})
