// The one door of this repository, behind `npm start` and `npm test`: node scripts/run.mjs <command> [arguments]
//
// It makes a fresh clone ready, then runs the command. It needs Node 18 or later and npm; what the machine already
// has in the right version (Node, pnpm, the dependencies) is used as it is, and nothing is fetched.
import { spawn } from "node:child_process"
import { createHash } from "node:crypto"
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { constants } from "node:os"
import { delimiter, dirname, join } from "node:path"
import { isatty } from "node:tty"
import { fileURLToPath } from "node:url"

const PNPM = "pnpm@12.21.0"
const NODE = `node-${process.platform === "win32" ? "win" : process.platform}-${process.arch}@24.21.0`

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const stampFile = join(root, "node_modules", ".quiesce-setup.json")
const env = { ...process.env, PATH: join(root, "node_modules", ".bin") + delimiter + process.env.PATH }
const sha256 = (bytes) => createHash("sha256").update(bytes).digest("hex")
let node = process.execPath

const apps = () => readdirSync(join(root, "apps")).filter((app) => existsSync(join(root, "apps", app, "src/main.ts")))
const benches = () => readdirSync(join(root, "bench")).flatMap((file) => /^(.+)\.bench\.ts$/.exec(file)?.[1] ?? [])
const pick = (kind, names, name) =>
  names.includes(name) ? name : refuse(`There is no ${kind} "${name}". There are: ${names.join(", ") || "none yet"}.`)
const refuse = (message) => {
  console.error(`${message}\n"npm start -- --help" tells what can be run.`)
  process.exit(2)
}

// What each command spawns. Older Nodes call type stripping experimental; that warning is not our users' business.
const source = (file) => [node, "--disable-warning=ExperimentalWarning", file]
const commands = {
  start: (args) => {
    const [app, ...rest] = args.length === 0 || args[0].startsWith("-") ? ["dashboard", ...args] : args
    return [...source(`apps/${pick("app", apps(), app)}/src/main.ts`), ...rest]
  },
  bench: ([name = "", ...rest]) => [...source(`bench/${pick("bench", benches(), name)}.bench.ts`), ...rest],
  test: (args) => [node, "node_modules/vitest/vitest.mjs", "run", ...args],
  check: (args) => ["tsc", "-b", ...args],
  lint: (args) => ["oxlint", ...args],
  format: (args) => ["oxfmt", ...args],
  arrows: () => source("scripts/arrows.ts"),
  snippets: () => source("scripts/snippets.ts"),
  unused: (args) => ["knip", "--no-config-hints", ...args],
  build: () => source("scripts/build.ts"),
  packages: () => source("scripts/packages.ts"),
  mutants: (args) => [...source("packages/testing/mutants/run.ts"), ...args],
  setup: () => [node, "-p", "`Node ${process.version} and the dependencies are in place.`"],
  ci: () => ["bash", ".ci/run"]
}

const manifest = (app) => JSON.parse(readFileSync(join(root, "apps", app, "package.json"), "utf8"))
const describe = (app) => `  ${app.padEnd(13)} ${manifest(app).description}`
const help = () => `Usage: npm start -- [app] [its options]     or     node scripts/run.mjs <command> [arguments]

Apps (without a name: dashboard; "npm start -- dashboard --help" asks the app itself)
${apps().map(describe).join("\n")}

Commands
  start [app]   run an app           (npm start)     arrows        prove that the import rules bite
  test [...]    run the tests        (npm test)      unused        unused files, exports, dependencies
  check         type check, tests too                build         compile the packages into dist
  lint [--fix]  oxlint, with types                   packages      pack them, check what would be published
  format        oxfmt; --check only looks            bench <name>  ${benches().join(", ") || "none yet"}
  snippets      type check the documentation          mutants       break the core on purpose: every law must notice
  setup         only install what is missing          ci            all of it, as CI does (.ci/run)

Environment
  DATABASE_URL  use this Postgres; without it the app starts one of its own, with its data in .data
  NO_COLOR      print without colours
  PROGRAMS      random programs that the tests try against the laws (5000); SEED chooses them
  CHAOS_ROUNDS  rounds of the chaos run against real processes (30); SEED chooses them
  MATRIX        "all": every cell of the matrix of faults, and not a sample
  RELOADS       replacements of a supervised process under load (3); KILLS: kill -9 of it (2)`

// Signals: the launcher only hands them on, each one once; what they mean is the program's business. Ctrl+C and Ctrl+\
// in a terminal go to the whole process group, so then the program has them already. An installation just ends.
let child
let installing = true
for (const signal of ["SIGTERM", "SIGHUP", "SIGINT", "SIGQUIT", "SIGUSR2"]) {
  const fromKeys = isatty(0) && (signal === "SIGINT" || signal === "SIGQUIT")
  process.on(signal, () => {
    if (installing && signal === "SIGUSR2") return
    if (installing || !fromKeys) child?.kill(signal)
    if (installing) process.exit(128 + constants.signals[signal])
  })
}

const execute = ([command, ...args], stdio) =>
  new Promise((resolve) => {
    let output = ""
    child = spawn(command, args, { cwd: root, env, stdio, shell: process.platform === "win32" && command !== node })
    child.stdout?.on("data", (chunk) => (output += chunk))
    child.on("error", (error) => resolve({ code: 127, output: error.message }))
    child.on("close", (code, signal) => resolve({ code: signal ? 128 + constants.signals[signal] : code, output }))
  })

// A program of the npm registry: npx keeps it in its cache, and `locate` prints where.
const fetched = async (name, locate) => {
  const found = await execute(["npx", "--yes", `--package=${name}`, "-c", locate], ["ignore", "pipe", "inherit"])
  if (found.code === 0) return found.output.trim()
  console.error(`npx could not get ${name} (exit code ${found.code}). Is the npm registry within reach?`)
  return process.exit(1)
}

const readStamp = () => {
  try {
    return JSON.parse(readFileSync(stampFile, "utf8"))
  } catch {
    return {} // none yet, or torn by a kill: set up anew
  }
}

const setUp = async () => {
  const stamp = readStamp()
  const before = JSON.stringify(stamp)
  const [major, minor] = process.versions.node.split(".").map(Number)
  if (major < 22 || major === 23 || (major === 22 && minor < 19)) {
    if (!existsSync(stamp[NODE] ?? "")) stamp[NODE] = await fetched(NODE, "node -p process.execPath")
    node = stamp[NODE]
  }
  env.PATH = dirname(node) + delimiter + env.PATH
  const lockfile = sha256(readFileSync(join(root, "pnpm-lock.yaml")))
  if (stamp.lockfile !== lockfile) {
    const own = await execute(["pnpm", "--version"], ["ignore", "pipe", "ignore"])
    const pnpm = `pnpm@${own.output.trim()}` === PNPM ? "pnpm" : await fetched(PNPM, "command -v pnpm")
    const install = await execute([pnpm, "install", "--frozen-lockfile"], ["ignore", 2, 2])
    if (install.code !== 0) process.exit(install.code)
    stamp.lockfile = lockfile
  }
  if (JSON.stringify(stamp) !== before) writeFileSync(stampFile, JSON.stringify(stamp))
}

const [name = "start", ...args] = process.argv.slice(2)
const asksHelp = (word) => word === "--help" || word === "-h"
if (asksHelp(name) || (name === "start" && asksHelp(args[0]))) {
  console.log(help())
} else {
  if (!Object.hasOwn(commands, name)) refuse(`There is no command "${name}".`)
  commands[name](args) // refuses a wrong app before anything is fetched for it
  if (name !== "ci") await setUp() // .ci/run sets up in a step of its own
  installing = false
  const { code, output } = await execute(commands[name](args), "inherit")
  if (output) console.error(output) // it could not even be spawned
  process.exit(code)
}
