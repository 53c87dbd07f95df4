// Checks the packages as they would reach a user: packs each one, then
//
//   publint      the manifest against what the tarball holds
//   attw         every entry point resolves to its types
//   consumer     an empty project with the tarballs in node_modules: plain Node imports every public module, and a
//                strict TypeScript project that also checks our declarations compiles
//
// Needs `dist` (the command `build`). Reports everything it finds before it fails.
import { spawnSync } from "node:child_process"
import {
  globSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync
} from "node:fs"
import { tmpdir } from "node:os"
import { basename, dirname, join } from "node:path"

const root = join(import.meta.dirname, "..")
const scratch = mkdtempSync(join(tmpdir(), "quiesce-packages-"))
const consumer = join(scratch, "consumer")
let failures = 0

const check = (what: string, ok: boolean, details: string): void => {
  console.log(`${ok ? "ok    " : "FAILED"}  ${what}`)
  if (ok) return
  failures++
  console.log(details.trimEnd().replaceAll(/^/gm, "          "))
}

const run = (command: string, args: ReadonlyArray<string>, cwd = root) => {
  const { status, stdout, stderr } = spawnSync(command, args, { cwd, encoding: "utf8" })
  return { ok: status === 0, stdout, output: stdout + stderr }
}

interface Manifest {
  readonly name: string
  readonly packageManager?: string
  readonly dependencies?: Record<string, string>
  readonly peerDependencies?: Record<string, string>
}
const manifestOf = (folder: string): Manifest => JSON.parse(readFileSync(join(folder, "package.json"), "utf8"))

try {
  const pnpm = manifestOf(root).packageManager ?? "pnpm"
  const packing = ["--yes", pnpm, "--filter", "./packages/*", "pack", "--pack-destination", scratch]
  const pack = run("npx", packing)
  if (!pack.ok) throw new Error(pack.output)

  const modules: Array<string> = []
  for (const folder of globSync("packages/*", { cwd: root }).toSorted()) {
    const { name, dependencies, peerDependencies } = manifestOf(join(root, folder))
    const tarballs = globSync(`${name.replace("@", "").replace("/", "-")}-[0-9]*.tgz`, { cwd: scratch })
    const tarball = join(scratch, tarballs[0] ?? "not packed")
    const installed = join(consumer, "node_modules", name)
    mkdirSync(installed, { recursive: true })
    check(`${name} unpacks`, run("tar", ["xzf", tarball, "-C", installed, "--strip-components=1"]).ok, pack.output)

    const publint = run("publint", ["run", tarball, "--strict"])
    check(`${name} publint`, publint.ok, publint.output)

    // The modules a user may import: the exports' "./*" without "./internal/*".
    const published = globSync("dist/*.js", { cwd: installed }).map((file) => basename(file, ".js"))
    const entries = published.map((module) => (module === "index" ? "." : `./${module}`)).toSorted()
    modules.push(...entries.map((entry) => name + entry.slice(1)))
    const attw = run("attw", [
      tarball,
      "--profile",
      "esm-only",
      "--format",
      "ascii",
      "--no-color",
      "--entrypoints",
      ...entries
    ])
    check(`${name} attw, ${entries.length} entry points`, attw.ok && entries.length > 0, attw.output)

    for (const file of ["LICENSE", "README.md"]) {
      check(`${name} has its ${file}`, globSync(file, { cwd: installed }).length === 1, `${file} is not in the tarball`)
    }
    const workspace = JSON.stringify({
      ...manifestOf(installed).dependencies,
      ...manifestOf(installed).peerDependencies
    })
    check(`${name} asks for real versions`, !/workspace:|catalog:|link:/.test(workspace), workspace)

    // What a user's package manager would bring along, borrowed from this repository's own installation.
    for (const foreign of Object.keys({ ...dependencies, ...peerDependencies })) {
      const target = join(consumer, "node_modules", foreign)
      if (foreign === "quiesce" || foreign.startsWith("@quiesce/")) continue
      mkdirSync(dirname(target), { recursive: true })
      rmSync(target, { force: true })
      symlinkSync(realpathSync(join(root, folder, "node_modules", foreign)), target)
    }
  }

  writeFileSync(join(consumer, "package.json"), '{ "type": "module", "private": true }\n')
  const imports = modules.map((module) => `await import(${JSON.stringify(module)})`)
  writeFileSync(join(consumer, "main.mjs"), imports.join("\n"))
  const plainNode = run(process.execPath, ["main.mjs"], consumer)
  check(`plain Node imports ${modules.length} modules`, plainNode.ok, plainNode.output)
  const hidden = run(
    process.execPath,
    [
      "-e",
      'import("quiesce/internal/x").catch((e) => process.exit(e.code === "ERR_PACKAGE_PATH_NOT_EXPORTED" ? 0 : 1))'
    ],
    consumer
  )
  check("internal modules are out of reach", hidden.ok, hidden.output)

  symlinkSync(realpathSync(join(root, "node_modules/@types")), join(consumer, "node_modules/@types"))
  const uses = modules.map((module, index) => `export * as m${index} from ${JSON.stringify(module)}`)
  writeFileSync(join(consumer, "main.ts"), uses.join("\n"))
  const options = ["--noEmit", "--strict", "--exactOptionalPropertyTypes", "--module", "nodenext", "--target", "es2024"]
  const compiled = run("tsc", [...options, "--types", "node", "--skipLibCheck", "false", "main.ts"], consumer)
  check("a strict TypeScript project compiles with our declarations", compiled.ok, compiled.output)
} finally {
  rmSync(scratch, { recursive: true, force: true })
}
if (failures > 0) {
  console.log(`${failures} package checks failed`)
  process.exitCode = 1
}
