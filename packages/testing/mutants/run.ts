// Applies the mutants one at a time, looks for a life that breaks a law, and writes the table of docs/laws.md.
//
//   node scripts/run.mjs mutants                    all of them; fails when one survives
//   node scripts/run.mjs mutants --programs 5000    how many programs a mutant has to survive
//   node scripts/run.mjs mutants --only reserve     those whose description contains the words
//   node scripts/run.mjs mutants --write            writes the table into docs/laws.md
import { spawn } from "node:child_process"
import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import process from "node:process"
import { parseArgs } from "node:util"
import { mutants } from "./list.ts"
import type { Mutant } from "./mutant.ts"

const { values } = parseArgs({
  options: {
    programs: { type: "string", default: "3000" },
    seed: { type: "string", default: "0" },
    only: { type: "string", default: "" },
    write: { type: "boolean", default: false }
  }
})

interface Fate {
  readonly mutant: Mutant
  /** The law that noticed, and after how many programs; none for a survivor. */
  readonly law: string | null
  readonly message: string
  readonly tried: number
}

const hunt = (mutant: Mutant): Promise<Fate> =>
  new Promise((resolve) => {
    const child = spawn(
      process.execPath,
      [
        "--disable-warning=ExperimentalWarning",
        `--import=${join(import.meta.dirname, "load.ts")}`,
        join(import.meta.dirname, "hunt.ts"),
        values.programs,
        values.seed
      ],
      { env: { ...process.env, MUTANT: JSON.stringify(mutant) }, stdio: ["ignore", "pipe", "pipe"] }
    )
    // A mutant may spin for ever without letting time pass; that is noticed, and it is the kit that notices.
    const patience = setTimeout(() => child.kill("SIGKILL"), 300_000)
    let said = ""
    let complaint = ""
    child.stdout.on("data", (data: Buffer) => (said += data.toString()))
    child.stderr.on("data", (data: Buffer) => (complaint += data.toString()))
    child.on("close", (code, signal) => {
      clearTimeout(patience)
      if (signal !== null) return resolve({ mutant, law: "ends-in-time", message: "it never ends", tried: 0 })
      if (code !== 0) throw new Error(`${mutant.what} (${mutant.file}): ${complaint}`)
      resolve({ mutant, message: "", tried: 0, ...JSON.parse(said) })
    })
  })

// A mutant whose text has moved on mutates nothing.
const stale = mutants.filter(
  ({ file, find }) =>
    readFileSync(join(import.meta.dirname, "../../quiesce/src", file), "utf8").split(find).length !== 2
)
for (const { file, what } of stale) console.error(`its text is not in ${file} exactly once: ${what}`)
if (stale.length > 0) process.exit(1)

// What the core breaks as it is says nothing of a mutant.
const control = await hunt({ what: "nothing", file: "none", find: "", replace: "" })
if (control.law !== null) {
  console.error(`the core as it is breaks ${control.law} after ${control.tried}: ${control.message}`)
  process.exit(1)
}

const wanted = mutants.filter(({ what }) => what.includes(values.only))
const queue = Array.from(wanted)
const fates: Array<Fate> = []
const lane = async (): Promise<void> => {
  for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
    const fate = await hunt(next)
    fates.push(fate)
    const end = fate.law === null ? "SURVIVED" : `${fate.law} after ${fate.tried}: ${fate.message}`
    console.log(`${String(fates.length).padStart(3)}/${wanted.length} ${fate.mutant.what} -> ${end}`)
  }
}
await Promise.all([lane(), lane()])

const survivors = fates.filter(({ law }) => law === null)
console.log(`${fates.length} mutants, ${fates.length - survivors.length} killed by a law, ${survivors.length} survived`)
for (const { mutant } of survivors) console.error(`survived: ${mutant.what} (${mutant.file})`)
if (survivors.length > 0) process.exitCode = 1

if (values.write && survivors.length === 0) {
  const file = join(import.meta.dirname, "../../../docs/laws.md")
  const rows = wanted.flatMap((mutant) => {
    const fate = fates.find((one) => one.mutant === mutant)
    return fate === undefined
      ? []
      : [
          `| ${mutant.what} | \`${mutant.file}\` | ${fate.law === null ? "none" : `\`${fate.law}\``} | ${fate.law === null ? "" : fate.tried || "kept plan"} |`
        ]
  })
  const table = ["| what is broken | in | noticed by | after programs |", "| --- | --- | --- | ---: |", ...rows].join(
    "\n"
  )
  const text = readFileSync(file, "utf8")
  const [before = "", after = ""] = text.split(/<!-- mutants -->[^]*<!-- \/mutants -->/)
  writeFileSync(file, `${before}<!-- mutants -->\n\n${table}\n\n<!-- /mutants -->${after}`)
}
