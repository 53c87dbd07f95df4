// Type-checks every TypeScript snippet that a reader could copy: the @example blocks of the packages' TSDoc, and the ```ts
// blocks of every README and of docs/. Each becomes a module of its own, in examples/.snippets, which sees the packages as a
// user's project does. A wrong snippet is reported at its own file and line.
import { spawnSync } from "node:child_process"
import { globSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { join, relative } from "node:path"

const root = join(import.meta.dirname, "..")
const folder = join(root, "examples/.snippets")

interface Snippet {
  readonly file: string
  /** Of its first line of code. */
  readonly line: number
  readonly code: string
}

const snippetsOf = (file: string): ReadonlyArray<Snippet> => {
  const snippets: Array<Snippet> = []
  let from: number | undefined
  const lines = readFileSync(join(root, file), "utf8").split("\n")
  // In TSDoc every line starts with " * ".
  const text = file.endsWith(".ts") ? lines.map((line) => line.replace(/^\s*\* ?/, "")) : lines
  for (const [index, line] of text.entries()) {
    if (from === undefined && /^\s*```ts\s*$/.test(line)) from = index + 1
    else if (from !== undefined && /^\s*```\s*$/.test(line)) {
      snippets.push({ file, line: from + 1, code: text.slice(from, index).join("\n") })
      from = undefined
    }
  }
  return snippets
}

const files = globSync(
  ["README.md", "docs/**/*.md", "{packages,apps}/*/README.md", "bench/README.md", "packages/*/src/**/*.ts"],
  {
    cwd: root,
    exclude: (path) => path.includes("node_modules")
  }
)
const snippets = files.toSorted().flatMap(snippetsOf)

rmSync(folder, { recursive: true, force: true })
mkdirSync(folder, { recursive: true })
for (const [index, { code }] of snippets.entries())
  writeFileSync(join(folder, `snippet-${index}.ts`), `${code}\nexport {}\n`)
// What a snippet of an entry module imports.
symlinkSync(join(root, "examples/parts"), join(folder, "parts"))
writeFileSync(
  join(folder, "app.ts"),
  'import * as Layer from "effect/Layer"\nconst App: Layer.Layer<never> = Layer.empty\nexport default App\n'
)
writeFileSync(
  join(folder, "tsconfig.json"),
  JSON.stringify({
    extends: "../../tsconfig.base.json",
    // A snippet shows how to make a thing, and need not use it.
    compilerOptions: { noUnusedLocals: false, noUnusedParameters: false, incremental: false, plugins: [] },
    include: ["*.ts"]
  })
)

const result = spawnSync("tsc", ["-p", folder, "--pretty", "false"], { cwd: folder, encoding: "utf8" })
const errors = `${result.stdout}${result.stderr}`.replace(
  /snippet-(\d+)\.ts\((\d+),(\d+)\)/g,
  (_all, index, line, column) => {
    const snippet = snippets[Number(index)]
    return `${relative(root, join(root, snippet?.file ?? ""))}:${(snippet?.line ?? 1) + Number(line) - 1}:${column}`
  }
)
rmSync(folder, { recursive: true, force: true })
if (errors.trim() !== "") console.error(errors)
console.log(`${snippets.length} snippets in ${files.length} files`)
if (snippets.length === 0) console.error("No snippet was found: the patterns of scripts/snippets.ts are wrong.")
process.exit(result.status === 0 && snippets.length > 0 ? 0 : 1)
